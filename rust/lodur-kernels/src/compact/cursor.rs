//! The rows of one part of an input of a merge, run by run: those of a time span that are kept, one decoded block at a time.
//!
//! A block is decoded when it is asked for: until then its directory entry says before which key it has no row. What has
//! expired is left out first, then what delete requests take.

use std::ops::Range;
use std::sync::Arc;

use crate::batch::Rows;
use crate::deletes::Prepared;
use crate::error::{KernelError, Result};
use crate::pipeline::Bitmap;
use crate::scan::load::{BlockRun, Columns, Loaded};
use crate::segment::directory::{BlockEntry, RunEntry};
use crate::segment::read::{PageReader, PageSource, Segment};

/// Where a row stands in a merge: rank of its stream, timestamp.
pub type Key = (u32, i64);

/// Rows of one stream in a decoded block.
#[derive(Clone, Debug)]
struct RankedRun {
    rank: u32,
    rows: Range<usize>,
}

/// What was read of an input, of the rows within the span.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    pub rows: u64,
    pub expired: u64,
    /// By place of the delete request that took them.
    pub deleted: Vec<u64>,
}

/// What of an input is written.
pub struct Kept {
    /// Half-open.
    pub span: Range<i64>,
    /// By stream of the segment, the first timestamp that is kept.
    pub from_ns: Vec<i64>,
    /// By stream of the segment, its rank among the streams of all inputs.
    pub ranks: Vec<u32>,
    /// By rank, whether the stream is wanted at all; rows of others are not even counted.
    pub streams: Arc<[bool]>,
    pub deletes: Option<Prepared>,
}

impl Kept {
    fn wants(&self, run: &RunEntry) -> bool {
        self.streams[self.ranks[run.stream as usize] as usize]
    }
}

/// Walks through blocks of a segment that are in order.
pub struct Cursor<'a> {
    segment: &'a Segment,
    source: &'a PageSource,
    kept: Kept,
    reader: PageReader,
    /// Those that were not looked at yet.
    blocks: Range<usize>,
    /// The block that is decoded next, and a key before which it has no row.
    next: Option<(usize, Key)>,
    /// Of the decoded block; none once its last run was taken.
    rows: Arc<Rows>,
    /// Of the current block, the current one last.
    runs: Vec<RankedRun>,
    tally: Tally,
}

impl<'a> Cursor<'a> {
    pub fn new((segment, source): (&'a Segment, &'a PageSource), blocks: Range<usize>, kept: Kept) -> Self {
        let deleted = vec![0; kept.deletes.as_ref().map_or(0, Prepared::count)];
        Cursor {
            segment,
            source,
            kept,
            reader: PageReader::default(),
            blocks,
            next: None,
            rows: Arc::default(),
            runs: Vec::new(),
            tally: Tally { deleted, ..Tally::default() },
        }
    }

    pub fn into_tally(self) -> Tally {
        self.tally
    }

    /// Whether there is a decoded row that was not taken.
    pub fn is_decoded(&self) -> bool {
        !self.runs.is_empty()
    }

    /// A key before which no row is left, that of the first one where it is decoded. None at the end.
    pub fn bound(&mut self) -> Option<Key> {
        if let Some(key) = self.key() {
            return Some(key);
        }
        let segment = self.segment;
        while self.next.is_none() {
            let number = self.blocks.next()?;
            let block = &segment.directory.blocks[number];
            if !self.is_needless(block) {
                self.next = self.first_of(block).map(|first| (number, first));
            }
        }
        self.next.map(|(_, first)| first)
    }

    /// Decode the next block, unless rows of the last one are left.
    pub fn decode(&mut self) -> Result<()> {
        if self.is_decoded() || self.bound().is_none() {
            return Ok(());
        }
        let Some((number, first)) = self.next.take() else { return Ok(()) };
        self.decode_block(number, first).map_err(|error| error.in_file(&self.segment.path))
    }

    fn decode_block(&mut self, number: usize, first: Key) -> Result<()> {
        let block = &self.segment.directory.blocks[number];
        let rows = self.reader.rows(self.source, self.segment, block)?;
        self.choose(number, block, &rows)?;
        if self.is_decoded() {
            self.rows = Arc::new(rows);
        }
        // Others may have gone on up to the bound.
        if self.key().is_some_and(|key| key < first) {
            return Err(KernelError::corrupt("", block.ts.offset, "rows stand before those that the directory names"));
        }
        Ok(())
    }

    /// Whether the first row has this key, where none has one before it; decodes what it takes to tell.
    pub fn stands_at(&mut self, key: Key) -> Result<bool> {
        while !self.is_decoded() && self.bound().is_some_and(|bound| bound <= key) {
            self.decode()?;
        }
        Ok(self.key() == Some(key))
    }

    /// A key before which a block has no row that is kept; None of a block without rows.
    fn first_of(&self, block: &BlockEntry) -> Option<Key> {
        let run = block.runs.iter().find(|run| run.rows > 0 && self.kept.wants(run))?;
        let stream = run.stream as usize;
        let from_ns = self.kept.span.start.max(self.kept.from_ns[stream]);
        Some((self.kept.ranks[stream], run.first_ts_ns.max(from_ns)))
    }

    /// The key of the first decoded row that was not taken.
    fn key(&self) -> Option<Key> {
        let run = self.runs.last()?;
        Some((run.rank, self.rows.ts_ns[run.rows.start]))
    }

