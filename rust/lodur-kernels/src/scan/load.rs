//! A block's columns as a scan asks for them: borrowed from the head, decoded from a segment's pages.

use std::ops::{Deref, DerefMut, Range};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use crate::batch::{Metadata, Rows};
use crate::deletes::Prepared;
use crate::error::Result;
use crate::head::HeadView;
use crate::labels::LabelSet;
use crate::level::Level;
use crate::pipeline::{Bitmap, MetaRef, RowInput};
use crate::scan::source::{BlockRef, Selected, Source, is_wanted};
use crate::segment::read::PageReader;

/// Buffers of one scanning thread, used for block after block.
#[derive(Default)]
pub struct Buffers {
    pages: PageReader,
    ts_ns: Vec<i64>,
    raw: Vec<u8>,
    lines_at: usize,
    ends: Vec<u32>,
    levels: Vec<u8>,
    meta: Metadata,
}

/// Buffers that finished queries left: pages are megabytes, and memory fresh from the kernel costs a fault every 4 KiB.
static SPARE: Mutex<Vec<Buffers>> = Mutex::new(Vec::new());

/// Spare buffers kept at most, and the size beyond which they are not: a few threads' worth of usual blocks.
const SPARE_MAX: usize = 8;
const SPARE_BYTES_MAX: usize = 16 << 20;

/// `Buffers` of a query's thread, taken from the spare ones and given back at the end.
#[derive(Default)]
pub struct PooledBuffers(Option<Buffers>);

impl PooledBuffers {
    pub fn take() -> Self {
        PooledBuffers(Some(SPARE.lock().pop().unwrap_or_default()))
    }
}

impl Deref for PooledBuffers {
    type Target = Buffers;

    fn deref(&self) -> &Buffers {
        static NONE: OnceLock<Buffers> = OnceLock::new();
        self.0.as_ref().unwrap_or_else(|| NONE.get_or_init(Buffers::default))
    }
}

impl DerefMut for PooledBuffers {
    fn deref_mut(&mut self) -> &mut Buffers {
        self.0.get_or_insert_default()
    }
}

impl Drop for PooledBuffers {
    fn drop(&mut self) {
        if let Some(buffers) = self.0.take().filter(|buffers| buffers.raw.capacity() <= SPARE_BYTES_MAX) {
            let mut spare = SPARE.lock();
            if spare.len() < SPARE_MAX {
                spare.push(buffers);
            }
        }
    }
}

/// Rows of one stream in a block, in row order.
#[derive(Clone, Copy, Debug)]
pub struct BlockRun {
    pub stream: u32,
    pub start: usize,
    pub end: usize,
}

/// Runs of accepted streams, cut to the time range where rows are sorted; elsewhere rows must be tested one by one.
///
/// What delete requests take is cleared from `rows`; for that the other columns may have been loaded.
pub fn load_runs(
    selected: &Selected<'_>,
    block: &BlockRef,
    ts_range: &Range<i64>,
    buffers: &mut Buffers,
    rows: &mut Bitmap,
) -> Result<Vec<BlockRun>> {
    let runs = load_stored_runs(selected, block, ts_range, buffers, rows)?;
    if let Some(deletes) = &selected.deletes {
        clear_deleted(deletes, selected, block, &runs, buffers, rows)?;
    }
    Ok(runs)
}

fn clear_deleted(
    deletes: &Prepared,
    selected: &Selected<'_>,
    block: &BlockRef,
    runs: &[BlockRun],
    buffers: &mut Buffers,
    rows: &mut Bitmap,
) -> Result<()> {
    let columns = Columns::of(selected, block, buffers, Loaded::default());
    deletes.clear_by_time(runs, columns.ts_ns, rows, |_, _| {});
    let left = runs.iter().filter_map(|run| {
        let times = || rows.iter(run.start..run.end).map(|row| columns.ts_ns[row]);
        Some((run.stream, times().min()?, times().max()?))
    });
    let left: Vec<(u32, i64, i64)> = left.collect();
    let segment = match selected.source {
        Source::Head(..) => None,
        Source::Segment(segment, pages, _) => Some((&**segment, &**pages)),
    };
    if deletes.reads_content(segment, block.block, left.into_iter())? {
        load_lines(selected, block, buffers)?;
        load_metadata(selected, block, buffers)?;
        let columns = Columns::of(selected, block, buffers, Loaded { lines: true, metadata: true });
        deletes.clear_by_content(runs, &columns, rows, |_, _| {});
    }
    Ok(())
}

/// The same with the rows that delete requests take.
pub fn load_stored_runs(
    selected: &Selected<'_>,
    block: &BlockRef,
    ts_range: &Range<i64>,
    buffers: &mut Buffers,
    rows: &mut Bitmap,
) -> Result<Vec<BlockRun>> {
    match selected.source {
        Source::Head(view, _) => {
            let batch = &view.batches[block.block];
            rows.reset(batch.rows.len());
            let mut runs = Vec::new();
            for run in batch.runs.iter().filter(|run| selected.accepted[run.stream as usize]) {
                let (start, end) = (run.start as usize, run.end as usize);
                let inside = batch.min_ts_ns >= ts_range.start && batch.max_ts_ns < ts_range.end;
                if inside {
                    rows.set_range(start..end);
                } else {
                    (start..end).filter(|row| ts_range.contains(&batch.rows.ts_ns[*row])).for_each(|row| rows.set(row));
                }
                runs.push(BlockRun { stream: run.stream, start, end });
            }
            Ok(runs)
        }
        Source::Segment(segment, pages, _) => {
            let entry = &segment.directory.blocks[block.block];
            buffers.pages.timestamps(pages, entry, &mut buffers.ts_ns).map_err(|e| e.in_file(&segment.path))?;
            rows.reset(entry.rows as usize);
            let mut runs = Vec::new();
            let mut at = 0;
            for run in &entry.runs {
                let (start, end) = (at, at + run.rows as usize);
                at = end;
                if !is_wanted(selected, run, ts_range) {
                    continue;
                }
                let ts_ns = &buffers.ts_ns[start..end];
                let from = start + ts_ns.partition_point(|ts| *ts < ts_range.start);
                let to = start + ts_ns.partition_point(|ts| *ts < ts_range.end);
                if from < to {
                    rows.set_range(from..to);
                    runs.push(BlockRun { stream: run.stream, start: from, end: to });
                }
            }
            Ok(runs)
        }
    }
}

