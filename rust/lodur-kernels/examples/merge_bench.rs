//! Times a merge of segments in a process of its own: CPU of its one thread, bytes by part, peak memory.
//!
//! `cargo run --release -p lodur-kernels --example merge_bench -- OUT ZSTD_LEVEL SEGMENT...`
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;

use lodur_kernels::compact::keep::KeepRules;
use lodur_kernels::compact::merge::{Input, merge_segments};
use lodur_kernels::scan::parallel::Cancel;
use lodur_kernels::segment::codec::Codec;
use lodur_kernels::segment::read::Segment;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let level = args[2].parse().expect("ZSTD_LEVEL is a number");
    let opened: Vec<_> = args[3..].iter().map(|path| Segment::open(Path::new(path)).expect("open segment")).collect();
    let inputs: Vec<Input<'_>> = opened.iter().map(|(segment, source)| (segment, source, None)).collect();
    let out = std::io::BufWriter::new(std::fs::File::create(&args[1]).expect("create OUT"));
    let before_s = cpu_s();
    let (span, codec) = (i64::MIN..i64::MAX, Codec::Zstd { level });
    let merged = merge_segments(&inputs, span, &KeepRules::everything(), codec, &Cancel::default(), out).unwrap();
    let spent_s = cpu_s() - before_s;
    let written = merged.written.expect("rows");
    println!("{written:?}");
    let (cost, copied) = (spent_s * 1e9 / written.line_bytes as f64, merged.rows_copied);
    println!("level {level}: {cost:.2} CPU-s/GB, {copied} rows copied, peak {} kB", peak_kb());
}

fn cpu_s() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("schedstat");
    text.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9
}

fn peak_kb() -> String {
    let text = std::fs::read_to_string("/proc/self/status").expect("status");
    let line = text.lines().find(|line| line.starts_with("VmHWM")).expect("VmHWM");
    line.split_whitespace().nth(1).unwrap().to_string()
}
