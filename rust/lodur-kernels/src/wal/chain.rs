//! The files of one writer: where the next group goes, when a new file begins, what happens when the disk fails.
//!
//! Single-threaded; `writer` decides who may call. A failed sync is never repeated on the same file: the system may
//! have dropped the unwritten pages and would answer the second with success. Such a file is sealed at its last
//! durable byte and a new one is begun, whose header says where the sealed one ends.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::directory;
use super::disk::{Disk, LogFile, write_all};
use super::format::{FILE_HEADER_BYTES, FileHeader, Marker, Previous, RecordHeader, WriterId};
use crate::error::KernelError;

/// A record on its way to the disk.
pub struct Submission {
    /// Complete but for the number, which `append` gives.
    pub header: RecordHeader,
    pub tenant: Box<str>,
    pub payload: Bytes,
}

/// Why a group was not made durable; every append of the group is answered with it. All causes are one kind of error:
/// whatever ails the disk, the pusher keeps its data and tries again.
#[derive(Clone, Debug)]
pub struct WriteFailure(String);

impl WriteFailure {
    fn new(path: &Path, error: &io::Error) -> Self {
        WriteFailure(format!("cannot write the WAL: {}: {error}", path.display()))
    }
}

impl From<WriteFailure> for KernelError {
    fn from(WriteFailure(message): WriteFailure) -> Self {
        KernelError::Unavailable(message)
    }
}

/// Counts since the writer was opened, but for `files`, `bytes` and `last_seq`, which describe the directory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WalStats {
    pub files: u64,
    pub bytes: u64,
    /// Of the newest acknowledged record; 0 where there is none.
    pub last_seq: u64,
    pub records: u64,
    pub groups: u64,
    pub failed_groups: u64,
    pub fsyncs: u64,
}

/// A file that is complete.
pub struct Closed {
    pub path: PathBuf,
    /// 0 where it has no records.
    pub last_seq: u64,
    pub bytes: u64,
}

struct Active {
    file: Box<dyn LogFile>,
    path: PathBuf,
    first_seq: u64,
    marker: Marker,
    /// Bytes that are durable; the next group goes here.
    end: u64,
    /// 0 where it has no records.
    last_seq: u64,
}

pub struct Chain {
    pub dir: PathBuf,
    pub disk: Arc<dyn Disk>,
    pub writer: WriterId,
    pub max_file_bytes: u64,
    pub closed: VecDeque<Closed>,
    pub previous: Option<Previous>,
    pub next_seq: u64,
    /// Held while it exists.
    pub lock: Option<File>,
    active: Option<Active>,
    counts: WalStats,
}

impl Chain {
    /// Without an active file: `begin` or the first append makes it.
    pub fn new(dir: PathBuf, disk: Arc<dyn Disk>, writer: WriterId, lock: File, max_file_bytes: u64) -> Self {
        Chain {
            dir,
            disk,
            writer,
            max_file_bytes,
            closed: VecDeque::new(),
            previous: None,
            next_seq: 1,
            lock: Some(lock),
            active: None,
            counts: WalStats::default(),
        }
    }

    /// Number the submissions in order and make them durable, all or none.
    pub fn append(&mut self, group: &mut [Submission]) -> std::result::Result<(), WriteFailure> {
        let done = self.try_append(group);
        match &done {
            Ok(()) => {
                self.counts.groups += 1;
                self.counts.records += group.len() as u64;
            }
            Err(_) => self.counts.failed_groups += 1,
        }
        done
    }

    fn try_append(&mut self, group: &mut [Submission]) -> std::result::Result<(), WriteFailure> {
        let bytes = group.iter().map(|submission| submission.header.record_bytes()).sum();
        let mut active = self.take_writable(bytes)?;
        let mut end = active.end;
        let mut heads = Vec::with_capacity(group.len());
        for submission in group.iter_mut() {
            submission.header.seq = self.next_seq;
            self.next_seq += 1;
            heads.push(submission.header.encode(active.marker, end));
            end += submission.header.record_bytes();
        }
        let mut parts = Vec::with_capacity(3 * group.len());
        for (head, submission) in heads.iter().zip(group.iter()) {
            parts.push(IoSlice::new(head));
            parts.push(IoSlice::new(submission.tenant.as_bytes()));
            parts.push(IoSlice::new(&submission.payload));
        }
        if let Err(error) = write_all(&mut *active.file, &mut parts) {
            let failure = WriteFailure::new(&active.path, &error);
            self.take_back(active);
            return Err(failure);
        }
        if let Err(error) = self.sync(&mut *active.file) {
            let failure = WriteFailure::new(&active.path, &error);
            self.seal(active);
            return Err(failure);
        }
        active.end = end;
        active.last_seq = self.next_seq - 1;
        self.counts.last_seq = active.last_seq;
        self.active = Some(active);
        Ok(())
    }

