//! Volumes: bytes by labels and time, from directories and head rows alone; no page is read.
//!
//! A segment's run of rows is spread evenly over the time from its first to its last row where a bucket's edge cuts it.

use std::collections::HashMap;
use std::ops::Range;

use crate::error::{KernelError, Result};
use crate::labels::LabelSet;
use crate::scan::matching::Selector;
use crate::scan::parallel::Cancel;
use crate::scan::source::{Selected, Source, is_wanted, select};
use crate::segment::directory::share;
use crate::segment::sizes::MetadataSize;

/// Groups by buckets of one answer: 128 MiB of counts.
const CELLS_MAX: usize = 16 << 20;

/// What volumes are told apart by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum By {
    /// The values of the labels: `{app="a"}` and `{app="b"}`.
    Series,
    /// The names of the labels: `{app=""}`.
    Names,
}

/// Which volumes are asked for.
pub struct VolumePlan {
    /// Bucket k is `edges[k] <= timestamp < edges[k + 1]`.
    pub edges: Vec<i64>,
    /// Only these labels; None for all.
    pub names: Option<Vec<String>>,
    pub by: By,
    /// The largest so many groups.
    pub limit: usize,
}

/// Bytes of one group by bucket.
#[derive(Debug, PartialEq, Eq)]
pub struct Volume {
    pub labels: Vec<(String, String)>,
    pub bytes: Vec<u64>,
}

/// Rows of one stream that lie together in time, and their bytes.
struct Part {
    stream: usize,
    first_ns: i64,
    last_ns: i64,
    bytes: u64,
}

impl Part {
    /// The bytes before a time.
    fn bytes_before(&self, ts_ns: i64) -> u64 {
        if ts_ns <= self.first_ns {
            return 0;
        }
        share(self.bytes, ts_ns.abs_diff(self.first_ns), self.last_ns.abs_diff(self.first_ns))
    }

    fn bytes_within(&self, range: &Range<i64>) -> u64 {
        self.bytes_before(range.end) - self.bytes_before(range.start)
    }
}

type Key<'a> = Vec<(&'a str, &'a str)>;

/// The largest groups, largest first, those of equal size by their labels.
pub fn volumes(sources: &[Source], selector: &Selector, plan: &VolumePlan, cancel: &Cancel) -> Result<Vec<Volume>> {
    let (Some(first), Some(last)) = (plan.edges.first(), plan.edges.last()) else {
        return Err(KernelError::Input("volumes need two edges at least".into()));
    };
    let (range, buckets) = (*first..*last, plan.edges.len() - 1);
    if !plan.edges.is_sorted() || buckets == 0 {
        return Err(KernelError::Input("edges of buckets must ascend".into()));
    }
    let selected = select_each(sources, selector, cancel)?;
    let totals = totals_by_group(&selected, &range, plan, cancel)?;
    let mut largest: Vec<(&Key<'_>, u64)> =
        totals.iter().filter(|(_, bytes)| **bytes > 0).map(|(k, b)| (k, *b)).collect();
    largest.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
    largest.truncate(plan.limit.min(CELLS_MAX / buckets));
    let mut found: Vec<Volume> = largest
        .iter()
        .map(|(key, bytes)| {
            let labels = key.iter().map(|(name, value)| ((*name).to_string(), (*value).to_string())).collect();
            let mut by_bucket = vec![0; buckets];
            if buckets == 1 {
                by_bucket[0] = *bytes;
            }
            Volume { labels, bytes: by_bucket }
        })
        .collect();
    if buckets > 1 {
        let places: HashMap<&Key<'_>, usize> =
            largest.iter().enumerate().map(|(place, (key, _))| (*key, place)).collect();
        add_buckets(&selected, plan, &places, &mut found, cancel)?;
    }
    Ok(found)
}

/// Apply the selector to every source, unless nobody waits any more.
fn select_each<'a>(sources: &'a [Source], selector: &Selector, cancel: &Cancel) -> Result<Vec<Selected<'a>>> {
    let mut selected = Vec::with_capacity(sources.len());
    for source in sources {
        cancel.check()?;
        selected.extend(select(std::slice::from_ref(source), selector));
    }
    Ok(selected)
}

