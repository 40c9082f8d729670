//! Tests of the WAL against a real directory; `test_disks` gives disks that fail on order or never wait.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod appending;
mod damage;
mod failures;
mod museum;
mod random_damage;
mod test_disks;

use std::path::{Path, PathBuf};

use super::{Payload, Problem, Record, Replay, WalOptions, WalWriter};

const ACCEPTED_AT_NS: i64 = 1_700_000_000_000_000_000;

fn open(dir: &Path) -> (WalWriter, Replay) {
    WalWriter::open(dir, WalOptions::default()).unwrap()
}

fn open_small_files(dir: &Path, max_file_bytes: u64) -> (WalWriter, Replay) {
    let options = WalOptions { max_file_bytes, ..WalOptions::default() };
    WalWriter::open_on(dir, options, Box::new(test_disks::UnsyncedDisk)).unwrap()
}

fn append(wal: &WalWriter, payload: &[u8]) -> u64 {
    wal.append("fake", 3, ACCEPTED_AT_NS, Payload::copy_from_slice(payload)).unwrap()
}

fn finish(mut replay: Replay) -> (Vec<Record>, Vec<Problem>) {
    let records = replay.by_ref().collect();
    (records, replay.problems().to_vec())
}

fn payloads(records: &[Record]) -> Vec<String> {
    records.iter().map(|record| String::from_utf8_lossy(&record.payload).into_owned()).collect()
}

/// Payloads of a directory in which nothing is wrong.
fn read_whole(dir: &Path) -> Vec<String> {
    let (records, problems) = finish(Replay::of_directory(dir).unwrap());
    assert_eq!(problems, []);
    payloads(&records)
}

/// Names of files that end so, sorted.
fn names(dir: &Path, suffix: &str) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(suffix))
        .collect();
    names.sort();
    names
}

fn wal_paths(dir: &Path) -> Vec<PathBuf> {
    names(dir, ".wal").into_iter().map(|name| dir.join(name)).collect()
}
