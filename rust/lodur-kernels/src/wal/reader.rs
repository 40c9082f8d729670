//! Read one WAL file, record by record, past whatever is damaged in it.
//!
//! Damage never ends a file: the next record that fits its checksums is looked for by the file's marker. Nothing is
//! written or kept aside here (see `replay`). Format: docs/formats/wal.md.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use super::format::{FILE_HEADER_BYTES, Marker, RECORD_HEADER_BYTES, RecordFault, RecordHeader};

/// Bytes read at once: large enough that small records cost no system call each.
const WINDOW_BYTES: usize = 1 << 20;

/// What is to be read of a file, known from its name, its header and the header of the file after it.
#[derive(Clone, Debug)]
pub struct Extent {
    pub path: Arc<Path>,
    /// Numbers that its records may have.
    pub seqs: Range<u64>,
    /// From the file's header; None when that is damaged.
    pub marker: Option<Marker>,
    /// Where reading stops.
    pub end: u64,
    /// The newest file: what is wrong at its end is an append that was cut off by a crash.
    pub is_newest: bool,
}

pub enum Found {
    Record {
        offset: u64,
        header: RecordHeader,
    },
    /// `offset..end` gave no record.
    Gap {
        offset: u64,
        end: u64,
        why: Gap,
    },
}

#[derive(Debug)]
pub enum Gap {
    Header,
    Record(RecordFault),
    Unreadable(io::Error),
}

pub struct FileReader {
    window: Window,
    marker: Option<Marker>,
    seqs: Range<u64>,
    at: u64,
    /// The file's header is damaged and that has not been told yet.
    has_header_gap: bool,
    is_done: bool,
}

impl FileReader {
    pub fn open(extent: &Extent) -> io::Result<Self> {
        let mut reader = FileReader {
            window: Window::new(File::open(&extent.path)?, extent.end),
            marker: extent.marker,
            seqs: extent.seqs.clone(),
            at: FILE_HEADER_BYTES as u64,
            has_header_gap: extent.marker.is_none(),
            is_done: extent.end <= FILE_HEADER_BYTES as u64,
        };
        if reader.has_header_gap && !reader.is_done {
            reader.marker = reader.marker_of_first_record()?;
        }
        Ok(reader)
    }

    /// A reader of a file's bytes that are in memory, header included.
    pub fn of_bytes(bytes: Vec<u8>, marker: Marker, seqs: Range<u64>) -> Self {
        let at = FILE_HEADER_BYTES as u64;
        let is_done = bytes.len() as u64 <= at;
        FileReader { window: Window::of_bytes(bytes), marker: Some(marker), seqs, at, has_header_gap: false, is_done }
    }

    /// The next record, or the next piece that holds none; None at the end.
    pub fn advance(&mut self) -> Option<Found> {
        if self.is_done || self.at >= self.window.end {
            return None;
        }
        let Some(marker) = self.marker else {
            return Some(self.give_up(0, Gap::Header));
        };
        if std::mem::take(&mut self.has_header_gap) {
            return Some(Found::Gap { offset: 0, end: self.at, why: Gap::Header });
        }
        let offset = self.at;
        let fault = match self.check(marker, offset) {
            Ok(Ok(header)) => {
                self.at += header.record_bytes();
                self.seqs.start = header.seq + 1;
                return Some(Found::Record { offset, header });
            }
            Ok(Err(fault)) => fault,
            Err(error) => return Some(self.give_up(offset, Gap::Unreadable(error))),
        };
        match self.find_record(marker, offset + 1) {
            Ok(next) => {
                self.at = next;
                Some(Found::Gap { offset, end: next, why: Gap::Record(fault) })
            }
            Err(error) => Some(self.give_up(offset, Gap::Unreadable(error))),
        }
    }

    /// Tenant and payload of a record that `advance` has just found.
    pub fn body(&mut self, offset: u64, header: &RecordHeader) -> io::Result<(String, Vec<u8>)> {
        let whole = self.window.load(offset, header.record_bytes())?;
        let (tenant, payload) = whole[RECORD_HEADER_BYTES..].split_at(usize::from(header.tenant_bytes));
        Ok((String::from_utf8_lossy(tenant).into_owned(), payload.to_vec()))
    }

    fn give_up(&mut self, offset: u64, why: Gap) -> Found {
        self.is_done = true;
        Found::Gap { offset, end: self.window.end, why }
    }

