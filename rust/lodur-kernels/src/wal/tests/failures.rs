//! What a failing disk leaves: acknowledged records, no others, and a writer that goes on by itself.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use super::test_disks::{FlakyDisk, Orders};
use super::*;
use crate::error::KernelError;

fn open_flaky(dir: &Path) -> (WalWriter, Arc<Orders>) {
    let (disk, orders) = FlakyDisk::new();
    let (wal, _) = WalWriter::open_on(dir, WalOptions::default(), Box::new(disk)).unwrap();
    (wal, orders)
}

fn fails(wal: &WalWriter, payload: &'static [u8]) {
    let answer = wal.append("fake", 3, ACCEPTED_AT_NS, Payload::from_static(payload));
    assert!(matches!(answer, Err(KernelError::Unavailable(_))), "{answer:?}");
}

#[test]
fn short_writes_are_continued() {
    let dir = tempfile::tempdir().unwrap();
    let (wal, orders) = open_flaky(dir.path());
    orders.max_write.store(7, SeqCst);
    append(&wal, b"one piece after another");
    append(&wal, b"");
    assert_eq!(read_whole(dir.path()), ["one piece after another", ""]);
}

#[test]
fn a_full_disk_fails_the_append_and_leaves_the_file_usable() {
    let dir = tempfile::tempdir().unwrap();
    let (wal, orders) = open_flaky(dir.path());
    append(&wal, b"before");
    for room in [0, 10, 45] {
        orders.room.store(room, SeqCst);
        fails(&wal, b"does not fit");
    }
    assert_eq!(read_whole(dir.path()), ["before"]);
    orders.room.store(u64::MAX, SeqCst);
    append(&wal, b"after");
    assert_eq!(read_whole(dir.path()), ["before", "after"]);
    assert_eq!(names(dir.path(), ".wal").len(), 1);
    assert_eq!(wal.stats().failed_groups, 3);
}

#[test]
fn a_failed_sync_seals_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let (wal, orders) = open_flaky(dir.path());
    append(&wal, b"before");
    orders.fails_sync.store(true, SeqCst);
    fails(&wal, b"not durable");
    fails(&wal, b"no file can be begun either");
    orders.fails_sync.store(false, SeqCst);
    append(&wal, b"after");
    assert_eq!(read_whole(dir.path()), ["before", "after"]);
    assert_eq!(names(dir.path(), ".wal").len(), 2);
    drop(wal);
    let (_wal, replay) = open(dir.path());
    assert_eq!(payloads(&finish(replay).0), ["before", "after"]);
}

#[test]
fn bytes_that_cannot_be_taken_back_are_not_replayed() {
    let dir = tempfile::tempdir().unwrap();
    let (wal, orders) = open_flaky(dir.path());
    append(&wal, b"before");
    orders.fails_sync.store(true, SeqCst);
    orders.fails_truncate.store(true, SeqCst);
    fails(&wal, b"whole on the disk, and answered with an error");
    orders.fails_sync.store(false, SeqCst);
    append(&wal, b"after");
    let sealed = std::fs::read(&wal_paths(dir.path())[0]).unwrap();
    assert!(memchr::memmem::find(&sealed, b"whole on the disk").is_some());
    assert_eq!(read_whole(dir.path()), ["before", "after"]);
}

#[test]
fn a_file_without_acknowledged_records_is_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    let (wal, orders) = open_flaky(dir.path());
    for order in [&orders.fails_sync, &orders.fails_truncate, &orders.fails_remove] {
        order.store(true, SeqCst);
    }
    fails(&wal, b"first record of the first file");
    orders.fails_sync.store(false, SeqCst);
    append(&wal, b"after");
    assert_eq!(names(dir.path(), ".wal").len(), 2);
    assert_eq!(read_whole(dir.path()), ["after"]);
    drop(wal);
    let (_wal, replay) = open(dir.path());
    assert_eq!(payloads(&finish(replay).0), ["after"]);
    assert_eq!(read_whole(dir.path()), ["after"]);
}

#[test]
fn a_failing_disk_gathers_no_files() {
    let dir = tempfile::tempdir().unwrap();
    let (wal, orders) = open_flaky(dir.path());
    append(&wal, b"before");
    orders.fails_truncate.store(true, SeqCst);
    for _ in 0..20 {
        // Room for the header of a file but for no record.
        orders.room.store(90, SeqCst);
        fails(&wal, b"a record that is longer than what is left of the disk");
    }
    assert!(names(dir.path(), ".wal").len() <= 2);
    orders.room.store(u64::MAX, SeqCst);
    append(&wal, b"after");
    assert_eq!(read_whole(dir.path()), ["before", "after"]);
}

#[test]
fn a_writer_opens_and_trims_on_a_full_disk() {
    let dir = tempfile::tempdir().unwrap();
    let (wal, _) = open_small_files(dir.path(), 400);
    let last = (0..6).map(|_| append(&wal, &[b'x'; 100])).last().unwrap();
    drop(wal);
    let (disk, orders) = FlakyDisk::new();
    orders.fails_create.store(true, SeqCst);
    let (wal, replay) = WalWriter::open_on(dir.path(), WalOptions::default(), Box::new(disk)).unwrap();
    assert_eq!(finish(replay).0.len(), 6);
    fails(&wal, b"no room for a file");
    // The newest file stays: its name keeps the numbers.
    assert_eq!(wal.trim(last).unwrap(), 2);
    assert_eq!(names(dir.path(), ".wal").len(), 1);
    orders.fails_create.store(false, SeqCst);
    assert!(append(&wal, b"room again") > last);
    assert_eq!(wal.trim(last).unwrap(), 1);
    assert_eq!(read_whole(dir.path()), ["room again"]);
}

#[test]
fn a_file_that_cannot_be_deleted_is_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let (disk, orders) = FlakyDisk::new();
    let options = WalOptions { max_file_bytes: 400, ..WalOptions::default() };
    let (wal, _) = WalWriter::open_on(dir.path(), options, Box::new(disk)).unwrap();
    let last = (0..6).map(|_| append(&wal, &[b'x'; 100])).last().unwrap();
    orders.fails_remove.store(true, SeqCst);
    assert!(matches!(wal.trim(last), Err(KernelError::Io { .. })));
    orders.fails_remove.store(false, SeqCst);
    assert_eq!(wal.trim(last).unwrap(), 3);
    assert_eq!(wal.stats().files, 1);
}
