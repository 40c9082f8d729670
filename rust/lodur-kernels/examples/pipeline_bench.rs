//! Speed of pipeline stages over a file of raw lines: `cargo run --release -p lodur-kernels --example pipeline_bench -- raw.log`.
//!
//! Prints MB/s of one core for each stage over the lines that suit it, and how many rows passed. A second argument
//! chooses the stages whose names contain it.

use std::error::Error;
use std::time::{Duration, Instant};

use lodur_kernels::labels::LabelSet;
use lodur_kernels::level::Level;
use lodur_kernels::pipeline::plan::{
    CompareOp, Conversion, Extraction, LabelChange, LabelFilter, LineFilterOp, LineMatch, MatchOp, PLAN_VERSION,
    PipelinePlan, Stage, Unwrap,
};
use lodur_kernels::pipeline::{Bitmap, Grouping, LabelNeeds, MetaRef, Pipeline, RowInput, RowLabels, Scratch};

/// Lines read of the file, and the size of a page of lines.
const FILE_BYTES_MAX: usize = 256 << 20;
const PAGE_BYTES: usize = 4 << 20;
const PAGE_ROWS: usize = 16 << 10;

/// Each measurement is repeated for this long, and the best run counts.
const MEASURE_FOR: Duration = Duration::from_millis(700);

/// Time on the processor, which other programs on the machine disturb less than the clock on the wall.
fn processor_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let ns = text.split(' ').next().and_then(|first| first.parse().ok());
    ns.map_or_else(|| Duration::from_nanos(0), Duration::from_nanos)
}

struct Page {
    lines: Vec<u8>,
    line_ends: Vec<u32>,
}

fn pages(text: &[u8], wanted: impl Fn(&[u8]) -> bool) -> Vec<Page> {
    let mut pages = Vec::new();
    let mut page = Page { lines: Vec::new(), line_ends: Vec::new() };
    for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty() && wanted(line)) {
        page.lines.extend_from_slice(line);
        page.line_ends.push(page.lines.len() as u32);
        if page.lines.len() > PAGE_BYTES || page.line_ends.len() == PAGE_ROWS {
            pages.push(std::mem::replace(&mut page, Page { lines: Vec::new(), line_ends: Vec::new() }));
        }
    }
    pages.push(page);
    pages
}

struct Case<'a> {
    name: &'a str,
    pages: &'a [Page],
    plan: PipelinePlan,
    needs: LabelNeeds,
    grouping: Option<Grouping>,
}

fn run(case: &Case<'_>) -> Result<(), Box<dyn Error>> {
    if !std::env::args().nth(2).is_none_or(|chosen| case.name.contains(&chosen)) {
        return Ok(());
    }
    let pipeline = Pipeline::compile(&case.plan, &case.needs)?;
    let stream =
        LabelSet::from_pairs([("app", "checkout"), ("cluster", "eu-1"), ("namespace", "shop"), ("pod", "p-0")]);
    let bytes: usize = case.pages.iter().map(|page| page.lines.len()).sum();
    let mut best = Duration::MAX;
    let mut passed = 0;
    let started = Instant::now();
    while best == Duration::MAX || started.elapsed() < MEASURE_FOR {
        let run_started = processor_time();
        passed = 0;
        let mut key_bytes = 0;
        let mut scratch = Scratch::default();
        let mut key = Vec::new();
        for page in case.pages {
            let rows = page.line_ends.len();
            let mut selected = Bitmap::full(rows);
            pipeline.select_lines(&page.lines, &page.line_ends, 0..rows, &mut selected, &mut scratch);
            if !pipeline.has_row_stages() {
                passed += selected.count(0..rows);
                continue;
            }
            let mut labels = RowLabels::new();
            for row in selected.iter(0..rows) {
                let start = if row == 0 { 0 } else { page.line_ends[row - 1] as usize };
                let line = &page.lines[start..page.line_ends[row] as usize];
                let input = RowInput { ts_ns: 0, line, stream: &stream, level: Level::Info, meta: MetaRef::none() };
                if pipeline.process(input, &mut labels) {
                    passed += 1;
                    if let Some(grouping) = &case.grouping {
                        key.clear();
                        labels.write_group_key(grouping, &mut key);
                        key_bytes += key.len();
                    }
                }
            }
        }
        std::hint::black_box(key_bytes);
        best = best.min(processor_time().saturating_sub(run_started));
    }
    println!("{:<44} {:>8.0} MB/s  {passed:>9} rows pass", case.name, bytes as f64 / 1e6 / best.as_secs_f64());
    Ok(())
}

