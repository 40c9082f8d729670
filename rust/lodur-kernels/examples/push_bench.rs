//! Speed of decoding push bodies: `cargo run --release --example push_bench -- DIRECTORY` with `*.pb` files in it
//! (snappy protobuf). Prints the best of several passes over all of them, in CPU time where
//! the system tells it (other work on the machine then matters less).

use std::error::Error;
use std::fmt::Write;
use std::time::{Duration, Instant};

use lodur_kernels::push::{ContentEncoding, LimitValues, PushFormat, PushLimits, decode_push};

const PASSES: usize = 5;

/// Bodies that are tried as JSON too.
const JSON_BODIES: usize = 100;

fn main() -> Result<(), Box<dyn Error>> {
    let directory = std::env::args().nth(1).ok_or("name a directory with *.pb files")?;
    let mut bodies = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "pb") {
            bodies.push(std::fs::read(path)?);
        }
    }
    let open = LimitValues { reject_old_samples: false, creation_grace_period_ns: i64::MAX, ..LimitValues::default() };
    let no_levels = LimitValues { discover_log_levels: false, ..open.clone() };
    snappy_alone(&bodies)?;
    let open = PushLimits::new(open);
    measure("protobuf, without levels", &bodies, PushFormat::LokiProtobuf, &PushLimits::new(no_levels))?;
    measure("protobuf, with levels", &bodies, PushFormat::LokiProtobuf, &open)?;
    bodies.truncate(JSON_BODIES);
    let json = bodies.iter().map(|body| to_json(body, &open)).collect::<Result<Vec<_>, _>>()?;
    measure("JSON, with levels", &json, PushFormat::LokiJson, &open)?;
    Ok(())
}

/// Processor time of this process so far; Linux counts it in nanoseconds.
fn cpu_time(since: Instant) -> Duration {
    let text = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    match text.split(' ').next().and_then(|ns| ns.parse().ok()) {
        Some(ns) => Duration::from_nanos(ns),
        None => since.elapsed(),
    }
}

fn snappy_alone(bodies: &[Vec<u8>]) -> Result<(), Box<dyn Error>> {
    let mut best = Duration::MAX;
    let mut bytes = 0;
    for _ in 0..PASSES {
        bytes = 0;
        let clock = Instant::now();
        let start = cpu_time(clock);
        for body in bodies {
            bytes += snap::raw::Decoder::new().decompress_vec(body)?.len();
        }
        best = best.min(cpu_time(clock) - start);
    }
    println!("snappy alone: {:.0} MB/s of {} MB", bytes as f64 / 1e6 / best.as_secs_f64(), bytes / 1_000_000);
    Ok(())
}

fn to_json(body: &[u8], limits: &PushLimits) -> Result<Vec<u8>, Box<dyn Error>> {
    let batch = decode_push(body, PushFormat::LokiProtobuf, ContentEncoding::Identity, limits, 0)?.batch;
    let mut out = String::from("{\"streams\":[");
    for run in &batch.runs {
        out.push_str(if out.ends_with('[') { "{\"stream\":{" } else { ",{\"stream\":{" });
        for (name, value) in batch.streams[run.stream as usize].iter() {
            out.push_str(if out.ends_with('{') { "" } else { "," });
            write!(out, "\"{name}\":{}", quoted(value))?;
        }
        out.push_str("},\"values\":[");
        for row in run.start as usize..run.end as usize {
            out.push_str(if out.ends_with('[') { "" } else { "," });
            let line = quoted(std::str::from_utf8(batch.rows.line(row))?);
            write!(out, "[\"{}\",{line}]", batch.rows.ts_ns[row])?;
        }
        out.push_str("]}");
    }
    out.push_str("]}");
    Ok(out.into_bytes())
}

fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\t', "\\t");
    format!("\"{escaped}\"")
}

fn measure(name: &str, bodies: &[Vec<u8>], format: PushFormat, limits: &PushLimits) -> Result<(), Box<dyn Error>> {
    let mut best = Duration::MAX;
    let (mut bytes, mut lines) = (0, 0);
    for _ in 0..PASSES {
        (bytes, lines) = (0, 0);
        let clock = Instant::now();
        let start = cpu_time(clock);
        for body in bodies {
            let push = decode_push(body, format, ContentEncoding::Identity, limits, 0)?;
            bytes += push.batch.rows.lines.len();
            lines += push.batch.rows.len();
        }
        best = best.min(cpu_time(clock) - start);
    }
    let seconds = best.as_secs_f64();
    println!(
        "{name}: {:.0} MB/s of lines, {:.0} ns a line ({lines} lines, {} MB)",
        bytes as f64 / 1e6 / seconds,
        seconds * 1e9 / lines as f64,
        bytes / 1_000_000
    );
    Ok(())
}
