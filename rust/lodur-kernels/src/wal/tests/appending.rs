//! Appending, grouping, rotating, trimming, closing.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::thread;

use super::test_disks::FlakyDisk;
use super::*;
use crate::error::KernelError;
use crate::wal::{MAX_RECORD_BYTES, MAX_TENANT_BYTES, ProblemKind};

#[test]
fn gives_back_what_was_appended() {
    let dir = tempfile::tempdir().unwrap();
    let (wal, replay) = open(&dir.path().join("made/on/demand"));
    assert_eq!(finish(replay), (vec![], vec![]));
    let longest = "t".repeat(MAX_TENANT_BYTES);
    assert_eq!(wal.append("fake", 0, i64::MIN, Payload::new()).unwrap(), 1);
    assert_eq!(wal.append(&longest, 255, i64::MAX, Payload::from(vec![7; 3 << 20])).unwrap(), 2);
    assert_eq!(wal.append("", 9, -1, Payload::from_static(b"x")).unwrap(), 3);
    wal.close();
    let (_wal, replay) = open(&dir.path().join("made/on/demand"));
    let (records, problems) = finish(replay);
    assert_eq!(problems, []);
    let seen: Vec<_> = records.iter().map(|r| (r.seq, &*r.tenant, r.kind, r.accepted_at_ns, r.payload.len())).collect();
    assert_eq!(seen, [(1, "fake", 0, i64::MIN, 0), (2, &*longest, 255, i64::MAX, 3 << 20), (3, "", 9, -1, 1)]);
    assert!(records[1].payload.iter().all(|byte| *byte == 7));
}

#[test]
fn refuses_what_does_not_fit() {
    let dir = tempfile::tempdir().unwrap();
    let (wal, _) = open(dir.path());
    let tenant = "t".repeat(MAX_TENANT_BYTES + 1);
    assert!(matches!(wal.append(&tenant, 0, 0, Payload::new()), Err(KernelError::Input(_))));
    let payload = Payload::from(vec![0; MAX_RECORD_BYTES + 1]);
    assert!(matches!(wal.append("fake", 0, 0, payload), Err(KernelError::LimitExceeded { .. })));
    assert_eq!(append(&wal, b"fits"), 1);
}

#[test]
fn numbers_ascend_over_openings_and_are_never_given_twice() {
    let dir = tempfile::tempdir().unwrap();
    let mut last = 0;
    for round in 0..4 {
        let (wal, replay) = open(dir.path());
        let (records, problems) = finish(replay);
        assert_eq!((records.len(), problems.len()), (2 * round, 0));
        for _ in 0..2 {
            let seq = append(&wal, b"record");
            assert!(seq > last);
            last = seq;
        }
    }
    let (wal, _) = open(dir.path());
    wal.trim(last).unwrap();
    drop(wal);
    let (wal, replay) = open(dir.path());
    assert_eq!(finish(replay).0, []);
    assert!(append(&wal, b"after the directory was emptied") > last);
}

#[test]
fn callers_that_wait_share_one_sync() {
    let dir = tempfile::tempdir().unwrap();
    let (disk, orders) = FlakyDisk::new();
    let (wal, _) = WalWriter::open_on(dir.path(), WalOptions::default(), Box::new(disk)).unwrap();
    let before = wal.stats();
    orders.holds_sync.store(true, SeqCst);
    let mut seqs: Vec<u64> = thread::scope(|scope| {
        let callers: Vec<_> = (0..32).map(|_| scope.spawn(|| append(&wal, b"small"))).collect();
        while wal.queue_state().0 < 31 {
            thread::yield_now();
        }
        orders.holds_sync.store(false, SeqCst);
        callers.into_iter().map(|caller| caller.join().unwrap()).collect()
    });
    seqs.sort_unstable();
    assert_eq!(seqs, (1..=32).collect::<Vec<u64>>());
    let after = wal.stats();
    assert_eq!((after.fsyncs - before.fsyncs, after.groups, after.records), (2, 2, 32));
    assert_eq!(read_whole(dir.path()).len(), 32);
}