fn plan(stages: Vec<Stage>) -> PipelinePlan {
    PipelinePlan { version: PLAN_VERSION, stages, unwrap: None }
}

fn line_filter(op: LineFilterOp, values: &[&str]) -> PipelinePlan {
    let matches = values.iter().map(|value| LineMatch::Text { value: (*value).to_owned() }).collect();
    plan(vec![Stage::LineFilter { op, matches }])
}

fn logfmt() -> Stage {
    Stage::Logfmt { strict: false, keep_empty: false, extractions: Vec::new() }
}

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("the path of a file of lines is wanted")?;
    let mut text = std::fs::read(path)?;
    text.truncate(FILE_BYTES_MAX);
    let all = pages(&text, |_| true);
    let json = pages(&text, |line| line.starts_with(b"{"));
    let logfmt_lines = pages(&text, |line| line.starts_with(b"level=") || line.starts_with(b"ts="));
    let access = pages(&text, |line| memchr::memmem::find(line, b"HTTP/1.1\" ").is_some());
    drop(text);
    run_line_filters(&all)?;
    run_json(&json)?;
    run_templates(&all, &logfmt_lines)?;
    run_others(&logfmt_lines, &access)
}

fn only(names: &[&str]) -> LabelNeeds {
    LabelNeeds::Only(names.iter().map(|name| (*name).to_owned()).collect())
}

fn by(names: &[&str]) -> Option<Grouping> {
    Some(Grouping::by(names.iter().copied()))
}

fn run_line_filters(all: &[Page]) -> Result<(), Box<dyn Error>> {
    use LineFilterOp::{Contains, Matches, NotContains, Pattern};
    let filters = [
        ("|= absent literal", Contains, vec!["needle-that-is-not-there"]),
        ("|= \"error\"", Contains, vec!["error"]),
        ("|= \"e\"", Contains, vec!["e"]),
        ("!= \"info\"", NotContains, vec!["info"]),
        ("|= \"error\" or \"timeout\" or \"refused\"", Contains, vec!["error", "timeout", "refused"]),
        ("|~ \"[a-z]{3}[0-9]zq\"", Matches, vec!["[a-z]{3}[0-9]zq"]),
        ("|~ \"(?i)error\"", Matches, vec!["(?i)error"]),
        ("|~ \"(?i)refused.*timeout\"", Matches, vec!["(?i)refused.*timeout"]),
        ("|~ \"error|timeout|refused\"", Matches, vec!["error|timeout|refused"]),
        ("|~ \"status=5[0-9]{2}\"", Matches, vec!["status=5[0-9]{2}"]),
        ("|~ \"^level=error.*\"", Matches, vec!["^level=error.*"]),
        ("|> \"<_> completed <_>\"", Pattern, vec!["<_> completed <_>"]),
    ];
    for (name, op, values) in &filters {
        let case = Case { name, pages: all, plan: line_filter(*op, values), needs: LabelNeeds::None, grouping: None };
        run(&case)?;
    }
    Ok(())
}

fn run_json(json: &[Page]) -> Result<(), Box<dyn Error>> {
    let json_stage = || Stage::Json { extractions: Vec::new() };
    let level_is_error = || Stage::LabelFilter {
        filter: LabelFilter::Match { name: "level".to_owned(), op: MatchOp::Equal, value: "error".to_owned() },
    };
    let extraction = Extraction { name: "s".to_owned(), expression: "status".to_owned() };
    let unwrap = Unwrap { name: "duration_ms".to_owned(), conversion: Conversion::Number, filters: Vec::new() };
    let cases = [
        ("json, all labels", json, plan(vec![json_stage()]), LabelNeeds::All, None),
        ("json, all labels, series key", json, plan(vec![json_stage()]), LabelNeeds::All, Some(Grouping::all())),
        ("json, by (level)", json, plan(vec![json_stage()]), only(&["level"]), by(&["level"])),
        ("json, by (status)", json, plan(vec![json_stage()]), only(&["status"]), by(&["status"])),
        ("json, by (attempt), the last field", json, plan(vec![json_stage()]), only(&["attempt"]), by(&["attempt"])),
        ("json, by (app): validated only", json, plan(vec![json_stage()]), only(&["app"]), by(&["app"])),
        (
            "json | level=\"error\", by (status)",
            json,
            plan(vec![json_stage(), level_is_error()]),
            only(&["status"]),
            by(&["status"]),
        ),
        ("json s=\"status\"", json, plan(vec![Stage::Json { extractions: vec![extraction] }]), LabelNeeds::All, None),
        (
            "json | unwrap duration_ms",
            json,
            PipelinePlan { unwrap: Some(unwrap), ..plan(vec![json_stage()]) },
            LabelNeeds::None,
            None,
        ),
    ];
    for (name, pages, plan, needs, grouping) in cases {
        run(&Case { name, pages, plan, needs, grouping })?;
    }
    Ok(())
}

