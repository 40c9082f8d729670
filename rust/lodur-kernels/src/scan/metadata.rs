//! Questions about streams that the directories answer alone. How much they hold is `volume`'s matter.

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
        Source::Head(view, _) => {
            for batch in &view.batches {
                if batch.max_ts_ns < start_ns || batch.min_ts_ns >= end_ns {
                    continue;
                }
                for run in batch.runs.iter().filter(|run| selected.accepted[run.stream as usize]) {
                    let stream = run.stream as usize;
                    let times = &batch.rows.ts_ns[run.start as usize..run.end as usize];
                    let is_seen = |ts: &i64| (start_ns..end_ns).contains(ts) && !selected.is_deleted(run.stream, *ts);
                    active[stream] = active[stream] || times.iter().any(is_seen);
                }
            }
        }
        Source::Segment(segment, ..) => {
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
