//! The gram filter: which blocks can hold a substring at all.
//!
//! Per block a bit set over the hashes of the distinct 5-byte grams of its lines, ASCII letters folded to lower case, one
//! hash. A set is a number of *columns* of one length, the more columns the more grams, so that each is about half full
//! however much blocks differ. All columns are stored sliced by bit position, so that a probe reads one short slice a gram
//! for all blocks at once. Layout: docs/formats/segment.md. False positives are possible, false negatives are not. How
//! filters of several segments become one is `gram_join`'s matter.

use std::ops::RangeInclusive;

use crate::error::{KernelError, Result};
use crate::pipeline::literals::Required;

/// Version byte of the policy described above; a reader ignores filters of a policy that it does not know.
pub const GRAM_POLICY: u8 = 1;

/// Bytes in a gram. Shorter literals cannot prune.
pub const GRAM_BYTES: usize = 5;

/// Bits of the set that collects a block's grams before the segment's size is known: 128 KiB stay in the second-level
/// cache, and even 700,000 distinct grams (the most seen in 4 MiB of logs) leave its estimate of their number good.
const COLLECT_BITS_LOG2: u32 = 20;

/// Bits per distinct gram in the stored filter, in hundredths (docs/decisions/0004-compaction.md).
const BITS_PER_GRAM_X100: u64 = 135;

/// Lengths of columns, powers of two: so few that segments of like lines get the same, and their filters can be joined.
const COLUMN_BITS_LOG2: RangeInclusive<u32> = 7..=15;

/// Columns of the mean block at least, unless it has few grams: so that no block gets much more or less than it needs.
const COLUMNS_MEAN: u64 = 8;

/// Bytes of a slice region's chunk that carry data; four more hold their CRC32C.
pub const CHUNK_DATA_BYTES: usize = 4092;
pub(super) const CHUNK_BYTES: usize = CHUNK_DATA_BYTES + 4;

/// Grams probed for one literal: each tells about half of the unwanted blocks away, so more change nothing.
const PROBES_MAX: usize = 40;

fn hash(gram: u64) -> u64 {
    gram.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - COLLECT_BITS_LOG2)
}

/// Where a gram's bit is, in columns of so many bits: the slice, and how far through the columns of any block, as a
/// fraction of 2^COLLECT_BITS_LOG2.
#[derive(Clone, Copy)]
struct Place {
    slice: u64,
    fraction: u64,
}

impl Place {
    fn of(hash: u64, bits: u64) -> Self {
        let scaled = hash * bits;
        Place { slice: scaled >> COLLECT_BITS_LOG2, fraction: scaled & ((1 << COLLECT_BITS_LOG2) - 1) }
    }

    /// The column, of so many.
    fn column(self, columns: u16) -> usize {
        ((self.fraction * u64::from(columns)) >> COLLECT_BITS_LOG2) as usize
    }
}

/// Collects the grams of one block.
pub struct GramSet {
    words: Vec<u64>,
}

