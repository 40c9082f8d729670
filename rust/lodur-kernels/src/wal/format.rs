//! Bytes of WAL files: encode and decode file headers and record headers.
//!
//! No files are opened here. Specification: docs/formats/wal.md.

use crate::error::{KernelError, Result};

/// First bytes of every file.
const MAGIC: [u8; 8] = *b"LODURWAL";

/// The only version that is written.
const VERSION: u32 = 1;

pub const FILE_HEADER_BYTES: usize = 72;

pub const RECORD_HEADER_BYTES: usize = 40;

/// Largest payload: well above the largest push body that is accepted (100 MiB by default) and small enough that a
/// damaged or hostile length cannot take a machine's memory.
pub const MAX_RECORD_BYTES: usize = 256 << 20;

/// Largest tenant id in bytes: ids have at most 150 characters of ASCII; the rest is room for other rules.
pub const MAX_TENANT_BYTES: usize = u8::MAX as usize;

/// Drawn at random for each file and written before each of its records: no payload can contain it on purpose, so
/// whoever looks for the next record after damage cannot be led to a record that a client forged inside a payload.
pub type Marker = [u8; 8];

/// Who wrote the directory; made once, kept in its `writer-id` file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriterId(pub [u8; 16]);

impl WriterId {
    /// A version 4 UUID of the given random bytes.
    pub fn from_random(mut bytes: [u8; 16]) -> Self {
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        WriterId(bytes)
    }

    /// Reads the form that `Display` prints.
    pub fn parse(text: &str) -> Option<Self> {
        let digits: String = text.chars().filter(|c| *c != '-').collect();
        let id = WriterId(u128::from_str_radix(&digits, 16).ok()?.to_be_bytes());
        (id.to_string() == text).then_some(id)
    }
}

