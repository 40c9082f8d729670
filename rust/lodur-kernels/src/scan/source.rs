//! What a scan reads: head generations and segments, cut into blocks, and the pruning that needs no page.

use std::ops::Range;
use std::sync::Arc;

use crate::deletes::{Deletes, Prepared};
use crate::error::Result;
use crate::head::HeadView;
use crate::labels::LabelSet;
use crate::level::LEVEL_NAME;
use crate::pipeline::literals::Required;
use crate::pipeline::needs::{Needs, Verdict};
use crate::scan::matching::Selector;
use crate::segment::directory::{BlockEntry, RunEntry};
use crate::segment::read::{PageSource, Segment};

/// One source, and the delete requests that it is read without; a scan takes them oldest first.
#[derive(Clone)]
pub enum Source {
    Head(Arc<HeadView>, Option<Arc<Deletes>>),
    Segment(Arc<Segment>, Arc<PageSource>, Option<Arc<Deletes>>),
}

/// Which streams of a source a selector accepts, and where its blocks begin in the order of arrival.
pub struct Selected<'a> {
    pub source: &'a Source,
    pub accepted: Vec<bool>,
    pub any: bool,
    /// Needs that no label of an accepted stream meets: they are up to metadata and lines.
    pub open_needs: Vec<usize>,
    /// Order of the source's first row among equal timestamps.
    pub first_order: u64,
    /// Requests that may delete rows of accepted streams.
    pub deletes: Option<Prepared>,
}

/// Rows below 2^40 in one source: far above the rows of any segment.
const ORDER_BITS: u32 = 40;

/// A block to scan.
#[derive(Clone, Copy)]
pub struct BlockRef {
    pub source: usize,
    pub block: usize,
    pub min_ts_ns: i64,
    pub max_ts_ns: i64,
    /// Order of the block's first row.
    pub order: u64,
    pub line_bytes: usize,
}

/// Blocks left after pruning, and what pruning did.
#[derive(Default)]
pub struct Pruned {
    pub blocks: Vec<BlockRef>,
    pub segments: usize,
    pub total: usize,
    pub skipped: usize,
    pub streams: usize,
}

impl Source {
    pub fn streams(&self) -> &[Arc<LabelSet>] {
        match self {
            Source::Head(view, _) => &view.streams,
            Source::Segment(segment, ..) => &segment.streams,
        }
    }

    fn deletes(&self) -> Option<&Deletes> {
        match self {
            Source::Head(_, deletes) | Source::Segment(_, _, deletes) => deletes.as_deref(),
        }
    }

    /// First and last timestamp; None when empty.
    fn ts_range(&self) -> Option<(i64, i64)> {
        match self {
            Source::Head(view, _) => view.ts_range(),
            Source::Segment(segment, ..) => Some((segment.directory.min_ts_ns, segment.directory.max_ts_ns)),
        }
    }
}

impl Selected<'_> {
    /// Whether delete requests may need the lines of a block, which `load_runs` then reads.
    pub fn deletes_read(&self, block: usize) -> Result<bool> {
        let Some(deletes) = &self.deletes else { return Ok(false) };
        match self.source {
            Source::Head(..) => Ok(false),
            Source::Segment(segment, pages, _) => {
                let runs = segment.directory.blocks[block].runs.iter();
                let runs = runs.filter(|run| self.accepted[run.stream as usize]);
                let runs = runs.map(|run| (run.stream, run.first_ts_ns, run.last_ts_ns));
                deletes.reads_content(Some((segment, pages)), block, runs)
            }
        }
    }

    /// Whether a row of the head is deleted by its stream and time alone.
    pub fn is_deleted(&self, stream: u32, ts_ns: i64) -> bool {
        self.deletes.as_ref().is_some_and(|deletes| deletes.cover(stream, ts_ns, ts_ns))
    }

    /// The open needs of a block whose rows have the labels at stake from their lines alone.
    pub fn needs_of_lines<'s>(&'s self, block: usize, needs: &'s Needs) -> impl Iterator<Item = usize> + 's {
        self.open_needs.iter().copied().filter(move |need| !self.metadata_may_name(block, needs, *need))
    }

    fn metadata_may_name(&self, block: usize, needs: &Needs, need: usize) -> bool {
        match self.source {
            Source::Head(view, _) => {
                let mut names = view.batches[block].rows.meta.names.iter();
                needs.names(need, LEVEL_NAME) || names.any(|name| needs.names(need, name))
            }
            Source::Segment(segment, ..) => {
                let entry = &segment.directory.blocks[block];
                let mut columns = segment.directory.meta_columns.iter().zip(&entry.meta);
                entry.rest.is_some()
                    || (entry.level.is_some() && needs.names(need, LEVEL_NAME))
                    || columns.any(|(column, page)| page.is_some() && needs.names(need, &column.name))
            }
        }
    }
}

