//! Segments whose blocks were copied hold the rows of their inputs and answer as these do; blocks in which a row must be looked
//! at are not copied.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use lodur_kernels::compact::copy::Copying;
use lodur_kernels::compact::keep::KeepRules;
use lodur_kernels::compact::merge::{Input, Merged, merge_rows, merge_segments};
use lodur_kernels::compact::verify::verify;
use lodur_kernels::deletes::plan::{DELETE_PLAN_VERSION, DeletePlan};
use lodur_kernels::deletes::{DeleteRule, Deletes};
use lodur_kernels::error::{KernelError, Result};
use lodur_kernels::pipeline::plan::{LineFilterOp, LineMatch, MatchOp, PLAN_VERSION, PipelinePlan, Stage};
use lodur_kernels::scan::Scan;
use lodur_kernels::scan::logs::run_logs;
use lodur_kernels::scan::matching::Selector;
use lodur_kernels::scan::metadata::{StreamQuestion, list_streams};
use lodur_kernels::scan::parallel::Cancel;
use lodur_kernels::scan::plan::{LogsTask, SCAN_PLAN_VERSION, ScanPlan, StreamMatcher, Task};
use lodur_kernels::scan::source::Source;
use lodur_kernels::scan::volume::{By, VolumePlan, index_stats, volumes};
use lodur_kernels::segment::codec::Codec;
use lodur_kernels::segment::directory::{Directory, PageRef};
use lodur_kernels::segment::grams::GramLayout;
use lodur_kernels::segment::read::{PageSource, Segment};
use lodur_kernels::segment::write::BLOCK_ROWS;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::RowAccessor;
use parquet::schema::parser::parse_message_type;
use proptest::prelude::*;

use crate::drawn_rows::{Opened, Row, opened, read_all, rows, twin, written};

mod drawn_rows;

const CODEC: Codec = Codec::Zstd { level: 1 };
const EVERYTHING: std::ops::Range<i64> = i64::MIN..i64::MAX;

/// How far apart inputs lie in time; rows of one are drawn from 40 ns.
const STEP_NS: i64 = 50;

/// How much later each stream is than the one before: inputs overlap, streams do not.
const STAGGER_NS: i64 = 20;

/// What structured metadata the rows of a merge have.
#[derive(Clone, Copy, Debug)]
enum Metadata {
    None,
    /// The same name and values everywhere: inputs have equal columns.
    Equal,
    /// A name with its own values in each row: a column without dictionary.
    Ids,
    /// As it is drawn: inputs have different columns.
    Drawn,
}

fn metadata() -> impl Strategy<Value = Metadata> {
    prop_oneof![Just(Metadata::None), Just(Metadata::Equal), Just(Metadata::Ids), Just(Metadata::Drawn)]
}

/// The rows of inputs one after the other in time, with lines that grams can tell apart.
fn spread(inputs: Vec<Vec<Row>>, metadata: Metadata) -> Vec<Vec<Row>> {
    let place = |number: usize, mut row: Row| {
        row.ts_ns += number as i64 * STEP_NS + i64::from(row.stream) * STAGGER_NS;
        row.line = format!("{} needle{} {}", row.line, row.stream, row.ts_ns);
        row.meta = match metadata {
            Metadata::None => Vec::new(),
            Metadata::Equal => vec![("a".into(), ["x", "y"][usize::from(row.level % 2)].into())],
            Metadata::Ids => vec![("trace".into(), format!("{}-{}-{}", row.ts_ns, row.stream, row.line))],
            Metadata::Drawn => row.meta,
        };
        row
    };
    let numbered = inputs.into_iter().enumerate();
    numbered.map(|(number, rows)| rows.into_iter().map(|row| place(number, row)).collect()).collect()
}

fn inputs_of(files: &[Opened]) -> Vec<Input<'_>> {
    files.iter().map(|file| (&file.segment, &file.source, None)).collect()
}

