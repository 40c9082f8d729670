//! Rows as these tests draw them, and the segments that hold them.

use std::collections::HashSet;
use std::sync::Arc;

use lodur_kernels::head::Head;
use lodur_kernels::segment::codec::Codec;
use lodur_kernels::segment::read::{PageReader, PageSource, Segment};
use lodur_kernels::segment::write::write_segment;
use proptest::prelude::*;

pub use self::batches::{Row, batch_of};

mod batches;

pub fn rows(most: usize) -> impl Strategy<Value = Vec<Row>> {
    // Few values, so that entries repeat and columns come with and without dictionary; many rows make a name rare.
    let meta = proptest::collection::btree_map("[a-d]{1,2}", "[x-z]{1,2}", 0..3);
    let row = (0u8..5, 0i64..40, "[k-m ]{0,3}", 0u8..9, meta).prop_map(|(stream, ts_ns, line, level, meta)| Row {
        stream,
        ts_ns,
        line,
        level,
        meta: meta.into_iter().collect(),
    });
    proptest::collection::vec(row, 1..most)
}

pub struct Opened {
    pub segment: Segment,
    pub source: PageSource,
    _file: tempfile::NamedTempFile,
}

pub fn opened(bytes: &[u8]) -> Opened {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    let (segment, source) = Segment::open(file.path()).unwrap();
    Opened { segment, source, _file: file }
}

pub fn written(rows: &[Row]) -> Opened {
    let head = Head::default();
    head.insert(&Arc::new(batch_of(rows)), &[]);
    let mut bytes = Vec::new();
    write_segment(&[&head.freeze().unwrap()], i64::MIN..i64::MAX, Codec::Zstd { level: 1 }, 1, &mut bytes).unwrap();
    opened(&bytes)
}

pub fn read_all(opened: &Opened) -> Vec<Row> {
    let mut reader = PageReader::default();
    let mut all = Vec::new();
    for block in &opened.segment.directory.blocks {
        let rows = reader.rows(&opened.source, &opened.segment, block).unwrap();
        let mut at = 0;
        for run in &block.runs {
            let name = opened.segment.streams[run.stream as usize].get("pod").unwrap();
            for row in at..at + run.rows as usize {
                all.push(Row {
                    stream: name[1..].parse().unwrap(),
                    ts_ns: rows.ts_ns[row],
                    line: String::from_utf8_lossy(rows.line(row)).into_owned(),
                    level: rows.levels[row],
                    meta: rows.meta.of(row).map(|(n, v)| (n.to_string(), v.to_string())).collect(),
                });
            }
            at += run.rows as usize;
        }
    }
    all
}

/// The obvious way: all rows in order of arrival, sorted by stream and time, each once.
pub fn twin(inputs: &[Vec<Row>], kept: impl Fn(&Row) -> bool) -> Vec<Row> {
    let mut seen = HashSet::new();
    let mut all: Vec<Row> = inputs.iter().flatten().filter(|row| seen.insert((*row).clone())).cloned().collect();
    all.retain(|row| kept(row));
    all.sort_by_key(|row| (row.stream, row.ts_ns));
    all
}
