//! Gram filters of several runs of blocks: asked as one, and joined to one where their columns are equally long.
//!
//! A filter is sliced by bit position, so joining lays, bit for bit, the columns of the inputs' blocks side by side, with
//! those of blocks that are new between them. It is done as a stream: no stored filter is in memory as a whole.

use std::ops::Range;

use crate::error::{KernelError, Result};
use crate::pipeline::literals::Required;
use crate::segment::grams::{
    CHUNK_BYTES, CHUNK_DATA_BYTES, GRAM_POLICY, GramLayout, GramSet, ReadAt, append_chunk, probe, read_chunk,
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

    /// Append the bits of a range of `bytes`, which has as many.
    fn append(&mut self, bytes: &[u8], range: Range<usize>) {
        let mut at = range.start;
        while at < range.end {
            let taken = (range.end - at).min(8);
            let two = [at / 8, at / 8 + 1].map(|place| bytes.get(place).copied().unwrap_or(0));
            let eight = (u16::from_le_bytes(two) >> (at % 8)) as u8 & (u8::MAX >> (8 - taken));
            let shift = self.count % 8;
            match self.bytes.last_mut() {
                Some(last) if shift > 0 => {
                    *last |= eight << shift;
                    if shift + taken > 8 {
                        self.bytes.push(eight >> (8 - shift));
                    }
                }
                _ => self.bytes.push(eight),
            }
            self.count += taken;
            at += taken;
        }
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
                all.append(&bits, 0..blocks);
            }
            None => all.append(&vec![u8::MAX; blocks.div_ceil(8)], 0..blocks),
        }
    }
    Ok(says.then_some(all.bytes))
}

/// The filter of one block of a segment.
#[derive(Clone)]
pub struct StoredFilter<'a> {
    segment: &'a Segment,
    source: &'a PageSource,
    layout: &'a GramLayout,
    /// Of all columns of the filter, those of the block.
    columns: Range<usize>,
}

impl<'a> StoredFilter<'a> {
    /// Those of all blocks; none where a filter is missing or of a policy that this build does not know.
    pub fn all_of(segment: &'a Segment, source: &'a PageSource) -> Vec<Self> {
        let mut all = Vec::new();
        for layout in segment.directory.filters() {
            if layout.policy != GRAM_POLICY {
                return Vec::new();
            }
            let mut first = 0;
            for columns in layout.block_columns() {
                let columns = first..first + usize::from(columns);
                first = columns.end;
                all.push(StoredFilter { segment, source, layout, columns });
            }
        }
        all
    }

    /// Length of its columns; those of one length can become one filter.
    pub fn bits(&self) -> u64 {
        self.layout.bits
    }
}

/// What has the columns of some blocks, slice by slice.
enum Columns<'a> {
    Stored(&'a Segment, &'a PageSource, &'a GramLayout),
    /// Slices of so many columns.
    New(Vec<u8>, usize),
}

/// Filters with columns of one length, which become one.
struct Joined<'a> {
    bits: u64,
    of: Vec<Columns<'a>>,
    /// In the order of blocks, columns of which of these.
    pieces: Vec<(usize, Range<usize>)>,
    /// Of each block.
    columns: Vec<u16>,
}

/// The filters of a segment some of whose blocks were copied.
pub struct JoinedFilters<'a> {
    joined: Vec<Joined<'a>>,
}

impl<'a> JoinedFilters<'a> {
    /// Of blocks in order: each has either a set of grams or the next of the stored filters, of which there is at least one.
    pub fn of(stored: Vec<StoredFilter<'a>>, sets: &[Option<GramSet>]) -> Result<Self> {
        let mut joined: Vec<Joined<'a>> = Vec::new();
        let mut bits = stored.first().map_or(0, StoredFilter::bits);
        let mut stored = stored.into_iter();
        for set in sets {
            let next = if set.is_none() { stored.next() } else { None };
            bits = next.as_ref().map_or(bits, StoredFilter::bits);
            if joined.last().is_none_or(|last| last.bits != bits) {
                joined.push(Joined { bits, of: Vec::new(), pieces: Vec::new(), columns: Vec::new() });
            }
            let Some(last) = joined.last_mut() else { continue };
            match (next, set) {
                (Some(filter), _) => last.add_stored(filter),
                (None, Some(set)) => last.add_new(set),
                (None, None) => return Err(KernelError::Input("a copied block has no gram filter".to_owned())),
            }
        }
        Ok(JoinedFilters { joined })
    }