fn copying_of<'a>(inputs: &'a [Input<'a>]) -> Option<Copying<'a>> {
    Copying::of(inputs, &EVERYTHING, &KeepRules::everything(), CODEC, usize::MAX)
}

fn copied(files: &[Opened]) -> (Merged, Opened) {
    let inputs = inputs_of(files);
    let mut bytes = Vec::new();
    let merged = copying_of(&inputs).unwrap().write(&Cancel::default(), &mut bytes).unwrap();
    (merged, opened(&bytes))
}

fn merged_rows(files: &[Opened]) -> Opened {
    let mut bytes = Vec::new();
    let keep = KeepRules::everything();
    merge_rows(&inputs_of(files), EVERYTHING, &keep, CODEC, &Cancel::default(), &mut bytes).unwrap();
    opened(&bytes)
}

fn in_order(mut rows: Vec<Row>) -> Vec<Row> {
    rows.sort_by_key(|row| (row.stream, row.ts_ns));
    rows
}

/// A segment of these rows with blocks that end at some places.
fn of_blocks(rows: &[Row], cuts: &[prop::sample::Index]) -> Opened {
    let rows = twin(&[rows.to_vec()], |_| true);
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(rows.len())).chain([0, rows.len()]).collect();
    ends.sort_unstable();
    ends.dedup();
    let blocks: Vec<Opened> = ends.windows(2).map(|ends| written(&rows[ends[0]..ends[1]])).collect();
    // Rows of one time cannot be parted.
    copying_of(&inputs_of(&blocks)).map_or_else(|| written(&rows), |_| copied(&blocks).1)
}

/// Rows are in order within each part, and those of each stream throughout.
fn check_order(file: &Opened) {
    let directory = &file.segment.directory;
    for blocks in directory.part_blocks() {
        let runs: Vec<u32> =
            directory.blocks[blocks].iter().flat_map(|block| &block.runs).map(|run| run.stream).collect();
        assert!(runs.is_sorted());
    }
    assert!(file.segment.streams.is_sorted_by(|a, b| a < b));
    let rows = read_all(file);
    for stream in 0..5 {
        assert!(rows.iter().filter(|row| row.stream == stream).is_sorted_by_key(|row| row.ts_ns));
    }
}

fn source(file: Opened) -> Source {
    Source::Segment(Arc::new(file.segment), Arc::new(file.source), None)
}

fn everywhere() -> Vec<StreamMatcher> {
    vec![StreamMatcher { name: "app".into(), op: MatchOp::Regex, value: ".+".into() }]
}

fn logs_scan(needle: Option<&str>, limit: u64, backward: bool) -> Scan {
    let filter = |needle: &str| Stage::LineFilter {
        op: LineFilterOp::Contains,
        matches: vec![LineMatch::Text { value: needle.to_string() }],
    };
    let stages = needle.map(filter).into_iter().collect();
    let plan = ScanPlan {
        matchers: everywhere(),
        pipeline: PipelinePlan { version: PLAN_VERSION, stages, unwrap: None },
        task: Task::Logs(LogsTask { start_ns: -10, end_ns: 1000, limit, backward, interval_ns: 0 }),
        needs: vec![],
        version: SCAN_PLAN_VERSION,
    };
    Scan::compile(&rmp_serde::to_vec_named(&plan).unwrap()).unwrap()
}

/// Entries with a text, in the order of their own.
fn lines_with(source: &Source, needle: &str) -> Vec<String> {
    let scan = logs_scan(Some(needle), 10_000, false);
    let logs = run_logs(&scan, std::slice::from_ref(source), &Cancel::default(), 2, 1 << 30).unwrap();
    let texts = logs
        .entries
        .iter()
        .map(|entry| format!("{} {:?} {:?} {:?}", entry.ts_ns, entry.stream, entry.metadata, entry.line));
    let mut texts: Vec<String> = texts.collect();
    texts.sort();
    texts
}

