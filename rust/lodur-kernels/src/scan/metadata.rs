//! Questions that the directories answer alone: which streams there are, how much they hold.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::labels::LabelSet;
use crate::scan::matching::Selector;
use crate::scan::source::{Selected, Source, is_wanted, select};

/// Label sets with an entry in `start_ns <= timestamp < end_ns` that one of the selectors accepts; all without selectors.
pub fn list_streams(sources: &[Source], selectors: &[Selector], start_ns: i64, end_ns: i64) -> Vec<Arc<LabelSet>> {
    let mut found: BTreeSet<Arc<LabelSet>> = BTreeSet::new();
    let everything = [Selector::everything()];
    let selectors = if selectors.is_empty() { &everything[..] } else { selectors };
    for selector in selectors {
        for selected in select(sources, selector) {
            for stream in active_streams(&selected, start_ns, end_ns) {
                found.insert(Arc::clone(&selected.source.streams()[stream]));
            }
        }
    }
    found.into_iter().collect()
}

fn active_streams(selected: &Selected<'_>, start_ns: i64, end_ns: i64) -> Vec<usize> {
    let mut active = vec![false; selected.accepted.len()];
    match selected.source {
        Source::Head(view) => {
            for batch in &view.batches {
                if batch.max_ts_ns < start_ns || batch.min_ts_ns >= end_ns {
                    continue;
                }
                for run in batch.runs.iter().filter(|run| selected.accepted[run.stream as usize]) {
                    let stream = run.stream as usize;
                    let times = &batch.rows.ts_ns[run.start as usize..run.end as usize];
                    active[stream] = active[stream] || times.iter().any(|ts| (start_ns..end_ns).contains(ts));
                }
            }
        }
        Source::Segment(segment, _) => {
            for run in segment.directory.blocks.iter().flat_map(|block| &block.runs) {
                // Run edges are exact; a run around the span may have a gap there, which is taken for activity.
                if is_wanted(selected, run, &(start_ns..end_ns)) {
                    active[run.stream as usize] = true;
                }
            }
        }
    }
    (0..active.len()).filter(|stream| active[*stream]).collect()
}

/// Sizes of what a selector covers in a span.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IndexStats {
    pub streams: u64,
    pub blocks: u64,
    pub bytes: u64,
    pub entries: u64,
}

/// Entries are exact in the head and by whole runs in segments; bytes are shared out over a block's rows.
pub fn index_stats(sources: &[Source], selector: &Selector, start_ns: i64, end_ns: i64) -> IndexStats {
    let mut stats = IndexStats::default();
    let mut streams: BTreeSet<Arc<LabelSet>> = BTreeSet::new();
    for selected in select(sources, selector) {
        streams.extend(
            active_streams(&selected, start_ns, end_ns)
                .into_iter()
                .map(|stream| Arc::clone(&selected.source.streams()[stream])),
        );
        match selected.source {
            Source::Head(view) => {
                for batch in &view.batches {
                    let before = stats.entries;
                    for run in batch.runs.iter().filter(|run| selected.accepted[run.stream as usize]) {
                        for row in run.start as usize..run.end as usize {
                            if (start_ns..end_ns).contains(&batch.rows.ts_ns[row]) {
                                stats.entries += 1;
                                stats.bytes += batch.rows.line(row).len() as u64;
                            }
                        }
                    }
                    stats.blocks += u64::from(stats.entries > before);
                }
            }
            Source::Segment(segment, _) => {
                for block in &segment.directory.blocks {
                    let rows: u64 = block
                        .runs
                        .iter()
                        .filter(|run| is_wanted(&selected, run, &(start_ns..end_ns)))
                        .map(|run| u64::from(run.rows))
                        .sum();
                    stats.entries += rows;
                    stats.bytes += block.line_bytes * rows / u64::from(block.rows.max(1));
                    stats.blocks += u64::from(rows > 0);
                }
            }
        }
    }
    stats.streams = streams.len() as u64;
    stats
}
