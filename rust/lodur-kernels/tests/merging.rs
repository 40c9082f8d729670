//! A merge has every row of its inputs once, in order; what has expired is left out and counted.
#![allow(clippy::unwrap_used)]

use std::collections::HashSet;
use std::sync::Arc;

use lodur_kernels::batch::{Batch, MetaPair, Rows, Run};
use lodur_kernels::compact::keep::KeepRules;
use lodur_kernels::compact::merge::{Input, Merged, merge_segments};
use lodur_kernels::compact::verify::verify;
use lodur_kernels::error::KernelError;
use lodur_kernels::head::Head;
use lodur_kernels::labels::LabelSet;
use lodur_kernels::scan::parallel::Cancel;
use lodur_kernels::scan::plan::StreamMatcher;
use lodur_kernels::segment::codec::Codec;
use lodur_kernels::segment::read::{PageReader, PageSource, Segment};
use lodur_kernels::segment::write::write_segment;
use proptest::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Row {
    stream: u8,
    ts_ns: i64,
    line: String,
    level: u8,
    meta: Vec<(String, String)>,
}

fn labels(number: u8) -> LabelSet {
    LabelSet::from_pairs([("app", format!("a{}", number / 2)), ("pod", format!("p{number}"))])
}

fn batch_of(rows: &[Row]) -> Batch {
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

fn rows(most: usize) -> impl Strategy<Value = Vec<Row>> {
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

struct Opened {
    segment: Segment,
    source: PageSource,
    _file: tempfile::NamedTempFile,
}

fn opened(bytes: &[u8]) -> Opened {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    let (segment, source) = Segment::open(file.path()).unwrap();
    Opened { segment, source, _file: file }
}

fn written(rows: &[Row]) -> Opened {
    let head = Head::default();
    head.insert(&Arc::new(batch_of(rows)), &[]);
    let mut bytes = Vec::new();
    write_segment(&[&head.freeze().unwrap()], i64::MIN..i64::MAX, Codec::Zstd { level: 1 }, &mut bytes).unwrap();
    opened(&bytes)
}

fn merged(inputs: &[Opened], span: std::ops::Range<i64>, keep: &KeepRules) -> (Merged, Option<Opened>) {
    let inputs: Vec<Input<'_>> = inputs.iter().map(|input| (&input.segment, &input.source, None)).collect();
    let mut bytes = Vec::new();
    let codec = Codec::Zstd { level: 3 };
    let merged = merge_segments(&inputs, span, keep, codec, &Cancel::default(), &mut bytes).unwrap();
    let output = merged.written.map(|_| opened(&bytes));
    (merged, output)
}

fn read_all(opened: &Opened) -> Vec<Row> {
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
fn twin(inputs: &[Vec<Row>], kept: impl Fn(&Row) -> bool) -> Vec<Row> {
    let mut seen = HashSet::new();
    let mut all: Vec<Row> = inputs.iter().flatten().filter(|row| seen.insert((*row).clone())).cloned().collect();
    all.retain(|row| kept(row));
    all.sort_by_key(|row| (row.stream, row.ts_ns));
    all
}

fn only_app(value: &str) -> Vec<u8> {
    let matcher =
        StreamMatcher { name: "app".into(), op: lodur_kernels::pipeline::plan::MatchOp::Equal, value: value.into() };
    rmp_serde::to_vec_named(&[matcher]).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn every_row_is_there_once(
        inputs in prop_oneof![
            proptest::collection::vec(rows(60), 1..6),
            proptest::collection::vec(prop_oneof![rows(8), rows(400)], 1..4),
        ],
        cut in 0i64..40,
    ) {
        let files: Vec<Opened> = inputs.iter().map(|rows| written(rows)).collect();
        let everything = KeepRules::everything();
        let expected = twin(&inputs, |_| true);
        let (facts, output) = merged(&files, i64::MIN..i64::MAX, &everything);
        let output = output.unwrap();
        prop_assert_eq!(read_all(&output), expected.clone());
        let read: u64 = files.iter().map(|file| file.segment.directory.rows).sum();
        prop_assert_eq!(facts.rows_read, read);
        prop_assert_eq!(facts.rows_read, expected.len() as u64 + facts.rows_repeated);
        prop_assert_eq!(verify(&output.segment, &output.source, &Cancel::default()).unwrap(), expected.len() as u64);
        prop_assert_eq!(output.segment.streams.len(), expected.iter().map(|row| row.stream).collect::<HashSet<_>>().len());

        let mut halves = Vec::new();
        for span in [i64::MIN..cut, cut..i64::MAX] {
            halves.extend(merged(&files, span, &everything).1.iter().flat_map(read_all));
        }
        halves.sort_by_key(|row| (row.stream, row.ts_ns));
        prop_assert_eq!(halves, expected);
    }

    #[test]
    fn what_has_expired_is_left_out(inputs in proptest::collection::vec(rows(80), 1..4), from in 0i64..41, rest in 0i64..41) {
        let files: Vec<Opened> = inputs.iter().map(|rows| written(rows)).collect();
        let matchers = only_app("a1");
        let keep = KeepRules::decode(&[(&matchers, from), (&matchers, 1000)], rest).unwrap();
        let kept_from = |stream: u8| if stream / 2 == 1 { from } else { rest };
        let expected = twin(&inputs, |row| row.ts_ns >= kept_from(row.stream));
        let (facts, output) = merged(&files, i64::MIN..i64::MAX, &keep);
        prop_assert_eq!(output.iter().flat_map(read_all).collect::<Vec<_>>(), expected.clone());
        prop_assert_eq!(facts.rows_read, expected.len() as u64 + facts.rows_repeated + facts.rows_expired);
        for (rows, file) in inputs.iter().zip(&files) {
            let gone: HashSet<u8> = (0..5)
                .filter(|stream| rows.iter().any(|row| row.stream == *stream))
                .filter(|stream| rows.iter().all(|row| row.stream != *stream || row.ts_ns < kept_from(*stream)))
                .collect();
            prop_assert_eq!(keep.expired(&file.segment).streams, gone.len() as u64);
        }
    }

    #[test]
    fn damage_is_found(rows in rows(100), at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let file = written(&rows);
        let directory = &file.segment.directory;
        let block = &directory.blocks[at.index(directory.blocks.len())];
        let mut bytes = std::fs::read(&file.segment.path).unwrap();
        let place = block.line.offset as usize + at.index(block.line.length as usize);
        bytes[place] ^= 1 << bit;
        let damaged = opened(&bytes);
        let found = verify(&damaged.segment, &damaged.source, &Cancel::default());
        let is_named = matches!(&found, Err(KernelError::Corrupt { path, .. }) if *path == damaged.segment.path);
        // A flip in the page's header may change what is not read of it.
        prop_assert!(is_named || found.is_ok_and(|rows| rows == damaged.segment.directory.rows));
    }
}

#[test]
fn blocks_stay_bounded_and_merges_stop_when_asked() {
    let row = |ts_ns: i64| Row { stream: (ts_ns % 5) as u8, ts_ns, line: "x".repeat(300), level: 3, meta: Vec::new() };
    let inputs: Vec<Vec<Row>> =
        (0..4).map(|input| (0..20_000).filter(|ts_ns| ts_ns / 100 % 4 == input).map(row).collect()).collect();
    let files: Vec<Opened> = inputs.iter().map(|rows| written(rows)).collect();
    let (_, output) = merged(&files, i64::MIN..i64::MAX, &KeepRules::everything());
    let output = output.unwrap();
    assert_eq!(read_all(&output), twin(&inputs, |_| true));
    let sizes: Vec<u64> = output.segment.directory.blocks.iter().map(|block| block.line_bytes).collect();
    assert_eq!(sizes.iter().sum::<u64>(), 20_000 * 300);
    assert_eq!(sizes[0], (4 << 20) / 300 * 300 + 300);

    let cancel = Cancel::default();
    cancel.set();
    let inputs: Vec<Input<'_>> = files.iter().map(|file| (&file.segment, &file.source, None)).collect();
    let keep = KeepRules::everything();
    let stopped = merge_segments(&inputs, i64::MIN..i64::MAX, &keep, Codec::None, &cancel, Vec::new());
    assert!(matches!(stopped, Err(KernelError::Cancelled)));
}