    /// Take the rows of the current run that stand before `limit`, or all of them.
    pub fn take_before(&mut self, limit: Option<Key>) -> (Arc<Rows>, Range<usize>) {
        let Some(run) = self.runs.last_mut() else { return (Arc::clone(&self.rows), 0..0) };
        let (start, end) = (run.rows.start, run.rows.end);
        let until = match limit {
            Some((rank, ts_ns)) if rank == run.rank => {
                start + self.rows.ts_ns[start..end].partition_point(|row_ts_ns| *row_ts_ns < ts_ns)
            }
            _ => end,
        };
        run.rows.start = until;
        if until == end {
            self.runs.pop();
        }
        let rows = if self.runs.is_empty() { std::mem::take(&mut self.rows) } else { Arc::clone(&self.rows) };
        (rows, start..until)
    }

    /// Nothing of the block is kept, which its directory entry says by itself.
    fn is_needless(&mut self, block: &BlockEntry) -> bool {
        let Kept { span, from_ns, deletes, .. } = &self.kept;
        let wanted = || block.runs.iter().filter(|run| self.kept.wants(run));
        if block.max_ts_ns < span.start || block.min_ts_ns >= span.end {
            return true;
        }
        if block.min_ts_ns < span.start || block.max_ts_ns >= span.end {
            return false;
        }
        let mut expired = 0;
        let mut deleted: Vec<(usize, u64)> = Vec::new();
        for run in wanted() {
            let covering = |deletes: &Prepared| deletes.covering(run.stream, run.first_ts_ns, run.last_ts_ns);
            if run.last_ts_ns < from_ns[run.stream as usize] {
                expired += u64::from(run.rows);
            } else if let Some(place) = deletes.as_ref().and_then(covering) {
                deleted.push((place, u64::from(run.rows)));
            } else {
                return false;
            }
        }
        self.tally.rows += wanted().map(|run| u64::from(run.rows)).sum::<u64>();
        self.tally.expired += expired;
        deleted.into_iter().for_each(|(place, rows)| self.tally.deleted[place] += rows);
        true
    }

    fn choose(&mut self, number: usize, block: &BlockEntry, rows: &Rows) -> Result<()> {
        let mut chosen = Vec::new();
        let mut at = 0;
        for run in &block.runs {
            let whole = at..at + run.rows as usize;
            at = whole.end;
            if !self.kept.wants(run) {
                continue;
            }
            let times = &rows.ts_ns[whole.clone()];
            if !times.is_sorted() {
                return Err(KernelError::corrupt("", block.ts.offset, "rows of a stream are not in the order of time"));
            }
            let inside = |from_ns: i64| whole.start + times.partition_point(|ts_ns| *ts_ns < from_ns);
            let (start, end) = (inside(self.kept.span.start), inside(self.kept.span.end));
            let kept = inside(self.kept.from_ns[run.stream as usize]).clamp(start, end);
            self.tally.rows += (end - start) as u64;
            self.tally.expired += (kept - start) as u64;
            if kept < end {
                chosen.push(BlockRun { stream: run.stream, start: kept, end });
            }
        }
        let left = match &self.kept.deletes {
            Some(deletes) => {
                let deleted = &mut self.tally.deleted;
                without_deleted(deletes, (self.segment, self.source), number, &chosen, rows, deleted)?
            }
            None => chosen,
        };
        let ranks = &self.kept.ranks;
        let ranked =
            left.iter().rev().map(|run| RankedRun { rank: ranks[run.stream as usize], rows: run.start..run.end });
        self.runs.extend(ranked);
        Ok(())
    }
}

/// The parts of runs that no delete request takes; `deleted` counts the others by request.
pub fn without_deleted(
    deletes: &Prepared,
    (segment, source): (&Segment, &PageSource),
    block: usize,
    runs: &[BlockRun],
    rows: &Rows,
    deleted: &mut [u64],
) -> Result<Vec<BlockRun>> {
    let mut kept = Bitmap::empty(rows.len());
    runs.iter().for_each(|run| kept.set_range(run.start..run.end));
    deletes.clear_by_time(runs, &rows.ts_ns, &mut kept, |place, count| deleted[place] += count);
    let times = runs.iter().filter_map(|run| {
        let (first, last) = (rows.ts_ns.get(run.start)?, rows.ts_ns.get(run.end.checked_sub(1)?)?);
        Some((run.stream, *first, *last))
    });
    if deletes.reads_content(Some((segment, source)), block, times)? {
        let columns = Columns::of_rows(rows, &segment.streams, Loaded { lines: true, metadata: true });
        deletes.clear_by_content(runs, &columns, &mut kept, |place, count| deleted[place] += count);
    }
    Ok(runs.iter().flat_map(|run| parts(run, &kept)).collect())
}

/// The stretches of a run whose rows are all kept.
fn parts(run: &BlockRun, kept: &Bitmap) -> Vec<BlockRun> {
    let mut found: Vec<BlockRun> = Vec::new();
    for row in kept.iter(run.start..run.end) {
        match found.last_mut() {
            Some(last) if last.end == row => last.end = row + 1,
            _ => found.push(BlockRun { stream: run.stream, start: row, end: row + 1 }),
        }
    }
    found
}
