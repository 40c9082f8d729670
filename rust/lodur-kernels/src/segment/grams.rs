//! The gram filter: which blocks can hold a substring at all.
//!
//! Per block one bit set over the hashes of its distinct 5-byte grams, ASCII letters folded to lower case, one hash, about
//! 1.6 bits a distinct gram. The sets of a filter's blocks have one size and are stored sliced by bit position, so that
//! a probe reads one short slice a gram for all blocks at once. Layout: docs/formats/segment.md. False positives are
//! possible, false negatives are not. How filters of several segments become one is `gram_join`'s matter.

use crate::error::{KernelError, Result};
use crate::pipeline::literals::Required;

/// Version byte of the policy described above; a reader ignores filters of a policy that it does not know.
pub const GRAM_POLICY: u8 = 1;

/// Bytes in a gram. Shorter literals cannot prune.
pub const GRAM_BYTES: usize = 5;

/// Bits of the set that collects a block's grams before the segment's size is known: 128 KiB stay in the second-level
/// cache, and even 700,000 distinct grams (the most seen in 4 MiB of logs) leave its estimate of their number good.
const COLLECT_BITS_LOG2: u32 = 20;

/// Bits per distinct gram in the stored filter, times eight. At 1.25 bits a pattern with four grams of its own kept 9 % of
/// the blocks, at 1.6 it keeps 4.5 %, for 0.4 % of the lines more; and blocks full of ids, which have twice the grams of the
/// mean, are told apart still (docs/decisions/0004-compaction.md).
const BITS_PER_GRAM_X8: u64 = 13;

/// Sizes of filters between one power of two and the next: so few that segments of like lines get one size, and their
/// filters can be joined; so many that the bits for a gram differ by 6 % at most.
const SIZES_PER_OCTAVE: u64 = 8;

/// Smallest filter of a block: below this, size does not matter.
const FILTER_BITS_MIN: u64 = 1 << 10;

/// Bytes of a slice region's chunk that carry data; four more hold their CRC32C.
pub const CHUNK_DATA_BYTES: usize = 4092;
pub(super) const CHUNK_BYTES: usize = CHUNK_DATA_BYTES + 4;

/// Grams probed for one literal: each tells about half of the unwanted blocks away, so more change nothing.
const PROBES_MAX: usize = 40;

fn hash(gram: u64) -> u64 {
    gram.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - COLLECT_BITS_LOG2)
}

/// Place of a collected bit in a filter of `bits` bits.
fn place(hash: u64, bits: u64) -> u64 {
    (hash * bits) >> COLLECT_BITS_LOG2
}

/// Collects the grams of one block.
pub struct GramSet {
    words: Vec<u64>,
}

impl GramSet {
    /// Grams of `lines`, lines lying one after another (grams across their ends only add noise).
    pub fn collect(lines: &[u8], folded: &mut Vec<u8>) -> Self {
        let mut words = vec![0u64; 1 << (COLLECT_BITS_LOG2 - 6)];
        folded.clear();
        folded.extend_from_slice(lines);
        folded.make_ascii_lowercase();
        // Eight spare bytes let every gram be loaded as one word.
        folded.extend_from_slice(&[0; 8]);
        let count = (lines.len() + 1).saturating_sub(GRAM_BYTES);
        for window in folded.windows(8).take(count) {
            let mut word = [0u8; 8];
            word.copy_from_slice(window);
            let bit = hash(u64::from_le_bytes(word) << 24);
            words[(bit >> 6) as usize] |= 1 << (bit & 63);
        }
        GramSet { words }
    }

    /// Estimated number of distinct grams (linear counting).
    fn distinct(&self) -> u64 {
        let bits = 1u64 << COLLECT_BITS_LOG2;
        let set: u64 = self.words.iter().map(|word| u64::from(word.count_ones())).sum();
        let empty = (bits - set).max(1) as f64 / bits as f64;
        (-(bits as f64) * empty.ln()) as u64
    }