impl GramSet {
    /// Grams of lines of these lengths, which lie one after another.
    pub fn collect(lines: &[u8], lengths: impl Iterator<Item = usize>, folded: &mut Vec<u8>) -> Self {
        let mut words = vec![0u64; 1 << (COLLECT_BITS_LOG2 - 6)];
        folded.clear();
        folded.extend_from_slice(lines);
        folded.make_ascii_lowercase();
        // Eight spare bytes let every gram be loaded as one word.
        folded.extend_from_slice(&[0; 8]);
        let mut at = 0;
        for length in lengths {
            let grams = (length + 1).saturating_sub(GRAM_BYTES);
            for window in folded[at..].windows(8).take(grams) {
                let mut word = [0u8; 8];
                word.copy_from_slice(window);
                let bit = hash(u64::from_le_bytes(word) << 24);
                words[(bit >> 6) as usize] |= 1 << (bit & 63);
            }
            at += length;
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

    /// How many columns of so many bits it takes.
    pub(super) fn columns(&self, bits: u64) -> u16 {
        columns_for(wanted_bits(self.distinct()), bits)
    }

    /// Set its bits in slices of so many bytes, from its first column on.
    pub(super) fn write_columns(&self, columns: u16, bits: u64, slices: &mut [u8], (stride, first): (usize, usize)) {
        for bit in self.set_bits() {
            let place = Place::of(bit, bits);
            let column = first + place.column(columns);
            slices[place.slice as usize * stride + column / 8] |= 1 << (column % 8);
        }
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
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct GramLayout {
    pub policy: u8,
    /// Offset in the file and length in bytes, checksums included.
    pub offset: u64,
    pub length: u64,
    /// Bits of each column, and so the number of slices.
    pub bits: u64,
    pub blocks: u32,
    /// Columns of each block; none where each has one, as before version 4 of segments.
    #[serde(default)]
    pub columns: Vec<u16>,
}

impl GramLayout {
    /// Of each block, its columns.
    pub(super) fn block_columns(&self) -> impl Iterator<Item = u16> + '_ {
        (0..self.blocks as usize).map(|block| self.columns.get(block).copied().unwrap_or(1))
    }

    /// Columns of all blocks.
    pub(super) fn all_columns(&self) -> u64 {
        if self.columns.is_empty() {
            u64::from(self.blocks)
        } else {
            self.columns.iter().map(|columns| u64::from(*columns)).sum()
        }
    }

    /// Bytes of a slice.
    pub(super) fn stride(&self) -> u64 {
        self.all_columns().div_ceil(8)
    }

    /// Whether a filter can lie so; of other policies nothing is known.
    pub(super) fn is_sound(&self) -> bool {
        let sizes = 1 << COLUMN_BITS_LOG2.start()..=1 << COLLECT_BITS_LOG2;
        let is_set = |columns: u16| columns > 0 && u64::from(columns) * self.bits <= *sizes.end();
        self.policy != GRAM_POLICY
            || self.blocks > 0
                && sizes.contains(&self.bits)
                && (self.columns.is_empty() || self.columns.len() == self.blocks as usize)
                && self.columns.iter().copied().all(is_set)
                && self.length == stored_length(self.bits * self.stride())
                && self.offset.checked_add(self.length).is_some()
    }

    /// The blocks (as bits) for whose grams the slice has a bit set.
    fn blocks_of(&self, slice: &[u8], place: Place) -> Vec<u8> {
        if self.columns.is_empty() {
            return slice.to_vec();
        }
        let mut blocks = vec![0; (self.blocks as usize).div_ceil(8)];
        let mut first = 0;
        for (block, &columns) in self.columns.iter().enumerate() {
            let column = first + place.column(columns);
            first += usize::from(columns);
            let is_set = slice.get(column / 8).is_some_and(|byte| byte >> (column % 8) & 1 == 1);
            blocks[block / 8] |= u8::from(is_set) << (block % 8);
        }
        blocks
    }
}

/// Bytes of slices with the checksums of their chunks.
fn stored_length(slices: u64) -> u64 {
    slices + slices.div_ceil(CHUNK_DATA_BYTES as u64) * (CHUNK_BYTES - CHUNK_DATA_BYTES) as u64
}

/// Bits that so many distinct grams ask for.
fn wanted_bits(distinct: u64) -> u64 {
    (distinct * BITS_PER_GRAM_X100 / 100).min(1 << COLLECT_BITS_LOG2)
}

/// The length of columns for blocks that ask for so many bits in the mean.
fn column_bits(mean: u64) -> u64 {
    let log2 = (mean / COLUMNS_MEAN).checked_ilog2().unwrap_or(0);
    1 << log2.clamp(*COLUMN_BITS_LOG2.start(), *COLUMN_BITS_LOG2.end())
}

/// The columns of a block that asks for so many bits.
fn columns_for(wanted: u64, bits: u64) -> u16 {
    let nearest = (wanted + bits / 2) / bits;
    // The clamp is to at most 2^13: of the shortest columns.
    nearest.clamp(1, (1 << COLLECT_BITS_LOG2) / bits) as u16
}

/// Slice the sets of a segment's blocks; returns the bytes (checksummed chunks) and the layout at `offset`.
pub fn slice_filters(sets: &[GramSet], offset: u64) -> (Vec<u8>, GramLayout) {
    let wanted: Vec<u64> = sets.iter().map(|set| wanted_bits(set.distinct())).collect();
    let bits = column_bits(wanted.iter().sum::<u64>() / sets.len().max(1) as u64);
    let columns = wanted.iter().map(|wanted| columns_for(*wanted, bits)).collect();
    let mut layout = GramLayout { policy: GRAM_POLICY, offset, length: 0, bits, blocks: sets.len() as u32, columns };
    let mut slices = vec![0u8; bits as usize * layout.stride() as usize];
    let mut first = 0;
    for (set, &columns) in sets.iter().zip(&layout.columns) {
        set.write_columns(columns, bits, &mut slices, (layout.stride() as usize, first));
        first += usize::from(columns);
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
            for place in probe_places(literal, layout.bits) {
                let first = place.slice * layout.stride();
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
            let mut result: Option<Vec<u8>> = parts.is_empty().then(|| vec![0; layout.blocks.div_ceil(8) as usize]);
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
    for place in probe_places(literal, layout.bits) {
        let slice = read_slice(layout, place.slice * stride as u64, stride, read)?;
        let blocks = layout.blocks_of(&slice, place);
        match &mut result {
            Some(all) => all.iter_mut().zip(&blocks).for_each(|(a, b)| *a &= b),
            None => result = Some(blocks),
        }
        if result.as_ref().is_some_and(|all| all.iter().all(|byte| *byte == 0)) {
            break;
        }
    }
    Ok(result)
}

/// Places of a literal's grams; when it has many, spread over all of it.
fn probe_places(literal: &[u8], bits: u64) -> impl Iterator<Item = Place> + '_ {
    let grams = (literal.len() + 1).saturating_sub(GRAM_BYTES);
    let skip = grams.div_ceil(PROBES_MAX).max(1);
    literal.windows(GRAM_BYTES).step_by(skip).map(move |gram| {
        let mut word = [0u8; 8];
        word[..GRAM_BYTES].copy_from_slice(gram);
        word.make_ascii_lowercase();
        Place::of(hash(u64::from_le_bytes(word) << 24), bits)
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
        let sets: Vec<GramSet> = blocks.iter().map(|b| GramSet::of_line(b)).collect();
        let (bytes, layout) = slice_filters(&sets, 100);
        let required = Required::Literal(needle.to_ascii_lowercase().into());
        let mut read = |offset: u64, length: usize| Ok(bytes[offset as usize - 100..][..length].to_vec());
        let found = probe(&layout, &required, &mut read).unwrap();
        (0..blocks.len()).map(|b| found.as_ref().is_none_or(|bits| bits[b / 8] >> (b % 8) & 1 == 1)).collect()
    }

    impl GramSet {
        pub fn of_line(line: &[u8]) -> Self {
            GramSet::collect(line, std::iter::once(line.len()), &mut Vec::new())
        }
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
        fn grams_are_those_of_each_line(lines in proptest::collection::vec("[a-cA-C]{0,12}", 0..40)) {
            let joined = lines.concat();
            let all = GramSet::collect(joined.as_bytes(), lines.iter().map(String::len), &mut Vec::new());
            let mut words = vec![0; all.words.len()];
            for line in &lines {
                words.iter_mut().zip(GramSet::of_line(line.as_bytes()).words).for_each(|(all, of_line)| *all |= of_line);
            }
            prop_assert!(all.words == words);
        }

        #[test]
        fn columns_are_few_and_near_what_is_asked_for(wanted in 0u64..=1 << 20, mean in 0u64..=1 << 20) {
            let bits = column_bits(mean);
            let columns = u64::from(columns_for(wanted, bits));
            prop_assert!(bits.is_power_of_two() && columns > 0 && columns * bits <= 1 << 20);
            prop_assert!(columns == 1 || wanted.abs_diff(columns * bits) <= bits / 2);
            prop_assert!(columns_for(mean, bits) <= 16 || bits == 1 << 15);
        }
    }

    /// Blocks of many grams and of few, as those with ids in their lines and those without.
    #[test]
    fn columns_are_about_half_full_however_blocks_differ() {
        let hex = |i: u64| format!("{:016x}", i.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let blocks: Vec<Vec<u8>> =
            (1..20).map(|i| (0..i * i * 100).map(|j| hex(i << 32 | j)).collect::<String>().into()).collect();
        let sets: Vec<GramSet> = blocks.iter().map(|block| GramSet::of_line(block)).collect();
        let (bytes, layout) = slice_filters(&sets, 0);
        let slices: Vec<u8> = bytes.chunks(CHUNK_BYTES).flat_map(|chunk| &chunk[..chunk.len() - 4]).copied().collect();
        let mut first = 0;
        for &columns in &layout.columns {
            let columns = usize::from(columns);
            let set = slices
                .chunks(layout.stride() as usize)
                .flat_map(|slice| (first..first + columns).filter(|column| slice[column / 8] >> (column % 8) & 1 == 1));
            let share = set.count() as f64 / (layout.bits as usize * columns) as f64;
            // The first blocks get more than they need, as a column is the least.
            assert!(share < 0.62 && (columns == 1 || share > 0.4), "{columns} columns, {share} full");
            first += columns;
        }
        assert!(layout.columns.iter().any(|columns| *columns > 10) && layout.columns[0] == 1);
    }

    #[test]
    fn an_absent_needle_is_pruned() {
        let blocks: Vec<Vec<u8>> =
            (0..30).map(|i| format!("level=info msg=\"request {i} done\" ").repeat(50).into_bytes()).collect();
        let may = probe_all(&blocks, b"6f1e0a77b2c94d5e8890aa41c3d2e1f0");
        assert!(may.iter().all(|m| !m));
    }
}
