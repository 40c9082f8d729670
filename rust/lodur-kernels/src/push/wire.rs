//! The protobuf wire format, as far as pushes use it: tags, varints, lengths and timestamps, read and written.

use thiserror::Error;

use crate::error::KernelError;

/// Wire type 0: a varint.
pub(super) const VARINT: u32 = 0;
/// Wire type 2: a length and as many bytes.
pub(super) const BYTES: u32 = 2;

/// Wire types 1 and 5: eight and four bytes, little-endian.
const FIXED64: u32 = 1;
const FIXED32: u32 = 5;

/// A message that breaks the format.
#[derive(Debug, Error, PartialEq, Eq)]
pub(super) enum WireError {
    #[error("proto: unexpected EOF")]
    Truncated,
    #[error("proto: integer overflow in a varint")]
    VarintTooLong,
    #[error("proto: illegal tag {0}")]
    IllegalTag(u64),
    #[error("proto: wrong wire type {wire_type} for field {field}")]
    WrongType { field: &'static str, wire_type: u32 },
    #[error("proto: timestamp out of range: {seconds} seconds and {nanos} nanoseconds")]
    TimeOutOfRange { seconds: i64, nanos: i64 },
    #[error("proto: values nested deeper than {most}")]
    TooDeep { most: u32 },
}

impl From<WireError> for KernelError {
    fn from(error: WireError) -> Self {
        KernelError::InvalidRequest(error.to_string())
    }
}

/// The number and wire type of a field.
#[derive(Clone, Copy)]
pub(super) struct Field {
    pub(super) number: u32,
    pub(super) wire_type: u32,
}

/// Reads one message from its first byte to its last.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(message: &'a [u8]) -> Self {
        Reader { rest: message }
    }

    /// The next field's head; None at the end of the message.
    #[inline(always)]
    pub(super) fn field(&mut self) -> Result<Option<Field>, WireError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let number = u32::try_from(tag >> 3).unwrap_or(0);
        if number == 0 {
            return Err(WireError::IllegalTag(tag));
        }
        Ok(Some(Field { number, wire_type: (tag & 7) as u32 }))
    }

    #[inline(always)]
    pub(super) fn varint(&mut self) -> Result<u64, WireError> {
        match *self.rest {
            [first, ref rest @ ..] if first < 0x80 => {
                self.rest = rest;
                Ok(u64::from(first))
            }
            [first, second, ref rest @ ..] if second < 0x80 => {
                self.rest = rest;
                Ok(u64::from(first & 0x7f) | u64::from(second) << 7)
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64, WireError> {
        // Up to eight bytes at once, which hold every time and length that is in use.
        if let Some(word) = self.rest.first_chunk() {
            let word = u64::from_le_bytes(*word);
            let stops = !word & 0x8080_8080_8080_8080;
            if stops != 0 {
                self.rest = &self.rest[stops.trailing_zeros() as usize / 8 + 1..];
                return Ok(join_groups(word & (stops ^ (stops - 1))));
            }
        }
        let mut value = 0;
        for (i, &b) in self.rest.iter().take(10).enumerate() {
            // Ten bytes hold 64 bits, of the tenth only one.
            if i == 9 && b > 1 {
                return Err(WireError::VarintTooLong);
            }
            value |= u64::from(b & 0x7f) << (7 * i);
            if b < 0x80 {
                self.rest = &self.rest[i + 1..];
                return Ok(value);
            }
        }
        Err(WireError::Truncated)
    }

    #[inline(always)]
    fn take(&mut self, length: u64) -> Result<&'a [u8], WireError> {
        let length = usize::try_from(length).map_err(|_| WireError::Truncated)?;
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(WireError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    /// The content of a length-delimited field, whose head was read.
    #[inline(always)]
    pub(super) fn bytes(&mut self, field: Field, name: &'static str) -> Result<&'a [u8], WireError> {
        if field.wire_type != BYTES {
            return Err(WireError::WrongType { field: name, wire_type: field.wire_type });
        }
        let length = self.varint()?;
        self.take(length)
    }

    pub(super) fn integer(&mut self, field: Field, name: &'static str) -> Result<u64, WireError> {
        if field.wire_type != VARINT {
            return Err(WireError::WrongType { field: name, wire_type: field.wire_type });
        }
        self.varint()
    }

    pub(super) fn fixed64(&mut self, field: Field, name: &'static str) -> Result<u64, WireError> {
        self.fixed(field, name, FIXED64).map(u64::from_le_bytes)
    }

    pub(super) fn fixed32(&mut self, field: Field, name: &'static str) -> Result<u32, WireError> {
        self.fixed(field, name, FIXED32).map(u32::from_le_bytes)
    }

    fn fixed<const N: usize>(
        &mut self,
        field: Field,
        name: &'static str,
        wire_type: u32,
    ) -> Result<[u8; N], WireError> {
        if field.wire_type != wire_type {
            return Err(WireError::WrongType { field: name, wire_type: field.wire_type });
        }
        let (taken, rest) = self.rest.split_first_chunk().ok_or(WireError::Truncated)?;
        self.rest = rest;
        Ok(*taken)
    }

    /// Passes over a field that means nothing here.
    pub(super) fn skip(&mut self, field: Field) -> Result<(), WireError> {
        match field.wire_type {
            VARINT => self.varint().map(drop),
            BYTES => {
                let length = self.varint()?;
                self.take(length).map(drop)
            }
            FIXED64 => self.take(8).map(drop),
            FIXED32 => self.take(4).map(drop),
            other => Err(WireError::WrongType { field: "unknown", wire_type: other }),
        }
    }
}

/// The lower seven bits of each byte, side by side.
fn join_groups(word: u64) -> u64 {
    let pairs = (word & 0x007f_007f_007f_007f) | ((word & 0x7f00_7f00_7f00_7f00) >> 1);
    let fours = (pairs & 0x0000_3fff_0000_3fff) | ((pairs & 0x3fff_0000_3fff_0000) >> 2);
    (fours & 0x0fff_ffff) | ((fours & 0x0fff_ffff_0000_0000) >> 4)
}

pub(super) const fn tag(field: u32, wire_type: u32) -> u8 {
    ((field << 3) | wire_type) as u8
}

/// Bytes that `value` takes as a varint.
pub(super) const fn varint_len(value: u64) -> usize {
    (70 - (value | 1).leading_zeros() as usize) / 7
}

pub(super) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A length-delimited field.
pub(super) fn put_bytes(out: &mut Vec<u8>, field: u32, bytes: &[u8]) {
    out.push(tag(field, BYTES));
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Size of a length-delimited field of `len` content bytes, tag and length included.
pub(super) const fn bytes_field_len(len: usize) -> usize {
    1 + varint_len(len as u64) + len
}

/// A `google.protobuf.Timestamp` of nanoseconds since the epoch, ready to be written.
#[derive(Clone, Copy)]
pub(super) struct WireTime {
    seconds: u64,
    nanos: u64,
}

impl WireTime {
    pub(super) fn of(ts_ns: i64) -> Self {
        // Nanos count upward from the second also before 1970, as the format asks.
        WireTime { seconds: ts_ns.div_euclid(1_000_000_000) as u64, nanos: ts_ns.rem_euclid(1_000_000_000) as u64 }
    }

    pub(super) fn len(self) -> usize {
        let seconds = if self.seconds == 0 { 0 } else { 1 + varint_len(self.seconds) };
        let nanos = if self.nanos == 0 { 0 } else { 1 + varint_len(self.nanos) };
        seconds + nanos
    }

    /// Nanoseconds since the epoch of the members of a message; seconds and nanos as they were read.
    pub(super) fn to_ns(seconds: i64, nanos: i64) -> Result<i64, WireError> {
        let out_of_range = WireError::TimeOutOfRange { seconds, nanos };
        if !(0..1_000_000_000).contains(&nanos) {
            return Err(out_of_range);
        }
        seconds.checked_mul(1_000_000_000).and_then(|ns| ns.checked_add(nanos)).ok_or(out_of_range)
    }

    /// The message as field `field`, zero members left out as proto3 does.
    pub(super) fn put(self, out: &mut Vec<u8>, field: u32) {
        out.push(tag(field, BYTES));
        put_varint(out, self.len() as u64);
        if self.seconds != 0 {
            out.push(tag(1, VARINT));
            put_varint(out, self.seconds);
        }
        if self.nanos != 0 {
            out.push(tag(2, VARINT));
            put_varint(out, self.nanos);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varint_lengths_are_those_written() {
        for value in [0, 1, 127, 128, 16_383, 16_384, u64::from(u32::MAX), 0x0123_4567_89ab_cdef, u64::MAX] {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            assert_eq!(out.len(), varint_len(value), "{value}");
            assert_eq!(Reader::new(&out).varint(), Ok(value));
            out.extend_from_slice(&[0xff; 8]);
            assert_eq!(Reader::new(&out).varint(), Ok(value));
        }
    }

    #[test]
    fn broken_messages_are_refused() {
        assert_eq!(Reader::new(&[0x80]).varint(), Err(WireError::Truncated));
        assert_eq!(Reader::new(&[0xff; 11]).varint(), Err(WireError::VarintTooLong));
        assert_eq!(Reader::new(&[0x00]).field().err(), Some(WireError::IllegalTag(0)));
        let mut reader = Reader::new(&[0x0a, 5, 1]);
        let head = reader.field().ok().flatten();
        assert_eq!(head.map(|field| reader.bytes(field, "x")), Some(Err(WireError::Truncated)));
        let mut group = Reader::new(&[0x0b, 1]);
        let head = group.field().ok().flatten();
        let refused = WireError::WrongType { field: "unknown", wire_type: 3 };
        assert_eq!(head.map(|field| group.skip(field)), Some(Err(refused)));
    }
}