    fn set_bits(&self) -> impl Iterator<Item = u64> + '_ {
        self.words.iter().enumerate().flat_map(|(i, &word)| {
            std::iter::successors((word != 0).then_some(word), |w| {
                let next = w & (w - 1);
                (next != 0).then_some(next)
            })
            .map(move |w| (i as u64) << 6 | u64::from(w.trailing_zeros()))
        })
    }
}

/// Where a segment's filter lies and how it is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct GramLayout {
    pub policy: u8,
    /// Offset in the file and length in bytes, checksums included.
    pub offset: u64,
    pub length: u64,
    /// Bits of each block's filter.
    pub bits: u64,
    pub blocks: u32,
}

impl GramLayout {
    /// Bytes of a slice.
    pub(super) fn stride(&self) -> u64 {
        u64::from(self.blocks.div_ceil(8))
    }

    /// Whether a filter can lie so; of other policies nothing is known.
    pub(super) fn is_sound(&self) -> bool {
        let sizes = FILTER_BITS_MIN..=1 << COLLECT_BITS_LOG2;
        self.policy != GRAM_POLICY
            || self.blocks > 0
                && sizes.contains(&self.bits)
                && self.length == stored_length(self.bits * self.stride())
                && self.offset.checked_add(self.length).is_some()
    }
}

/// Bytes of slices with the checksums of their chunks.
fn stored_length(slices: u64) -> u64 {
    slices + slices.div_ceil(CHUNK_DATA_BYTES as u64) * (CHUNK_BYTES - CHUNK_DATA_BYTES) as u64
}

/// The size of a filter: the nearest to what so many distinct grams ask for, so that sizes neither grow nor shrink on average.
fn filter_bits(distinct: u64) -> u64 {
    let wanted = (distinct * BITS_PER_GRAM_X8 / 8).clamp(FILTER_BITS_MIN, 1 << COLLECT_BITS_LOG2);
    let step = (1 << wanted.ilog2()) / SIZES_PER_OCTAVE;
    (wanted + step / 2) / step * step
}

/// Slice the sets of a segment's blocks; returns the bytes (checksummed chunks) and the layout at `offset`.
pub fn slice_filters(sets: &[GramSet], offset: u64) -> (Vec<u8>, GramLayout) {
    let mean = sets.iter().map(GramSet::distinct).sum::<u64>() / sets.len().max(1) as u64;
    let bits = filter_bits(mean);
    let mut layout = GramLayout { policy: GRAM_POLICY, offset, length: 0, bits, blocks: sets.len() as u32 };
    let stride = layout.stride() as usize;
    let mut slices = vec![0u8; bits as usize * stride];
    for (block, set) in sets.iter().enumerate() {
        let (byte, mask) = (block / 8, 1u8 << (block % 8));
        for bit in set.set_bits() {
            slices[place(bit, bits) as usize * stride + byte] |= mask;
        }
    }
    let mut out = Vec::with_capacity(stored_length(slices.len() as u64) as usize);
    slices.chunks(CHUNK_DATA_BYTES).for_each(|chunk| append_chunk(chunk, &mut out));
    layout.length = out.len() as u64;
    (out, layout)
}

/// Append the data of a chunk and its checksum.
pub(super) fn append_chunk(data: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(data);
    out.extend_from_slice(&crc32c::crc32c(data).to_le_bytes());
}

/// Reads `length` bytes at `offset` of a segment.
pub type ReadAt<'a> = dyn FnMut(u64, usize) -> Result<Vec<u8>> + 'a;

/// The file ranges (offset, length) that a probe for `required` reads, so that a remote store can fetch them first.
pub fn probe_ranges(layout: &GramLayout, required: &Required) -> Vec<(u64, u64)> {
    let mut ranges = Vec::new();
    if layout.policy == GRAM_POLICY {
        collect_ranges(layout, required, &mut ranges);
        ranges.sort_unstable();
        ranges.dedup();
    }
    ranges
}