    /// Give the filters' bytes, which come to lie at `offset`, to `out`.
    pub fn write(self, mut offset: u64, out: &mut WriteNext<'_>) -> Result<Vec<GramLayout>> {
        let mut layouts = Vec::new();
        for joined in self.joined {
            let layout = joined.write(offset, out)?;
            offset += layout.length;
            layouts.push(layout);
        }
        Ok(layouts)
    }
}

impl<'a> Joined<'a> {
    fn add_stored(&mut self, filter: StoredFilter<'a>) {
        let is_open =
            |of: &Columns<'_>| matches!(of, Columns::Stored(.., layout) if std::ptr::eq(*layout, filter.layout));
        // Between blocks of one filter new ones may have come, but none of another.
        let of = self.of.iter().rposition(is_open).unwrap_or_else(|| {
            self.of.push(Columns::Stored(filter.segment, filter.source, filter.layout));
            self.of.len() - 1
        });
        self.add_columns(of, filter.columns);
    }

    fn add_new(&mut self, set: &GramSet) {
        let columns = set.columns(self.bits);
        let stride = usize::from(columns).div_ceil(8);
        let mut slices = vec![0; self.bits as usize * stride];
        set.write_columns(columns, self.bits, &mut slices, (stride, 0));
        self.of.push(Columns::New(slices, stride));
        self.add_columns(self.of.len() - 1, 0..usize::from(columns));
    }

    fn add_columns(&mut self, of: usize, columns: Range<usize>) {
        self.columns.push(columns.len() as u16);
        match self.pieces.last_mut() {
            Some((last, before)) if *last == of && before.end == columns.start => before.end = columns.end,
            _ => self.pieces.push((of, columns)),
        }
    }

    fn write(self, offset: u64, out: &mut WriteNext<'_>) -> Result<GramLayout> {
        let mut readers: Vec<SliceReader<'_>> = self.of.into_iter().map(SliceReader::new).collect();
        let mut chunks = ChunkWriter { out, data: Vec::new(), ready: Vec::new(), length: 0 };
        let mut slice = Bits::default();
        for _ in 0..self.bits {
            slice.clear();
            readers.iter_mut().try_for_each(SliceReader::advance)?;
            for (of, columns) in &self.pieces {
                slice.append(readers[*of].slice(), columns.clone());
            }
            chunks.add(&slice.bytes)?;
        }
        let (length, blocks) = (chunks.finish()?, self.columns.len() as u32);
        Ok(GramLayout { policy: GRAM_POLICY, offset, length, bits: self.bits, blocks, columns: self.columns })
    }
}

/// Reads slices one after the other; checks the checksums of what is stored.
struct SliceReader<'a> {
    of: Option<(&'a Segment, &'a PageSource, &'a GramLayout)>,
    stride: usize,
    /// Where the next chunk begins in the stored filter.
    next_chunk: u64,
    data: Vec<u8>,
    /// Where the current slice ends.
    end: usize,
}

impl<'a> SliceReader<'a> {
    fn new(columns: Columns<'a>) -> Self {
        let (of, stride, data) = match columns {
            Columns::Stored(segment, source, layout) => {
                (Some((segment, source, layout)), layout.stride() as usize, Vec::new())
            }
            Columns::New(slices, stride) => (None, stride, slices),
        };
        SliceReader { of, stride, next_chunk: 0, data, end: 0 }
    }

    /// Go to the next slice.
    fn advance(&mut self) -> Result<()> {
        if let Some((segment, source, layout)) = self.of {
            while self.data.len() - self.end < self.stride {
                self.fill(source, layout).map_err(|error| error.in_file(&segment.path))?;
            }
        }
        self.end += self.stride;
        Ok(())
    }

    fn slice(&self) -> &[u8] {
        &self.data[self.end - self.stride..self.end]
    }

    fn fill(&mut self, source: &PageSource, layout: &GramLayout) -> Result<()> {
        let start = self.next_chunk;
        if start >= layout.length {
            return Err(KernelError::corrupt("", layout.offset + start, "gram filter is cut short"));
        }
        let size = (layout.length - start).min(CHUNK_BYTES as u64);
        let chunk = read_chunk(layout, start, size as usize, &mut |offset, length| source.read_at(offset, length))?;
        self.data.drain(..self.end);
        self.end = 0;
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