fn totals_by_group<'a>(
    selected: &[Selected<'a>],
    range: &Range<i64>,
    plan: &VolumePlan,
    cancel: &Cancel,
) -> Result<HashMap<Key<'a>, u64>> {
    let mut totals: HashMap<Key<'a>, u64> = HashMap::new();
    for source in selected {
        let mut by_stream = vec![0u64; source.accepted.len()];
        each_part(source, range, cancel, |part| by_stream[part.stream] += part.bytes_within(range))?;
        for (stream, bytes) in by_stream.into_iter().enumerate().filter(|(_, bytes)| *bytes > 0) {
            for key in keys_of(&source.source.streams()[stream], plan) {
                *totals.entry(key).or_default() += bytes;
            }
        }
    }
    Ok(totals)
}

fn add_buckets(
    selected: &[Selected<'_>],
    plan: &VolumePlan,
    places: &HashMap<&Key<'_>, usize>,
    found: &mut [Volume],
    cancel: &Cancel,
) -> Result<()> {
    let (Some(first), Some(last)) = (plan.edges.first(), plan.edges.last()) else { return Ok(()) };
    for source in selected {
        let groups: Vec<Vec<usize>> = source
            .source
            .streams()
            .iter()
            .zip(&source.accepted)
            .map(|(labels, accepted)| {
                let keys = if *accepted { keys_of(labels, plan) } else { Vec::new() };
                keys.iter().filter_map(|key| places.get(key).copied()).collect()
            })
            .collect();
        each_part(source, &(*first..*last), cancel, |part| {
            if groups[part.stream].is_empty() {
                return;
            }
            let from = plan.edges.partition_point(|edge| *edge <= part.first_ns).saturating_sub(1);
            for (bucket, edges) in plan.edges.windows(2).enumerate().skip(from) {
                if edges[0] > part.last_ns {
                    break;
                }
                let bytes = part.bytes_within(&(edges[0]..edges[1]));
                groups[part.stream].iter().for_each(|group| found[*group].bytes[bucket] += bytes);
            }
        })?;
    }
    Ok(())
}

/// The groups that a stream counts for.
fn keys_of<'a>(labels: &'a LabelSet, plan: &VolumePlan) -> Vec<Key<'a>> {
    let wanted = labels
        .iter()
        .filter(|(name, _)| plan.names.as_ref().is_none_or(|names| names.iter().any(|wanted| wanted == name)));
    match plan.by {
        By::Series => vec![wanted.collect()],
        By::Names => wanted.map(|(name, _)| vec![(name, "")]).collect(),
    }
}

/// Visit the rows of accepted streams that may lie in the range: runs of segments, single rows of the head.
fn each_part(selected: &Selected<'_>, range: &Range<i64>, cancel: &Cancel, mut visit: impl FnMut(Part)) -> Result<()> {
    match selected.source {
        Source::Head(view, _) => {
            let mut metadata = MetadataSize::default();
            for batch in &view.batches {
                cancel.check()?;
                if batch.max_ts_ns < range.start || batch.min_ts_ns >= range.end {
                    continue;
                }
                for run in batch.runs.iter().filter(|run| selected.accepted[run.stream as usize]) {
                    for row in run.start as usize..run.end as usize {
                        let ts_ns = batch.rows.ts_ns[row];
                        if range.contains(&ts_ns) && !selected.is_deleted(run.stream, ts_ns) {
                            let pairs = batch.rows.meta.of(row);
                            let bytes = batch.rows.line_range(row).len() as u64
                                + metadata.add(run.stream, batch.rows.levels[row], pairs);
                            visit(Part { stream: run.stream as usize, first_ns: ts_ns, last_ns: ts_ns, bytes });
                        }
                    }
                }
            }
        }
        Source::Segment(segment, ..) => {
            for block in &segment.directory.blocks {
                cancel.check()?;
                for run in block.runs.iter().filter(|run| is_wanted(selected, run, range)) {
                    visit(Part {
                        stream: run.stream as usize,
                        first_ns: run.first_ts_ns,
                        last_ns: run.last_ts_ns,
                        bytes: block.bytes_of(run),
                    });
                }
            }
        }
    }
    Ok(())
}

