//! Rows as these tests draw them, and the segments that hold them.

use std::collections::HashSet;
use std::sync::Arc;

use lodur_kernels::batch::{Batch, MetaPair, Rows, Run};
use lodur_kernels::head::Head;
use lodur_kernels::labels::LabelSet;
use lodur_kernels::segment::codec::Codec;
use lodur_kernels::segment::read::{PageReader, PageSource, Segment};
use lodur_kernels::segment::write::write_segment;
use proptest::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Row {
    pub stream: u8,
    pub ts_ns: i64,
    pub line: String,
    pub level: u8,
    pub meta: Vec<(String, String)>,
}

pub fn labels(number: u8) -> LabelSet {
    LabelSet::from_pairs([("app", format!("a{}", number / 2)), ("pod", format!("p{number}"))])
}

pub fn batch_of(rows: &[Row]) -> Batch {
    let streams = (0..5u8).map(|number| Arc::new(labels(number))).collect();
    let mut batch = Batch { streams, ..Batch::default() };
    for (at, row) in rows.iter().enumerate() {
        batch.runs.push(Run { stream: u32::from(row.stream), start: at as u32, end: at as u32 + 1 });
        let columns: &mut Rows = &mut batch.rows;
        columns.ts_ns.push(row.ts_ns);
        columns.lines.extend_from_slice(row.line.as_bytes());
        columns.line_ends.push(columns.lines.len() as u32);
        columns.levels.push(row.level);
        for (name, value) in &row.meta {
            let known = columns.meta.names.iter().position(|known| **known == **name);
            let number = known.unwrap_or_else(|| {
                columns.meta.names.push(name.as_str().into());
                columns.meta.names.len() - 1
            });
            let start = columns.meta.bytes.len() as u32;
            columns.meta.bytes.extend_from_slice(value.as_bytes());
            columns.meta.pairs.push(MetaPair { name: number as u32, start, end: columns.meta.bytes.len() as u32 });
        }
        columns.meta.ends.push(columns.meta.pairs.len() as u32);
    }
    batch
}

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