fn collect_ranges(layout: &GramLayout, required: &Required, ranges: &mut Vec<(u64, u64)>) {
    match required {
        Required::Nothing => {}
        Required::All(parts) | Required::Any(parts) => {
            for part in parts {
                collect_ranges(layout, part, ranges);
            }
        }
        Required::Literal(literal) => {
            for bit in probe_bits(literal, layout.bits) {
                let first = bit * layout.stride();
                let last = first + layout.stride() - 1;
                for chunk in first / CHUNK_DATA_BYTES as u64..=last / CHUNK_DATA_BYTES as u64 {
                    let start = chunk * CHUNK_BYTES as u64;
                    ranges.push((layout.offset + start, (layout.length - start).min(CHUNK_BYTES as u64)));
                }
            }
        }
    }
}

/// Blocks (as bits, least significant first) that may hold what is required; None where nothing can be said.
pub fn probe(layout: &GramLayout, required: &Required, read: &mut ReadAt<'_>) -> Result<Option<Vec<u8>>> {
    if layout.policy != GRAM_POLICY {
        return Ok(None);
    }
    match required {
        Required::Nothing => Ok(None),
        Required::All(parts) => {
            let mut result: Option<Vec<u8>> = None;
            for part in parts {
                if let Some(blocks) = probe(layout, part, read)? {
                    match &mut result {
                        Some(all) => all.iter_mut().zip(&blocks).for_each(|(a, b)| *a &= b),
                        None => result = Some(blocks),
                    }
                    if result.as_ref().is_some_and(|all| all.iter().all(|byte| *byte == 0)) {
                        break;
                    }
                }
            }
            Ok(result)
        }
        Required::Any(parts) => {
            let mut result: Option<Vec<u8>> = parts.is_empty().then(|| vec![0; layout.stride() as usize]);
            for part in parts {
                let Some(blocks) = probe(layout, part, read)? else {
                    return Ok(None);
                };
                match &mut result {
                    Some(any) => any.iter_mut().zip(&blocks).for_each(|(a, b)| *a |= b),
                    None => result = Some(blocks),
                }
            }
            Ok(result)
        }
        Required::Literal(literal) => probe_literal(layout, literal, read),
    }
}

fn probe_literal(layout: &GramLayout, literal: &[u8], read: &mut ReadAt<'_>) -> Result<Option<Vec<u8>>> {
    let stride = layout.stride() as usize;
    let mut result: Option<Vec<u8>> = None;
    for bit in probe_bits(literal, layout.bits) {
        let slice = read_slice(layout, bit * stride as u64, stride, read)?;
        match &mut result {
            Some(all) => all.iter_mut().zip(&slice).for_each(|(a, b)| *a &= b),
            None => result = Some(slice),
        }
        if result.as_ref().is_some_and(|all| all.iter().all(|byte| *byte == 0)) {
            break;
        }
    }
    Ok(result)
}

/// Bit positions of a literal's grams; when it has many, spread over all of it.
fn probe_bits(literal: &[u8], bits: u64) -> impl Iterator<Item = u64> + '_ {
    let grams = (literal.len() + 1).saturating_sub(GRAM_BYTES);
    let skip = grams.div_ceil(PROBES_MAX).max(1);
    literal.windows(GRAM_BYTES).step_by(skip).map(move |gram| {
        let mut word = [0u8; 8];
        word[..GRAM_BYTES].copy_from_slice(gram);
        word.make_ascii_lowercase();
        place(hash(u64::from_le_bytes(word) << 24), bits)
    })
}