/// All that is asked of sources, as text.
fn answers(sources: &[Source], needle: &str) -> Vec<String> {
    let mut found = Vec::new();
    let cancel = Cancel::default();
    for (backward, limit, filtered) in
        [(false, 10_000, false), (true, 7, false), (false, 7, true), (true, 10_000, true)]
    {
        let scan = logs_scan(filtered.then_some(needle), limit, backward);
        let logs = run_logs(&scan, sources, &cancel, 2, 1 << 30).unwrap();
        let entries = logs.entries.iter().map(|entry| (entry.ts_ns, &entry.stream, &entry.metadata, &entry.line));
        found.push(format!("{:?} {:?}", entries.collect::<Vec<_>>(), logs.stats.lines_kept > 0));
    }
    let all = Selector::everything();
    let edges = vec![0, 33, 66, 99, 500];
    let plan = VolumePlan { edges, names: None, by: By::Series, limit: 100 };
    found.push(format!("{:?}", volumes(sources, &all, &plan, &cancel).unwrap()));
    found.push(format!("{:?}", index_stats(sources, &all, 20, 90, &cancel).unwrap()));
    let question = StreamQuestion { selectors: Vec::new(), start_ns: 30, end_ns: 60 };
    found.push(format!("{:?}", list_streams(sources, &question, &cancel).unwrap()));
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn a_copy_holds_the_rows_of_its_inputs_and_answers_as_they_do(
        drawn in proptest::collection::vec(prop_oneof![rows(8), rows(200)], 1..5), metadata in metadata(), stream in 0u8..5,
    ) {
        let inputs = spread(drawn, metadata);
        let files: Vec<Opened> = inputs.iter().map(|rows| written(rows)).collect();
        let expected = twin(&inputs, |_| true);
        let (facts, copy) = copied(&files);
        let directory = &copy.segment.directory;
        prop_assert_eq!((facts.rows_read, facts.rows_copied), (expected.len() as u64, expected.len() as u64));
        prop_assert_eq!(facts.rows_deleted, vec![Vec::<u64>::new(); files.len()]);
        prop_assert_eq!(in_order(read_all(&copy)), expected.clone());
        prop_assert_eq!(verify(&copy.segment, &copy.source, &Cancel::default()).unwrap(), expected.len() as u64);
        check_order(&copy);
        let places: Vec<PageRef> = directory.blocks.iter().map(|block| block.line).collect();
        prop_assert!(places.is_sorted_by_key(|place| place.offset));

        let needle = format!("needle{stream}");
        let asked: Vec<Source> = files.into_iter().map(source).collect();
        prop_assert_eq!(answers(&[source(copy)], &needle), answers(&asked, &needle));
    }

    #[test]
    fn streams_that_overlap_are_merged_and_others_copied(
        drawn in proptest::collection::vec(rows(120), 2..4), metadata in metadata(), tangled in 0u8..5,
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..12), fast in any::<prop::sample::Index>(),
    ) {
        let mut inputs = spread(drawn, metadata);
        let first = inputs[0].clone();
        for (number, rows) in inputs.iter_mut().enumerate().skip(1) {
            let of_stream = rows.iter_mut().filter(|row| row.stream == tangled);
            of_stream.for_each(|row| row.ts_ns -= number as i64 * STEP_NS);
            rows.extend(first.iter().filter(|row| row.stream == tangled && row.ts_ns % 3 == 0).cloned());
        }
        let mut files: Vec<Opened> = inputs.iter().map(|rows| of_blocks(rows, &cuts)).collect();
        let expected = twin(&inputs, |_| true);
        let of = inputs_of(&files);
        let Some(copying) = copying_of(&of) else { return Ok(()) };
        let mut bytes = Vec::new();
        let facts = copying.write(&Cancel::default(), &mut bytes).unwrap();
        let copy = opened(&bytes);
        let rows_in: usize = files.iter().map(|file| file.segment.directory.rows as usize).sum();
        prop_assert_eq!(facts.rows_read, rows_in as u64);
        prop_assert_eq!(facts.rows_repeated, (rows_in - expected.len()) as u64);
        prop_assert!(facts.rows_copied * 2 >= facts.rows_read);
        prop_assert_eq!(in_order(read_all(&copy)), expected.clone());
        prop_assert_eq!(verify(&copy.segment, &copy.source, &Cancel::default()).unwrap(), expected.len() as u64);
        check_order(&copy);

        // One that is compressed otherwise is written anew in its place.
        let other = fast.index(files.len());
        files[other].segment.directory.codec = Codec::Zstd { level: 2 };
        if let Some(copying) = copying_of(&inputs_of(&files)) {
            let mut bytes = Vec::new();
            copying.write(&Cancel::default(), &mut bytes).unwrap();
            check_order(&opened(&bytes));
            prop_assert_eq!(in_order(read_all(&opened(&bytes))), expected.clone());
        }
        files[other].segment.directory.codec = CODEC;

        let needle = format!("needle{tangled}");
        let merged = merged_rows(&files);
        prop_assert_eq!(read_all(&merged_rows(std::slice::from_ref(&copy))), expected);
        let found = lines_with(&source(copy), &needle);
        prop_assert_eq!(found.is_empty(), inputs.iter().flatten().all(|row| row.stream != tangled));
        prop_assert_eq!(found, lines_with(&source(merged), &needle));
    }

    #[test]
    fn a_copy_is_an_input_like_any_other(
        drawn in proptest::collection::vec(rows(60), 2..4), later in rows(60), across in rows(150), metadata in metadata(),
    ) {
        let mut inputs = spread(drawn, metadata);
        let files: Vec<Opened> = inputs.iter().map(|rows| written(rows)).collect();
        let copy = copied(&files).1;
        prop_assert_eq!(read_all(&merged_rows(std::slice::from_ref(&copy))), twin(&inputs, |_| true));

        let later: Vec<Row> = later.into_iter().map(|row| Row { ts_ns: row.ts_ns + 1000, ..row }).collect();
        inputs.push(spread(vec![later], metadata).remove(0));
        let of_copies = copied(&[copy, written(&inputs[inputs.len() - 1])]).1;
        prop_assert_eq!(in_order(read_all(&of_copies)), twin(&inputs, |_| true));
        verify(&of_copies.segment, &of_copies.source, &Cancel::default()).unwrap();

        let repeated = inputs[0].clone();
        inputs.push(spread(vec![across], metadata).remove(0).into_iter().chain(repeated).collect());
        let merged = merged_rows(&[of_copies, written(&inputs[inputs.len() - 1])]);
        prop_assert_eq!(read_all(&merged), twin(&inputs, |_| true));
        prop_assert!(merged.segment.directory.parts.is_empty());
    }

    #[test]
    fn damage_is_found_and_not_carried_on(
        drawn in proptest::collection::vec(rows(100), 2..3), metadata in metadata(), at in any::<prop::sample::Index>(),
        bit in 0u8..8,
    ) {
        let inputs = spread(drawn, metadata);
        let mut files: Vec<Opened> = inputs.iter().map(|rows| written(rows)).collect();
        let damaged = files.remove(1);
        let mut places: Vec<(u64, u64)> = Vec::new();
        for block in &damaged.segment.directory.blocks {
            let map = block.rest.iter().flat_map(|(keys, values)| [*keys, *values]);
            let pages = [block.ts, block.line].into_iter().chain(block.level).chain(block.meta.iter().flatten().copied());
            places.extend(pages.chain(map).map(|page| (page.offset, u64::from(page.length))));
        }
        places.extend(damaged.segment.directory.filters().map(|layout| (layout.offset, layout.length)));
        let (offset, length) = places[at.index(places.len())];
        let mut bytes = std::fs::read(&damaged.segment.path).unwrap();
        bytes[offset as usize + at.index(length as usize)] ^= 1 << bit;
        files.push(opened(&bytes));
        let of = inputs_of(&files);
        let mut out = Vec::new();
        match copying_of(&of).unwrap().write(&Cancel::default(), &mut out) {
            Err(KernelError::Corrupt { path, .. }) => prop_assert_eq!(&path, &files[1].segment.path),
            Err(other) => prop_assert!(false, "{}", other),
            // A flip in a page's header may change what is not read of it; the copy has a header of its own.
            Ok(_) => {
                let copy = opened(&out);
                prop_assert_eq!(in_order(read_all(&copy)), twin(&inputs, |_| true));
            }
        }
    }
}

