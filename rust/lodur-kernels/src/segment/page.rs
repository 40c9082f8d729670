//! Parquet data pages (version 1) and dictionary pages: headers and bodies.
//!
//! Specification: parquet-format, `parquet.thrift` (PageHeader) in Thrift's compact protocol, and Encodings.md.
//! We write the pages ourselves, because page boundaries must fall on our blocks and label columns are written run by
//! run; the `parquet` crate writes the file around them.

use crate::error::{KernelError, Result};
use crate::segment::codec::{Codec, Compressor, Decompressor};
use crate::segment::delta::{read_varint, write_varint};

pub const ENCODING_PLAIN: i32 = 0;
pub const ENCODING_RLE: i32 = 3;
pub const ENCODING_DELTA_BINARY_PACKED: i32 = 5;
pub const ENCODING_DELTA_LENGTH_BYTE_ARRAY: i32 = 6;
pub const ENCODING_RLE_DICTIONARY: i32 = 8;

const PAGE_DATA: i32 = 0;
const PAGE_DICTIONARY: i32 = 2;

/// Longest header that we write or read: a dozen varints.
const HEADER_BYTES_MAX: usize = 128;

/// Append a data page with its header to `out`. `values` counts nulls too.
pub fn write_data_page(
    compressor: &mut Compressor,
    raw: &[u8],
    values: usize,
    encoding: i32,
    out: &mut Vec<u8>,
) -> Result<()> {
    let body = compressor.compress(raw)?;
    write_body(body, raw.len(), out, PAGE_DATA, |header| data_page_fields(header, values, encoding));
    Ok(())
}

/// Append a data page of lines, which begin at `lines_at` behind their lengths, with its header to `out`.
pub fn write_lines_page(
    compressor: &mut Compressor,
    raw: &[u8],
    lines_at: usize,
    values: usize,
    out: &mut Vec<u8>,
) -> Result<()> {
    let body = compressor.compress_lines(raw, lines_at)?;
    write_body(body, raw.len(), out, PAGE_DATA, |header| {
        data_page_fields(header, values, ENCODING_DELTA_LENGTH_BYTE_ARRAY);
    });
    Ok(())
}

fn data_page_fields(header: &mut ThriftWriter<'_>, values: usize, encoding: i32) {
    header.struct_field(5);
    header.i32_field(1, values as i32);
    header.i32_field(2, encoding);
    header.i32_field(3, ENCODING_RLE);
    header.i32_field(4, ENCODING_RLE);
    header.end();
}

/// Append a page that was read as it lies. Its header is written anew: only what is known to be right is carried on.
pub fn write_stored_page(page: &StoredPage<'_>, encoding: i32, out: &mut Vec<u8>) {
    write_body(page.body, page.raw_bytes, out, PAGE_DATA, |header| data_page_fields(header, page.values, encoding));
}

/// Append a dictionary page with its header to `out`.
pub fn write_dictionary_page(compressor: &mut Compressor, raw: &[u8], values: usize, out: &mut Vec<u8>) -> Result<()> {
    let body = compressor.compress(raw)?;
    write_body(body, raw.len(), out, PAGE_DICTIONARY, |header| {
        header.struct_field(7);
        header.i32_field(1, values as i32);
        header.i32_field(2, ENCODING_PLAIN);
        header.end();
    });
    Ok(())
}

fn write_body(body: &[u8], raw_bytes: usize, out: &mut Vec<u8>, kind: i32, detail: impl FnOnce(&mut ThriftWriter<'_>)) {
    let mut header = ThriftWriter { out, last: vec![0] };
    header.i32_field(1, kind);
    header.i32_field(2, raw_bytes as i32);
    header.i32_field(3, body.len() as i32);
    header.i32_field(4, crc32fast::hash(body) as i32);
    detail(&mut header);
    header.end();
    out.extend_from_slice(body);
}

/// Decompress the page that `bytes` holds (header and body) into `out`; checks the checksum. Returns its value count.
pub fn read_page(decompressor: &mut Decompressor, codec: Codec, bytes: &[u8], out: &mut Vec<u8>) -> Result<usize> {
    let (header, body) = checked_body(bytes)?;
    decompressor.decompress(codec, body, header.raw, out)?;
    Ok(header.values)
}

/// A page that is not decompressed.
pub struct StoredPage<'a> {
    pub body: &'a [u8],
    pub raw_bytes: usize,
    /// Nulls and entries of empty maps included.
    pub values: usize,
}

/// The page that `bytes` holds (header and body); checks the checksum, and the header as far as the body tells.
pub fn stored_page(codec: Codec, bytes: &[u8]) -> Result<StoredPage<'_>> {
    let (header, body) = checked_body(bytes)?;
    let raw_bytes = match codec {
        Codec::None => Some(body.len()),
        // What no frame says stays what the header says.
        Codec::Zstd { .. } => zstd::zstd_safe::get_frame_content_size(body).ok().flatten().map(|bytes| bytes as usize),
        Codec::Gzip | Codec::Snappy | Codec::Lz4 => None,
    };
    if raw_bytes.is_some_and(|raw_bytes| raw_bytes != header.raw) {
        return Err(damaged("page has another size than its header says"));
    }
    Ok(StoredPage { body, raw_bytes: header.raw, values: header.values })
}