    /// A damaged file header loses the marker; the first record carries it too, and its checksum vouches for it.
    fn marker_of_first_record(&mut self) -> io::Result<Option<Marker>> {
        let position = FILE_HEADER_BYTES as u64;
        if self.window.end < position + RECORD_HEADER_BYTES as u64 {
            return Ok(None);
        }
        let bytes = header_array(self.window.load(position, RECORD_HEADER_BYTES as u64)?);
        let mut marker = Marker::default();
        marker.copy_from_slice(&bytes[..size_of::<Marker>()]);
        Ok(RecordHeader::decode(&bytes, marker, position).ok().map(|_| marker))
    }

    /// The header of the whole, valid record at `offset`, which then lies in the window.
    fn check(&mut self, marker: Marker, offset: u64) -> io::Result<Result<RecordHeader, RecordFault>> {
        let room = self.window.end - offset;
        if room < RECORD_HEADER_BYTES as u64 {
            return Ok(Err(RecordFault::CutOff));
        }
        let bytes = header_array(self.window.load(offset, RECORD_HEADER_BYTES as u64)?);
        let header = match RecordHeader::decode(&bytes, marker, offset) {
            Ok(header) => header,
            Err(fault) => return Ok(Err(fault)),
        };
        if header.record_bytes() > room {
            return Ok(Err(RecordFault::CutOff));
        }
        if !self.seqs.contains(&header.seq) {
            return Ok(Err(RecordFault::Sequence));
        }
        let body = &self.window.load(offset, header.record_bytes())?[RECORD_HEADER_BYTES..];
        if crc32c::crc32c(body) != header.body_crc {
            return Ok(Err(RecordFault::Body));
        }
        if std::str::from_utf8(&body[..usize::from(header.tenant_bytes)]).is_err() {
            return Ok(Err(RecordFault::Tenant));
        }
        Ok(Ok(header))
    }

    /// The next place from `from` where a valid record begins, else the end.
    fn find_record(&mut self, marker: Marker, from: u64) -> io::Result<u64> {
        let mut at = from;
        while self.window.end.saturating_sub(at) >= RECORD_HEADER_BYTES as u64 {
            let ahead = self.window.ahead(at, RECORD_HEADER_BYTES as u64)?;
            match memchr::memmem::find(ahead, &marker) {
                Some(skip) => {
                    at += skip as u64;
                    if self.check(marker, at)?.is_ok() {
                        return Ok(at);
                    }
                    at += 1;
                }
                // The marker may begin in the last bytes of what was searched.
                None => at += (ahead.len() + 1 - size_of::<Marker>()) as u64,
            }
        }
        Ok(self.window.end)
    }
}

/// Callers load exactly so many bytes.
fn header_array(bytes: &[u8]) -> [u8; RECORD_HEADER_BYTES] {
    let mut out = [0; RECORD_HEADER_BYTES];
    out.copy_from_slice(bytes);
    out
}

/// A moving view of a file's first `end` bytes.
struct Window {
    /// None where all bytes are in memory from the beginning.
    file: Option<File>,
    end: u64,
    start: u64,
    bytes: Vec<u8>,
}

impl Window {
    fn new(file: File, end: u64) -> Self {
        Window { file: Some(file), end, start: 0, bytes: Vec::new() }
    }

    fn of_bytes(bytes: Vec<u8>) -> Self {
        Window { file: None, end: bytes.len() as u64, start: 0, bytes }
    }

    /// Exactly `len` bytes from `at`. Callers have checked that they lie before the end.
    fn load(&mut self, at: u64, len: u64) -> io::Result<&[u8]> {
        let ahead = self.ahead(at, len)?;
        ahead.get(..len as usize).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// What is in memory from `at` on, at least `len` bytes.
    fn ahead(&mut self, at: u64, len: u64) -> io::Result<&[u8]> {
        let is_inside = at >= self.start && at + len <= self.start + self.bytes.len() as u64;
        if !is_inside {
            let Some(file) = &self.file else {
                return Err(io::ErrorKind::UnexpectedEof.into());
            };
            let wanted = len.max(WINDOW_BYTES as u64).min(self.end.saturating_sub(at));
            self.bytes.resize(wanted as usize, 0);
            self.start = at;
            if let Err(error) = file.read_exact_at(&mut self.bytes, at) {
                self.bytes.clear();
                return Err(error);
            }
        }
        Ok(&self.bytes[(at - self.start) as usize..])
    }
}
