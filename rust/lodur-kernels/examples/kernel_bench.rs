//! Times the bare kernels over push bodies: decode, head, segments, then scans. No server, no WAL.
//!
//! `cargo run --release -p lodur-kernels --example kernel_bench -- BODIES_DIR OUT_DIR [THREADS]`
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use lodur_kernels::head::Head;
use lodur_kernels::push::{ContentEncoding, PushFormat, PushLimits, decode_push};
use lodur_kernels::scan::Scan;
use lodur_kernels::scan::logs::run_logs;
use lodur_kernels::scan::metric::run_metric;
use lodur_kernels::scan::parallel::Cancel;
use lodur_kernels::scan::plan::{ScanPlan, Task};
use lodur_kernels::scan::source::Source;
use lodur_kernels::segment::codec::Codec;
use lodur_kernels::segment::read::Segment;
use lodur_kernels::segment::write::write_segment;

/// Raw bytes of lines that make a segment, as the server's default has it.
const FLUSH_BYTES: usize = 256 << 20;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let (bodies, out) = (Path::new(&args[1]), Path::new(&args[2]));
    let threads = args.get(3).map_or(2, |text| text.parse().expect("THREADS is a number"));
    let segments = ingest(bodies, out);
    let sources: Vec<Source> = segments
        .iter()
        .map(|path| {
            let (segment, pages) = Segment::open(Path::new(path)).expect("open segment");
            Source::Segment(Arc::new(segment), Arc::new(pages), None)
        })
        .collect();
    for (name, plan) in plans(&sources) {
        let plan = Scan::compile(&rmp_serde::to_vec_named(&plan).unwrap()).unwrap();
        let mut best = f64::MAX;
        let mut text = String::new();
        for _ in 0..3 {
            let start = Instant::now();
            let cancel = Cancel::default();
            text = match &plan.plan.task {
                Task::Logs(_) => {
                    let result = run_logs(&plan, &sources, &cancel, threads, 1 << 30).unwrap();
                    format!("{} entries, {:?}", result.entries.len(), result.stats)
                }
                Task::Metric(_) => {
                    let result = run_metric(&plan, &sources, &cancel, threads, 1 << 30).unwrap();
                    let points = result.present.iter().filter(|yes| **yes).count();
                    format!("{} series, {points} points, {:?}", result.labels.len(), result.stats)
                }
            };
            best = best.min(start.elapsed().as_secs_f64());
        }
        println!("{name:12} {:9.2} ms  {text}", best * 1e3);
    }
}

fn ingest(bodies: &Path, out: &Path) -> Vec<String> {
    let mut files: Vec<_> = std::fs::read_dir(bodies).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    std::fs::create_dir_all(out).unwrap();
    let limits = PushLimits::unchecked();
    let (mut decode, mut insert, mut flush) = (0.0, 0.0, 0.0);
    let (mut raw, mut kept) = (0, 0);
    let head = Head::default();
    let mut segments = Vec::new();
    for (i, file) in files.iter().enumerate() {
        let body = std::fs::read(file).unwrap();
        let start = Instant::now();
        let push = decode_push(&body, PushFormat::LokiProtobuf, ContentEncoding::Identity, &limits, 0).unwrap();
        decode += start.elapsed().as_secs_f64();
        raw += push.batch.rows.lines.len();
        let start = Instant::now();
        head.insert(&Arc::new(push.batch), &[]);
        insert += start.elapsed().as_secs_f64();
        if head.stats().bytes >= FLUSH_BYTES || i + 1 == files.len() {
            let start = Instant::now();
            let view = head.freeze().unwrap();
            let path = out.join(format!("{}.parquet", segments.len()));
            let file = std::fs::File::create(&path).unwrap();
            let written =
                write_segment(&[&view], i64::MIN..i64::MAX, Codec::Zstd { level: 1 }, 1, &file).unwrap().unwrap();
            head.release(view.generation);
            flush += start.elapsed().as_secs_f64();
            kept += written.file_bytes;
            println!("{written:?}");
            segments.push(path.display().to_string());
        }
    }
    let gb = raw as f64 / 1e9;
    println!(
        "raw {raw} kept {kept}; s/GB: decode {:.2} insert {:.2} flush {:.2}",
        decode / gb,
        insert / gb,
        flush / gb
    );
    segments
}

fn plans(sources: &[Source]) -> Vec<(&'static str, ScanPlan)> {
    let (mut start, mut end) = (i64::MAX, i64::MIN);
    for source in sources {
        if let Source::Segment(segment, ..) = source {
            start = start.min(segment.directory.min_ts_ns);
            end = end.max(segment.directory.max_ts_ns + 1);
        }
    }
    let all = r#"{"name":"cluster","op":"regex","value":".+"}"#;
    let app = |name: &str| format!(r#"{{"name":"app","op":"equal","value":"{name}"}}"#);
    let logs =
        format!(r#"{{"type":"logs","start_ns":{start},"end_ns":{end},"limit":100,"backward":true,"interval_ns":0}}"#);
    let metric = |op: &str, by: &str, parameter: &str| {
        let minute = 60_000_000_000i64;
        let (first, steps) = (start / minute * minute, (end - start) / minute + 2);
        format!(
            r#"{{"type":"metric","op":"{op}","grouping":{{"mode":"by","names":[{by}]}},"start_ns":{first},"step_ns":{minute},
            "steps":{steps},"range_ns":{minute},"offset_ns":0,"series_max":0,"parameter":{parameter}}}"#
        )
    };
    let filter = |op: &str, text: &str| {
        format!(r#"{{"type":"line_filter","op":"{op}","matches":[{{"type":"text","value":{text:?}}}]}}"#)
    };
    let plan = |matcher: &str, stages: &str, unwrap: &str, task: &str| -> ScanPlan {
        let text = format!(
            r#"{{"version":2,"needs":[],"matchers":[{matcher}],"pipeline":{{"version":1,"stages":[{stages}],"unwrap":{unwrap}}},"task":{task}}}"#
        );
        serde_json::from_str(&text).expect("plan")
    };
    let status = r#"{"type":"json","extractions":[]},{"type":"label_filter","filter":{"type":"number","name":"status","op":"greater_or_equal","value":400.0}}"#;
    let logfmt = r#"{"type":"logfmt","strict":false,"keep_empty":false,"extractions":[]}"#;
    let latency = r#"{"name":"latency","conversion":"duration_seconds","filters":[]}"#;
    vec![
        ("recent-100", plan(all, "", "null", &logs)),
        ("miss", plan(all, &filter("contains", "zq-never-there"), "null", &logs)),
        ("regex-miss", plan(all, &filter("matches", "time[dr]out of [0-9]{9}"), "null", &logs)),
        ("full-scan", plan(all, &filter("matches", "[a-z]{3}[0-9]zq"), "null", &logs)),
        ("count", plan(all, "", "null", &metric("count", "", "null"))),
        ("errors", plan(all, &filter("contains", "error"), "null", &metric("rate", "\"app\"", "null"))),
        ("json", plan(&app("checkout"), status, "null", &metric("count", "\"status\"", "null"))),
        ("logfmt-p99", plan(&app("scheduler"), logfmt, latency, &metric("quantile", "\"component\"", "0.99"))),
    ]
}
