//! Merge segments by copying their blocks as they lie, compressed: for inputs that need no row looked at.
//!
//! What comes of it has parts: the blocks of each input, in order by themselves. Start at `Copying::of`, which says whether
//! inputs are such.

use std::io::Write;
use std::ops::Range;

use crate::compact::columns::merged_columns;
use crate::compact::keep::KeepRules;
use crate::compact::merge::{Input, Merged, Streams};
use crate::deletes::Prepared;
use crate::error::Result;
use crate::scan::parallel::Cancel;
use crate::segment::codec::Codec;
use crate::segment::copied::BlockCopier;
use crate::segment::directory::{BlockEntry, Directory, MetaColumn, RunEntry};
use crate::segment::gram_join::JoinedFilters;
use crate::segment::rows::MetaSource;
use crate::segment::write::{BLOCK_LINE_BYTES, BLOCK_ROWS, SegmentWriter};

/// Runs that a block of inputs has at most, on average. Shorter ones are merged row by row: many small streams then lie
/// together in few blocks, and who asks for one of them reads one block and not one of each input.
pub const RUNS_IN_BLOCK_MAX: usize = 4;

/// Parts of a segment: four flushes make one of the usual size. When it is merged row by row, a block of each may be in
/// memory, where blocks have several runs. Nor has it more filters: of each a probe reads slices of its own.
const PARTS_MAX: usize = 8;

/// A merge that copies.
pub struct Copying<'a> {
    inputs: &'a [Input<'a>],
    streams: Streams,
    filters: JoinedFilters<'a>,
    codec: Codec,
}

impl<'a> Copying<'a> {
    /// None where rows must be looked at, or had better be: then they are merged one by one.
    pub fn of(
        inputs: &'a [Input<'a>],
        span: &Range<i64>,
        keep: &KeepRules,
        codec: Codec,
        runs_in_block_max: usize,
    ) -> Option<Self> {
        let is_kept = |input: &Input<'_>| is_readable(&input.0.directory, codec) && is_kept_whole(input, span, keep);
        if !inputs.iter().all(is_kept) || !has_long_runs(inputs, runs_in_block_max) {
            return None;
        }
        let streams = Streams::of(inputs);
        if !follow_each_other(inputs, &streams.ranks) || count_parts(inputs, &streams.ranks) > PARTS_MAX {
            return None;
        }
        let filters = JoinedFilters::of(inputs.iter().map(|(segment, source, _)| (*segment, *source)))?;
        (filters.count() <= PARTS_MAX).then_some(Copying { inputs, streams, filters, codec })
    }

    pub fn write<W: Write + Send>(self, cancel: &Cancel, out: W) -> Result<Merged> {
        let columns = self.meta_columns()?;
        let meta = MetaSource::new(columns.clone());
        let mut writer = SegmentWriter::new(out, &self.streams.labels, MetaSource::new(columns), self.codec)?;
        for labels in &self.streams.labels {
            writer.add_stream(labels);
        }
        let mut copier = BlockCopier::new(self.codec)?;
        let mut order = Order::default();
        for ((segment, source, _), ranks) in self.inputs.iter().zip(&self.streams.ranks) {
            for block in &segment.directory.blocks {
                cancel.check()?;
                let copied = copier.copy((segment, source), block, ranks, &meta);
                if order.is_broken_by(block, ranks) {
                    writer.begin_part();
                }
                writer.add_copied(copied.map_err(|error| error.in_file(&segment.path))?)?;
            }
        }
        let written = writer.finish_copied(&self.filters, || cancel.check())?;
        Ok(Merged {
            written: Some(written),
            rows_read: written.rows,
            rows_copied: written.rows,
            rows_expired: 0,
            rows_repeated: 0,
            rows_deleted: vec![Vec::new(); self.inputs.len()],
            blocks_held_max: 0,
        })
    }

    /// Those of the inputs where these agree: then pages of metadata are copied too.
    fn meta_columns(&self) -> Result<Vec<MetaColumn>> {
        let mut lists = self.inputs.iter().map(|(segment, ..)| &segment.directory.meta_columns);
        match lists.next() {
            Some(first) if lists.all(|list| list == first) => Ok(first.clone()),
            _ => merged_columns(self.inputs),
        }
    }
}

