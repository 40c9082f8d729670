//! Give back what a WAL directory holds: every valid record in order, and a list of what was wrong.
//!
//! Damage is reported, not raised: a server must start with what it has. A damaged file is kept beside as `*.corrupt`
//! (a second name of it where the file system can, else a copy), so that trimming does not destroy the evidence.

use std::collections::VecDeque;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::directory::{self, Listed};
use super::format::{FILE_HEADER_BYTES, FileHeader, HeaderFault, WriterId};
use super::reader::{Extent, FileReader, Found, Gap};
use crate::error::{KernelError, Result};

/// One acknowledged push. A record that was answered with an error can appear only where both taking it back and
/// noting the file's end failed before a crash (docs/formats/wal.md, "Failures").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub seq: u64,
    pub tenant: String,
    pub kind: u8,
    pub accepted_at_ns: i64,
    pub payload: Vec<u8>,
    pub file: Arc<Path>,
    pub offset: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    /// The newest file ends in an unfinished append, as a crash leaves it. Nothing acknowledged is missing if the
    /// disk kept what it promised.
    TornTail,
    /// Bytes changed after they were durable: acknowledged records may be missing.
    Damage,
    /// The system could not read or keep a file.
    Unreadable,
    /// The file belongs to another writer; it is left alone and gives no records.
    Foreign,
}

/// What was wrong at `offset..offset + bytes` of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub kind: ProblemKind,
    pub file: Arc<Path>,
    pub offset: u64,
    pub bytes: u64,
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} at byte {} ({} bytes)", self.file.display(), self.message, self.offset, self.bytes)
    }
}

/// A file with its own header, if that is whole.
pub struct Known {
    pub listed: Listed,
    pub header: Option<FileHeader>,
}

impl Known {
    /// Cut off while it was made: nothing can have been acknowledged in it.
    pub fn is_unborn(&self) -> bool {
        self.header.is_none() && self.listed.bytes <= FILE_HEADER_BYTES as u64
    }
}

/// Read the headers of the directory's files. A version that this build does not know is an error: such files must
/// be read by the build that wrote them before their records may be forgotten.
pub fn read_headers(files: Vec<Listed>) -> Result<Vec<Known>> {
    files
        .into_iter()
        .map(|listed| match directory::read_header(&listed.path) {
            Ok(Some(Err(HeaderFault::Version(version)))) => Err(KernelError::corrupt(
                listed.path.display().to_string(),
                8,
                format!("version {version} of the WAL format, this build reads version 1"),
            )),
            Ok(Some(Ok(header))) => Ok(Known { listed, header: Some(header) }),
            // Unreadable files are met again, and reported, when their records are read.
            Ok(Some(Err(HeaderFault::Damaged)) | None) | Err(_) => Ok(Known { listed, header: None }),
        })
        .collect()
}

/// What is to be read of each file, and what is already known to be wrong.
pub fn plan(files: &[Known], writer: WriterId) -> (Vec<Extent>, Vec<Problem>) {
    let is_own = |file: &&Known| file.header.is_none_or(|header| header.writer == writer);
    let own: Vec<&Known> = files.iter().filter(is_own).filter(|file| !file.is_unborn()).collect();
    let mut problems: Vec<Problem> = files.iter().filter(|file| !is_own(file)).map(foreign).collect();
    let mut extents = Vec::with_capacity(own.len());
    for (i, file) in own.iter().enumerate() {
        let next = own.get(i + 1);
        let Some(end) = acknowledged_end(file, next.and_then(|next| next.header.as_ref())) else {
            continue;
        };
        let path: Arc<Path> = file.listed.path.as_path().into();
        if end > file.listed.bytes {
            problems.push(Problem {
                kind: ProblemKind::Damage,
                file: path.clone(),
                offset: file.listed.bytes,
                bytes: end - file.listed.bytes,
                message: "file is shorter than it was".to_owned(),
            });
        }
        extents.push(Extent {
            path,
            seqs: file.listed.first_seq..next.map_or(u64::MAX, |next| next.listed.first_seq),
            marker: file.header.map(|header| header.marker),
            end: end.min(file.listed.bytes),
            is_newest: next.is_none(),
        });
    }
    (extents, problems)
}

/// Where a file's acknowledged bytes end, as the header of the file after it tells; None when that passes over it:
/// the writer had given the file up before anything in it was acknowledged.
fn acknowledged_end(file: &Known, next: Option<&FileHeader>) -> Option<u64> {
    let Some(next) = next else {
        return Some(file.listed.bytes);
    };
    let previous = next.previous.filter(|previous| previous.first_seq >= file.listed.first_seq)?;
    let is_meant = previous.first_seq == file.listed.first_seq;
    Some(if is_meant { previous.end } else { file.listed.bytes })
}