impl std::fmt::Display for WriterId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, byte) in self.0.iter().enumerate() {
            if matches!(i, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

/// Where the file before this one ends: what lies behind was never acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Previous {
    pub first_seq: u64,
    pub end: u64,
    /// The greatest number of its records, or of any that it may have had.
    pub last_seq: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileHeader {
    pub writer: WriterId,
    /// No record of the file has a smaller number; also the file's name.
    pub first_seq: u64,
    pub marker: Marker,
    /// The file before this one that has records; None in the first of a directory.
    pub previous: Option<Previous>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderFault {
    /// Not the magic bytes, or not the checksum.
    Damaged,
    /// Whole, and of a version that this build does not know.
    Version(u32),
}

impl FileHeader {
    pub fn encode(&self) -> [u8; FILE_HEADER_BYTES] {
        let previous = self.previous.unwrap_or(Previous { first_seq: 0, end: 0, last_seq: 0 });
        let mut out = [0; FILE_HEADER_BYTES];
        out[..8].copy_from_slice(&MAGIC);
        out[8..12].copy_from_slice(&VERSION.to_le_bytes());
        out[12..28].copy_from_slice(&self.writer.0);
        out[28..36].copy_from_slice(&self.first_seq.to_le_bytes());
        out[36..44].copy_from_slice(&self.marker);
        out[44..52].copy_from_slice(&previous.first_seq.to_le_bytes());
        out[52..60].copy_from_slice(&previous.end.to_le_bytes());
        out[60..68].copy_from_slice(&previous.last_seq.to_le_bytes());
        let crc = crc32c::crc32c(&out[..68]);
        out[68..].copy_from_slice(&crc.to_le_bytes());
        out
    }

    pub fn decode(bytes: &[u8; FILE_HEADER_BYTES]) -> std::result::Result<Self, HeaderFault> {
        if bytes[..8] != MAGIC || crc32c::crc32c(&bytes[..68]) != u32_at(bytes, 68) {
            return Err(HeaderFault::Damaged);
        }
        match u32_at(bytes, 8) {
            VERSION => {}
            version => return Err(HeaderFault::Version(version)),
        }
        let previous = Previous { first_seq: u64_at(bytes, 44), end: u64_at(bytes, 52), last_seq: u64_at(bytes, 60) };
        Ok(FileHeader {
            writer: WriterId(array_at(bytes, 12)),
            first_seq: u64_at(bytes, 28),
            marker: array_at(bytes, 36),
            previous: (previous.first_seq != 0).then_some(previous),
        })
    }
}

/// What a writer knows of a record before it has its place: made by the caller's thread, completed by `place`.
#[derive(Clone, Copy, Debug)]
pub struct RecordHeader {
    pub seq: u64,
    pub accepted_at_ns: i64,
    pub payload_bytes: u32,
    pub body_crc: u32,
    pub kind: u8,
    pub tenant_bytes: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordFault {
    Marker,
    Header,
    Body,
    TooLong,
    CutOff,
    Sequence,
    Tenant,
}

impl RecordFault {
    pub fn text(self) -> &'static str {
        match self {
            RecordFault::Marker => "no record begins here",
            RecordFault::Header => "record header does not match its checksum",
            RecordFault::Body => "record body does not match its checksum",
            RecordFault::TooLong => "record is longer than any that is written",
            RecordFault::CutOff => "record reaches past the end of the file",
            RecordFault::Sequence => "record's number is out of order",
            RecordFault::Tenant => "record's tenant is not UTF-8",
        }
    }
}

impl RecordHeader {
    /// Bounds-checks the parts and sums the body. `seq` is given later, when the record gets its place.
    pub fn new(tenant: &str, kind: u8, accepted_at_ns: i64, payload: &[u8]) -> Result<Self> {
        let Ok(tenant_bytes) = u8::try_from(tenant.len()) else {
            return Err(KernelError::Input(format!(
                "tenant id of {} bytes, at most {MAX_TENANT_BYTES} fit in the WAL",
                tenant.len()
            )));
        };
        let Some(payload_bytes) = u32::try_from(payload.len()).ok().filter(|n| *n as usize <= MAX_RECORD_BYTES) else {
            return Err(KernelError::LimitExceeded {
                limit: "wal_record_bytes",
                message: format!("push of {} bytes, at most {MAX_RECORD_BYTES} fit in the WAL", payload.len()),
            });
        };
        let body_crc = crc32c::crc32c_append(crc32c::crc32c(tenant.as_bytes()), payload);
        Ok(RecordHeader { seq: 0, accepted_at_ns, payload_bytes, body_crc, kind, tenant_bytes })
    }

    /// Header, tenant and payload together.
    pub fn record_bytes(&self) -> u64 {
        RECORD_HEADER_BYTES as u64 + u64::from(self.tenant_bytes) + u64::from(self.payload_bytes)
    }

    /// The position is summed though not stored: a record that was copied elsewhere is not valid there.
    pub fn encode(&self, marker: Marker, position: u64) -> [u8; RECORD_HEADER_BYTES] {
        let mut out = [0; RECORD_HEADER_BYTES];
        out[..8].copy_from_slice(&marker);
        out[8..16].copy_from_slice(&self.seq.to_le_bytes());
        out[16..24].copy_from_slice(&self.accepted_at_ns.to_le_bytes());
        out[24..28].copy_from_slice(&self.payload_bytes.to_le_bytes());
        out[28..32].copy_from_slice(&self.body_crc.to_le_bytes());
        out[32] = self.kind;
        out[33] = self.tenant_bytes;
        let crc = header_crc(&out, position);
        out[36..].copy_from_slice(&crc.to_le_bytes());
        out
    }

    pub fn decode(
        bytes: &[u8; RECORD_HEADER_BYTES],
        marker: Marker,
        position: u64,
    ) -> std::result::Result<Self, RecordFault> {
        if bytes[..8] != marker {
            return Err(RecordFault::Marker);
        }
        if header_crc(bytes, position) != u32_at(bytes, 36) {
            return Err(RecordFault::Header);
        }
        let header = RecordHeader {
            seq: u64_at(bytes, 8),
            accepted_at_ns: u64_at(bytes, 16).cast_signed(),
            payload_bytes: u32_at(bytes, 24),
            body_crc: u32_at(bytes, 28),
            kind: bytes[32],
            tenant_bytes: bytes[33],
        };
        if header.payload_bytes as usize > MAX_RECORD_BYTES {
            return Err(RecordFault::TooLong);
        }
        Ok(header)
    }
}

fn header_crc(bytes: &[u8; RECORD_HEADER_BYTES], position: u64) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&bytes[..36]), &position.to_le_bytes())
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array_at(bytes, at))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array_at(bytes, at))
}

/// Callers pass constant places inside fixed-size headers.
fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[at..at + N]);
    out
}