fn read_slice(layout: &GramLayout, at: u64, length: usize, read: &mut ReadAt<'_>) -> Result<Vec<u8>> {
    let mut slice = Vec::with_capacity(length);
    let mut at = at as usize;
    let end = at + length;
    while at < end {
        let chunk = at / CHUNK_DATA_BYTES;
        let start = (chunk * CHUNK_BYTES) as u64;
        if start >= layout.length {
            return Err(KernelError::corrupt("", layout.offset + start, "gram filter is cut short"));
        }
        let size = (layout.length - start).min(CHUNK_BYTES as u64) as usize;
        let data = read_chunk(layout, start, size, read)?;
        let from = at - chunk * CHUNK_DATA_BYTES;
        let to = (end - chunk * CHUNK_DATA_BYTES).min(data.len());
        if from >= to {
            return Err(KernelError::corrupt("", layout.offset + start, "gram filter is cut short"));
        }
        slice.extend_from_slice(&data[from..to]);
        at += to - from;
    }
    Ok(slice)
}

/// The data of one chunk, without its checksum.
pub(super) fn read_chunk(layout: &GramLayout, start: u64, size: usize, read: &mut ReadAt<'_>) -> Result<Vec<u8>> {
    let mut bytes = read(layout.offset + start, size)?;
    let crc = bytes.split_off(bytes.len().saturating_sub(4));
    if crc != crc32c::crc32c(&bytes).to_le_bytes() {
        return Err(KernelError::corrupt("", layout.offset + start, "gram filter checksum does not match"));
    }
    Ok(bytes)
}

/// Read the whole filter and check its checksums.
pub fn check_filter(layout: &GramLayout, read: &mut ReadAt<'_>) -> Result<()> {
    if layout.policy != GRAM_POLICY {
        return Ok(());
    }
    let mut start = 0;
    while start < layout.length {
        let size = (layout.length - start).min(CHUNK_BYTES as u64) as usize;
        read_chunk(layout, start, size, read)?;
        start += size as u64;
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn probe_all(blocks: &[Vec<u8>], needle: &[u8]) -> Vec<bool> {
        let sets: Vec<GramSet> = blocks.iter().map(|b| GramSet::collect(b, &mut Vec::new())).collect();
        let (bytes, layout) = slice_filters(&sets, 100);
        let required = Required::Literal(needle.to_ascii_lowercase().into());
        let mut read = |offset: u64, length: usize| Ok(bytes[offset as usize - 100..][..length].to_vec());
        let found = probe(&layout, &required, &mut read).unwrap();
        (0..blocks.len()).map(|b| found.as_ref().is_none_or(|bits| bits[b / 8] >> (b % 8) & 1 == 1)).collect()
    }

    proptest! {
        #[test]
        fn no_false_negatives(
            blocks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..3000), 1..40),
            pick in any::<prop::sample::Index>(), from in any::<prop::sample::Index>(), length in 0usize..60,
        ) {
            let block = pick.index(blocks.len());
            let text = &blocks[block];
            let start = if text.is_empty() { 0 } else { from.index(text.len()) };
            let needle = text[start..(start + length).min(text.len())].to_ascii_uppercase();
            prop_assert!(probe_all(&blocks, &needle)[block]);
        }
    }

    proptest! {
        #[test]
        fn sizes_are_few_and_near_what_is_asked_for(distinct in 0u64..2_000_000) {
            let asked = (distinct * BITS_PER_GRAM_X8 / 8).clamp(FILTER_BITS_MIN, 1 << COLLECT_BITS_LOG2);
            let bits = filter_bits(distinct);
            prop_assert!((FILTER_BITS_MIN..=1 << COLLECT_BITS_LOG2).contains(&bits));
            prop_assert!(bits.abs_diff(asked) * 2 * SIZES_PER_OCTAVE <= asked);
            prop_assert_eq!(bits % ((1 << bits.ilog2()) / SIZES_PER_OCTAVE), 0);
        }
    }

    #[test]
    fn an_absent_needle_is_pruned() {
        let blocks: Vec<Vec<u8>> =
            (0..30).map(|i| format!("level=info msg=\"request {i} done\" ").repeat(50).into_bytes()).collect();
        let may = probe_all(&blocks, b"6f1e0a77b2c94d5e8890aa41c3d2e1f0");
        assert!(may.iter().all(|m| !m));
    }
}