fn row(stream: u8, ts_ns: i64, line: String) -> Row {
    Row { stream, ts_ns, line, level: 3, meta: Vec::new() }
}

/// Two inputs that are copied, of so many rows in one stream.
fn two(count: i64) -> Vec<Vec<Row>> {
    (0..2).map(|input| (0..count).map(|at| row(0, input * count + at, format!("line {at}"))).collect()).collect()
}

fn is_copied(inputs: &[Input<'_>], span: std::ops::Range<i64>, keep: &KeepRules, codec: Codec) -> bool {
    Copying::of(inputs, &span, keep, codec, usize::MAX).is_some()
}

#[test]
fn nothing_is_copied_where_rows_must_be_looked_at() {
    let everything = KeepRules::everything();
    let files: Vec<Opened> = two(10).iter().map(|rows| written(rows)).collect();
    let inputs = inputs_of(&files);
    assert!(is_copied(&inputs, 0..20, &everything, CODEC));
    assert!(!is_copied(&inputs, 0..19, &everything, CODEC), "a row is outside of the span");
    assert!(!is_copied(&inputs, 1..20, &everything, CODEC), "a row is before the span");
    assert!(!is_copied(&inputs, 0..20, &everything, Codec::Zstd { level: 8 }), "another codec is asked for");
    assert!(is_copied(&inputs, 0..20, &KeepRules::decode(&[], 0).unwrap(), CODEC));
    assert!(!is_copied(&inputs, 0..20, &KeepRules::decode(&[], 1).unwrap(), CODEC), "a row has expired");
    let reversed: Vec<Input<'_>> = inputs.iter().rev().copied().collect();
    assert!(!is_copied(&reversed, 0..20, &everything, CODEC), "the second input is older");

    let meeting = [two(10).remove(0), vec![row(0, 9, "line at the same time".into())]];
    let files: Vec<Opened> = meeting.iter().map(|rows| written(rows)).collect();
    assert!(!is_copied(&inputs_of(&files), 0..20, &everything, CODEC), "two rows have one timestamp");
}

#[test]
fn nothing_is_copied_where_a_row_may_be_deleted() {
    let files: Vec<Opened> = two(10).iter().map(|rows| written(rows)).collect();
    for (app, is_copied_without) in [("a0", false), ("a1", true)] {
        let plan = DeletePlan {
            matchers: vec![StreamMatcher { name: "app".into(), op: MatchOp::Equal, value: app.into() }],
            pipeline: PipelinePlan { version: PLAN_VERSION, stages: vec![], unwrap: None },
            start_ns: 5,
            end_ns: 6,
            version: DELETE_PLAN_VERSION,
        };
        let rule = DeleteRule::compile(&rmp_serde::to_vec_named(&plan).unwrap()).unwrap();
        let deletes = Deletes::new(vec![Arc::new(rule)]);
        let mut inputs = inputs_of(&files);
        inputs[1].2 = Some(&deletes);
        assert_eq!(is_copied(&inputs, 0..20, &KeepRules::everything(), CODEC), is_copied_without);
    }
}

#[test]
fn blocks_of_older_builds_are_written_anew() {
    let changes: [fn(&mut Segment); 4] = [
        |segment| segment.directory.blocks[0].runs[0].bytes = None,
        |segment| segment.directory.blocks[0].escapes = None,
        |segment| segment.directory.grams = None,
        |segment| segment.directory.grams.iter_mut().for_each(|layout| layout.policy = 9),
    ];
    for change in changes {
        let mut files: Vec<Opened> = two(10).iter().map(|rows| written(rows)).collect();
        change(&mut files[1].segment);
        let (facts, copy) = copied(&files);
        assert_eq!((facts.rows_read, facts.rows_copied), (20, 10));
        assert_eq!(read_all(&copy), twin(&two(10), |_| true));
        assert!(copy.segment.directory.blocks.iter().all(|block| block.escapes.is_some()));
        change(&mut files[0].segment);
        assert!(copying_of(&inputs_of(&files)).is_none());
    }
}

#[test]
fn blocks_that_are_too_large_are_not_copied() {
    for (rows, is_copied) in [(BLOCK_ROWS, true), (BLOCK_ROWS + 1, false)] {
        let mut file = written(&two(10)[0]);
        let block = &mut file.segment.directory.blocks[0];
        (block.rows, block.runs[0].rows) = (rows as u32, rows as u32);
        assert_eq!(copying_of(&inputs_of(&[file])).is_some(), is_copied);
    }
}

#[test]
fn what_little_could_be_copied_is_merged() {
    let repeated = |count: i64| {
        let stream = |stream: u8, count: i64| (0..count).map(move |at| row(stream, at, format!("line {at}")));
        let cut = |rows: Vec<Row>, at: usize| copied(&[written(&rows[..at]), written(&rows[at..])]).1;
        [cut(stream(0, 10).chain(stream(1, count)).collect(), 10), written(&stream(0, 10).collect::<Vec<_>>())]
    };
    let files = repeated(20);
    let (facts, copy) = copied(&files);
    assert_eq!((facts.rows_read, facts.rows_copied, facts.rows_repeated), (40, 20, 10));
    assert_eq!((read_all(&copy).len(), &copy.segment.directory.parts), (30, &vec![1]));
    assert!(copying_of(&inputs_of(&repeated(19))).is_none());
}

fn merged(files: &[Opened]) -> Result<Merged> {
    let keep = KeepRules::everything();
    merge_segments(&inputs_of(files), EVERYTHING, &keep, CODEC, &Cancel::default(), Vec::new())
}

#[test]
fn long_runs_are_copied_and_short_ones_merged() {
    let files: Vec<Opened> = two(5000).iter().map(|rows| written(rows)).collect();
    let facts = merged(&files).unwrap();
    assert_eq!((facts.rows_read, facts.rows_copied), (10_000, 10_000));
    let files: Vec<Opened> = two(4000).iter().map(|rows| written(rows)).collect();
    let facts = merged(&files).unwrap();
    assert_eq!((facts.rows_read, facts.rows_copied), (8000, 0));
    // Runs of few long lines fill a block as well.
    let long: Vec<Vec<Row>> =
        (0..2).map(|input| (0..20).map(|at| row(0, input * 20 + at, "x".repeat(60_000))).collect()).collect();
    let files: Vec<Opened> = long.iter().map(|rows| written(rows)).collect();
    assert_eq!(merged(&files).unwrap().rows_copied, 40);
}

#[test]
fn parts_are_few() {
    let input = |number: i64| vec![row(0, number, "one".into()), row(1, number, "two".into())];
    let files: Vec<Opened> = (0..9).map(|number| written(&input(number))).collect();
    assert_eq!(copied(&files[..8]).1.segment.directory.parts, [1, 2, 3, 4, 5, 6, 7]);
    assert!(copying_of(&inputs_of(&files)).is_none());
    // Of one stream all blocks are in order, however many inputs there are.
    let files: Vec<Opened> = (0..20).map(|number| written(&[row(0, number, "one".into())])).collect();
    assert!(copied(&files).1.segment.directory.parts.is_empty());
}

#[test]
fn blocks_of_parts_are_decoded_as_their_rows_come() {
    // A block for each stream.
    let count = BLOCK_ROWS as i64;
    let stream = |stream: u8, first: i64| (first..first + count).map(move |ts_ns| row(stream, ts_ns, "x".into()));
    let inputs: Vec<Vec<Row>> =
        (0..8).map(|part| stream(0, part * count).chain(stream(1, part * count)).collect()).collect();
    let files: Vec<Opened> = inputs.iter().map(|rows| written(rows)).collect();
    let copy = copied(&files).1;
    let directory = &copy.segment.directory;
    assert_eq!((directory.blocks.len(), directory.part_blocks().count()), (16, 8));
    let across: Vec<Row> = (0..80).map(|at| row(0, at * count / 10, "y".into())).collect();
    let files = [copy, written(&across)];
    let keep = KeepRules::everything();
    for (files, held_max) in [(&files[..1], 1), (&files[..], 2)] {
        let mut bytes = Vec::new();
        let of = inputs_of(files);
        let merged = merge_rows(&of, EVERYTHING, &keep, CODEC, &Cancel::default(), &mut bytes).unwrap();
        assert_eq!(merged.blocks_held_max, held_max);
        let rows = if files.len() == 1 { inputs.clone() } else { [inputs.clone(), vec![across.clone()]].concat() };
        assert!(read_all(&opened(&bytes)) == twin(&rows, |_| true));
    }
}

#[test]
fn rows_before_those_of_the_directory_are_damage() {
    let mut files: Vec<Opened> = two(10).iter().map(|rows| written(rows)).collect();
    files[1].segment.directory.blocks[0].runs[0].first_ts_ns += 1;
    let keep = KeepRules::everything();
    let merged = merge_rows(&inputs_of(&files), EVERYTHING, &keep, CODEC, &Cancel::default(), Vec::new());
    assert!(matches!(merged, Err(KernelError::Corrupt { path, .. }) if path == files[1].segment.path));
}

#[test]
fn filters_of_different_sizes_stay_apart() {
    let many: Vec<Row> = (0..3000i64).map(|at| row(0, at, format!("{}", at * 7_919_993))).collect();
    let few: Vec<Row> = (3000..3020i64).map(|at| row(0, at, "the same again".into())).collect();
    let inputs =
        [many.clone(), few.clone(), few.iter().map(|row| Row { ts_ns: row.ts_ns + 50, ..row.clone() }).collect()];
    let files: Vec<Opened> = inputs.iter().map(|rows| written(rows)).collect();
    let copy = copied(&files).1;
    let blocks: Vec<u32> = copy.segment.directory.filters().map(|layout| layout.blocks).collect();
    assert_eq!(blocks, [1, 2]);
    let again = copied(std::slice::from_ref(&copy)).1;
    assert_eq!(again.segment.directory.filters().map(|layout| layout.blocks).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(verify(&again.segment, &again.source, &Cancel::default()).unwrap(), 3040);
    let asked: Vec<Source> = files.into_iter().map(source).collect();
    for file in [copy, again] {
        let file = source(file);
        for needle in ["same again", "15839986", "no such text"] {
            assert_eq!(answers(std::slice::from_ref(&file), needle), answers(&asked, needle));
        }
    }
}

#[test]
fn filters_are_few() {
    let input = |number: i64| {
        let line = |at: i64| if number % 2 == 0 { "the same again".into() } else { format!("{}", at * 7_919_993) };
        (0..3000i64).map(|at| row(0, number * 3000 + at, line(at))).collect::<Vec<_>>()
    };
    let files: Vec<Opened> = (0..9).map(|number| written(&input(number))).collect();
    assert_eq!(copied(&files[..8]).1.segment.directory.filters().count(), 8);
    assert!(copying_of(&inputs_of(&files)).is_none());
    assert_eq!(merged_rows(&files).segment.directory.filters().count(), 1);
}

#[test]
fn other_readers_find_whole_row_groups() {
    // A block of four lines, so that blocks of both inputs come into one row group.
    let line = |at: i64| (at + 10).to_string().repeat(1 << 19);
    let input = |first: i64| (0..4 * 18).map(|at| row((at / 40) as u8, first + at, line(at))).collect::<Vec<_>>();
    let files: Vec<Opened> = [0, 1000].iter().map(|first| written(&input(*first))).collect();
    let (facts, copy) = copied(&files);
    let reader = SerializedFileReader::new(std::fs::File::open(&copy.segment.path).unwrap()).unwrap();
    let blocks = facts.written.unwrap().blocks;
    assert_eq!(reader.num_row_groups() as u64, blocks.div_ceil(16));
    assert!(copy.segment.directory.blocks.len() as u64 == blocks && blocks > 32);
    let rows: i64 = reader.metadata().row_groups().iter().map(|group| group.num_rows()).sum();
    assert_eq!(rows as u64, facts.rows_copied);
    let times = parse_message_type("message entries { required int64 timestamp; }").unwrap();
    let found = reader.get_row_iter(Some(times)).unwrap().map(|row| row.unwrap().get_long(0).unwrap());
    let expected: Vec<i64> = read_all(&copy).iter().map(|row| row.ts_ns).collect();
    assert_eq!(found.collect::<Vec<_>>(), expected);
}

#[test]
fn parts_and_filters_of_a_directory_must_fit_its_blocks() {
    let files: Vec<Opened> = two(10).iter().map(|rows| written(rows)).collect();
    let good = copied(&files).1.segment.directory;
    let is_read = |directory: &Directory| {
        let (bytes, place) = directory.encode(0).unwrap();
        Directory::decode(&bytes, place).is_ok()
    };
    assert!(good.blocks.len() == 2 && is_read(&good) && is_read(&Directory { parts: vec![1], ..good.clone() }));
    for parts in [vec![0], vec![2], vec![1, 1]] {
        assert!(!is_read(&Directory { parts, ..good.clone() }));
    }
    let grams = good.grams.clone().unwrap();
    assert_eq!((grams.length, &grams.columns), (grams.bits + grams.bits.div_ceil(4092) * 4, &vec![1, 1]));
    let filter = |blocks: u32, bits: u64, length: u64| GramLayout { blocks, bits, length, ..grams.clone() };
    let cut = |columns: Vec<u16>, length: u64| GramLayout { columns, length, ..grams.clone() };
    assert!(is_read(&Directory { grams: Some(cut(vec![], grams.length)), ..good.clone() }));
    let impossible = [
        cut(vec![1], grams.length),
        cut(vec![1, 1, 1], grams.length),
        cut(vec![0, 1], grams.length),
        cut(vec![8, 1], grams.length),
        cut(vec![1 << 14, 1], grams.bits * 2049 + (grams.bits * 2049).div_ceil(4092) * 4),
        filter(2, 0, 0),
        filter(2, 1 << 6, (1 << 6) + 4),
        filter(2, 1 << 21, (1 << 21) + (1u64 << 21).div_ceil(4092) * 4),
        filter(2, u64::MAX, grams.length),
        filter(2, grams.bits, grams.length - 1),
        filter(2, grams.bits, grams.length + 1),
        GramLayout { offset: u64::MAX - 8, ..grams.clone() },
    ];
    for grams in impossible {
        let unknown = GramLayout { policy: 9, ..grams.clone() };
        assert!(!is_read(&Directory { grams: Some(grams.clone()), ..good.clone() }), "{grams:?}");
        assert!(is_read(&Directory { grams: Some(unknown), ..good.clone() }), "nothing is asked of it");
    }
    assert!(!is_read(&Directory { more_grams: vec![filter(0, grams.bits, 0)], ..good.clone() }));
    let more_grams: Vec<_> = good.grams.clone().into_iter().collect();
    assert!(!is_read(&Directory { more_grams, ..good.clone() }));
    assert!(is_read(&Directory { grams: None, ..good }));
}

#[test]
fn a_copy_ends_when_asked() {
    let files: Vec<Opened> = two(10).iter().map(|rows| written(rows)).collect();
    let cancel = Cancel::default();
    cancel.set();
    let inputs = inputs_of(&files);
    let stopped = copying_of(&inputs).unwrap().write(&cancel, Vec::new());
    assert!(matches!(stopped, Err(KernelError::Cancelled)));
}

#[test]
fn ranges_of_all_filters_are_probed() {
    let inputs = [vec![row(0, 1, "a line with a needle".into())], two(3000).remove(1)];
    let files: Vec<Opened> = inputs.iter().map(|rows| written(rows)).collect();
    let copy = copied(&files).1;
    let scan = logs_scan(Some("with a needle"), 10, true);
    let fetched = |ranges: Vec<(u64, u64)>| {
        let bytes =
            |(offset, length): (u64, u64)| (offset, copy.source.read_at(offset, length as usize).unwrap().into());
        PageSource::Ranges(ranges.into_iter().map(bytes).collect())
    };
    let segment = Arc::new(Segment::open(std::path::Path::new(&copy.segment.path)).unwrap().0);
    assert_eq!(segment.directory.filters().count(), 2);
    let source = |pages| Source::Segment(Arc::clone(&segment), Arc::new(pages), None);
    let mut ranges = scan.probe_ranges(&source(fetched(Vec::new())));
    ranges.extend(scan.page_ranges(&source(fetched(ranges.clone()))).unwrap());
    let found = run_logs(&scan, &[source(fetched(ranges))], &Cancel::default(), 1, 1 << 30).unwrap();
    assert_eq!(found.entries.len(), 1);
    assert_eq!(found.stats.blocks_skipped, 1);
}