fn checked_body(bytes: &[u8]) -> Result<(Header, &[u8])> {
    let (header, header_len) = read_header(bytes)?;
    let body = bytes.get(header_len..header_len + header.compressed).ok_or_else(|| damaged("page is cut short"))?;
    if crc32fast::hash(body) != header.crc {
        return Err(damaged("page checksum does not match"));
    }
    Ok((header, body))
}

struct Header {
    raw: usize,
    compressed: usize,
    crc: u32,
    values: usize,
}

fn read_header(bytes: &[u8]) -> Result<(Header, usize)> {
    let mut reader = ThriftReader { bytes: &bytes[..bytes.len().min(HEADER_BYTES_MAX)], at: 0 };
    let (mut raw, mut compressed, mut crc, mut values) = (-1, -1, None, -1);
    let mut last = 0;
    while let Some((field, kind)) = reader.field(&mut last)? {
        match (field, kind) {
            (2, TYPE_I32) => raw = reader.zigzag()?,
            (3, TYPE_I32) => compressed = reader.zigzag()?,
            (4, TYPE_I32) => crc = Some(reader.zigzag()? as u32),
            (5 | 7, TYPE_STRUCT) => {
                let mut inner = 0;
                while let Some((field, kind)) = reader.field(&mut inner)? {
                    if kind != TYPE_I32 {
                        return Err(damaged("page header"));
                    }
                    let value = reader.zigzag()?;
                    if field == 1 {
                        values = value;
                    }
                }
            }
            (_, TYPE_I32) => {
                reader.zigzag()?;
            }
            _ => return Err(damaged("page header")),
        }
    }
    match (raw, compressed, crc, values) {
        (0.., 0.., Some(crc), 0..) => {
            Ok((Header { raw: raw as usize, compressed: compressed as usize, crc, values: values as usize }, reader.at))
        }
        _ => Err(damaged("page header")),
    }
}

const TYPE_I32: u8 = 5;
const TYPE_STRUCT: u8 = 12;

/// The little of Thrift's compact protocol that page headers need.
struct ThriftWriter<'a> {
    out: &'a mut Vec<u8>,
    last: Vec<u8>,
}

impl ThriftWriter<'_> {
    fn field(&mut self, id: u8, kind: u8) {
        if let Some(last) = self.last.last_mut() {
            self.out.push((id - *last) << 4 | kind);
            *last = id;
        }
    }

    fn i32_field(&mut self, id: u8, value: i32) {
        self.field(id, TYPE_I32);
        write_varint(self.out, u64::from(((value << 1) ^ (value >> 31)) as u32));
    }

    fn struct_field(&mut self, id: u8) {
        self.field(id, TYPE_STRUCT);
        self.last.push(0);
    }

    fn end(&mut self) {
        self.out.push(0);
        self.last.pop();
    }
}

struct ThriftReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl ThriftReader<'_> {
    /// The next field's id and type; None at the end of the struct.
    fn field(&mut self, last: &mut u8) -> Result<Option<(u8, u8)>> {
        let byte = *self.bytes.get(self.at).ok_or_else(|| damaged("page header"))?;
        self.at += 1;
        if byte == 0 {
            return Ok(None);
        }
        let delta = byte >> 4;
        if delta == 0 {
            return Err(damaged("page header"));
        }
        *last = last.checked_add(delta).ok_or_else(|| damaged("page header"))?;
        Ok(Some((*last, byte & 15)))
    }

    fn zigzag(&mut self) -> Result<i32> {
        let (value, used) = read_varint(&self.bytes[self.at..]).ok_or_else(|| damaged("page header"))?;
        self.at += used;
        let value = value as u32;
        Ok((value >> 1) as i32 ^ -((value & 1) as i32))
    }
}

fn damaged(what: &str) -> KernelError {
    KernelError::corrupt("", 0, what)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn round_trip(raw in proptest::collection::vec(any::<u8>(), 0..2000), values in 0usize..100_000) {
            for codec in [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd { level: 1 }] {
                let mut page = Vec::new();
                write_data_page(&mut Compressor::new(codec).unwrap(), &raw, values, ENCODING_PLAIN, &mut page).unwrap();
                let mut back = Vec::new();
                let count = read_page(&mut Decompressor::default(), codec, &page, &mut back).unwrap();
                prop_assert_eq!((count, &back), (values, &raw));
                let at = page.len() - 1;
                page[at] ^= 1;
                if !raw.is_empty() {
                    prop_assert!(read_page(&mut Decompressor::default(), codec, &page, &mut back).is_err());
                }
            }
        }

        #[test]
        fn hostile_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut back = Vec::new();
            let _ = read_page(&mut Decompressor::default(), Codec::Zstd { level: 1 }, &bytes, &mut back);
        }
    }
}
