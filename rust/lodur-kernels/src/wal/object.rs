//! A group of records as one object of a store: the bytes of a WAL file that was never torn.
//!
//! Where objects lie and what their numbers mean is the caller's affair. Format: docs/formats/object-wal.md.

use std::path::Path;
use std::sync::Arc;

use super::directory::random_bytes;
use super::format::{FILE_HEADER_BYTES, FileHeader, HeaderFault, RecordHeader, WriterId};
use super::reader::{FileReader, Found, Gap};
use super::replay::{Problem, ProblemKind, Record};
use crate::error::{KernelError, Result};

/// One push that is to be kept.
pub struct ObjectRecord<'a> {
    pub tenant: &'a str,
    pub kind: u8,
    pub accepted_at_ns: i64,
    pub payload: &'a [u8],
}

/// What an object holds.
#[derive(Debug)]
pub struct WalObject {
    /// As a UUID.
    pub writer_id: String,
    pub first_seq: u64,
    pub records: Vec<Record>,
    pub problems: Vec<Problem>,
}

/// The object of these records; they are numbered from `first_seq` on.
pub fn encode_object(writer_id: &str, first_seq: u64, records: &[ObjectRecord<'_>]) -> Result<Vec<u8>> {
    let writer = WriterId::parse(writer_id)
        .ok_or_else(|| KernelError::Input(format!("'{writer_id}' is no UUID, as a writer's id must be")))?;
    let marker = random_bytes().map_err(|e| KernelError::io("read random bytes", e))?;
    let header = FileHeader { writer, first_seq, marker, previous: None };
    let headers: Vec<RecordHeader> = records
        .iter()
        .zip(first_seq..)
        .map(|(record, seq)| {
            let header = RecordHeader::new(record.tenant, record.kind, record.accepted_at_ns, record.payload)?;
            Ok(RecordHeader { seq, ..header })
        })
        .collect::<Result<_>>()?;
    let size: u64 = headers.iter().map(RecordHeader::record_bytes).sum();
    let mut out = Vec::with_capacity(FILE_HEADER_BYTES + size as usize);
    out.extend_from_slice(&header.encode());
    for (record, header) in records.iter().zip(&headers) {
        out.extend_from_slice(&header.encode(marker, out.len() as u64));
        out.extend_from_slice(record.tenant.as_bytes());
        out.extend_from_slice(record.payload);
    }
    Ok(out)
}

/// What the bytes of the object `path` hold. Damage within costs the records that it hits, which `problems` tells.
pub fn decode_object(data: &[u8], path: &Path) -> Result<WalObject> {
    let header = decode_header(data, path)?;
    let path: Arc<Path> = path.into();
    let mut reader = FileReader::of_bytes(data.to_vec(), header.marker, header.first_seq..u64::MAX);
    let (mut records, mut problems) = (Vec::new(), Vec::new());
    while let Some(found) = reader.advance() {
        match found {
            Found::Record { offset, header } => {
                let (tenant, payload) =
                    reader.body(offset, &header).map_err(|e| KernelError::io(path.display().to_string(), e))?;
                let (seq, kind, accepted_at_ns) = (header.seq, header.kind, header.accepted_at_ns);
                records.push(Record { seq, tenant, kind, accepted_at_ns, payload, file: path.clone(), offset });
            }
            Found::Gap { offset, end, why } => {
                let message = match why {
                    Gap::Record(fault) => fault.text().to_owned(),
                    Gap::Header => "header does not match its checksum".to_owned(),
                    Gap::Unreadable(error) => format!("object cannot be read: {error}"),
                };
                let (kind, bytes) = (ProblemKind::Damage, end - offset);
                problems.push(Problem { kind, file: path.clone(), offset, bytes, message });
            }
        }
    }
    Ok(WalObject { writer_id: header.writer.to_string(), first_seq: header.first_seq, records, problems })
}

fn decode_header(data: &[u8], path: &Path) -> Result<FileHeader> {
    let corrupt = |message: String| KernelError::corrupt(path.display().to_string(), 0, message);
    let Some(bytes) = data.first_chunk::<FILE_HEADER_BYTES>() else {
        return Err(corrupt(format!("{} bytes are no object of a WAL", data.len())));
    };
    FileHeader::decode(bytes).map_err(|fault| match fault {
        HeaderFault::Damaged => corrupt("header does not match its checksum".to_owned()),
        HeaderFault::Version(version) => {
            corrupt(format!("version {version} of the WAL format, this build reads version 1"))
        }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const WRITER: &str = "0f0e0d0c-0b0a-4908-8706-050403020100";

    fn records() -> Vec<ObjectRecord<'static>> {
        let record = |tenant, kind, payload| ObjectRecord { tenant, kind, accepted_at_ns: -5, payload };
        vec![record("a", 0, b"first".as_slice()), record("b", 0x21, b""), record("a", 1, b"third")]
    }

    fn texts(object: &WalObject) -> Vec<(u64, &str, u8, &[u8])> {
        object.records.iter().map(|r| (r.seq, r.tenant.as_str(), r.kind, r.payload.as_slice())).collect()
    }

    #[test]
    fn records_come_back() {
        let data = encode_object(WRITER, 1 << 20, &records()).unwrap();
        let object = decode_object(&data, Path::new("wal/x")).unwrap();
        assert_eq!((object.writer_id.as_str(), object.first_seq), (WRITER, 1 << 20));
        let expected: Vec<(u64, &str, u8, &[u8])> =
            vec![(1 << 20, "a", 0, b"first"), ((1 << 20) + 1, "b", 0x21, b""), ((1 << 20) + 2, "a", 1, b"third")];
        assert_eq!(texts(&object), expected);
        assert!(object.problems.is_empty());
    }

    #[test]
    fn an_object_may_be_empty() {
        let data = encode_object(WRITER, 7, &[]).unwrap();
        let object = decode_object(&data, Path::new("x")).unwrap();
        assert!(object.records.is_empty() && object.problems.is_empty());
    }

    #[test]
    fn every_flipped_bit_is_noticed_and_costs_one_record_at_most() {
        let data = encode_object(WRITER, 3, &records()).unwrap();
        let whole = decode_object(&data, Path::new("x")).unwrap();
        for at in 0..data.len() * 8 {
            let mut flipped = data.clone();
            flipped[at / 8] ^= 1 << (at % 8);
            let Ok(object) = decode_object(&flipped, Path::new("x")) else {
                assert!(at < FILE_HEADER_BYTES * 8);
                continue;
            };
            assert!(!object.problems.is_empty(), "bit {at}");
            assert_eq!(object.records.len(), 2, "bit {at}");
            assert!(texts(&object).iter().all(|record| texts(&whole).contains(record)), "bit {at}");
        }
    }

    #[test]
    fn cut_objects_are_no_panic() {
        let data = encode_object(WRITER, 3, &records()).unwrap();
        for end in 0..data.len() {
            if let Ok(object) = decode_object(&data[..end], Path::new("x")) {
                assert!(object.records.len() < 3);
            }
        }
    }
}