#[test]
fn groups_are_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let (disk, orders) = FlakyDisk::new();
    let options = WalOptions { max_group_bytes: 250, ..WalOptions::default() };
    let (wal, _) = WalWriter::open_on(dir.path(), options, Box::new(disk)).unwrap();
    orders.holds_sync.store(true, SeqCst);
    thread::scope(|scope| {
        for _ in 0..7 {
            // 40 bytes of header, 4 of tenant: two records a group.
            scope.spawn(|| append(&wal, &[0; 80]));
        }
        while wal.queue_state().0 < 6 {
            thread::yield_now();
        }
        orders.holds_sync.store(false, SeqCst);
    });
    assert_eq!(wal.stats().groups, 4);
    assert_eq!(append(&wal, &[0; 1000]), 8);
}

#[test]
fn files_rotate_by_size() {
    let dir = tempfile::tempdir().unwrap();
    let (wal, _) = open_small_files(dir.path(), 400);
    for i in 0..10 {
        append(&wal, format!("{i:0100}").as_bytes());
    }
    append(&wal, &[b'x'; 1000]);
    append(&wal, b"after the long one");
    assert_eq!(
        names(dir.path(), ".wal"),
        [1, 3, 5, 7, 9, 11, 12].map(|first_seq: u64| format!("{first_seq:016x}.wal"))
    );
    let stats = wal.stats();
    let on_disk: u64 = wal_paths(dir.path()).iter().map(|path| path.metadata().unwrap().len()).sum();
    assert_eq!((stats.files, stats.bytes, stats.last_seq), (7, on_disk, 12));
    assert_eq!(read_whole(dir.path()).len(), 12);
}

#[test]
fn trimming_deletes_files_of_covered_records_only() {
    let dir = tempfile::tempdir().unwrap();
    let (wal, _) = open_small_files(dir.path(), 400);
    for i in 0..6 {
        append(&wal, format!("{i:0100}").as_bytes());
    }
    assert_eq!(wal.trim(0).unwrap(), 0);
    assert_eq!(wal.trim(3).unwrap(), 1);
    assert_eq!(names(dir.path(), ".wal").len(), 2);
    assert_eq!(read_whole(dir.path()).len(), 4);
    // The file that is being written holds covered records only: it is closed and goes too.
    assert_eq!(wal.trim(6).unwrap(), 2);
    assert_eq!(names(dir.path(), ".wal"), ["0000000000000007.wal"]);
    assert_eq!(wal.trim(6).unwrap(), 0);
    assert_eq!(append(&wal, b"next"), 7);
    assert_eq!(read_whole(dir.path()), ["next"]);
    assert_eq!(wal.stats().files, 1);
}

#[test]
fn trimming_after_a_restart_needs_no_new_record() {
    let dir = tempfile::tempdir().unwrap();
    let (wal, _) = open_small_files(dir.path(), 400);
    let last = (0..5).map(|_| append(&wal, &[0; 100])).last().unwrap();
    drop(wal);
    drop(open(dir.path()));
    let (wal, replay) = open(dir.path());
    assert_eq!(finish(replay).0.last().unwrap().seq, last);
    assert_eq!(wal.stats().last_seq, last);
    assert_eq!(wal.trim(last).unwrap(), 4);
    assert_eq!(wal.stats().files, 1);
}

#[test]
fn a_directory_has_one_writer() {
    let dir = tempfile::tempdir().unwrap();
    let (wal, _) = open(dir.path());
    let Err(KernelError::Unavailable(message)) = WalWriter::open(dir.path(), WalOptions::default()) else {
        panic!("the second writer got the directory");
    };
    assert!(message.contains(&format!("in use by process {}", std::process::id())), "{message}");
    let id = wal.writer_id().to_owned();
    wal.close();
    assert_eq!(open(dir.path()).0.writer_id(), id);
}

