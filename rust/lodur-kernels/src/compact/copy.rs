//! Merge segments by copying their blocks as they lie, compressed, where no row of them must be looked at.
//!
//! What comes of it has parts: the blocks of each input, in order by themselves, and in one of its own the rows of *tangled*
//! streams, in which rows of one input do not all stand before those of the next: these are merged row by row. Rows of other
//! streams that share a block with them are written anew in their place. Start at `Copying::of`, which says whether inputs
//! are such that this is worth it.

use std::io::Write;
use std::ops::Range;
use std::sync::Arc;

use crate::compact::columns::merged_columns;
use crate::compact::cursor::{Cursor, Kept};
use crate::compact::keep::KeepRules;
use crate::compact::merge::{Input, Merged, Numbers, Output, Streams, Taken, cursors_of, take_all};
use crate::deletes::Prepared;
use crate::error::Result;
use crate::scan::parallel::Cancel;
use crate::segment::codec::Codec;
use crate::segment::copied::BlockCopier;
use crate::segment::directory::{BlockEntry, MetaColumn};
use crate::segment::gram_join::StoredFilter;
use crate::segment::read::{PageSource, Segment};
use crate::segment::rows::MetaSource;
use crate::segment::write::{BLOCK_LINE_BYTES, BLOCK_ROWS, SegmentWriter};

/// Runs that a block of inputs has at most, on average. Shorter ones are merged row by row: many small streams then lie
/// together in few blocks, and who asks for one of them reads one block and not one of each input.
pub const RUNS_IN_BLOCK_MAX: usize = 4;

/// Parts of a segment: four flushes make one of the usual size. When it is merged row by row, a block of each may be in
/// memory, where blocks have several runs. Nor has it more filters: of each a probe reads slices of its own.
const PARTS_MAX: usize = 8;

/// Where less than one row in so many is copied, little is spared, and one order of all rows is better to read.
const COPIED_SHARE: u64 = 2;

/// What becomes of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Copied,
    /// Rows of streams that are not tangled are written anew in its place.
    Rewritten,
    /// All of its streams are tangled.
    Merged,
}

/// A block of an input.
#[derive(Clone, Copy)]
struct InputBlock<'a, 's> {
    segment: &'a Segment,
    source: &'a PageSource,
    number: usize,
    entry: &'a BlockEntry,
    /// By stream of the segment.
    ranks: &'s [u32],
    fate: Fate,
}

