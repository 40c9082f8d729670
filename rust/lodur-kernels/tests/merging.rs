//! A merge has every row of its inputs once, in order; what has expired or was deleted is left out and counted. Scans
//! leave the same out.
#![allow(clippy::unwrap_used)]

use std::collections::HashSet;
use std::sync::Arc;

use lodur_kernels::compact::keep::KeepRules;
use lodur_kernels::compact::merge::{Input, Merged, merge_segments};
use lodur_kernels::compact::verify::verify;
use lodur_kernels::deletes::plan::{DELETE_PLAN_VERSION, DeletePlan};
use lodur_kernels::deletes::{DeleteRule, Deletes};
use lodur_kernels::error::KernelError;
use lodur_kernels::head::Head;
use lodur_kernels::pipeline::plan::{LabelFilter, LineFilterOp, LineMatch, MatchOp, PLAN_VERSION, PipelinePlan, Stage};
use lodur_kernels::scan::Scan;
use lodur_kernels::scan::logs::run_logs;
use lodur_kernels::scan::metric::run_metric;
use lodur_kernels::scan::parallel::Cancel;
use lodur_kernels::scan::plan::{
    GroupingMode, GroupingPlan, LogsTask, MetricTask, RangeOp, SCAN_PLAN_VERSION, ScanPlan, StreamMatcher, Task,
};
use lodur_kernels::scan::source::Source;
use lodur_kernels::scan::volume::index_stats;
use lodur_kernels::segment::codec::Codec;
use proptest::prelude::*;

use crate::drawn_rows::{Opened, Row, batch_of, opened, read_all, rows, twin, written};

mod drawn_rows;

fn merged(inputs: &[Opened], span: std::ops::Range<i64>, keep: &KeepRules) -> (Merged, Option<Opened>) {
    let inputs: Vec<Input<'_>> = inputs.iter().map(|input| (&input.segment, &input.source, None)).collect();
    let mut bytes = Vec::new();
    let codec = Codec::Zstd { level: 3 };
    let merged = merge_segments(&inputs, span, keep, codec, &Cancel::default(), &mut bytes).unwrap();
    let output = merged.written.map(|_| opened(&bytes));
    (merged, output)
}

fn only_app(value: &str) -> Vec<u8> {
    let matcher =
        StreamMatcher { name: "app".into(), op: lodur_kernels::pipeline::plan::MatchOp::Equal, value: value.into() };
    rmp_serde::to_vec_named(&[matcher]).unwrap()
}

/// What a delete request of these tests names.
#[derive(Clone, Debug)]
enum Named {
    Everything,
    LinesWith(char),
    MetaIs(String, String),
}

#[derive(Clone, Debug)]
struct Request {
    app: u8,
    from: i64,
    until: i64,
    named: Named,
}

impl Request {
    fn takes(&self, row: &Row) -> bool {
        row.stream / 2 == self.app
            && (self.from..self.until).contains(&row.ts_ns)
            && match &self.named {
                Named::Everything => true,
                Named::LinesWith(letter) => row.line.contains(*letter),
                Named::MetaIs(name, value) => row.meta.iter().any(|pair| pair == &(name.clone(), value.clone())),
            }
    }

    fn compiled(&self) -> Arc<DeleteRule> {
        let stages = match &self.named {
            Named::Everything => vec![],
            Named::LinesWith(letter) => vec![Stage::LineFilter {
                op: LineFilterOp::Contains,
                matches: vec![LineMatch::Text { value: letter.to_string() }],
            }],
            Named::MetaIs(name, value) => vec![Stage::LabelFilter {
                filter: LabelFilter::Match { name: name.clone(), op: MatchOp::Equal, value: value.clone() },
            }],
        };
        let pipeline = PipelinePlan { version: PLAN_VERSION, stages, unwrap: None };
        let plan = DeletePlan {
            matchers: vec![matcher(&format!("a{}", self.app))],
            pipeline,
            start_ns: self.from,
            end_ns: self.until,
            version: DELETE_PLAN_VERSION,
        };
        Arc::new(DeleteRule::compile(&rmp_serde::to_vec_named(&plan).unwrap()).unwrap())
    }
}

