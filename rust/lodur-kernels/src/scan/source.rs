//! What a scan reads: head generations and segments, cut into blocks, and the pruning that needs no page.

use std::ops::Range;
use std::sync::Arc;

use crate::error::Result;
use crate::head::HeadView;
use crate::labels::LabelSet;
use crate::pipeline::literals::Required;
use crate::scan::matching::Selector;
use crate::segment::directory::{BlockEntry, RunEntry};
use crate::segment::read::{PageSource, Segment};

/// One source; a scan takes them oldest first.
#[derive(Clone)]
pub enum Source {
    Head(Arc<HeadView>),
    Segment(Arc<Segment>, Arc<PageSource>),
}

/// Which streams of a source a selector accepts, and where its blocks begin in the order of arrival.
pub struct Selected<'a> {
    pub source: &'a Source,
    pub accepted: Vec<bool>,
    pub any: bool,
    /// Order of the source's first row among equal timestamps.
    pub first_order: u64,
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
            Source::Head(view) => &view.streams,
            Source::Segment(segment, _) => &segment.streams,
        }
    }
}

/// Apply the selector to every source.
pub fn select<'a>(sources: &'a [Source], selector: &Selector) -> Vec<Selected<'a>> {
    sources
        .iter()
        .enumerate()
        .map(|(number, source)| {
            let accepted = selector.accept(source.streams());
            let any = accepted.iter().any(|yes| *yes);
            Selected { source, accepted, any, first_order: (number as u64) << ORDER_BITS }
        })
        .collect()
}

/// Blocks with rows of accepted streams in the time range that may hold what the pipeline's line filters require.
pub fn prune(selected: &[Selected<'_>], ts_range: &Range<i64>, required: &Required) -> Result<Pruned> {
    let mut pruned = Pruned::default();
    for (number, source) in selected.iter().enumerate() {
        match source.source {
            Source::Head(view) => prune_head(number, source, view, ts_range, &mut pruned),
            Source::Segment(segment, pages) => {
                pruned.segments += 1;
                prune_segment(number, source, segment, pages, ts_range, required, &mut pruned)?;
            }
        }
        pruned.streams += source.accepted.iter().filter(|yes| **yes).count();
    }
    Ok(pruned)
}

fn prune_head(number: usize, selected: &Selected<'_>, view: &HeadView, ts_range: &Range<i64>, pruned: &mut Pruned) {
    let mut order = selected.first_order;
    for (block, batch) in view.batches.iter().enumerate() {
        pruned.total += 1;
        let wanted = selected.any
            && batch.max_ts_ns >= ts_range.start
            && batch.min_ts_ns < ts_range.end
            && batch.runs.iter().any(|run| selected.accepted[run.stream as usize]);
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

fn prune_segment(
    number: usize,
    selected: &Selected<'_>,
    segment: &Segment,
    pages: &PageSource,
    ts_range: &Range<i64>,
    required: &Required,
    pruned: &mut Pruned,
) -> Result<()> {
    let blocks = &segment.directory.blocks;
    pruned.total += blocks.len();
    let kept = wanted_blocks(selected, segment, ts_range);
    let may = if kept.is_empty() { None } else { segment.probe(pages, required)? };
    let before = pruned.blocks.len();
    for (block, order) in kept {
        if may.as_ref().is_some_and(|bits| bits[block / 8] >> (block % 8) & 1 == 0) {
            continue;
        }
        let entry = &blocks[block];
        let (min_ts_ns, max_ts_ns) = run_times(selected, entry);
        let line_bytes = entry.line_bytes as usize;
        pruned.blocks.push(BlockRef { source: number, block, min_ts_ns, max_ts_ns, order, line_bytes });
    }
    pruned.skipped += blocks.len() - (pruned.blocks.len() - before);
    Ok(())
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
    selected.accepted[run.stream as usize] && run.last_ts_ns >= ts_range.start && run.first_ts_ns < ts_range.end
}

fn run_times(selected: &Selected<'_>, entry: &BlockEntry) -> (i64, i64) {
    let accepted = entry.runs.iter().filter(|run| selected.accepted[run.stream as usize]);
    accepted.fold((i64::MAX, i64::MIN), |(min, max), run| (min.min(run.first_ts_ns), max.max(run.last_ts_ns)))
}
