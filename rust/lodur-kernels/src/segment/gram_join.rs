//! Gram filters of several runs of blocks: asked as one, and joined to one where their columns are equally long.
//!
//! A filter is sliced by bit position, so joining lays, bit for bit, the slices of the inputs end to end. It is done as a
//! stream: no filter is in memory as a whole.

use crate::error::{KernelError, Result};
use crate::pipeline::literals::Required;
use crate::segment::grams::{
    CHUNK_BYTES, CHUNK_DATA_BYTES, GRAM_POLICY, GramLayout, ReadAt, append_chunk, probe, read_chunk,
};
use crate::segment::read::{PageSource, Segment};

/// Chunks that are written at once.
const CHUNKS_WRITTEN: usize = 256;

/// Takes the next bytes of a file.
pub type WriteNext<'a> = dyn FnMut(&[u8]) -> Result<()> + 'a;

/// A bit for each of some blocks or columns, least significant first.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    count: usize,
}

impl Bits {
    fn clear(&mut self) {
        self.bytes.clear();
        self.count = 0;
    }

    fn append(&mut self, bits: impl Iterator<Item = u8>, count: usize) {
        let shift = self.count % 8;
        self.count += count;
        for byte in bits.take(count.div_ceil(8)) {
            match self.bytes.last_mut() {
                Some(last) if shift > 0 => {
                    *last |= byte << shift;
                    self.bytes.push(byte >> (8 - shift));
                }
                _ => self.bytes.push(byte),
            }
        }
        self.bytes.resize(self.count.div_ceil(8), 0);
    }
}

/// Blocks (as bits, least significant first) that may hold what is required; None where nothing can be said.
pub fn probe_filters<'l>(
    filters: impl Iterator<Item = &'l GramLayout>,
    required: &Required,
    read: &mut ReadAt<'_>,
) -> Result<Option<Vec<u8>>> {
    let mut all = Bits::default();
    let mut says = false;
    for layout in filters {
        let blocks = layout.blocks as usize;
        match probe(layout, required, read)? {
            Some(bits) => {
                says = true;
                all.append(bits.into_iter(), blocks);
            }
            None => all.append(std::iter::repeat(u8::MAX), blocks),
        }
    }
    Ok(says.then_some(all.bytes))
}

/// Filters with columns of one length, which become one.
struct Joined<'a> {
    bits: u64,
    of: Vec<(&'a Segment, &'a PageSource, &'a GramLayout)>,
}

/// The filters of a segment that has the blocks of several, one input's after the other's.
pub struct JoinedFilters<'a> {
    joined: Vec<Joined<'a>>,
}

impl<'a> JoinedFilters<'a> {
    /// None where blocks of an input have no filter of the policy that this build knows.
    pub fn of(inputs: impl Iterator<Item = (&'a Segment, &'a PageSource)>) -> Option<Self> {
        let mut joined: Vec<Joined<'a>> = Vec::new();
        for (segment, source) in inputs {
            segment.directory.grams.as_ref()?;
            for layout in segment.directory.filters() {
                if layout.policy != GRAM_POLICY {
                    return None;
                }
                match joined.last_mut() {
                    Some(last) if last.bits == layout.bits => last.of.push((segment, source, layout)),
                    _ => joined.push(Joined { bits: layout.bits, of: vec![(segment, source, layout)] }),
                }
            }
        }
        Some(JoinedFilters { joined })
    }

    /// How many come of it.
    pub fn count(&self) -> usize {
        self.joined.len()
    }

    /// Give the filters' bytes, which come to lie at `offset`, to `out`.
    pub fn write(&self, mut offset: u64, out: &mut WriteNext<'_>) -> Result<Vec<GramLayout>> {
        let mut layouts = Vec::new();
        for joined in &self.joined {
            let layout = joined.write(offset, out)?;
            offset += layout.length;
            layouts.push(layout);
        }
        Ok(layouts)
    }
}

impl Joined<'_> {
    fn write(&self, offset: u64, out: &mut WriteNext<'_>) -> Result<GramLayout> {
        let mut readers: Vec<SliceReader<'_>> = self.of.iter().map(|one| SliceReader::new(*one)).collect();
        let mut chunks = ChunkWriter { out, data: Vec::new(), ready: Vec::new(), length: 0 };
        let mut slice = Bits::default();
        for _ in 0..self.bits {
            slice.clear();
            for reader in &mut readers {
                let (stride, columns) = (reader.layout.stride() as usize, reader.layout.all_columns() as usize);
                slice.append(reader.next(stride)?.iter().copied(), columns);
            }
            chunks.add(&slice.bytes)?;
        }
        let length = chunks.finish()?;
        let blocks = self.of.iter().map(|(.., layout)| layout.blocks).sum();
        let columns = self.of.iter().flat_map(|(.., layout)| layout.block_columns()).collect();
        Ok(GramLayout { policy: GRAM_POLICY, offset, length, bits: self.bits, blocks, columns })
    }
}