    /// Make the file for the records from `next_seq` on, so that the first append need not.
    ///
    /// Failing is left to be told by that append: a disk without room must not keep a server from starting, from
    /// answering the pushes of a failed group, or from trimming, which makes room.
    pub fn begin(&mut self) {
        self.active = self.new_file().ok();
    }

    fn new_file(&mut self) -> std::result::Result<Active, WriteFailure> {
        let path = directory::file_path(&self.dir, self.next_seq);
        match self.make_file(&path) {
            Ok((file, marker)) => {
                let (first_seq, end) = (self.next_seq, FILE_HEADER_BYTES as u64);
                Ok(Active { file, path, first_seq, marker, end, last_seq: 0 })
            }
            Err(error) => {
                // What stays of it has no record, and the next attempt replaces it.
                let _ = self.disk.remove(&path);
                Err(WriteFailure::new(&path, &error))
            }
        }
    }

    fn make_file(&mut self, path: &Path) -> io::Result<(Box<dyn LogFile>, Marker)> {
        let marker = directory::random_bytes()?;
        let (writer, first_seq, previous) = (self.writer, self.next_seq, self.previous);
        let header = FileHeader { writer, first_seq, marker, previous }.encode();
        let mut file = self.disk.create(path)?;
        write_all(&mut *file, &mut [IoSlice::new(&header)])?;
        self.sync(&mut *file)?;
        self.counts.fsyncs += 1;
        self.disk.sync_dir(&self.dir)?;
        Ok((file, marker))
    }

    fn sync(&mut self, file: &mut dyn LogFile) -> io::Result<()> {
        self.counts.fsyncs += 1;
        file.sync()
    }

    /// The active file, or a new one where there is none or where it would grow too large.
    fn take_writable(&mut self, bytes: u64) -> std::result::Result<Active, WriteFailure> {
        match self.active.take() {
            Some(active) if active.last_seq == 0 || active.end + bytes <= self.max_file_bytes => return Ok(active),
            Some(full) => self.retire(full),
            None => {}
        }
        self.new_file()
    }

    fn retire(&mut self, active: Active) {
        let Active { path, first_seq, end, last_seq, .. } = active;
        self.previous = Some(Previous { first_seq, end, last_seq });
        self.closed.push_back(Closed { path, last_seq, bytes: end });
    }

    /// After a failed write: drop what was written of the group, durably, and go on in the same file.
    fn take_back(&mut self, mut active: Active) {
        if active.file.truncate(active.end).is_ok() && self.sync(&mut *active.file).is_ok() {
            self.active = Some(active);
        } else {
            self.seal(active);
        }
    }

    /// Never write to the file again; its end is noted in the next file's header before the error is answered, if
    /// the disk still allows that, and otherwise when it allows it again.
    fn seal(&mut self, mut active: Active) {
        let _ = active.file.truncate(active.end);
        if active.last_seq == 0 {
            let _ = self.disk.remove(&active.path);
        } else {
            self.retire(active);
        }
        self.begin();
    }

    /// Take the files out of which every record has a number up to `up_to_seq`. The newest file stays, for its name
    /// tells the next writer which numbers are used.
    pub fn release(&mut self, up_to_seq: u64) -> Vec<Closed> {
        if let Some(active) = self.active.take_if(|active| active.last_seq != 0 && active.last_seq <= up_to_seq) {
            self.retire(active);
            // Where there is no room for a new file, the files that are released now make it.
            self.begin();
        }
        let newest_stays = usize::from(self.active.is_none());
        let mut released = Vec::new();
        while self.closed.len() > newest_stays && self.closed.front().is_some_and(|file| file.last_seq <= up_to_seq) {
            released.extend(self.closed.pop_front());
        }
        released
    }

    /// Take files back that could not be deleted, in the order in which they were released.
    pub fn keep(&mut self, files: impl DoubleEndedIterator<Item = Closed>) {
        files.rev().for_each(|file| self.closed.push_front(file));
    }

    pub fn close(&mut self) {
        if let Some(active) = self.active.take() {
            self.retire(active);
        }
        self.lock = None;
    }

    pub fn stats(&self) -> WalStats {
        WalStats {
            files: self.closed.len() as u64 + u64::from(self.active.is_some()),
            bytes: self.closed.iter().map(|file| file.bytes).sum::<u64>()
                + self.active.as_ref().map_or(0, |active| active.end),
            ..self.counts
        }
    }

    /// The newest record that the directory held before this writer.
    pub fn set_last_seq(&mut self, last_seq: u64) {
        self.counts.last_seq = last_seq;
    }
}