fn foreign(file: &Known) -> Problem {
    Problem {
        kind: ProblemKind::Foreign,
        file: file.listed.path.as_path().into(),
        offset: 0,
        bytes: file.listed.bytes,
        message: "file belongs to another writer".to_owned(),
    }
}

/// `writer-id` said something else than the writer that the files are of; the message keeps what it was.
pub fn damaged_id(dir: &Path, text: &str, writer: WriterId) -> Problem {
    Problem {
        kind: ProblemKind::Damage,
        file: directory::writer_id_path(dir).into(),
        offset: 0,
        bytes: text.len() as u64,
        message: format!("writer's id {text:?} is damaged, it is {writer} now"),
    }
}

/// Iterator over the records of a directory, by ascending number.
pub struct Replay {
    waiting: VecDeque<Extent>,
    current: Option<(Extent, FileReader)>,
    problems: Vec<Problem>,
    keeps_damaged: bool,
}

impl Replay {
    /// Read a directory that no writer holds and change nothing; `WalWriter::open` gives a writer's own replay.
    pub fn of_directory(dir: &Path) -> Result<Self> {
        let files = read_headers(directory::list(dir)?)?;
        let newest = files.iter().rev().find_map(|file| file.header.map(|header| header.writer));
        Ok(Replay::new(plan(&files, newest.unwrap_or(WriterId([0; 16]))), false))
    }

    pub(super) fn new((extents, problems): (Vec<Extent>, Vec<Problem>), keeps_damaged: bool) -> Self {
        Replay { waiting: extents.into(), current: None, problems, keeps_damaged }
    }

    /// What was wrong so far; complete when the iterator has ended.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    fn open_next(&mut self) -> Option<()> {
        let extent = self.waiting.pop_front()?;
        match FileReader::open(&extent) {
            Ok(reader) => self.current = Some((extent, reader)),
            Err(error) => self.report(&extent, 0, extent.end, Gap::Unreadable(error)),
        }
        Some(())
    }

    fn report(&mut self, extent: &Extent, offset: u64, end: u64, why: Gap) {
        let is_tail = extent.is_newest && end == extent.end;
        let (kind, message) = match why {
            Gap::Header => (ProblemKind::Damage, "file header does not match its checksum".to_owned()),
            Gap::Record(fault) if is_tail => (ProblemKind::TornTail, fault.text().to_owned()),
            Gap::Record(fault) => (ProblemKind::Damage, fault.text().to_owned()),
            Gap::Unreadable(error) => (ProblemKind::Unreadable, format!("file cannot be read: {error}")),
        };
        let file = extent.path.clone();
        if self.keeps_damaged
            && kind != ProblemKind::TornTail
            && let Err(error) = keep_aside(&file)
        {
            let message = format!("damaged file cannot be kept aside: {error}");
            self.problems.push(Problem {
                kind: ProblemKind::Unreadable,
                file: file.clone(),
                offset,
                bytes: 0,
                message,
            });
        }
        self.problems.push(Problem { kind, file, offset, bytes: end.saturating_sub(offset), message });
    }
}

impl Iterator for Replay {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        loop {
            let Some((extent, mut reader)) = self.current.take() else {
                self.open_next()?;
                continue;
            };
            match reader.advance() {
                None => {}
                Some(Found::Gap { offset, end, why }) => {
                    self.report(&extent, offset, end, why);
                    self.current = Some((extent, reader));
                }
                Some(Found::Record { offset, header }) => match reader.body(offset, &header) {
                    Ok((tenant, payload)) => {
                        let file = extent.path.clone();
                        self.current = Some((extent, reader));
                        let (seq, kind, accepted_at_ns) = (header.seq, header.kind, header.accepted_at_ns);
                        return Some(Record { seq, tenant, kind, accepted_at_ns, payload, file, offset });
                    }
                    Err(error) => self.report(&extent, offset, extent.end, Gap::Unreadable(error)),
                },
            }
        }
    }
}

/// The newest file as a writer that goes on after it must know it.
pub struct Tail {
    /// Where its valid records end, and what follows them is torn.
    pub end: u64,
    /// Of its valid records; 0 where there is none.
    pub last_seq: u64,
}

pub fn read_tail(extent: &Extent) -> Tail {
    let mut tail = Tail { end: extent.end, last_seq: 0 };
    let Ok(mut reader) = FileReader::open(extent) else {
        return tail;
    };
    while let Some(found) = reader.advance() {
        match found {
            Found::Record { header, .. } => tail.last_seq = header.seq,
            Found::Gap { offset, end, why: Gap::Record(_) } if end == extent.end => tail.end = offset,
            Found::Gap { .. } => {}
        }
    }
    tail
}

/// Files are never written again once another follows, so a second name keeps the bytes as well as a copy.
fn keep_aside(path: &Path) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".corrupt");
    let aside = PathBuf::from(name);
    match fs::hard_link(path, &aside) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(_) => fs::copy(path, &aside).map(|_| ()),
    }
}