/// Reads the slices of a filter one after the other, and checks its checksums.
struct SliceReader<'a> {
    segment: &'a Segment,
    source: &'a PageSource,
    layout: &'a GramLayout,
    /// Where the next chunk begins in the filter.
    next_chunk: u64,
    data: Vec<u8>,
    at: usize,
}

impl<'a> SliceReader<'a> {
    fn new((segment, source, layout): (&'a Segment, &'a PageSource, &'a GramLayout)) -> Self {
        SliceReader { segment, source, layout, next_chunk: 0, data: Vec::new(), at: 0 }
    }

    fn next(&mut self, length: usize) -> Result<&[u8]> {
        while self.data.len() - self.at < length {
            self.fill().map_err(|error| error.in_file(&self.segment.path))?;
        }
        let at = self.at;
        self.at += length;
        Ok(&self.data[at..self.at])
    }

    fn fill(&mut self) -> Result<()> {
        let (layout, start) = (self.layout, self.next_chunk);
        if start >= layout.length {
            return Err(KernelError::corrupt("", layout.offset + start, "gram filter is cut short"));
        }
        let size = (layout.length - start).min(CHUNK_BYTES as u64);
        let chunk =
            read_chunk(layout, start, size as usize, &mut |offset, length| self.source.read_at(offset, length))?;
        self.data.drain(..self.at);
        self.at = 0;
        self.data.extend_from_slice(&chunk);
        self.next_chunk += size;
        Ok(())
    }
}

struct ChunkWriter<'a, 'o> {
    out: &'a mut WriteNext<'o>,
    data: Vec<u8>,
    /// Whole chunks with their checksums.
    ready: Vec<u8>,
    length: u64,
}

impl ChunkWriter<'_, '_> {
    fn add(&mut self, bytes: &[u8]) -> Result<()> {
        self.data.extend_from_slice(bytes);
        while self.data.len() >= CHUNK_DATA_BYTES {
            append_chunk(&self.data[..CHUNK_DATA_BYTES], &mut self.ready);
            self.data.drain(..CHUNK_DATA_BYTES);
        }
        if self.ready.len() >= CHUNKS_WRITTEN * CHUNK_BYTES { self.write_ready() } else { Ok(()) }
    }

    fn write_ready(&mut self) -> Result<()> {
        (self.out)(&self.ready)?;
        self.length += self.ready.len() as u64;
        self.ready.clear();
        Ok(())
    }

    /// Length of all that was written.
    fn finish(mut self) -> Result<u64> {
        if !self.data.is_empty() {
            append_chunk(&self.data, &mut self.ready);
        }
        self.write_ready()?;
        Ok(self.length)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::segment::grams::{GramSet, slice_filters};

    fn filter(blocks: &[Vec<u8>], at: usize) -> (Vec<u8>, GramLayout) {
        let sets: Vec<GramSet> = blocks.iter().map(|lines| GramSet::of_line(lines)).collect();
        slice_filters(&sets, at as u64)
    }

    proptest! {
        #[test]
        fn filters_that_are_asked_as_one_say_what_each_says(
            parts in proptest::collection::vec(proptest::collection::vec("[a-f]{0,900}", 1..20), 1..5),
            needle in "[a-f]{5,8}",
        ) {
            let parts: Vec<Vec<Vec<u8>>> =
                parts.into_iter().map(|part| part.into_iter().map(String::into_bytes).collect()).collect();
            let mut file = Vec::new();
            let mut layouts = Vec::new();
            for part in &parts {
                let (bytes, layout) = filter(part, file.len());
                file.extend_from_slice(&bytes);
                layouts.push(layout);
            }
            let required = Required::Literal(needle.into_bytes().into());
            let mut read = |offset: u64, length: usize| Ok(file[offset as usize..][..length].to_vec());
            let found = probe_filters(layouts.iter(), &required, &mut read).unwrap().unwrap();
            let is_set = |bits: &[u8], block: usize| bits[block / 8] >> (block % 8) & 1 == 1;
            let mut first = 0;
            for (layout, part) in layouts.iter().zip(&parts) {
                let alone = probe(layout, &required, &mut read).unwrap().unwrap();
                for block in 0..part.len() {
                    prop_assert_eq!(is_set(&found, first + block), is_set(&alone, block));
                }
                first += part.len();
            }
            prop_assert_eq!(found.len(), first.div_ceil(8));
        }
    }
}