/// Apply the selector to every source.
pub fn select<'a>(sources: &'a [Source], selector: &Selector) -> Vec<Selected<'a>> {
    select_needed(sources, selector, &Needs::default())
}

/// Apply the selector and the needs to the streams of every source.
pub fn select_needed<'a>(sources: &'a [Source], selector: &Selector, needs: &Needs) -> Vec<Selected<'a>> {
    sources
        .iter()
        .enumerate()
        .map(|(number, source)| {
            let mut accepted = selector.accept(source.streams());
            let open_needs = (0..needs.len()).filter(|need| is_open(*need, needs, source, &mut accepted)).collect();
            let deletes = source.deletes().and_then(|deletes| Prepared::of(deletes, source.streams()));
            if let (Some(deletes), Some((first, last))) = (&deletes, source.ts_range()) {
                let gone = |stream: usize| deletes.cover(stream as u32, first, last);
                accepted.iter_mut().enumerate().for_each(|(stream, yes)| *yes = *yes && !gone(stream));
            }
            let any = accepted.iter().any(|yes| *yes);
            Selected { source, accepted, any, open_needs, first_order: (number as u64) << ORDER_BITS, deletes }
        })
        .collect()
}

/// Refuse the streams that fail a need; whether none of the others meets it by its labels.
fn is_open(need: usize, needs: &Needs, source: &Source, accepted: &mut [bool]) -> bool {
    let mut open = true;
    for (stream, accepted) in source.streams().iter().zip(accepted) {
        if *accepted {
            match needs.judge(need, stream) {
                Verdict::Failed => *accepted = false,
                Verdict::Met => open = false,
                Verdict::Open => {}
            }
        }
    }
    open
}