fn matcher(app: &str) -> StreamMatcher {
    StreamMatcher { name: "app".into(), op: MatchOp::Equal, value: app.into() }
}

fn requests() -> impl Strategy<Value = Vec<Request>> {
    let named = prop_oneof![
        Just(Named::Everything),
        "[k-m]".prop_map(|text| Named::LinesWith(text.chars().next().unwrap())),
        ("[a-d]", "[x-z]").prop_map(|(name, value)| Named::MetaIs(name, value)),
    ];
    let request = (0u8..3, 0i64..40, 1i64..45, named).prop_map(|(app, from, length, named)| Request {
        app,
        from,
        until: from + length,
        named,
    });
    proptest::collection::vec(request, 1..4)
}

/// Whether requests leave no time between the first and the last row of a stream.
fn is_gone_whole(stream: u8, rows: &[Row], asked: &[Request]) -> bool {
    let times = || rows.iter().filter(|row| row.stream == stream).map(|row| row.ts_ns);
    let covers = |ts_ns: i64| asked.iter().any(|one| stream / 2 == one.app && (one.from..one.until).contains(&ts_ns));
    (times().min().unwrap()..=times().max().unwrap()).all(covers)
}

fn scan(task: Task) -> Scan {
    let everywhere = StreamMatcher { name: "app".into(), op: MatchOp::Regex, value: ".+".into() };
    let pipeline = PipelinePlan { version: PLAN_VERSION, stages: vec![], unwrap: None };
    let plan = ScanPlan { matchers: vec![everywhere], pipeline, task, needs: vec![], version: SCAN_PLAN_VERSION };
    Scan::compile(&rmp_serde::to_vec_named(&plan).unwrap()).unwrap()
}

/// Lines that a log query shows, sorted, and what a count of all says.
fn scanned(source: &Source) -> (Vec<(i64, String)>, u64) {
    let logs = LogsTask { start_ns: -10, end_ns: 100, limit: 10_000, backward: true, interval_ns: 0 };
    let found =
        run_logs(&scan(Task::Logs(logs)), std::slice::from_ref(source), &Cancel::default(), 2, 1 << 30).unwrap();
    let mut lines: Vec<_> =
        found.entries.into_iter().map(|entry| (entry.ts_ns, String::from_utf8(entry.line).unwrap())).collect();
    lines.sort();
    let count = MetricTask {
        op: RangeOp::Count,
        grouping: GroupingPlan { mode: GroupingMode::By, names: vec![] },
        start_ns: 100,
        step_ns: 1,
        steps: 1,
        range_ns: 200,
        offset_ns: 0,
        series_max: 0,
        parameter: None,
    };
    let counted =
        run_metric(&scan(Task::Metric(count)), std::slice::from_ref(source), &Cancel::default(), 2, 1 << 30).unwrap();
    (lines, counted.values.iter().sum::<f64>() as u64)
}

