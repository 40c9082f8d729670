//! Random damage to random directories: nothing false is given back and nothing whole is lost.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::wal::format::FILE_HEADER_BYTES;

#[derive(Clone, Debug)]
enum Harm {
    Flip {
        file: Index,
        at: Index,
        bits: u8,
    },
    /// Bytes of any file over bytes of another, as misdirected writes do it.
    CopyBlock {
        from: Index,
        at: Index,
        len: usize,
        to: Index,
        onto: Index,
    },
    Zero {
        file: Index,
        at: Index,
        len: usize,
    },
    Cut {
        file: Index,
        at: Index,
    },
    Insert {
        file: Index,
        at: Index,
        bytes: Vec<u8>,
    },
    /// A piece of the file once more at its end.
    Repeat {
        file: Index,
        at: Index,
        len: usize,
    },
}

fn harm() -> impl Strategy<Value = Harm> {
    let (file, at) = (any::<Index>, any::<Index>);
    prop_oneof![
        (file(), at(), 1..=255u8).prop_map(|(file, at, bits)| Harm::Flip { file, at, bits }),
        (file(), at(), 1..300usize, file(), at()).prop_map(|(from, at, len, to, onto)| Harm::CopyBlock {
            from,
            at,
            len,
            to,
            onto
        }),
        (file(), at(), 1..300usize).prop_map(|(file, at, len)| Harm::Zero { file, at, len }),
        (file(), at()).prop_map(|(file, at)| Harm::Cut { file, at }),
        (file(), at(), proptest::collection::vec(any::<u8>(), 1..100)).prop_map(|(file, at, bytes)| Harm::Insert {
            file,
            at,
            bytes
        }),
        (file(), at(), 1..500usize).prop_map(|(file, at, len)| Harm::Repeat { file, at, len }),
    ]
}

/// A file's bytes, and which of them are not what or where they were.
struct Harmed {
    bytes: Vec<u8>,
    touched: Vec<Range<usize>>,
}

impl Harmed {
    fn overwrite(&mut self, at: usize, new: &[u8]) {
        let end = (at + new.len()).min(self.bytes.len());
        self.bytes[at..end].copy_from_slice(&new[..end - at]);
        self.touched.push(at..end);
    }

    fn is_whole(&self, range: Range<usize>) -> bool {
        range.end <= self.bytes.len() && self.touched.iter().all(|t| t.end <= range.start || range.end <= t.start)
    }
}

fn apply(files: &mut [Harmed], harm: Harm) {
    let count = files.len();
    match harm {
        Harm::Flip { file, at, bits } => {
            let file = &mut files[file.index(count)];
            if !file.bytes.is_empty() {
                let at = at.index(file.bytes.len());
                file.overwrite(at, &[file.bytes[at] ^ bits]);
            }
        }
        Harm::CopyBlock { from, at, len, to, onto } => {
            let source = &files[from.index(count)].bytes;
            let at = at.index(source.len() + 1);
            let block = source[at..source.len().min(at + len)].to_vec();
            let target = &mut files[to.index(count)];
            target.overwrite(onto.index(target.bytes.len() + 1), &block);
        }
        Harm::Zero { file, at, len } => {
            let file = &mut files[file.index(count)];
            file.overwrite(at.index(file.bytes.len() + 1), &vec![0; len]);
        }
        Harm::Cut { file, at } => {
            let file = &mut files[file.index(count)];
            file.bytes.truncate(at.index(file.bytes.len() + 1));
        }
        Harm::Insert { file, at, bytes } => {
            let file = &mut files[file.index(count)];
            let at = at.index(file.bytes.len() + 1);
            file.bytes.splice(at..at, bytes);
            file.touched.push(at..usize::MAX);
        }
        Harm::Repeat { file, at, len } => {
            let file = &mut files[file.index(count)];
            let at = at.index(file.bytes.len() + 1);
            let piece = file.bytes[at..file.bytes.len().min(at + len)].to_vec();
            let end = file.bytes.len();
            file.bytes.extend(piece);
            file.touched.push(end..usize::MAX);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn replay_gives_every_whole_record_and_no_other(
        sizes in proptest::collection::vec(0..200usize, 1..25),
        openings in 1..4usize,
        max_file_bytes in 100..1500u64,
        harms in proptest::collection::vec(harm(), 0..4),
    ) {
        let dir = tempfile::tempdir().unwrap();
        for sizes in sizes.chunks(sizes.len().div_ceil(openings)) {
            let (wal, _) = open_small_files(dir.path(), max_file_bytes);
            for (i, size) in sizes.iter().enumerate() {
                append(&wal, &vec![i as u8; *size]);
            }
        }
        let (written, problems) = finish(Replay::of_directory(dir.path()).unwrap());
        prop_assert_eq!(problems, vec![]);
        prop_assert_eq!(written.len(), sizes.len());
        let paths = wal_paths(dir.path());
        let read = |path: &PathBuf| Harmed { bytes: fs::read(path).unwrap(), touched: vec![] };
        let mut files: Vec<Harmed> = paths.iter().map(read).collect();
        for harm in harms {
            apply(&mut files, harm);
        }
        for (path, file) in paths.iter().zip(&files) {
            fs::write(path, &file.bytes).unwrap();
        }

        let read_only = finish(Replay::of_directory(dir.path()).unwrap()).0;
        let (wal, replay) = open_small_files(dir.path(), max_file_bytes);
        let (found, _) = finish(replay);
        prop_assert_eq!(&read_only, &found);
        prop_assert!(found.is_sorted_by(|a, b| a.seq < b.seq));
        let by_seq: BTreeMap<u64, &Record> = written.iter().map(|record| (record.seq, record)).collect();
        for record in &found {
            prop_assert_eq!(Some(&record), by_seq.get(&record.seq));
        }
        for record in &written {
            let file = &files[paths.iter().position(|path| **path == *record.file).unwrap()];
            let offset = record.offset as usize;
            let end = offset + 40 + record.tenant.len() + record.payload.len();
            let first = written.iter().find(|other| other.file == record.file).unwrap();
            let marker_survives = file.is_whole(0..FILE_HEADER_BYTES)
                || file.is_whole(FILE_HEADER_BYTES..FILE_HEADER_BYTES + 40 + first.tenant.len() + first.payload.len());
            if marker_survives && file.is_whole(offset..end) {
                prop_assert!(found.contains(record), "lost {record:?}");
            }
        }
        let newest = written.last().map_or(0, |record| record.seq);
        prop_assert!(append(&wal, b"goes on") > newest);
    }

    #[test]
    fn any_bytes_are_a_directory(files in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..600), 0..4)) {
        let dir = tempfile::tempdir().unwrap();
        for (i, bytes) in files.iter().enumerate() {
            fs::write(dir.path().join(format!("{:016x}.wal", 1 + i * 10)), bytes).unwrap();
        }
        let (wal, replay) = open_small_files(dir.path(), 1 << 20);
        prop_assert_eq!(finish(replay).0, vec![]);
        append(&wal, b"goes on");
        drop(wal);
        prop_assert_eq!(payloads(&finish(Replay::of_directory(dir.path()).unwrap()).0), vec!["goes on"]);
    }
}