/// Blocks with rows of accepted streams in the time range that may hold what is required.
pub fn prune(selected: &[Selected<'_>], ts_range: &Range<i64>, required: &Required) -> Result<Pruned> {
    prune_needed(selected, ts_range, required, &Needs::default())
}

/// The same, of the blocks that may hold what needs require, too.
pub fn prune_needed(
    selected: &[Selected<'_>],
    ts_range: &Range<i64>,
    required: &Required,
    needs: &Needs,
) -> Result<Pruned> {
    let mut pruned = Pruned::default();
    for (number, source) in selected.iter().enumerate() {
        match source.source {
            Source::Head(view, _) => prune_head(number, source, view, ts_range, needs, &mut pruned),
            Source::Segment(segment, pages, _) => {
                pruned.segments += 1;
                let kept = wanted_blocks(source, segment, ts_range);
                let kept = probed_blocks(kept, source, (segment, pages), required, needs)?;
                add_blocks(number, source, segment, kept, &mut pruned);
            }
        }
        pruned.streams += source.accepted.iter().filter(|yes| **yes).count();
    }
    Ok(pruned)
}

fn prune_head(
    number: usize,
    selected: &Selected<'_>,
    view: &HeadView,
    ts_range: &Range<i64>,
    needs: &Needs,
    pruned: &mut Pruned,
) {
    let mut order = selected.first_order;
    for (block, batch) in view.batches.iter().enumerate() {
        pruned.total += 1;
        let wanted = selected.any
            && batch.max_ts_ns >= ts_range.start
            && batch.min_ts_ns < ts_range.end
            && batch.runs.iter().any(|run| selected.accepted[run.stream as usize])
            && !selected.needs_of_lines(block, needs).any(|need| needs.is_impossible(need));
        if wanted {
            pruned.blocks.push(BlockRef {
                source: number,
                block,
                min_ts_ns: batch.min_ts_ns,
                max_ts_ns: batch.max_ts_ns,
                order,
                line_bytes: batch.rows.lines.len(),
            });
        } else {
            pruned.skipped += 1;
        }
        order += batch.rows.len() as u64;
    }
}

/// Of these blocks those that the gram filter cannot rule out.
fn probed_blocks(
    mut kept: Vec<(usize, u64)>,
    selected: &Selected<'_>,
    (segment, pages): (&Segment, &PageSource),
    required: &Required,
    needs: &Needs,
) -> Result<Vec<(usize, u64)>> {
    let may_hold =
        |bits: &Option<Vec<u8>>, block: usize| bits.as_ref().is_none_or(|bits| bits[block / 8] >> (block % 8) & 1 == 1);
    if !kept.is_empty() {
        let bits = segment.probe(pages, required)?;
        kept.retain(|(block, _)| may_hold(&bits, *block));
    }
    for need in &selected.open_needs {
        if kept.is_empty() {
            break;
        }
        let bits = segment.probe(pages, needs.required(*need))?;
        kept.retain(|(block, _)| {
            let is_plain = needs.is_plain_in(*need, segment.directory.blocks[*block].escapes);
            let of_lines = is_plain && !selected.metadata_may_name(*block, needs, *need);
            !of_lines || (may_hold(&bits, *block) && !needs.is_impossible(*need))
        });
    }
    Ok(kept)
}

fn add_blocks(number: usize, selected: &Selected<'_>, segment: &Segment, kept: Vec<(usize, u64)>, pruned: &mut Pruned) {
    let blocks = &segment.directory.blocks;
    pruned.total += blocks.len();
    pruned.skipped += blocks.len() - kept.len();
    for (block, order) in kept {
        let entry = &blocks[block];
        let (min_ts_ns, max_ts_ns) = run_times(selected, entry);
        let line_bytes = entry.line_bytes as usize;
        pruned.blocks.push(BlockRef { source: number, block, min_ts_ns, max_ts_ns, order, line_bytes });
    }
}

/// Numbers of the blocks with rows of accepted streams in the time range, with the order of their first row.
fn wanted_blocks(selected: &Selected<'_>, segment: &Segment, ts_range: &Range<i64>) -> Vec<(usize, u64)> {
    let directory = &segment.directory;
    if !selected.any || directory.max_ts_ns < ts_range.start || directory.min_ts_ns >= ts_range.end {
        return Vec::new();
    }
    let mut order = selected.first_order;
    let mut kept = Vec::new();
    for (block, entry) in directory.blocks.iter().enumerate() {
        if entry.runs.iter().any(|run| is_wanted(selected, run, ts_range)) {
            kept.push((block, order));
        }
        order += u64::from(entry.rows);
    }
    kept
}

pub fn is_wanted(selected: &Selected<'_>, run: &RunEntry, ts_range: &Range<i64>) -> bool {
    let is_gone = |deletes: &Prepared| deletes.cover(run.stream, run.first_ts_ns, run.last_ts_ns);
    selected.accepted[run.stream as usize]
        && run.last_ts_ns >= ts_range.start
        && run.first_ts_ns < ts_range.end
        && !selected.deletes.as_ref().is_some_and(is_gone)
}

fn run_times(selected: &Selected<'_>, entry: &BlockEntry) -> (i64, i64) {
    let accepted = entry.runs.iter().filter(|run| selected.accepted[run.stream as usize]);
    accepted.fold((i64::MAX, i64::MIN), |(min, max), run| (min.min(run.first_ts_ns), max.max(run.last_ts_ns)))
}
