//! Questions about streams that the directories answer alone. How much they hold is `volume`'s matter.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::error::Result;
use crate::labels::LabelSet;
use crate::scan::matching::Selector;
use crate::scan::parallel::Cancel;
use crate::scan::source::{Selected, Source, is_wanted, select};

/// Which streams are asked for: those that one of the selectors accepts (all without selectors) and that have an entry
/// in `start_ns <= timestamp < end_ns`.
pub struct StreamQuestion {
    pub selectors: Vec<Selector>,
    pub start_ns: i64,
    pub end_ns: i64,
}

/// The label sets of these streams, sorted, each once.
pub fn list_streams(sources: &[Source], question: &StreamQuestion, cancel: &Cancel) -> Result<Vec<Arc<LabelSet>>> {
    let mut found: BTreeSet<Arc<LabelSet>> = BTreeSet::new();
    each_stream(sources, question, cancel, |labels| {
        found.insert(Arc::clone(labels));
    })?;
    Ok(found.into_iter().collect())
}

/// The names of these streams' labels, sorted, each once.
pub fn label_names(sources: &[Source], question: &StreamQuestion, cancel: &Cancel) -> Result<Vec<String>> {
    let mut found: BTreeSet<String> = BTreeSet::new();
    each_stream(sources, question, cancel, |labels| {
        for (name, _) in labels.iter() {
            if !found.contains(name) {
                found.insert(name.to_owned());
            }
        }
    })?;
    Ok(found.into_iter().collect())
}

/// The values that these streams have of one label, sorted, each once.
pub fn label_values(sources: &[Source], question: &StreamQuestion, name: &str, cancel: &Cancel) -> Result<Vec<String>> {
    let mut found: BTreeSet<String> = BTreeSet::new();
    each_stream(sources, question, cancel, |labels| {
        if let Some(value) = labels.get(name).filter(|value| !found.contains(*value)) {
            found.insert(value.to_owned());
        }
    })?;
    Ok(found.into_iter().collect())
}

/// Visit the label sets of these streams; one that lies in several sources more than once.
fn each_stream(
    sources: &[Source],
    question: &StreamQuestion,
    cancel: &Cancel,
    mut visit: impl FnMut(&Arc<LabelSet>),
) -> Result<()> {
    let everything = [Selector::everything()];
    let selectors = if question.selectors.is_empty() { &everything[..] } else { &question.selectors };
    for selector in selectors {
        for source in sources {
            cancel.check()?;
            for selected in select(std::slice::from_ref(source), selector) {
                for stream in active_streams(&selected, question.start_ns, question.end_ns, cancel)? {
                    visit(&selected.source.streams()[stream]);
                }
            }
        }
    }
    Ok(())
}

fn active_streams(selected: &Selected<'_>, start_ns: i64, end_ns: i64, cancel: &Cancel) -> Result<Vec<usize>> {
    let mut active = vec![false; selected.accepted.len()];
    match selected.source {
        Source::Head(view, _) => {
            for batch in &view.batches {
                cancel.check()?;
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
            for block in &segment.directory.blocks {
                cancel.check()?;
                for run in &block.runs {
                    // Run edges are exact; a run around the span may have a gap there, which is taken for activity.
                    if is_wanted(selected, run, &(start_ns..end_ns)) {
                        active[run.stream as usize] = true;
                    }
                }
            }
        }
    }
    Ok((0..active.len()).filter(|stream| active[*stream]).collect())
}