/// A merge that copies.
pub struct Copying<'a> {
    inputs: &'a [Input<'a>],
    streams: Streams,
    codec: Codec,
    /// By rank; others are not.
    is_tangled: Arc<[bool]>,
    /// By input and block.
    fates: Vec<Vec<Fate>>,
    /// Of the blocks that are copied, in order.
    filters: Vec<StoredFilter<'a>>,
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
        if !inputs.iter().all(|input| is_kept_whole(input, span, keep)) || !has_long_runs(inputs, runs_in_block_max) {
            return None;
        }
        let streams = Streams::of(inputs);
        let is_tangled = tangled(inputs, &streams)?;
        let mut copying = Copying { inputs, streams, codec, is_tangled, fates: Vec::new(), filters: Vec::new() };
        for ((segment, source, _), ranks) in inputs.iter().zip(&copying.streams.ranks) {
            let stored = StoredFilter::all_of(segment, source);
            let fates: Vec<Fate> = segment
                .directory
                .blocks
                .iter()
                .map(|block| copying.fate(segment.directory.codec, block, ranks, !stored.is_empty()))
                .collect();
            let copied = stored.into_iter().zip(&fates).filter(|(_, fate)| **fate == Fate::Copied);
            copying.filters.extend(copied.map(|(filter, _)| filter));
            copying.fates.push(fates);
        }
        let total: u64 = inputs.iter().map(|(segment, ..)| segment.directory.rows).sum();
        let copied = copying.rows_copied();
        let is_worth_it = copied > 0 && copied.saturating_mul(COPIED_SHARE) >= total;
        (is_worth_it && copying.count_parts() <= PARTS_MAX && copying.count_filters() <= PARTS_MAX).then_some(copying)
    }

    fn fate(&self, codec: Codec, block: &BlockEntry, ranks: &[u32], has_filter: bool) -> Fate {
        let tangled = block.runs.iter().filter(|run| self.is_tangled[ranks[run.stream as usize] as usize]).count();
        match tangled {
            0 if codec == self.codec && has_filter && is_known(block) => Fate::Copied,
            _ if tangled == block.runs.len() => Fate::Merged,
            _ => Fate::Rewritten,
        }
    }

    /// All blocks, in order.
    fn blocks(&self) -> impl Iterator<Item = InputBlock<'a, '_>> {
        let inputs = self.inputs.iter().zip(&self.fates).zip(&self.streams.ranks);
        inputs.flat_map(|(((segment, source, _), fates), ranks)| {
            let blocks = segment.directory.blocks.iter().zip(fates).enumerate();
            blocks.map(move |(number, (entry, &fate))| InputBlock { segment, source, number, entry, ranks, fate })
        })
    }

    /// Places of the first and the last stream of a block that are not tangled.
    fn ends(&self, block: &InputBlock<'_, '_>) -> Option<(u32, u32)> {
        let ranks = block.entry.runs.iter().map(|run| block.ranks[run.stream as usize]);
        let mut left = ranks.filter(|rank| !self.is_tangled[*rank as usize]);
        let first = left.next()?;
        Some((first, left.next_back().unwrap_or(first)))
    }

    fn rows_copied(&self) -> u64 {
        let copied = self.blocks().filter(|block| block.fate == Fate::Copied);
        copied.map(|block| u64::from(block.entry.rows)).sum()
    }

    fn count_parts(&self) -> usize {
        let mut order = Order::default();
        let begun = self.blocks().filter(|block| order.is_broken_by(self.ends(block))).count();
        1 + begun + usize::from(self.is_tangled.contains(&true))
    }

    /// Of filters with columns of one length one is made, and blocks that are new take the length of those before them.
    fn count_filters(&self) -> usize {
        self.filters.chunk_by(|a, b| a.bits() == b.bits()).count()
    }

    pub fn write<W: Write + Send>(mut self, cancel: &Cancel, out: W) -> Result<Merged> {
        let columns = self.meta_columns()?;
        let meta = MetaSource::new(columns.clone());
        let mut writer = SegmentWriter::new(out, &self.streams.labels, MetaSource::new(columns), self.codec)?;
        for labels in &self.streams.labels {
            writer.add_stream(labels);
        }
        let mut output = Output::new(writer, Numbers::Ranks);
        let filters = std::mem::take(&mut self.filters);
        self.add_blocks(&meta, &mut output, cancel)?;
        let taken = self.add_tangled(&mut output, cancel)?;
        let written = output.writer.finish_copied(filters, || cancel.check())?;
        Ok(Merged {
            written: Some(written),
            rows_read: self.inputs.iter().map(|(segment, ..)| segment.directory.rows).sum(),
            rows_copied: self.rows_copied(),
            rows_expired: 0,
            rows_repeated: taken.repeated,
            rows_deleted: vec![Vec::new(); self.inputs.len()],
            blocks_held_max: taken.blocks_held_max,
        })
    }

    /// The rows that stay in the order of the inputs.
    fn add_blocks<W: Write + Send>(&self, meta: &MetaSource, output: &mut Output<W>, cancel: &Cancel) -> Result<()> {
        let mut copier = BlockCopier::new(self.codec)?;
        let wanted: Arc<[bool]> = self.is_tangled.iter().map(|is_tangled| !is_tangled).collect();
        let mut order = Order::default();
        for block in self.blocks() {
            cancel.check()?;
            if order.is_broken_by(self.ends(&block)) {
                output.flush()?;
                output.writer.begin_part();
            }
            let InputBlock { segment, source, number, entry, ranks, fate } = block;
            match fate {
                Fate::Copied => {
                    output.flush()?;
                    let copied = copier.copy((segment, source), entry, ranks, meta);
                    output.writer.add_copied(copied.map_err(|error| error.in_file(&segment.path))?)?;
                }
                Fate::Rewritten => {
                    let kept = Kept {
                        span: i64::MIN..i64::MAX,
                        from_ns: vec![i64::MIN; ranks.len()],
                        ranks: ranks.to_vec(),
                        streams: Arc::clone(&wanted),
                        deletes: None,
                    };
                    let mut cursor = Cursor::new((segment, source), number..number + 1, kept);
                    take_all(std::slice::from_mut(&mut cursor), output, cancel)?;
                }
                Fate::Merged => {}
            }
        }
        output.flush()
    }

    /// The rows of tangled streams, as a part of its own.
    fn add_tangled<W: Write + Send>(&self, output: &mut Output<W>, cancel: &Cancel) -> Result<Taken> {
        if !self.is_tangled.contains(&true) {
            return Ok(Taken::default());
        }
        output.writer.begin_part();
        let (span, keep) = (i64::MIN..i64::MAX, KeepRules::everything());
        let (mut cursors, _) = cursors_of(self.inputs, &self.streams.ranks, &self.is_tangled, &span, &keep);
        let taken = take_all(&mut cursors, output, cancel)?;
        output.flush()?;
        Ok(taken)
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

/// Whether everything is known that this build writes of a block, and it is no larger.
fn is_known(block: &BlockEntry) -> bool {
    let is_whole = block.escapes.is_some() && block.runs.iter().all(|run| run.bytes.is_some());
    is_whole && block.rows as usize <= BLOCK_ROWS
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

/// By rank, the streams in which not all rows of an input end before those of the next one begin: others have no
/// repetitions. None where a stream has no row.
fn tangled(inputs: &[Input<'_>], streams: &Streams) -> Option<Arc<[bool]>> {
    let mut ends_ns: Vec<Option<i64>> = vec![None; streams.labels.len()];
    let mut is_tangled = vec![false; streams.labels.len()];
    for ((segment, ..), ranks) in inputs.iter().zip(&streams.ranks) {
        let mut spans = vec![(i64::MAX, i64::MIN); ranks.len()];
        for run in segment.directory.blocks.iter().flat_map(|block| &block.runs) {
            let span = &mut spans[run.stream as usize];
            *span = (span.0.min(run.first_ts_ns), span.1.max(run.last_ts_ns));
        }
        for ((first_ns, last_ns), &rank) in spans.into_iter().zip(ranks) {
            let end_ns = &mut ends_ns[rank as usize];
            // A stream without a row would be one of the output, where each must have some.
            if first_ns > last_ns {
                return None;
            }
            is_tangled[rank as usize] |= end_ns.is_some_and(|end_ns| end_ns >= first_ns);
            *end_ns = Some(end_ns.map_or(last_ns, |end_ns| end_ns.max(last_ns)));
        }
    }
    Some(is_tangled.into())
}

/// Tells where blocks one after the other are not in the order of streams.
#[derive(Default)]
struct Order {
    last: Option<u32>,
}

impl Order {
    /// By the first and the last stream of a block; one without any breaks nothing.
    fn is_broken_by(&mut self, ends: Option<(u32, u32)>) -> bool {
        ends.is_some_and(|(first, last)| self.last.replace(last) > Some(first))
    }
}
