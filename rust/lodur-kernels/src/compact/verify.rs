//! Read all of a segment that Lodur reads, and check it against its checksums and its directory.

use crate::error::{KernelError, Result};
use crate::scan::parallel::Cancel;
use crate::segment::directory::BlockEntry;
use crate::segment::grams::check_filter;
use crate::segment::read::{PageReader, PageSource, Segment};

/// Rows of a segment that was found whole. Damage is `Corrupt` with file and offset.
pub fn verify(segment: &Segment, source: &PageSource, cancel: &Cancel) -> Result<u64> {
    check(segment, source, cancel).map_err(|error| error.in_file(&segment.path))
}

fn check(segment: &Segment, source: &PageSource, cancel: &Cancel) -> Result<u64> {
    let directory = &segment.directory;
    let mut reader = PageReader::default();
    let (mut rows, mut line_bytes) = (0, 0);
    for block in &directory.blocks {
        cancel.check()?;
        let decoded = reader.rows(source, segment, block)?;
        check_times(block, &decoded.ts_ns)?;
        if decoded.lines.len() as u64 != block.line_bytes {
            return Err(KernelError::corrupt("", block.line.offset, "lines have another size than the directory says"));
        }
        rows += u64::from(block.rows);
        line_bytes += block.line_bytes;
    }
    if rows != directory.rows || line_bytes != directory.line_bytes {
        return Err(KernelError::corrupt("", 0, "blocks do not add up to the directory's totals"));
    }
    for layout in directory.filters() {
        check_filter(layout, &mut |offset, length| source.read_at(offset, length))?;
    }
    Ok(rows)
}

fn check_times(block: &BlockEntry, ts_ns: &[i64]) -> Result<()> {
    let mut at = 0;
    for run in &block.runs {
        let times = &ts_ns[at..at + run.rows as usize];
        at += run.rows as usize;
        let is_right = times.is_sorted()
            && times.first().is_none_or(|first| *first == run.first_ts_ns && *first >= block.min_ts_ns)
            && times.last().is_none_or(|last| *last == run.last_ts_ns && *last <= block.max_ts_ns);
        if !is_right {
            return Err(KernelError::corrupt("", block.ts.offset, "timestamps are not those that the directory names"));
        }
    }
    Ok(())
}
