//! A push without some of its streams: what is kept where limits that need memory across pushes refuse the others.

use std::ops::Range;

use crate::batch::{Batch, MetaPair, Rows, Run};

/// The streams of a batch for which `keep` holds, by their places, in the same order and with all their rows.
pub fn keep_streams(batch: &Batch, keep: &[bool]) -> Batch {
    let mut kept = Batch::default();
    let mut numbers = vec![None; batch.streams.len()];
    for (place, labels) in batch.streams.iter().enumerate() {
        if keep.get(place).copied().unwrap_or(false) {
            numbers[place] = Some(kept.streams.len() as u32);
            kept.streams.push(labels.clone());
        }
    }
    if !batch.rows.meta.ends.is_empty() {
        kept.rows.meta.names.clone_from(&batch.rows.meta.names);
    }
    for run in &batch.runs {
        let Some(Some(stream)) = numbers.get(run.stream as usize) else { continue };
        let start = kept.rows.len() as u32;
        append(&mut kept.rows, &batch.rows, run.start as usize..run.end as usize);
        kept.runs.push(Run { stream: *stream, start, end: kept.rows.len() as u32 });
    }
    kept
}

/// Appends rows whose names are those of `out` too.
fn append(out: &mut Rows, rows: &Rows, range: Range<usize>) {
    for row in range {
        out.ts_ns.push(rows.ts_ns[row]);
        out.levels.push(rows.levels[row]);
        out.lines.extend_from_slice(rows.line(row));
        out.line_ends.push(out.lines.len() as u32);
        if rows.meta.ends.is_empty() {
            continue;
        }
        for pair in rows.meta.pairs_of(row) {
            let start = out.meta.bytes.len() as u32;
            out.meta.bytes.extend_from_slice(&rows.meta.bytes[pair.start as usize..pair.end as usize]);
            out.meta.pairs.push(MetaPair { name: pair.name, start, end: out.meta.bytes.len() as u32 });
        }
        out.meta.ends.push(out.meta.pairs.len() as u32);
    }
}
