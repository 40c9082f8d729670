//! Parquet's DELTA_BINARY_PACKED encoding of integers.
//!
//! Specification: parquet-format, Encodings.md, "Delta Encoding". Blocks of 128 values in four miniblocks of 32, as
//! most writers have them; the reader accepts only that shape, because only our own files come here.

use crate::error::{KernelError, Result};

const BLOCK_VALUES: usize = 128;
const MINIBLOCKS: usize = 4;
const MINIBLOCK_VALUES: usize = BLOCK_VALUES / MINIBLOCKS;

pub fn write_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// The value and the bytes it took; None if the bytes end early or hold more than 64 bits.
pub fn read_varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0u64;
    for (i, &byte) in bytes.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * i);
        if byte < 0x80 {
            return Some((value, i + 1));
        }
    }
    None
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// Append the encoding of `values` to `out`.
pub fn encode(values: &[i64], out: &mut Vec<u8>) {
    write_varint(out, BLOCK_VALUES as u64);
    write_varint(out, MINIBLOCKS as u64);
    write_varint(out, values.len() as u64);
    write_varint(out, zigzag(values.first().copied().unwrap_or(0)));
    let mut deltas = [0i64; BLOCK_VALUES];
    let mut at = 1;
    while at < values.len() {
        let count = (values.len() - at).min(BLOCK_VALUES);
        for (i, delta) in deltas[..count].iter_mut().enumerate() {
            *delta = values[at + i].wrapping_sub(values[at + i - 1]);
        }
        encode_block(&mut deltas, count, out);
        at += count;
    }
}

fn encode_block(deltas: &mut [i64; BLOCK_VALUES], count: usize, out: &mut Vec<u8>) {
    let min = deltas[..count].iter().copied().min().unwrap_or(0);
    write_varint(out, zigzag(min));
    // Values that do not exist are written as zeros above the minimum.
    deltas[count..].fill(min);
    let widths_at = out.len();
    out.extend_from_slice(&[0; MINIBLOCKS]);
    for miniblock in 0..MINIBLOCKS {
        let first = miniblock * MINIBLOCK_VALUES;
        if first >= count {
            break;
        }
        let values = &deltas[first..first + MINIBLOCK_VALUES];
        let all = values.iter().fold(0u64, |acc, value| acc | value.wrapping_sub(min) as u64);
        let width = 64 - all.leading_zeros();
        out[widths_at + miniblock] = width as u8;
        pack(values, min, width, out);
    }
}

fn pack(values: &[i64], min: i64, width: u32, out: &mut Vec<u8>) {
    let mut buffer = 0u128;
    let mut filled = 0u32;
    for value in values {
        buffer |= u128::from(value.wrapping_sub(min) as u64) << filled;
        filled += width;
        while filled >= 8 {
            out.push(buffer as u8);
            buffer >>= 8;
            filled -= 8;
        }
    }
}

/// Decode `count` values into `out` (cleared first); returns the bytes read.
pub fn decode(bytes: &[u8], count: usize, out: &mut Vec<i64>) -> Result<usize> {
    out.clear();
    let mut reader = Reader { bytes, at: 0 };
    let (block, miniblocks) = (reader.varint()?, reader.varint()?);
    let total = reader.varint()?;
    let first = unzigzag(reader.varint()?);
    if block != BLOCK_VALUES as u64 || miniblocks != MINIBLOCKS as u64 || total != count as u64 {
        return Err(damaged("delta header"));
    }
    if count == 0 {
        return Ok(reader.at);
    }
    // Each value takes at least no bits, so the count is the caller's, checked against its own row count.
    out.reserve(count + MINIBLOCK_VALUES);
    out.push(first);
    let mut last = first;
    while out.len() < count {
        let min = unzigzag(reader.varint()?);
        let widths = reader.take(MINIBLOCKS)?;
        for &width in widths {
            if out.len() >= count {
                break;
            }
            last = unpack(&mut reader, u32::from(width), min, last, out)?;
        }
    }
    out.truncate(count);
    Ok(reader.at)
}

/// Appends the 32 values of one miniblock; returns the last.
fn unpack(reader: &mut Reader<'_>, width: u32, min: i64, mut last: i64, out: &mut Vec<i64>) -> Result<i64> {
    if width > 64 {
        return Err(damaged("delta width"));
    }
    let packed = reader.take(width as usize * MINIBLOCK_VALUES / 8)?;
    let mut values = [0i64; MINIBLOCK_VALUES];
    if width == 0 {
        for value in &mut values {
            last = last.wrapping_add(min);
            *value = last;
        }
    } else if width <= 56 {
        let mask = (1u64 << width) - 1;
        let mut padded = [0u8; 56 * MINIBLOCK_VALUES / 8 + 8];
        padded[..packed.len()].copy_from_slice(packed);
        let mut bit = 0usize;
        for value in &mut values {
            let at = bit >> 3;
            let mut word = [0u8; 8];
            word.copy_from_slice(&padded[at..at + 8]);
            let delta = (u64::from_le_bytes(word) >> (bit & 7)) & mask;
            last = last.wrapping_add(min).wrapping_add(delta as i64);
            *value = last;
            bit += width as usize;
        }
    } else {
        let mut buffer = 0u128;
        let mut filled = 0u32;
        let mut at = 0;
        let mask = (1u128 << width) - 1;
        for value in &mut values {
            while filled < width {
                buffer |= u128::from(packed[at]) << filled;
                at += 1;
                filled += 8;
            }
            last = last.wrapping_add(min).wrapping_add((buffer & mask) as i64);
            *value = last;
            buffer >>= width;
            filled -= width;
        }
    }
    out.extend_from_slice(&values);
    Ok(last)
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn varint(&mut self) -> Result<u64> {
        let (value, used) = read_varint(&self.bytes[self.at..]).ok_or_else(|| damaged("varint"))?;
        self.at += used;
        Ok(value)
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let taken = self.bytes.get(self.at..self.at + count).ok_or_else(|| damaged("delta block"))?;
        self.at += count;
        Ok(taken)
    }
}

fn damaged(what: &str) -> KernelError {
    KernelError::corrupt("", 0, format!("damaged {what}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn round_trip(values in proptest::collection::vec(prop_oneof![any::<i64>(), 0i64..1000, Just(7)], 0..600)) {
            let mut bytes = Vec::new();
            encode(&values, &mut bytes);
            let mut back = Vec::new();
            let used = decode(&bytes, values.len(), &mut back);
            prop_assert_eq!(used.ok(), Some(bytes.len()));
            prop_assert_eq!(back, values);
        }

        #[test]
        fn hostile_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), count in 0usize..400) {
            let mut back = Vec::new();
            let _ = decode(&bytes, count, &mut back);
        }
    }
}