/// Sizes of what a selector covers in a span.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IndexStats {
    pub streams: u64,
    pub blocks: u64,
    /// Bytes of lines and metadata.
    pub bytes: u64,
    /// The same with each stream's part rounded down to whole KiB, as an index of chunks keeps it.
    pub kib_bytes: u64,
    pub entries: u64,
}

/// Exact in the head; of segments' runs that reach beyond the span, the part that lies in it by time.
pub fn index_stats(
    sources: &[Source],
    selector: &Selector,
    start_ns: i64,
    end_ns: i64,
    cancel: &Cancel,
) -> Result<IndexStats> {
    let range = start_ns..end_ns;
    let selected = select_each(sources, selector, cancel)?;
    let mut stats = IndexStats::default();
    let mut by_stream: HashMap<&LabelSet, u64> = HashMap::new();
    for source in &selected {
        let mut bytes = vec![0u64; source.accepted.len()];
        each_part(source, &range, cancel, |part| bytes[part.stream] += part.bytes_within(&range))?;
        let (entries, active) = count_entries(source, &range, &mut stats.blocks, cancel)?;
        stats.entries += entries;
        for stream in (0..bytes.len()).filter(|stream| active[*stream]) {
            *by_stream.entry(&source.source.streams()[stream]).or_default() += bytes[stream];
        }
    }
    stats.streams = by_stream.len() as u64;
    stats.bytes = by_stream.values().sum();
    stats.kib_bytes = by_stream.values().map(|bytes| bytes >> 10 << 10).sum();
    Ok(stats)
}

/// Entries of a source in the range, and which streams have any; blocks with some are added to `blocks`.
fn count_entries(
    selected: &Selected<'_>,
    range: &Range<i64>,
    blocks: &mut u64,
    cancel: &Cancel,
) -> Result<(u64, Vec<bool>)> {
    let mut entries = 0;
    let mut active = vec![false; selected.accepted.len()];
    match selected.source {
        Source::Head(view, _) => {
            for batch in &view.batches {
                cancel.check()?;
                let before = entries;
                for run in batch.runs.iter().filter(|run| selected.accepted[run.stream as usize]) {
                    let times = &batch.rows.ts_ns[run.start as usize..run.end as usize];
                    let is_seen = |ts_ns: &&i64| range.contains(*ts_ns) && !selected.is_deleted(run.stream, **ts_ns);
                    let within = times.iter().filter(is_seen).count() as u64;
                    active[run.stream as usize] |= within > 0;
                    entries += within;
                }
                *blocks += u64::from(entries > before);
            }
        }
        Source::Segment(segment, ..) => {
            for block in &segment.directory.blocks {
                cancel.check()?;
                let before = entries;
                for run in block.runs.iter().filter(|run| is_wanted(selected, run, range)) {
                    let rows = Part {
                        stream: run.stream as usize,
                        first_ns: run.first_ts_ns,
                        last_ns: run.last_ts_ns,
                        bytes: u64::from(run.rows),
                    };
                    active[run.stream as usize] = true;
                    // The first or the last row of a run that is wanted lies in the range as often as not.
                    entries += rows.bytes_within(range).max(1);
                }
                *blocks += u64::from(entries > before);
            }
        }
    }
    Ok((entries, active))
}