fn run_templates(all: &[Page], logfmt_lines: &[Page]) -> Result<(), Box<dyn Error>> {
    let line_format = |template: &str| Stage::LineFormat { template: template.to_owned() };
    let label_format = |template: &str| {
        let change = LabelChange::Template { name: "x".to_owned(), template: template.to_owned() };
        Stage::LabelFormat { changes: vec![change] }
    };
    let cases = [
        ("line_format {{.app}} {{.pod}}", all, vec![line_format("{{.app}} {{.pod}}")]),
        ("line_format {{.app}}: {{__line__}}", all, vec![line_format("{{.app}}: {{__line__}}")]),
        (
            "line_format {{.app | upper}} if eq",
            all,
            vec![line_format("{{.app | upper}}{{if eq .pod \"p-0\"}}x{{end}}")],
        ),
        (
            "line_format regexReplaceAll of the line",
            all,
            vec![line_format("{{regexReplaceAll \"[0-9]+\" __line__ \"N\"}}")],
        ),
        ("label_format x=\"{{.app}}-{{.pod}}\"", all, vec![label_format("{{.app}}-{{.pod}}")]),
        ("logfmt | line_format {{.level}} {{.msg}}", logfmt_lines, vec![logfmt(), line_format("{{.level}} {{.msg}}")]),
    ];
    for (name, pages, stages) in cases {
        run(&Case { name, pages, plan: plan(stages), needs: LabelNeeds::All, grouping: None })?;
    }
    Ok(())
}

fn run_others(logfmt_lines: &[Page], access: &[Page]) -> Result<(), Box<dyn Error>> {
    let status = || LabelFilter::Number { name: "status".to_owned(), op: CompareOp::GreaterOrEqual, value: 500.0 };
    let common =
        r#"^(?P<ip>\S+) \S+ (?P<user>\S+) \[(?P<ts>[^\]]+)\] "(?P<method>\S+) (?P<path>\S+) [^"]*" (?P<status>\d+)"#;
    let apache = "<ip> - <user> [<ts>] \"<method> <path> <_>\" <status> <_>";
    let cases = [
        ("logfmt, all labels", logfmt_lines, plan(vec![logfmt()]), LabelNeeds::All, None),
        ("logfmt, all labels, series key", logfmt_lines, plan(vec![logfmt()]), LabelNeeds::All, Some(Grouping::all())),
        (
            "logfmt | status >= 500",
            logfmt_lines,
            plan(vec![logfmt(), Stage::LabelFilter { filter: status() }]),
            LabelNeeds::None,
            None,
        ),
        (
            "pattern, all labels",
            access,
            plan(vec![Stage::Pattern { expression: apache.to_owned() }]),
            LabelNeeds::All,
            None,
        ),
        (
            "regexp, all labels",
            access,
            plan(vec![Stage::Regexp { expression: common.to_owned() }]),
            LabelNeeds::All,
            None,
        ),
        (
            "regexp (unanchored), one label",
            access,
            plan(vec![Stage::Regexp { expression: "HTTP/[0-9.]+\" (?P<status>[0-9]+)".to_owned() }]),
            LabelNeeds::All,
            None,
        ),
    ];
    for (name, pages, plan, needs, grouping) in cases {
        run(&Case { name, pages, plan, needs, grouping })?;
    }
    Ok(())
}
