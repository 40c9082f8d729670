//! Merge segments: their rows by (label set, timestamp, arrival), each entry once, into one new segment.
//!
//! Of each part of an input one block at most is in memory, and only from where its rows come next to its last one, so
//! memory does not grow with the segments, and hardly with the parts. Equal entries
//! (stream, timestamp, line, level, metadata) of different inputs become one; rows that have expired or were deleted are left
//! out. Where nothing of that can be for most of the blocks, these are copied as they lie (`copy`). Start at `merge_segments`.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::io::Write;
use std::ops::Range;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_128_with_seed;

use crate::batch::Rows;
use crate::compact::columns::merged_columns;
use crate::compact::copy::{Copying, RUNS_IN_BLOCK_MAX};
use crate::compact::cursor::{Cursor, Kept, Key};
use crate::compact::keep::KeepRules;
use crate::deletes::{Deletes, Prepared};
use crate::error::Result;
use crate::labels::LabelSet;
use crate::scan::parallel::Cancel;
use crate::segment::codec::Codec;
use crate::segment::read::{PageSource, Segment};
use crate::segment::rows::{MetaSource, SortedRow};
use crate::segment::write::{BLOCK_LINE_BYTES, BLOCK_ROWS, SegmentWriter, Written};

/// An input: its directory, where its pages are, and the delete requests that it is written without.
pub type Input<'a> = (&'a Segment, &'a PageSource, Option<&'a Deletes>);

/// What a merge did with the rows of the span.
#[derive(Clone, Debug)]
pub struct Merged {
    /// None, and nothing of use in `out`, where no row was left.
    pub written: Option<Written>,
    pub rows_read: u64,
    /// Of these, those whose blocks were copied.
    pub rows_copied: u64,
    pub rows_expired: u64,
    pub rows_repeated: u64,
    /// By input, and by place of the delete request that took them.
    pub rows_deleted: Vec<Vec<u64>>,
    /// The most blocks of inputs that were decoded and not yet taken whole at one time.
    pub blocks_held_max: usize,
}

