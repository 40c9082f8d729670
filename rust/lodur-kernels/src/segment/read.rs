//! Read a segment: its directory once, then blocks' pages as a scan asks for them.
//!
//! Where bytes come from is `PageSource`'s matter: a local file, or ranges that Python fetched from an object store.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use parquet::file::metadata::ParquetMetaDataReader;

use crate::batch::MetaPair;
use crate::batch::{Metadata, Rows};
use crate::error::{KernelError, Result};
use crate::labels::LabelSet;
use crate::pipeline::literals::Required;
use crate::segment::codec::{Codec, Decompressor};
use crate::segment::columns;
use crate::segment::delta;
use crate::segment::directory::{BlockEntry, DIRECTORY_BYTES_MAX, DIRECTORY_KEY, Directory, DirectoryRef, PageRef};
use crate::segment::gram_join::probe_filters;
use crate::segment::grams::probe_ranges;
use crate::segment::page::{self, StoredPage};

/// Parquet's last bytes: footer length and magic.
const TAIL_BYTES: u64 = 8;

/// Largest Parquet footer that a reader decodes.
const FOOTER_BYTES_MAX: u64 = 256 << 20;

/// Where a segment's bytes come from.
#[derive(Debug)]
pub enum PageSource {
    File(File),
    /// Ranges by offset, as fetched for one query.
    Ranges(BTreeMap<u64, Bytes>),
}

impl PageSource {
    pub fn read_at(&self, offset: u64, length: usize) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.read_into(offset, length, &mut bytes)?;
        Ok(bytes)
    }

    fn read_into(&self, offset: u64, length: usize, out: &mut Vec<u8>) -> Result<()> {
        out.clear();
        match self {
            PageSource::File(file) => {
                let size = file.metadata().map_err(|e| KernelError::io("segment", e))?.len();
                if offset.saturating_add(length as u64) > size {
                    return Err(KernelError::corrupt("", offset, "segment is cut short"));
                }
                out.resize(length, 0);
                file.read_exact_at(out, offset).map_err(|e| KernelError::io("segment", e))
            }
            PageSource::Ranges(ranges) => {
                let found = ranges.range(..=offset).next_back().and_then(|(start, bytes)| {
                    let from = (offset - start) as usize;
                    bytes.get(from..from.checked_add(length)?)
                });
                let bytes = found.ok_or_else(|| {
                    KernelError::Input(format!("bytes {offset}+{length} of a segment were not fetched"))
                })?;
                out.extend_from_slice(bytes);
                Ok(())
            }
        }
    }
}

/// An open segment: its directory, and its label sets by stream number.
#[derive(Debug)]
pub struct Segment {
    pub path: String,
    pub directory: Directory,
    pub streams: Vec<Arc<LabelSet>>,
}

impl Segment {
    /// Open a local file.
    pub fn open(path: &Path) -> Result<(Segment, PageSource)> {
        let name = path.display().to_string();
        let file = File::open(path).map_err(|e| KernelError::io(name.clone(), e))?;
        let size = file.metadata().map_err(|e| KernelError::io(name.clone(), e))?.len();
        let source = PageSource::File(file);
        let open = || {
            if size < TAIL_BYTES {
                return Err(KernelError::corrupt("", 0, "segment is shorter than a Parquet file can be"));
            }
            let footer = footer_length(&source.read_at(size - TAIL_BYTES, TAIL_BYTES as usize)?, size)?;
            let place = directory_ref(&source.read_at(size - TAIL_BYTES - footer, footer as usize)?, size)?;
            let bytes = source.read_at(place.offset, place.length as usize)?;
            Segment::from_directory(&name, &bytes, place)
        };
        let segment = open().map_err(|e| e.in_file(&name))?;
        Ok((segment, source))
    }

    /// A segment of a remote store, from the stored bytes of its directory.
    pub fn from_directory(path: &str, bytes: &[u8], place: DirectoryRef) -> Result<Segment> {
        let directory = Directory::decode(bytes, place).map_err(|e| e.in_file(path))?;
        let streams = (0..directory.streams.len()).map(|number| Arc::new(directory.label_set(number))).collect();
        Ok(Segment { path: path.to_string(), directory, streams })
    }

    /// Numbers of the blocks that may hold what is required; all where nothing can be said.
    pub fn probe(&self, source: &PageSource, required: &Required) -> Result<Option<Vec<u8>>> {
        let mut read = |offset: u64, length: usize| source.read_at(offset, length);
        probe_filters(self.directory.filters(), required, &mut read).map_err(|e| e.in_file(&self.path))
    }

    /// The file ranges (offset, length) that `probe` reads.
    pub fn probe_ranges(&self, required: &Required) -> Vec<(u64, u64)> {
        self.directory.filters().flat_map(|layout| probe_ranges(layout, required)).collect()
    }
}

