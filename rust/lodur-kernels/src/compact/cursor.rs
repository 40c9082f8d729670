//! The rows of one input of a merge, run by run: those of a time span that are kept, one decoded block at a time.

use std::ops::Range;
use std::sync::Arc;

use crate::batch::Rows;
use crate::error::{KernelError, Result};
use crate::segment::directory::BlockEntry;
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
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    pub rows: u64,
    pub expired: u64,
}

/// Walks through one segment.
pub struct Cursor<'a> {
    segment: &'a Segment,
    source: &'a PageSource,
    span: Range<i64>,
    /// By stream of the segment: its rank among the streams of all inputs, and the first timestamp that is kept.
    ranks: Vec<u32>,
    from_ns: Vec<i64>,
    reader: PageReader,
    next_block: usize,
    rows: Arc<Rows>,
    /// Of the current block, the current one last.
    runs: Vec<RankedRun>,
    tally: Tally,
}

impl<'a> Cursor<'a> {
    pub fn new(
        (segment, source): (&'a Segment, &'a PageSource),
        span: Range<i64>,
        ranks: Vec<u32>,
        from_ns: Vec<i64>,
    ) -> Self {
        Cursor {
            segment,
            source,
            span,
            ranks,
            from_ns,
            reader: PageReader::default(),
            next_block: 0,
            rows: Arc::default(),
            runs: Vec::new(),
            tally: Tally::default(),
        }
    }

    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// Decode on until there is a row; the key of the first one, None at the end.
    pub fn fill(&mut self) -> Result<Option<Key>> {
        let segment = self.segment;
        while self.runs.is_empty() {
            let Some(block) = segment.directory.blocks.get(self.next_block) else { return Ok(None) };
            self.next_block += 1;
            if self.is_needless(block) {
                continue;
            }
            let rows = self.reader.rows(self.source, segment, block).map_err(|e| e.in_file(&segment.path))?;
            self.choose(block, &rows).map_err(|e| e.in_file(&segment.path))?;
            self.rows = Arc::new(rows);
        }
        Ok(self.key())
    }

    /// The key of the first row that was not taken of the decoded block.
    pub fn key(&self) -> Option<Key> {
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
        (Arc::clone(&self.rows), start..until)
    }

    /// Nothing of the block is kept, which its directory entry says by itself.
    fn is_needless(&mut self, block: &BlockEntry) -> bool {
        if block.max_ts_ns < self.span.start || block.min_ts_ns >= self.span.end {
            return true;
        }
        let is_inside = block.min_ts_ns >= self.span.start && block.max_ts_ns < self.span.end;
        let is_expired = block.runs.iter().all(|run| run.last_ts_ns < self.from_ns[run.stream as usize]);
        if is_inside && is_expired {
            self.tally.rows += u64::from(block.rows);
            self.tally.expired += u64::from(block.rows);
        }
        is_inside && is_expired
    }

    fn choose(&mut self, block: &BlockEntry, rows: &Rows) -> Result<()> {
        let mut at = 0;
        for run in &block.runs {
            let whole = at..at + run.rows as usize;
            at = whole.end;
            let times = &rows.ts_ns[whole.clone()];
            if !times.is_sorted() {
                return Err(KernelError::corrupt("", block.ts.offset, "rows of a stream are not in the order of time"));
            }
            let inside = |from_ns: i64| whole.start + times.partition_point(|ts_ns| *ts_ns < from_ns);
            let (start, end) = (inside(self.span.start), inside(self.span.end));
            let kept = inside(self.from_ns[run.stream as usize]).clamp(start, end);
            self.tally.rows += (end - start) as u64;
            self.tally.expired += (kept - start) as u64;
            if kept < end {
                self.runs.push(RankedRun { rank: self.ranks[run.stream as usize], rows: kept..end });
            }
        }
        self.runs.reverse();
        Ok(())
    }
}