/// Write the rows of `inputs` (oldest first) with timestamps in `span` to `out`.
pub fn merge_segments<W: Write + Send>(
    inputs: &[Input<'_>],
    span: Range<i64>,
    keep: &KeepRules,
    codec: Codec,
    cancel: &Cancel,
    out: W,
) -> Result<Merged> {
    if let Some(copying) = Copying::of(inputs, &span, keep, codec, RUNS_IN_BLOCK_MAX) {
        return copying.write(cancel, out);
    }
    merge_rows(inputs, span, keep, codec, cancel, out)
}

/// The same row by row, whatever the inputs are.
pub fn merge_rows<W: Write + Send>(
    inputs: &[Input<'_>],
    span: Range<i64>,
    keep: &KeepRules,
    codec: Codec,
    cancel: &Cancel,
    out: W,
) -> Result<Merged> {
    let streams = Streams::of(inputs);
    let all: Arc<[bool]> = vec![true; streams.labels.len()].into();
    let (mut cursors, owners) = cursors_of(inputs, &streams.ranks, &all, &span, keep);
    let meta = MetaSource::new(merged_columns(inputs)?);
    let writer = SegmentWriter::new(out, &streams.labels, meta, codec)?;
    let mut output = Output::new(writer, Numbers::AsTheyCome(streams.labels));
    let taken = take_all(&mut cursors, &mut output, cancel)?;
    let written = output.finish()?;
    let mut merged = Merged {
        written,
        rows_read: 0,
        rows_copied: 0,
        rows_expired: 0,
        rows_repeated: taken.repeated,
        rows_deleted: vec![Vec::new(); inputs.len()],
        blocks_held_max: taken.blocks_held_max,
    };
    for (tally, input) in cursors.into_iter().map(Cursor::into_tally).zip(owners) {
        merged.rows_read += tally.rows;
        merged.rows_expired += tally.expired;
        let deleted = &mut merged.rows_deleted[input];
        deleted.resize(tally.deleted.len(), 0);
        deleted.iter_mut().zip(tally.deleted).for_each(|(sum, rows)| *sum += rows);
    }
    Ok(merged)
}

/// What was met when the rows of cursors were taken.
#[derive(Default)]
pub(super) struct Taken {
    pub repeated: u64,
    pub blocks_held_max: usize,
}

/// Give all rows of some cursors, in order and each once, to `output`.
pub(super) fn take_all<W: Write + Send>(
    cursors: &mut [Cursor<'_>],
    output: &mut Output<W>,
    cancel: &Cancel,
) -> Result<Taken> {
    let mut taken = Taken::default();
    let hashes = Hashes::new();
    while let Some(turn) = next_turn(cursors, &mut taken.blocks_held_max)? {
        if turn.is_tie() {
            taken.repeated += take_tie(cursors, turn.key, &hashes, output)?;
        } else {
            let (rows, range) = cursors[turn.cursor].take_before(turn.limit);
            output.add(turn.key.0, &rows, range)?;
        }
        if output.take_begun_block() {
            cancel.check()?;
        }
    }
    Ok(taken)
}

/// A cursor for each part of each input, in their order, over the wanted `streams`, and the input of each.
pub(super) fn cursors_of<'a>(
    inputs: &[Input<'a>],
    ranks: &[Vec<u32>],
    streams: &Arc<[bool]>,
    span: &Range<i64>,
    keep: &KeepRules,
) -> (Vec<Cursor<'a>>, Vec<usize>) {
    let (mut cursors, mut owners) = (Vec::new(), Vec::new());
    for (number, ((segment, source, deletes), ranks)) in inputs.iter().zip(ranks).enumerate() {
        let from_ns = keep.from_ns(&segment.streams);
        for blocks in segment.directory.part_blocks() {
            let deletes = deletes.and_then(|deletes| Prepared::of(deletes, &segment.streams));
            let (from_ns, ranks) = (from_ns.clone(), ranks.clone());
            let kept = Kept { span: span.clone(), from_ns, ranks, streams: Arc::clone(streams), deletes };
            cursors.push(Cursor::new((segment, source), blocks, kept));
            owners.push(number);
        }
    }
    (cursors, owners)
}

/// The label sets of all inputs in their order, and by input and stream the place of its label set.
pub(super) struct Streams {
    pub labels: Vec<Arc<LabelSet>>,
    pub ranks: Vec<Vec<u32>>,
}

impl Streams {
    pub fn of(inputs: &[Input<'_>]) -> Self {
        let mut labels: Vec<Arc<LabelSet>> =
            inputs.iter().flat_map(|(segment, ..)| &segment.streams).cloned().collect();
        labels.sort();
        labels.dedup();
        let places: HashMap<&Arc<LabelSet>, u32> = labels.iter().enumerate().map(|(i, l)| (l, i as u32)).collect();
        let ranked = |(segment, ..): &Input<'_>| segment.streams.iter().map(|labels| places[labels]).collect();
        let ranks = inputs.iter().map(ranked).collect();
        Streams { labels, ranks }
    }
}

/// The cursor whose row comes first, and a key before which the others have none.
struct Turn {
    cursor: usize,
    key: Key,
    limit: Option<Key>,
}

impl Turn {
    fn is_tie(&self) -> bool {
        self.limit == Some(self.key)
    }
}

/// Decodes only where a row may come first, or at once with the first; whether it does must then be known exactly.
fn next_turn(cursors: &mut [Cursor<'_>], blocks_held_max: &mut usize) -> Result<Option<Turn>> {
    while let Some(turn) = lowest(cursors) {
        let mut is_known = true;
        for cursor in cursors.iter_mut() {
            if !cursor.is_decoded() && cursor.bound() == Some(turn.key) {
                cursor.decode()?;
                is_known = false;
            }
        }
        if is_known {
            return Ok(Some(turn));
        }
        let held = cursors.iter().filter(|cursor| cursor.is_decoded()).count();
        *blocks_held_max = held.max(*blocks_held_max);
    }
    Ok(None)
}

/// By what is known of the cursors.
fn lowest(cursors: &mut [Cursor<'_>]) -> Option<Turn> {
    let mut turn: Option<Turn> = None;
    for (number, cursor) in cursors.iter_mut().enumerate() {
        let Some(key) = cursor.bound() else { continue };
        match &mut turn {
            Some(turn) if turn.key <= key => turn.limit = Some(turn.limit.map_or(key, |limit| limit.min(key))),
            Some(known) => turn = Some(Turn { cursor: number, key, limit: Some(known.key) }),
            None => turn = Some(Turn { cursor: number, key, limit: None }),
        }
    }
    turn
}

/// Take the rows of this key from all cursors, the oldest first, each entry once; how many came again.
fn take_tie<W: Write + Send>(
    cursors: &mut [Cursor<'_>],
    key: Key,
    hashes: &Hashes,
    output: &mut Output<W>,
) -> Result<u64> {
    let after = (key.0, key.1.saturating_add(1));
    let mut seen: HashSet<u128> = HashSet::new();
    let mut scratch = Vec::new();
    let mut repeated = 0;
    for cursor in cursors {
        while cursor.stands_at(key)? {
            // The last timestamp of all has no next one; its run holds nothing beyond it either.
            let (rows, range) = cursor.take_before((after != key).then_some(after));
            for row in range {
                if seen.insert(hashes.of(&rows, row, &mut scratch)) {
                    output.add(key.0, &rows, row..row + 1)?;
                } else {
                    repeated += 1;
                }
            }
        }
    }
    Ok(repeated)
}

/// Hashes of rows by a key of this merge, so wide that equal ones are taken for equal rows.
struct Hashes {
    seed: u64,
}

impl Hashes {
    fn new() -> Self {
        // Whoever pushes must not be able to make different lines collide.
        Hashes { seed: RandomState::new().hash_one(0u8) }
    }

    fn of(&self, rows: &Rows, row: usize, scratch: &mut Vec<u8>) -> u128 {
        scratch.clear();
        let mut part = |bytes: &[u8]| {
            scratch.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
            scratch.extend_from_slice(bytes);
        };
        part(rows.line(row));
        for (name, value) in rows.meta.of(row) {
            part(name.as_bytes());
            part(value.as_bytes());
        }
        scratch.push(rows.levels[row]);
        xxh3_128_with_seed(scratch, self.seed)
    }
}

/// By which numbers the writer knows streams.
pub(super) enum Numbers {
    /// In the order in which they come, which is that of these ranks.
    AsTheyCome(Vec<Arc<LabelSet>>),
    /// It has all of them, in the order of their ranks.
    Ranks,
}

/// Rows on their way into blocks.
pub(super) struct Output<W: Write + Send> {
    pub writer: SegmentWriter<W>,
    numbers: Numbers,
    /// Rank and number of the stream that was written last.
    stream: Option<(u32, u32)>,
    pieces: Vec<(u32, Arc<Rows>, Range<usize>)>,
    rows: usize,
    line_bytes: usize,
    has_blocks: bool,
    begun_block: bool,
}

impl<W: Write + Send> Output<W> {
    pub fn new(writer: SegmentWriter<W>, numbers: Numbers) -> Self {
        let pieces = Vec::new();
        Output { writer, numbers, stream: None, pieces, rows: 0, line_bytes: 0, has_blocks: false, begun_block: true }
    }

    pub fn add(&mut self, rank: u32, rows: &Arc<Rows>, range: Range<usize>) -> Result<()> {
        if range.is_empty() {
            return Ok(());
        }
        let stream = match (self.stream, &self.numbers) {
            (Some((last, number)), _) if last == rank => number,
            (_, Numbers::AsTheyCome(labels)) => self.writer.add_stream(&labels[rank as usize]),
            (_, Numbers::Ranks) => rank,
        };
        self.stream = Some((rank, stream));
        let mut from = range.start;
        for row in range.clone() {
            self.rows += 1;
            self.line_bytes += rows.line_range(row).len();
            if self.rows == BLOCK_ROWS || self.line_bytes >= BLOCK_LINE_BYTES {
                self.pieces.push((stream, Arc::clone(rows), from..row + 1));
                from = row + 1;
                self.end_block()?;
            }
        }
        if from < range.end {
            self.add_piece(stream, rows, from..range.end);
        }
        Ok(())
    }

    /// Rows that follow those of the last piece lengthen it.
    fn add_piece(&mut self, stream: u32, rows: &Arc<Rows>, range: Range<usize>) {
        match self.pieces.last_mut() {
            Some((number, known, piece))
                if *number == stream && piece.end == range.start && Arc::ptr_eq(known, rows) =>
            {
                piece.end = range.end;
            }
            _ => self.pieces.push((stream, Arc::clone(rows), range)),
        }
    }

    fn end_block(&mut self) -> Result<()> {
        let pieces = std::mem::take(&mut self.pieces);
        let mut block: Vec<SortedRow<'_>> = Vec::with_capacity(self.rows);
        for (stream, rows, range) in &pieces {
            block.extend(range.clone().map(|row| SortedRow::new(*stream, rows, row)));
        }
        self.writer.add_block(&block)?;
        (self.rows, self.line_bytes) = (0, 0);
        (self.has_blocks, self.begun_block) = (true, true);
        Ok(())
    }

    /// Whether a block was ended since this was asked last.
    fn take_begun_block(&mut self) -> bool {
        std::mem::take(&mut self.begun_block)
    }

    /// End the block of the rows that came, if there are any.
    pub fn flush(&mut self) -> Result<()> {
        if self.pieces.is_empty() { Ok(()) } else { self.end_block() }
    }

    fn finish(mut self) -> Result<Option<Written>> {
        self.flush()?;
        if !self.has_blocks {
            return Ok(None);
        }
        self.writer.finish().map(Some)
    }
}