/// Length of the Parquet footer, from a file's last eight bytes.
pub fn footer_length(tail: &[u8], file_size: u64) -> Result<u64> {
    let damaged = || KernelError::corrupt("", file_size.saturating_sub(TAIL_BYTES), "segment has no Parquet footer");
    let (length, magic) = tail.split_first_chunk::<4>().ok_or_else(damaged)?;
    let length = u64::from(u32::from_le_bytes(*length));
    if magic != b"PAR1" || length > FOOTER_BYTES_MAX || length + TAIL_BYTES > file_size {
        return Err(damaged());
    }
    Ok(length)
}

/// Where the directory lies, from the Parquet footer (without the last eight bytes).
pub fn directory_ref(footer: &[u8], file_size: u64) -> Result<DirectoryRef> {
    let damaged = |what: &str| KernelError::corrupt("", file_size.saturating_sub(TAIL_BYTES), what);
    // The footer is Thrift from outside: whatever the decoder does with damage, it must not take the process along.
    let metadata = std::panic::catch_unwind(|| ParquetMetaDataReader::decode_metadata(footer))
        .map_err(|_| damaged("damaged Parquet footer"))?
        .map_err(|e| damaged(&format!("damaged Parquet footer: {e}")))?;
    let place = metadata
        .file_metadata()
        .key_value_metadata()
        .and_then(|pairs| pairs.iter().find(|pair| pair.key == DIRECTORY_KEY))
        .and_then(|pair| DirectoryRef::parse(pair.value.as_deref()?))
        .ok_or_else(|| damaged("no segment of ours: the Parquet footer has no directory entry"))?;
    if place.length > DIRECTORY_BYTES_MAX || place.offset.saturating_add(place.length) > file_size {
        return Err(damaged("segment directory lies outside the file"));
    }
    Ok(place)
}

/// Reused buffers of one scanning thread.
#[derive(Default)]
pub struct PageReader {
    decompressor: Decompressor,
    stored: Vec<u8>,
    raw: Vec<u8>,
    numbers: Vec<i64>,
}

impl PageReader {
    fn page(&mut self, source: &PageSource, codec: Codec, place: PageRef) -> Result<usize> {
        source.read_into(place.offset, place.length as usize, &mut self.stored)?;
        page::read_page(&mut self.decompressor, codec, &self.stored, &mut self.raw).map_err(|e| e.at(place.offset))
    }

