//! What goes into a segment comes out of it, and damage never panics.
#![allow(clippy::unwrap_used)]

#[path = "drawn_rows/batches.rs"]
mod batches;

use std::sync::Arc;

use lodur_kernels::batch::Batch;
use lodur_kernels::head::Head;
use lodur_kernels::segment::codec::Codec;
use lodur_kernels::segment::read::{PageReader, Segment};
use lodur_kernels::segment::write::write_segment;
use proptest::prelude::*;

/// (stream, timestamp, line, level, metadata).
type Row = (u8, i64, String, u8, Vec<(String, String)>);

fn batch_of(rows: &[Row]) -> Batch {
    let row = |(stream, ts_ns, line, level, meta): &Row| batches::Row {
        stream: *stream,
        ts_ns: *ts_ns,
        line: line.clone(),
        level: *level,
        meta: meta.clone(),
    };
    batches::batch_of(&rows.iter().map(row).collect::<Vec<_>>())
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let meta = proptest::collection::btree_map("[a-f]{1,2}", "\\PC{1,5}", 0..3);
    let row = (0u8..4, -50i64..200, "\\PC{0,30}", 0u8..9, meta);
    proptest::collection::vec(row.prop_map(|(s, t, l, v, m)| (s, t, l, v, m.into_iter().collect())), 1..120)
}

fn codecs() -> impl Strategy<Value = Codec> {
    prop_oneof![
        Just(Codec::None),
        Just(Codec::Gzip),
        Just(Codec::Snappy),
        Just(Codec::Lz4),
        Just(Codec::Zstd { level: 1 })
    ]
}

/// Write the rows within the span; the file's bytes, or None when no row lies there.
fn segment_of(rows: &[Row], span: std::ops::Range<i64>, codec: Codec) -> Option<Vec<u8>> {
    let head = Head::default();
    head.insert(&Arc::new(batch_of(rows)), &[]);
    let view = head.freeze().unwrap();
    let mut bytes = Vec::new();
    write_segment(&[&view], span, codec, 1, &mut bytes).unwrap().map(|_| bytes)
}

#[test]
fn several_threads_write_the_same_bytes() {
    let head = Head::default();
    for stream in 0..3 {
        let row = |i: i64| {
            let trace = vec![("trace".to_owned(), format!("{}", i % 1009))];
            (stream, i, format!("{stream} {i} says {}", i % 97), (i % 9) as u8, trace)
        };
        head.insert(&Arc::new(batch_of(&(0..60_000).map(row).collect::<Vec<Row>>())), &[]);
    }
    let view = head.freeze().unwrap();
    let written = |threads: usize| {
        let mut bytes = Vec::new();
        let codec = Codec::Zstd { level: 1 };
        let facts = write_segment(&[&view], i64::MIN..i64::MAX, codec, threads, &mut bytes).unwrap().unwrap();
        (facts.rows, facts.blocks, bytes)
    };
    let (rows, blocks, alone) = written(1);
    assert_eq!(rows, 180_000);
    assert!(blocks > 8);
    for threads in [2, 3, 32] {
        assert!(written(threads).2 == alone, "{threads} threads");
    }
}

fn read_all(bytes: &[u8]) -> lodur_kernels::error::Result<Vec<(String, Row)>> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    let (segment, source) = Segment::open(file.path())?;
    let mut reader = PageReader::default();
    let mut all = Vec::new();
    for block in &segment.directory.blocks {
        let rows = reader.rows(&source, &segment, block)?;
        let mut at = 0;
        for run in &block.runs {
            for row in at..at + run.rows as usize {
                let line = String::from_utf8_lossy(rows.line(row)).into_owned();
                let meta = rows.meta.of(row).map(|(n, v)| (n.to_string(), v.to_string())).collect();
                let labels = segment.streams[run.stream as usize].to_string();
                all.push((labels, (run.stream as u8, rows.ts_ns[row], line, rows.levels[row], meta)));
            }
            at += run.rows as usize;
        }
    }
    Ok(all)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn rows_come_back_sorted_and_once(rows in rows(), from in -60i64..100, length in 1i64..300, codec in codecs()) {
        let span = from..from + length;
        let mut expected: Vec<Row> = Vec::new();
        for row in rows.iter().filter(|row| span.contains(&row.1)) {
            if !expected.contains(row) {
                expected.push(row.clone());
            }
        }
        expected.sort_by_key(|row| (row.0, row.1));
        let found = match segment_of(&rows, span, codec) {
            Some(bytes) => read_all(&bytes).unwrap(),
            None => Vec::new(),
        };
        prop_assert_eq!(found.len(), expected.len());
        for ((labels, found), expected) in found.iter().zip(&expected) {
            prop_assert!(labels.contains(&format!("p{}", expected.0)), "{} {:?}", labels, expected);
            prop_assert_eq!((found.1, &found.2, found.3, &found.4), (expected.1, &expected.2, expected.3, &expected.4));
        }
    }

    #[test]
    fn damage_is_an_error_or_does_not_matter(rows in rows(), at in any::<prop::sample::Index>(), bit in 0u8..8, cut in any::<bool>()) {
        let bytes = segment_of(&rows, i64::MIN..i64::MAX, Codec::Zstd { level: 1 }).unwrap();
        let intact = read_all(&bytes).unwrap();
        let mut damaged = bytes.clone();
        let place = at.index(bytes.len());
        if cut {
            damaged.truncate(place);
        } else {
            damaged[place] ^= 1 << bit;
        }
        // A flip outside what we read (Parquet's own statistics, say) changes nothing; any other is named.
        if let Ok(found) = read_all(&damaged) {
            prop_assert_eq!(found, intact);
        }
    }
}