#[test]
fn the_writer_id_outlives_its_file() {
    let dir = tempfile::tempdir().unwrap();
    let (wal, _) = open(dir.path());
    append(&wal, b"record");
    let id = wal.writer_id().to_owned();
    drop(wal);
    for text in ["", "nonsense", "00000000-0000-0000-0000-00000000000", "9f1b1a52-6c0e-4c35-9d43-0f6a3f3c9e11"] {
        std::fs::write(dir.path().join("writer-id"), text).unwrap();
        let (wal, replay) = open(dir.path());
        assert_eq!(wal.writer_id(), id);
        assert!(matches!(replay.problems(), [told] if told.kind == ProblemKind::Damage && told.message.contains(text)));
    }
    std::fs::remove_file(dir.path().join("writer-id")).unwrap();
    assert_eq!(open(dir.path()).0.writer_id(), id);
}

#[test]
fn a_flipped_bit_in_the_writer_id_costs_no_record() {
    let dir = tempfile::tempdir().unwrap();
    let (wal, _) = open(dir.path());
    append(&wal, b"record");
    let id = wal.writer_id().to_owned();
    drop(wal);
    let path = dir.path().join("writer-id");
    let whole = std::fs::read(&path).unwrap();
    for bit in 0..8 * whole.len() {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        std::fs::write(&path, &flipped).unwrap();
        let (wal, mut replay) = open(dir.path());
        assert_eq!((wal.writer_id(), replay.by_ref().count()), (id.as_str(), 1), "bit {bit}");
        // The end of the line may become another space.
        let is_told = replay.problems().iter().any(|told| told.file.as_ref() == path);
        assert!(is_told || std::fs::read(&path).unwrap() == flipped, "bit {bit}");
    }
}

#[test]
fn a_closed_writer_refuses() {
    let dir = tempfile::tempdir().unwrap();
    let (wal, _) = open(dir.path());
    append(&wal, b"record");
    wal.close();
    wal.close();
    assert!(matches!(wal.append("fake", 0, 0, Payload::new()), Err(KernelError::Unavailable(_))));
    assert!(matches!(wal.trim(1), Err(KernelError::Unavailable(_))));
    assert_eq!(wal.stats().records, 1);
    assert_eq!(read_whole(dir.path()), ["record"]);
}

#[test]
fn closing_waits_for_the_appends_under_way() {
    let dir = tempfile::tempdir().unwrap();
    let (disk, orders) = FlakyDisk::new();
    let (wal, _) = WalWriter::open_on(dir.path(), WalOptions::default(), Box::new(disk)).unwrap();
    orders.holds_sync.store(true, SeqCst);
    thread::scope(|scope| {
        let callers: Vec<_> = (0..3).map(|_| scope.spawn(|| append(&wal, b"under way"))).collect();
        while wal.queue_state().0 < 2 {
            thread::yield_now();
        }
        let closing = scope.spawn(|| wal.close());
        while !wal.queue_state().1 {
            thread::yield_now();
        }
        assert!(matches!(wal.append("fake", 0, 0, Payload::new()), Err(KernelError::Unavailable(_))));
        assert!(!closing.is_finished());
        orders.holds_sync.store(false, SeqCst);
        for caller in callers {
            caller.join().unwrap();
        }
    });
    assert_eq!(read_whole(dir.path()).len(), 3);
}

#[test]
fn trimming_beside_appends_takes_nothing_that_is_not_covered() {
    let dir = tempfile::tempdir().unwrap();
    let (wal, _) = open_small_files(dir.path(), 500);
    let covered = AtomicU64::new(0);
    let appended: Vec<u64> = thread::scope(|scope| {
        let callers: Vec<_> =
            (0..4).map(|_| scope.spawn(|| (0..300).map(|i| append(&wal, &vec![0; i])).collect::<Vec<u64>>())).collect();
        while !callers.iter().all(thread::ScopedJoinHandle::is_finished) {
            let up_to = wal.stats().last_seq / 2;
            covered.store(up_to, SeqCst);
            wal.trim(up_to).unwrap();
        }
        callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect()
    });
    let (records, problems) = finish(Replay::of_directory(dir.path()).unwrap());
    assert_eq!(problems, []);
    let kept: Vec<u64> = records.iter().map(|record| record.seq).collect();
    assert!(appended.iter().all(|seq| *seq <= covered.load(SeqCst) || kept.contains(seq)));
    assert!(kept.len() < appended.len());
}