/// Whether its pages are such as are asked for, everything is known that this build writes of a block, and none is larger.
fn is_readable(directory: &Directory, codec: Codec) -> bool {
    let is_known = |block: &BlockEntry| {
        let is_whole = block.escapes.is_some() && block.runs.iter().all(|run| run.bytes.is_some());
        is_whole && block.rows as usize <= BLOCK_ROWS
    };
    directory.codec == codec && directory.blocks.iter().all(is_known)
}

/// Whether all rows lie in the span, and none has expired or may have been deleted.
fn is_kept_whole((segment, _, deletes): &Input<'_>, span: &Range<i64>, keep: &KeepRules) -> bool {
    let from_ns = keep.from_ns(&segment.streams);
    let is_kept = |block: &BlockEntry| {
        let within = block.min_ts_ns >= span.start && block.max_ts_ns < span.end;
        within && block.runs.iter().all(|run| run.first_ts_ns >= from_ns[run.stream as usize])
    };
    segment.directory.blocks.iter().all(is_kept)
        && deletes.and_then(|deletes| Prepared::of(deletes, &segment.streams)).is_none()
}

fn has_long_runs(inputs: &[Input<'_>], runs_in_block_max: usize) -> bool {
    let directories = || inputs.iter().map(|(segment, ..)| &segment.directory);
    let runs: usize = directories().flat_map(|directory| &directory.blocks).map(|block| block.runs.len()).sum();
    let rows: u64 = directories().map(|directory| directory.rows).sum();
    let line_bytes: u64 = directories().map(|directory| directory.line_bytes).sum();
    let fills = |size: u64, full: usize| u128::from(size) * runs_in_block_max as u128 >= full as u128 * runs as u128;
    runs > 0 && (fills(rows, BLOCK_ROWS) || fills(line_bytes, BLOCK_LINE_BYTES))
}

/// Whether in every stream the rows of an input end before those of the next one begin: then none can be a repetition.
fn follow_each_other(inputs: &[Input<'_>], ranks: &[Vec<u32>]) -> bool {
    let streams = ranks.iter().flatten().max().map_or(0, |last| *last as usize + 1);
    let mut ends_ns: Vec<Option<i64>> = vec![None; streams];
    for ((segment, ..), ranks) in inputs.iter().zip(ranks) {
        let mut spans = vec![(i64::MAX, i64::MIN); ranks.len()];
        for run in segment.directory.blocks.iter().flat_map(|block| &block.runs) {
            let span = &mut spans[run.stream as usize];
            *span = (span.0.min(run.first_ts_ns), span.1.max(run.last_ts_ns));
        }
        for ((first_ns, last_ns), rank) in spans.into_iter().zip(ranks) {
            let end_ns = &mut ends_ns[*rank as usize];
            // A stream without a row would be one of the output, where each must have some.
            if first_ns > last_ns || end_ns.is_some_and(|end_ns| end_ns >= first_ns) {
                return false;
            }
            *end_ns = Some(last_ns);
        }
    }
    true
}

/// Tells where blocks one after the other are not in the order of streams.
#[derive(Default)]
struct Order {
    last: Option<u32>,
}

impl Order {
    fn is_broken_by(&mut self, block: &BlockEntry, ranks: &[u32]) -> bool {
        let rank_of = |run: Option<&RunEntry>| run.map(|run| ranks[run.stream as usize]);
        let (first, last) = (rank_of(block.runs.first()), rank_of(block.runs.last()));
        std::mem::replace(&mut self.last, last) > first
    }
}

fn count_parts(inputs: &[Input<'_>], ranks: &[Vec<u32>]) -> usize {
    let mut order = Order::default();
    let blocks = inputs
        .iter()
        .zip(ranks)
        .flat_map(|(input, ranks)| input.0.directory.blocks.iter().map(move |block| (block, ranks)));
    1 + blocks.filter(|(block, ranks)| order.is_broken_by(block, ranks)).count()
}