/// Decode the lines of a segment's block; the head's are there.
pub fn load_lines(selected: &Selected<'_>, block: &BlockRef, buffers: &mut Buffers) -> Result<()> {
    if let Source::Segment(segment, pages, _) = selected.source {
        let entry = &segment.directory.blocks[block.block];
        let codec = segment.directory.codec;
        buffers.lines_at = buffers
            .pages
            .lines(pages, codec, entry, &mut buffers.raw, &mut buffers.ends)
            .map_err(|e| e.in_file(&segment.path))?;
    }
    Ok(())
}

/// Decode levels alone of a segment's block; rows then read as if they had no other metadata. The head's are there.
pub fn load_levels(selected: &Selected<'_>, block: &BlockRef, buffers: &mut Buffers) -> Result<()> {
    if let Source::Segment(segment, pages, _) = selected.source {
        let entry = &segment.directory.blocks[block.block];
        let codec = segment.directory.codec;
        buffers.meta = Metadata::default();
        buffers.pages.levels(pages, codec, entry, &mut buffers.levels).map_err(|e| e.in_file(&segment.path))?;
    }
    Ok(())
}

/// Decode levels and structured metadata of a segment's block; the head's are there.
pub fn load_metadata(selected: &Selected<'_>, block: &BlockRef, buffers: &mut Buffers) -> Result<()> {
    if let Source::Segment(segment, pages, _) = selected.source {
        let entry = &segment.directory.blocks[block.block];
        let codec = segment.directory.codec;
        buffers
            .pages
            .levels(pages, codec, entry, &mut buffers.levels)
            .and_then(|()| buffers.pages.metadata(pages, segment, entry).map(|meta| buffers.meta = meta))
            .map_err(|e| e.in_file(&segment.path))?;
    }
    Ok(())
}

/// What was loaded of a block. Columns that were not loaded must not be asked for.
#[derive(Clone, Copy)]
pub struct Columns<'a> {
    pub ts_ns: &'a [i64],
    pub lines: &'a [u8],
    pub line_ends: &'a [u32],
    levels: &'a [u8],
    meta: &'a Metadata,
    streams: &'a [Arc<LabelSet>],
    has_lines: bool,
    has_metadata: bool,
}

/// Which columns have been loaded.
#[derive(Clone, Copy, Default)]
pub struct Loaded {
    pub lines: bool,
    pub metadata: bool,
}

impl<'a> Columns<'a> {
    pub fn of(selected: &Selected<'a>, block: &BlockRef, buffers: &'a Buffers, loaded: Loaded) -> Columns<'a> {
        match selected.source {
            Source::Head(view, _) => Columns::of_head(view, block.block, loaded),
            Source::Segment(segment, ..) => Columns {
                ts_ns: &buffers.ts_ns,
                lines: buffers.raw.get(buffers.lines_at..).unwrap_or(&[]),
                line_ends: &buffers.ends,
                levels: &buffers.levels,
                meta: &buffers.meta,
                streams: &segment.streams,
                has_lines: loaded.lines,
                has_metadata: loaded.metadata,
            },
        }
    }

    fn of_head(view: &'a HeadView, block: usize, loaded: Loaded) -> Columns<'a> {
        Columns::of_rows(&view.batches[block].rows, &view.streams, loaded)
    }

    /// Of rows that are decoded as a whole.
    pub fn of_rows(rows: &'a Rows, streams: &'a [Arc<LabelSet>], loaded: Loaded) -> Columns<'a> {
        Columns {
            ts_ns: &rows.ts_ns,
            lines: &rows.lines,
            line_ends: &rows.line_ends,
            levels: &rows.levels,
            meta: &rows.meta,
            streams,
            has_lines: loaded.lines,
            has_metadata: loaded.metadata,
        }
    }

    pub fn line(&self, row: usize) -> &'a [u8] {
        if !self.has_lines {
            return &[];
        }
        let start = if row == 0 { 0 } else { self.line_ends[row - 1] as usize };
        &self.lines[start..self.line_ends[row] as usize]
    }

    pub fn level(&self, row: usize) -> u8 {
        if self.has_metadata { self.levels[row] } else { 0 }
    }

    pub fn has_metadata(&self) -> bool {
        self.has_metadata
    }

    /// Whether rows differ in nothing but their level.
    pub fn is_level_only(&self) -> bool {
        !self.has_metadata || self.meta.pairs.is_empty()
    }

    pub fn row(&self, row: usize, stream: u32) -> RowInput<'a> {
        RowInput {
            ts_ns: self.ts_ns[row],
            line: self.line(row),
            stream: &self.streams[stream as usize],
            level: Level::from_code(self.level(row)),
            meta: if self.has_metadata { MetaRef::new(self.meta, row) } else { MetaRef::none() },
        }
    }
}