#[test]
fn a_stream_that_requests_delete_one_after_the_other_is_counted_no_more() {
    let row = |ts_ns: i64| Row { stream: 4, ts_ns, line: String::new(), level: 0, meta: vec![] };
    let request = |from: i64, until: i64| Request { app: 2, from, until, named: Named::Everything };
    let entries = |asked: &[Request]| {
        let deletes = Arc::new(Deletes::new(asked.iter().map(Request::compiled).collect()));
        let file = written(&[row(1), row(14), row(26)]);
        let source = Source::Segment(Arc::new(file.segment), Arc::new(file.source), Some(deletes));
        let everywhere = lodur_kernels::scan::matching::Selector::everything();
        index_stats(&[source], &everywhere, -10, 100, &Cancel::default()).unwrap().entries
    };
    assert_eq!(entries(&[request(13, 27), request(0, 13)]), 0);
    assert_eq!(entries(&[request(13, 27), request(0, 12), request(2, 20)]), 0);
    // Nobody says that the row between them is none of 12.
    assert_eq!(entries(&[request(13, 27), request(0, 12)]), 3);
    assert_eq!(entries(&[request(0, 13), request(13, 26)]), 3);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn what_was_deleted_is_in_no_scan_and_in_no_merge(
        inputs in proptest::collection::vec(prop_oneof![rows(8), rows(200)], 1..4), asked in requests(),
    ) {
        let deletes = Arc::new(Deletes::new(asked.iter().map(Request::compiled).collect()));
        let is_deleted = |row: &Row| asked.iter().any(|request| request.takes(row));
        let files: Vec<Opened> = inputs.iter().map(|rows| written(rows)).collect();
        let expected = twin(&inputs, |row| !is_deleted(row));
        let opened_without: Vec<Input<'_>> =
            files.iter().map(|file| (&file.segment, &file.source, Some(&*deletes))).collect();
        let mut bytes = Vec::new();
        let keep = KeepRules::everything();
        let codec = Codec::Zstd { level: 1 };
        let facts =
            merge_segments(&opened_without, i64::MIN..i64::MAX, &keep, codec, &Cancel::default(), &mut bytes).unwrap();
        let output = facts.written.map(|_| opened(&bytes));
        prop_assert_eq!(output.iter().flat_map(read_all).collect::<Vec<_>>(), expected.clone());
        let deleted: u64 = facts.rows_deleted.iter().flatten().sum();
        prop_assert_eq!(facts.rows_read, expected.len() as u64 + facts.rows_repeated + deleted);
        for column in output.iter().flat_map(|output| &output.segment.directory.meta_columns) {
            for value in column.dictionary.iter().flatten() {
                let pair = (column.name.clone(), value.clone());
                prop_assert!(expected.iter().any(|row| row.meta.contains(&pair)), "{} is left", value);
            }
        }

        for (rows, file) in inputs.iter().zip(files) {
            let kept = twin(std::slice::from_ref(rows), |row| !is_deleted(row));
            let gone = file.segment.directory.rows - kept.len() as u64;
            let effect = deletes.effect(&file.segment, &file.source).unwrap();
            let covered: u64 = effect.covered.iter().sum();
            prop_assert!(covered <= gone && gone <= covered + effect.open);
            let head = Head::default();
            head.insert(&Arc::new(batch_of(rows)), &[]);
            let view = head.snapshot().remove(0);
            let segment = Source::Segment(Arc::new(file.segment), Arc::new(file.source), Some(Arc::clone(&deletes)));
            let mut lines: Vec<_> = kept.iter().map(|row| (row.ts_ns, row.line.clone())).collect();
            lines.sort();
            for source in [segment, Source::Head(view, Some(Arc::clone(&deletes)))] {
                let (seen, counted) = scanned(&source);
                prop_assert_eq!(&seen, &lines);
                prop_assert_eq!(counted, kept.len() as u64);
                if !asked.iter().any(|request| !matches!(request.named, Named::Everything)) {
                    let everywhere = lodur_kernels::scan::matching::Selector::everything();
                    let cancel = Cancel::default();
                    let whole = (i64::MIN / 2, i64::MAX / 2);
                    let stats = index_stats(std::slice::from_ref(&source), &everywhere, whole.0, whole.1, &cancel).unwrap();
                    prop_assert!(stats.entries >= kept.len() as u64);
                    // A segment's directory has no times of rows but the first and the last of a run.
                    if matches!(source, Source::Head(..)) || rows.iter().all(|row| is_gone_whole(row.stream, rows, &asked)) {
                        prop_assert_eq!(stats.entries == 0, kept.is_empty());
                    }
                }
            }
        }
    }

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
