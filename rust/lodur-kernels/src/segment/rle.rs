//! Parquet's RLE / bit-packing hybrid, for definition levels and dictionary numbers.
//!
//! Specification: parquet-format, Encodings.md, "Run Length Encoding / Bit-Packing Hybrid". The writer mixes repeated
//! runs and bit-packed groups of eight; the reader takes any mix.

use crate::error::{KernelError, Result};
use crate::segment::delta::{read_varint, write_varint};

/// Shortest repetition worth its own run.
const REPEAT_MIN: usize = 16;

pub fn bit_width(max: u32) -> u32 {
    32 - max.leading_zeros()
}

/// Append `count` times `value` as one repeated run.
pub fn write_repeated(out: &mut Vec<u8>, value: u32, count: usize, width: u32) {
    if count == 0 {
        return;
    }
    write_varint(out, (count as u64) << 1);
    out.extend_from_slice(&value.to_le_bytes()[..width.div_ceil(8) as usize]);
}

/// Append any values. Runs of equal values are found; the rest is bit-packed.
pub fn encode(values: &[u32], width: u32, out: &mut Vec<u8>) {
    let mut packed_from = 0;
    let mut at = 0;
    while at < values.len() {
        let mut end = at + 1;
        while end < values.len() && values[end] == values[at] {
            end += 1;
        }
        // A packed stretch must hold a multiple of eight, so a repetition lends it the values it lacks.
        let borrowed = (8 - (at - packed_from) % 8) % 8;
        if end - at >= REPEAT_MIN + borrowed {
            write_packed(&values[packed_from..at + borrowed], width, out);
            write_repeated(out, values[at], end - at - borrowed, width);
            packed_from = end;
        }
        at = end;
    }
    write_packed(&values[packed_from..], width, out);
}

fn write_packed(values: &[u32], width: u32, out: &mut Vec<u8>) {
    if values.is_empty() {
        return;
    }
    let groups = values.len().div_ceil(8);
    write_varint(out, (groups as u64) << 1 | 1);
    let mut buffer = 0u64;
    let mut filled = 0;
    for i in 0..groups * 8 {
        buffer |= u64::from(values.get(i).copied().unwrap_or(0)) << filled;
        filled += width;
        while filled >= 8 {
            out.push(buffer as u8);
            buffer >>= 8;
            filled -= 8;
        }
    }
}

/// Decode `count` values into `out` (cleared first).
pub fn decode(bytes: &[u8], width: u32, count: usize, out: &mut Vec<u32>) -> Result<()> {
    out.clear();
    if width > 32 {
        return Err(damaged());
    }
    let mut at = 0;
    while out.len() < count {
        let (header, used) = read_varint(&bytes[at..]).ok_or_else(damaged)?;
        at += used;
        let left = count - out.len();
        if header & 1 == 0 {
            let size = width.div_ceil(8) as usize;
            let raw = bytes.get(at..at + size).ok_or_else(damaged)?;
            at += size;
            let mut word = [0u8; 4];
            word[..size].copy_from_slice(raw);
            out.extend(std::iter::repeat_n(u32::from_le_bytes(word), left.min((header >> 1) as usize)));
            if header >> 1 == 0 {
                return Err(damaged());
            }
        } else {
            let groups = ((header >> 1) as usize).min(left.div_ceil(8));
            let size = groups * width as usize;
            let packed = bytes.get(at..at + size).ok_or_else(damaged)?;
            at += size;
            if groups == 0 {
                return Err(damaged());
            }
            unpack(packed, width, left.min(groups * 8), out);
        }
    }
    Ok(())
}

fn unpack(packed: &[u8], width: u32, count: usize, out: &mut Vec<u32>) {
    let mask = (1u64 << width) - 1;
    let mut buffer = 0u64;
    let mut filled = 0;
    let mut at = 0;
    for _ in 0..count {
        while filled < width {
            buffer |= u64::from(packed[at]) << filled;
            at += 1;
            filled += 8;
        }
        out.push((buffer & mask) as u32);
        buffer >>= width;
        filled -= width;
    }
}

fn damaged() -> KernelError {
    KernelError::corrupt("", 0, "damaged run-length values")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn round_trip(runs in proptest::collection::vec((0u32..70, 1usize..60), 0..40)) {
            let values: Vec<u32> = runs.iter().flat_map(|&(value, count)| std::iter::repeat_n(value, count)).collect();
            let width = bit_width(values.iter().copied().max().unwrap_or(0));
            let mut bytes = Vec::new();
            encode(&values, width, &mut bytes);
            let mut back = Vec::new();
            prop_assert!(decode(&bytes, width, values.len(), &mut back).is_ok());
            prop_assert_eq!(back, values);
        }

        #[test]
        fn hostile_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60), width in 0u32..40) {
            let mut back = Vec::new();
            let _ = decode(&bytes, width, 100, &mut back);
        }
    }
}
