//! A batch back to a push body: what the WAL keeps of pushes that were accepted in part.

use crate::batch::{Batch, Run};
use crate::error::Result;
use crate::level::{LEVEL_NAME, Level};

use super::lines::snappy_compress;
use super::wire::{BYTES, WireTime, bytes_field_len, put_bytes, put_varint, tag};

/// A `logproto.PushRequest` in the snappy block format that decodes to the same batch under `PushLimits::unchecked()`.
/// The level column travels as structured metadata.
pub fn encode_batch(batch: &Batch) -> Result<Vec<u8>> {
    let mut message = Vec::with_capacity(batch.rows.lines.len() + batch.rows.len() * 24);
    let mut stream = Vec::new();
    for run in &batch.runs {
        stream.clear();
        put_bytes(&mut stream, 1, batch.streams[run.stream as usize].to_string().as_bytes());
        put_run(&mut stream, batch, *run);
        put_bytes(&mut message, 1, &stream);
    }
    snappy_compress(&message)
}

fn put_run(out: &mut Vec<u8>, batch: &Batch, run: Run) {
    let rows = &batch.rows;
    for row in run.start as usize..run.end as usize {
        let time = WireTime::of(rows.ts_ns[row]);
        let line = rows.line(row);
        let level = Level::from_code(rows.levels[row]);
        let level_pair = (level != Level::None).then(|| (LEVEL_NAME, level.text()));
        let pairs = rows.meta.of(row).chain(level_pair);
        let pairs_len: usize = pairs.clone().map(|pair| bytes_field_len(pair_len(pair))).sum();
        out.push(tag(2, BYTES));
        put_varint(out, (bytes_field_len(time.len()) + bytes_field_len(line.len()) + pairs_len) as u64);
        time.put(out, 1);
        put_bytes(out, 2, line);
        for (name, value) in pairs {
            out.push(tag(3, BYTES));
            put_varint(out, pair_len((name, value)) as u64);
            put_bytes(out, 1, name.as_bytes());
            put_bytes(out, 2, value.as_bytes());
        }
    }
}

fn pair_len((name, value): (&str, &str)) -> usize {
    bytes_field_len(name.len()) + bytes_field_len(value.len())
}