    /// A page as it lies in the file, its checksum checked.
    pub fn stored(&mut self, source: &PageSource, codec: Codec, place: PageRef) -> Result<StoredPage<'_>> {
        source.read_into(place.offset, place.length as usize, &mut self.stored)?;
        page::stored_page(codec, &self.stored).map_err(|e| e.at(place.offset))
    }

    /// Timestamps of a block's rows.
    pub fn timestamps(&mut self, source: &PageSource, block: &BlockEntry, out: &mut Vec<i64>) -> Result<()> {
        self.page(source, Codec::None, block.ts)?;
        delta::decode(&self.raw, block.rows as usize, out).map(|_| ()).map_err(|e| e.at(block.ts.offset))
    }

    /// Lines of a block: the bytes go to `raw`, beginning at the returned place, the row ends (relative to it) to `ends`.
    pub fn lines(
        &mut self,
        source: &PageSource,
        codec: Codec,
        block: &BlockEntry,
        raw: &mut Vec<u8>,
        ends: &mut Vec<u32>,
    ) -> Result<usize> {
        std::mem::swap(&mut self.raw, raw);
        let read = self.page(source, codec, block.line);
        std::mem::swap(&mut self.raw, raw);
        read?;
        let at = columns::decode_lines(raw, block.rows as usize, &mut self.numbers, ends)
            .map_err(|e| e.at(block.line.offset))?;
        // What is stored is UTF-8, and later stages rely on it.
        if ends.last().copied().unwrap_or(0) as usize != raw.len() - at
            || simdutf8::basic::from_utf8(&raw[at..]).is_err()
        {
            return Err(KernelError::corrupt("", block.line.offset, "lines are not what their lengths say"));
        }
        Ok(at)
    }

    /// Level codes of a block's rows.
    pub fn levels(&mut self, source: &PageSource, codec: Codec, block: &BlockEntry, out: &mut Vec<u8>) -> Result<()> {
        out.clear();
        let rows = block.rows as usize;
        match block.level {
            None => out.resize(rows, 0),
            Some(place) => {
                self.page(source, codec, place)?;
                let numbers = columns::decode_numbers(&self.raw, rows, crate::level::LEVEL_COUNT - 1)
                    .map_err(|e| e.at(place.offset))?;
                out.extend(numbers.into_iter().map(|number| number.map_or(0, |number| number as u8 + 1)));
            }
        }
        Ok(())
    }

    /// Dictionary numbers of a metadata column's page.
    pub fn numbers(
        &mut self,
        source: &PageSource,
        codec: Codec,
        place: PageRef,
        (rows, dictionary_len): (usize, usize),
    ) -> Result<Vec<Option<u32>>> {
        self.page(source, codec, place)?;
        columns::decode_numbers(&self.raw, rows, dictionary_len).map_err(|e| e.at(place.offset))
    }

    /// Structured metadata of a block's rows.
    pub fn metadata(&mut self, source: &PageSource, segment: &Segment, block: &BlockEntry) -> Result<Metadata> {
        let rows = block.rows as usize;
        if block.rest.is_none() && block.meta.iter().all(Option::is_none) {
            return Ok(Metadata::default());
        }
        let codec = segment.directory.codec;
        let mut found = FoundPairs::default();
        for (column, place) in segment.directory.meta_columns.iter().zip(&block.meta) {
            let Some(place) = place else { continue };
            let name = found.name(&column.name);
            match &column.dictionary {
                Some(dictionary) => {
                    let numbers = self.numbers(source, codec, *place, (rows, dictionary.len()))?;
                    for (row, number) in numbers.into_iter().enumerate() {
                        if let Some(number) = number {
                            found.add(row, name, &dictionary[number as usize]);
                        }
                    }
                }
                None => {
                    self.page(source, codec, *place)?;
                    columns::decode_texts(&self.raw, rows, |row, text| found.add(row, name, text))
                        .map_err(|e| e.at(place.offset))?;
                }
            }
        }
        if let Some((keys, values)) = block.rest {
            self.page(source, codec, keys)?;
            let keys_raw = std::mem::take(&mut self.raw);
            let entries = self.page(source, codec, values)?;
            columns::decode_map(&keys_raw, &self.raw, entries, rows, |row, name, value| {
                let name = found.name(name);
                found.add(row, name, value);
            })
            .map_err(|e| e.at(values.offset))?;
        }
        Ok(found.into_metadata(rows))
    }

    /// Calls `each` with name and value of all metadata of a block that has no column.
    pub fn rest(
        &mut self,
        source: &PageSource,
        segment: &Segment,
        block: &BlockEntry,
        mut each: impl FnMut(&str, &str),
    ) -> Result<()> {
        let Some((keys, values)) = block.rest else { return Ok(()) };
        let codec = segment.directory.codec;
        self.page(source, codec, keys)?;
        let keys_raw = std::mem::take(&mut self.raw);
        let entries = self.page(source, codec, values)?;
        let rows = block.rows as usize;
        columns::decode_map(&keys_raw, &self.raw, entries, rows, |_, name, value| each(name, value))
            .map_err(|e| e.at(values.offset))
    }

    /// All rows of a block, for merging and tests.
    pub fn rows(&mut self, source: &PageSource, segment: &Segment, block: &BlockEntry) -> Result<Rows> {
        let codec = segment.directory.codec;
        let mut rows = Rows::default();
        let mut raw = Vec::new();
        self.timestamps(source, block, &mut rows.ts_ns)?;
        let at = self.lines(source, codec, block, &mut raw, &mut rows.line_ends)?;
        // In place: a new buffer would cost more than the move.
        raw.drain(..at);
        rows.lines = raw;
        self.levels(source, codec, block, &mut rows.levels)?;
        rows.meta = self.metadata(source, segment, block)?;
        Ok(rows)
    }
}

/// Pairs by column, on their way to pairs by row.
#[derive(Default)]
struct FoundPairs {
    names: Vec<Box<str>>,
    pairs: Vec<(u32, MetaPair)>,
    bytes: Vec<u8>,
}

impl FoundPairs {
    fn name(&mut self, name: &str) -> u32 {
        if let Some(number) = self.names.iter().position(|known| &**known == name) {
            return number as u32;
        }
        self.names.push(name.into());
        self.names.len() as u32 - 1
    }

    fn add(&mut self, row: usize, name: u32, value: &str) {
        let start = self.bytes.len() as u32;
        self.bytes.extend_from_slice(value.as_bytes());
        self.pairs.push((row as u32, MetaPair { name, start, end: self.bytes.len() as u32 }));
    }

    fn into_metadata(mut self, rows: usize) -> Metadata {
        self.pairs.sort_by(|a, b| {
            a.0.cmp(&b.0).then_with(|| self.names[a.1.name as usize].cmp(&self.names[b.1.name as usize]))
        });
        let mut ends = Vec::with_capacity(rows);
        let mut at = 0;
        for row in 0..rows as u32 {
            while at < self.pairs.len() && self.pairs[at].0 <= row {
                at += 1;
            }
            ends.push(at as u32);
        }
        let pairs = self.pairs.into_iter().map(|(_, pair)| pair).collect();
        Metadata { names: self.names, ends, pairs, bytes: self.bytes }
    }
}
