//! The protobuf wire format, as far as pushes use it: writing of tags, varints and timestamps.

/// Wire type 0: a varint.
pub(super) const VARINT: u32 = 0;
/// Wire type 2: a length and as many bytes.
pub(super) const BYTES: u32 = 2;

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
        WireTime {
            seconds: ts_ns.div_euclid(1_000_000_000) as u64,
            nanos: ts_ns.rem_euclid(1_000_000_000) as u64,
        }
    }

    pub(super) fn len(self) -> usize {
        let seconds = if self.seconds == 0 { 0 } else { 1 + varint_len(self.seconds) };
        let nanos = if self.nanos == 0 { 0 } else { 1 + varint_len(self.nanos) };
        seconds + nanos
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
        for value in [0, 1, 127, 128, 16_383, 16_384, u64::from(u32::MAX), u64::MAX] {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            assert_eq!(out.len(), varint_len(value), "{value}");
        }
    }
}
