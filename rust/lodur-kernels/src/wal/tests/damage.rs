//! Reading past damage: what is given back, what is reported, what is kept aside.

use std::fs;

use super::*;
use crate::error::KernelError;
use crate::wal::ProblemKind;
use crate::wal::format::FILE_HEADER_BYTES;

const PAYLOADS: [&str; 5] = ["first", "second", "third", "fourth", "fifth"];

/// A directory with the payloads in one file; where each record begins, and the end.
fn written() -> (tempfile::TempDir, PathBuf, Vec<usize>) {
    let dir = tempfile::tempdir().unwrap();
    let (wal, _) = open(dir.path());
    for payload in PAYLOADS {
        append(&wal, payload.as_bytes());
    }
    drop(wal);
    let (records, _) = finish(Replay::of_directory(dir.path()).unwrap());
    let path = wal_paths(dir.path()).remove(0);
    let mut offsets: Vec<usize> = records.iter().map(|record| record.offset as usize).collect();
    offsets.push(fs::metadata(&path).unwrap().len() as usize);
    (dir, path, offsets)
}

fn change(path: &Path, edit: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    edit(&mut bytes);
    fs::remove_file(path).unwrap();
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_tail_cut_anywhere_loses_only_what_was_cut() {
    let (dir, path, offsets) = written();
    let whole = fs::read(&path).unwrap();
    for cut in FILE_HEADER_BYTES..whole.len() {
        let scratch = tempfile::tempdir().unwrap();
        fs::write(scratch.path().join(path.file_name().unwrap()), &whole[..cut]).unwrap();
        let kept = offsets[1..].iter().filter(|end| **end <= cut).count();
        let (wal, replay) = open_small_files(scratch.path(), 1 << 20);
        let (records, problems) = finish(replay);
        assert_eq!(payloads(&records), PAYLOADS[..kept]);
        let torn: Vec<_> = problems.iter().map(|p| (p.kind, p.offset as usize, p.bytes as usize)).collect();
        let expected = [(ProblemKind::TornTail, offsets[kept], cut - offsets[kept])];
        assert_eq!(torn, if cut == offsets[kept] { &expected[..0] } else { &expected[..] });
        assert_eq!(names(scratch.path(), ".corrupt").len(), 0);
        append(&wal, b"goes on");
        drop(wal);
        // The next opening knows where the torn file ends.
        assert_eq!(read_whole(scratch.path()), [&PAYLOADS[..kept], &["goes on"]].concat());
    }
    drop(dir);
}

#[test]
fn a_file_cut_off_while_it_was_made_is_removed() {
    let (dir, path, _) = written();
    let newer = dir.path().join("0000000000000009.wal");
    for bytes in [0, 1, FILE_HEADER_BYTES] {
        fs::write(&newer, vec![0; bytes]).unwrap();
        assert_eq!(read_whole(dir.path()), PAYLOADS);
        let (_wal, replay) = open(dir.path());
        assert_eq!(finish(replay).1, []);
        assert!(!newer.exists());
    }
    assert!(path.exists());
}

#[test]
fn damage_in_the_middle_loses_one_record_and_is_kept_aside() {
    for at in 0..45 {
        let (dir, path, offsets) = written();
        change(&path, |bytes| bytes[offsets[2] + at] ^= 0x10);
        let damaged = fs::read(&path).unwrap();
        let (wal, replay) = open(dir.path());
        let (records, problems) = finish(replay);
        assert_eq!(payloads(&records), ["first", "second", "fourth", "fifth"]);
        assert_eq!(problems.len(), 1);
        let problem = &problems[0];
        assert_eq!((problem.kind, &*problem.file), (ProblemKind::Damage, &*path));
        assert_eq!((problem.offset as usize, problem.bytes as usize), (offsets[2], offsets[3] - offsets[2]));
        wal.trim(records.last().unwrap().seq).unwrap();
        assert!(!path.exists());
        let aside = names(dir.path(), ".corrupt");
        assert_eq!(aside, ["0000000000000001.wal.corrupt"]);
        assert_eq!(fs::read(dir.path().join(&aside[0])).unwrap(), damaged);
    }
}

#[test]
fn a_damaged_file_header_costs_no_record() {
    for at in 0..FILE_HEADER_BYTES {
        let (dir, path, _) = written();
        change(&path, |bytes| bytes[at] ^= 0x01);
        let (records, problems) = finish(Replay::of_directory(dir.path()).unwrap());
        assert_eq!(payloads(&records), PAYLOADS);
        assert_eq!(problems.iter().map(|p| (p.kind, p.offset)).collect::<Vec<_>>(), [(ProblemKind::Damage, 0)]);
    }
}

#[test]
fn a_file_without_a_readable_beginning_is_reported_whole() {
    let (dir, path, offsets) = written();
    change(&path, |bytes| bytes[..offsets[1]].fill(0));
    let (wal, replay) = open(dir.path());
    let (records, problems) = finish(replay);
    assert_eq!(records, []);
    assert_eq!(
        problems.iter().map(|p| (p.kind, p.bytes as usize)).collect::<Vec<_>>(),
        [(ProblemKind::Damage, offsets[5])]
    );
    assert_eq!(names(dir.path(), ".corrupt").len(), 1);
    // Lost numbers are not given again.
    assert!(append(&wal, b"next") > 5);
}

#[test]
fn a_file_shorter_than_its_successor_says_is_reported() {
    let dir = tempfile::tempdir().unwrap();
    let (wal, _) = open_small_files(dir.path(), 200);
    for _ in 0..3 {
        append(&wal, &[b'x'; 100]);
    }
    drop(wal);
    let paths = wal_paths(dir.path());
    change(&paths[1], |bytes| bytes.truncate(FILE_HEADER_BYTES));
    let (records, problems) = finish(Replay::of_directory(dir.path()).unwrap());
    assert_eq!(records.iter().map(|record| record.seq).collect::<Vec<_>>(), [1, 3]);
    let seen: Vec<_> = problems.iter().map(|p| (p.kind, &*p.file, p.bytes)).collect();
    assert_eq!(seen, [(ProblemKind::Damage, &*paths[1], 144)]);
}

#[test]
fn records_inside_payloads_are_never_given_back() {
    let (dir, path, _) = written();
    let inner = fs::read(&path).unwrap();
    let (wal, _) = open(dir.path());
    // The file's own marker too, as no client could know it: position and order still tell.
    let newest = wal_paths(dir.path()).pop().unwrap();
    append(&wal, b"own marker");
    let own = fs::read(&newest).unwrap();
    append(&wal, &[inner, own].concat());
    append(&wal, b"last");
    drop(wal);
    let (records, _) = finish(Replay::of_directory(dir.path()).unwrap());
    let container = records[6].offset as usize;
    change(&newest, |bytes| bytes[container] ^= 1);
    let (records, problems) = finish(Replay::of_directory(dir.path()).unwrap());
    assert_eq!(payloads(&records), [&PAYLOADS[..], &["own marker", "last"]].concat());
    assert_eq!(problems.len(), 1);
}

#[test]
fn an_unknown_version_stops_the_start_and_is_left_alone() {
    let (dir, path, _) = written();
    change(&path, |bytes| {
        bytes[8] = 2;
        let crc = crc32c::crc32c(&bytes[..68]);
        bytes[68..72].copy_from_slice(&crc.to_le_bytes());
    });
    let before = fs::read(&path).unwrap();
    let Err(error) = WalWriter::open(dir.path(), WalOptions::default()) else {
        panic!("opened a version that is not known");
    };
    assert!(matches!(error, KernelError::Corrupt { offset: 8, .. }), "{error}");
    assert!(error.to_string().contains("version 2"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(names(dir.path(), ".wal").len(), 1);
}

#[test]
fn files_of_another_writer_are_reported_and_left_alone() {
    let (dir, _, _) = written();
    let (other, path, _) = written();
    let foreign = dir.path().join("0000000000000020.wal");
    fs::copy(&path, &foreign).unwrap();
    drop(other);
    let (wal, replay) = open(dir.path());
    let (records, problems) = finish(replay);
    assert_eq!(payloads(&records), PAYLOADS);
    assert_eq!(problems.iter().map(|p| (p.kind, &*p.file)).collect::<Vec<_>>(), [(ProblemKind::Foreign, &*foreign)]);
    let seq = append(&wal, b"next");
    wal.trim(seq).unwrap();
    assert!(foreign.exists());
    assert_eq!(names(dir.path(), ".wal").len(), 2);
}

#[test]
fn other_files_in_the_directory_are_left_alone() {
    let (dir, _, _) = written();
    for name in ["1.wal", "000000000000000G.wal", "0000000000000002.wal.corrupt", "+000000000000002.wal", "notes"] {
        fs::write(dir.path().join(name), b"not a WAL file").unwrap();
    }
    fs::create_dir(dir.path().join("0000000000000003.wal")).unwrap();
    let (_wal, replay) = open(dir.path());
    let (records, problems) = finish(replay);
    assert_eq!((payloads(&records), problems), (PAYLOADS.map(str::to_owned).to_vec(), vec![]));
    assert_eq!(names(dir.path(), "notes").len(), 1);
}
