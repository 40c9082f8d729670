//! Write a segment: sort a head generation's rows, cut them into blocks, encode, index.
//!
//! Start at `write_segment`. Rows are sorted by (label set, timestamp, arrival), copied ones within each part; a block ends
//! after `BLOCK_ROWS` rows or `BLOCK_LINE_BYTES` of lines, and every column has a page boundary there. A row group holds
//! `GROUP_BLOCKS` blocks, so that other engines can read a segment in parallel and only one group is in memory while writing.

use std::io::Write;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::Encoding;
use parquet::column::writer::ColumnCloseResult;
use parquet::file::metadata::{ColumnChunkMetaData, KeyValue, OffsetIndexBuilder};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::statistics::Statistics;
use parquet::file::writer::SerializedFileWriter;

use crate::error::{KernelError, Result};
use crate::head::HeadView;
use crate::labels::LabelSet;
use crate::segment::block::{BlockColumn, BlockEncoder, EncodedBlock, EncodedPage, LEVEL_TEXTS, encode_all};
use crate::segment::codec::Codec;
use crate::segment::columns;
use crate::segment::copied::CopiedBlock;
use crate::segment::directory::{
    BlockEntry, DIRECTORY_KEY, Directory, MetaColumn, PageRef, PartSizes, SEGMENT_VERSION,
};
use crate::segment::gram_join::{JoinedFilters, StoredFilter};
use crate::segment::grams::{GramLayout, GramSet, slice_filters};
use crate::segment::page;
use crate::segment::rows::{MetaSource, SortedRow, choose_meta_columns, sort_rows};
use crate::segment::schema::{FIRST_LABEL_COLUMN, SegmentSchema};

/// Rows after which a block ends: small enough that a needle's one block decodes in about a millisecond.
pub const BLOCK_ROWS: usize = 16 << 10;

/// Bytes of lines after which a block ends.
pub const BLOCK_LINE_BYTES: usize = 4 << 20;

/// Blocks in a row group: some 40 MiB of lines, the unit of parallel work of other engines.
const GROUP_BLOCKS: usize = 16;

/// About so long is a page's header, for the size that footers name.
const PAGE_HEADER_BYTES: usize = 32;

/// What was written.
#[derive(Clone, Copy, Debug)]
pub struct Written {
    pub rows: u64,
    pub line_bytes: u64,
    pub file_bytes: u64,
    pub min_ts_ns: i64,
    pub max_ts_ns: i64,
    pub streams: u64,
    pub blocks: u64,
    pub sizes: PartSizes,
}

/// Write the rows of `views` (oldest first) with timestamps in `ts_range` to `out`, on so many threads; the bytes are the
/// same. None when there are no rows.
pub fn write_segment<W: Write + Send>(
    views: &[&HeadView],
    ts_range: Range<i64>,
    codec: Codec,
    threads: usize,
    out: W,
) -> Result<Option<Written>> {
    let sorted = sort_rows(views, ts_range);
    if sorted.rows.is_empty() {
        return Ok(None);
    }
    let meta = choose_meta_columns(&sorted);
    let mut writer = SegmentWriter::new(out, &sorted.streams, meta, codec)?;
    for labels in &sorted.streams {
        writer.add_stream(labels);
    }
    let mut ends = Vec::new();
    while let from = ends.last().copied().unwrap_or(0)
        && from < sorted.rows.len()
    {
        ends.push(block_end(&sorted.rows, from));
    }
    let encoders: Result<Vec<BlockEncoder>> = (0..threads.max(1)).map(|_| BlockEncoder::new(codec)).collect();
    writer.add_blocks(&sorted.rows, &ends, &mut encoders?)?;
    writer.finish().map(Some)
}

fn block_end(rows: &[SortedRow<'_>], from: usize) -> usize {
    let mut bytes = 0;
    for (i, row) in rows[from..].iter().enumerate().take(BLOCK_ROWS) {
        bytes += row.line().len();
        if bytes >= BLOCK_LINE_BYTES {
            return from + i + 1;
        }
    }
    rows.len().min(from + BLOCK_ROWS)
}

/// Pages of one column in the current row group.
#[derive(Default)]
struct Chunk {
    bytes: Vec<u8>,
    /// End of the dictionary page; 0 without.
    dictionary_end: usize,
    /// Offset in `bytes`, length, rows.
    pages: Vec<(usize, usize, usize)>,
    values: usize,
    raw_bytes: usize,
    encoding: i32,
}

impl Chunk {
    fn add(&mut self, page: &[u8], rows: usize, values: usize, raw_bytes: usize, encoding: i32) {
        let at = self.bytes.len();
        self.bytes.extend_from_slice(page);
        self.pages.push((at, page.len(), rows));
        self.values += values;
        self.raw_bytes += raw_bytes + PAGE_HEADER_BYTES;
        self.encoding = encoding;
    }
}

/// Writes blocks of rows that come in segment order, of each part.
pub struct SegmentWriter<W: Write + Send> {
    file: SerializedFileWriter<W>,
    schema: SegmentSchema,
    streams: Vec<Arc<LabelSet>>,
    meta: MetaSource,
    codec: Codec,
    encoder: BlockEncoder,
    chunks: Vec<Chunk>,
    /// Blocks of the current row group; pages are placed when the group is written.
    group: Vec<BlockEntry>,
    blocks: Vec<BlockEntry>,
    /// First blocks of the parts after the first.
    parts: Vec<u32>,
    /// Of each block; none of those that are copied, which have a filter already.
    grams: Vec<Option<GramSet>>,
    sizes: PartSizes,
    raw: Vec<u8>,
}

impl<W: Write + Send> SegmentWriter<W> {
    /// The labels of `streams` get columns; what streams there are is told by `add_stream`.
    pub fn new(out: W, streams: &[Arc<LabelSet>], meta: MetaSource, codec: Codec) -> Result<Self> {
        let names: Vec<String> = meta.columns.iter().map(|column| column.name.clone()).collect();
        let schema = SegmentSchema::new(streams.iter().map(|labels| &**labels), &names)?;
        let properties = WriterProperties::builder()
            .set_created_by(format!("lodur {}", crate::version()))
            .set_statistics_enabled(EnabledStatistics::None)
            .build();
        let file = SerializedFileWriter::new(out, schema.root.clone(), properties.into()).map_err(parquet_error)?;
        Ok(SegmentWriter {
            file,
            schema,
            streams: Vec::new(),
            meta,
            codec,
            encoder: BlockEncoder::new(codec)?,
            chunks: Vec::new(),
            group: Vec::new(),
            blocks: Vec::new(),
            parts: Vec::new(),
            grams: Vec::new(),
            sizes: PartSizes::default(),
            raw: Vec::new(),
        })
    }

    /// The number by which rows of a stream name it. Streams come in their order, and each must get a row.
    pub fn add_stream(&mut self, labels: &Arc<LabelSet>) -> u32 {
        self.streams.push(Arc::clone(labels));
        self.streams.len() as u32 - 1
    }

    fn first_meta_column(&self) -> usize {
        FIRST_LABEL_COLUMN + self.schema.labels.len()
    }

    /// Add the next rows as a block.
    pub fn add_block(&mut self, rows: &[SortedRow<'_>]) -> Result<()> {
        let block = self.encoder.encode(&self.meta, rows)?;
        self.append(block)
    }

    /// Add rows as blocks that end where `ends` say, encoded by so many threads.
    fn add_blocks(&mut self, rows: &[SortedRow<'_>], ends: &[usize], encoders: &mut [BlockEncoder]) -> Result<()> {
        let mut from = 0;
        for ends in ends.chunks(GROUP_BLOCKS) {
            let starts = std::iter::once(from).chain(ends.iter().copied());
            let blocks: Vec<&[SortedRow<'_>]> = starts.zip(ends).map(|(start, end)| &rows[start..*end]).collect();
            for block in encode_all(&blocks, &self.meta, encoders)? {
                self.append(block)?;
            }
            from = ends.last().copied().unwrap_or(from);
        }
        Ok(())
    }

    fn append(&mut self, block: EncodedBlock) -> Result<()> {
        self.grams.push(Some(block.grams));
        self.append_pages(block.entry, block.pages)
    }

    /// Add a block of another segment. What is written so is finished with `finish_copied`.
    pub fn add_copied(&mut self, block: CopiedBlock) -> Result<()> {
        self.grams.push(None);
        self.append_pages(block.entry, block.pages)
    }

    /// What comes now is in order by itself, not with what was added before.
    pub fn begin_part(&mut self) {
        let blocks = self.blocks.len() + self.group.len();
        if blocks > 0 {
            self.parts.push(blocks as u32);
        }
    }

    fn append_pages(&mut self, entry: BlockEntry, pages: Vec<EncodedPage>) -> Result<()> {
        if self.chunks.is_empty() {
            self.begin_group()?;
        }
        let (first, columns) = (self.first_meta_column(), self.meta.columns.len());
        let rows = entry.rows as usize;
        for page in pages {
            let column = match page.column {
                BlockColumn::Fixed(column) => column,
                BlockColumn::Metadata(number) => first + number,
                BlockColumn::RestKeys => first + columns,
                BlockColumn::RestValues => first + columns + 1,
            };
            self.chunks[column].add(&page.bytes, rows, page.values, page.raw_bytes, page.encoding);
        }
        self.group.push(entry);
        if self.group.len() == GROUP_BLOCKS {
            self.end_group()?;
        }
        Ok(())
    }

    /// Timestamps and stream numbers are bit-packed tightly: compressing them again costs time and saves nothing.
    fn is_compressed(column: usize) -> bool {
        column != 0 && column != 2
    }

    fn add_page(&mut self, column: usize, raw: &[u8], values: usize, encoding: i32, rows: usize) -> Result<()> {
        let mut bytes = Vec::new();
        page::write_data_page(&mut self.encoder.compressor, raw, values, encoding, &mut bytes)?;
        self.chunks[column].add(&bytes, rows, values, raw.len(), encoding);
        Ok(())
    }

    fn add_dictionary<'d>(&mut self, column: usize, values: impl ExactSizeIterator<Item = &'d str>) -> Result<()> {
        let mut raw = std::mem::take(&mut self.raw);
        let count = values.len();
        columns::encode_dictionary(values, &mut raw);
        let chunk = &mut self.chunks[column];
        page::write_dictionary_page(&mut self.encoder.compressor, &raw, count, &mut chunk.bytes)?;
        chunk.dictionary_end = chunk.bytes.len();
        chunk.raw_bytes += raw.len() + PAGE_HEADER_BYTES;
        self.raw = raw;
        Ok(())
    }

    fn begin_group(&mut self) -> Result<()> {
        self.chunks.resize_with(self.schema.descriptor.num_columns(), Chunk::default);
        self.add_dictionary(3, LEVEL_TEXTS.iter().copied())?;
        for number in 0..self.meta.columns.len() {
            if let Some(dictionary) = self.meta.columns[number].dictionary.clone() {
                let column = self.first_meta_column() + number;
                self.add_dictionary(column, dictionary.iter().map(String::as_str))?;
            }
        }
        Ok(())
    }

    /// Label columns: their dictionary is the group's own, their pages are the group's runs.
    fn add_labels(&mut self) -> Result<()> {
        let group = std::mem::take(&mut self.group);
        let streams = std::mem::take(&mut self.streams);
        for i in 0..self.schema.labels.len() {
            let name = &self.schema.labels[i];
            let mut dictionary: Vec<&str> = Vec::new();
            let mut numbers = std::collections::HashMap::new();
            let mut number_of = |stream: u32| {
                streams[stream as usize].get(name).map(|value| {
                    *numbers.entry(value).or_insert_with(|| {
                        dictionary.push(value);
                        dictionary.len() as u32 - 1
                    })
                })
            };
            let runs: Vec<Vec<(Option<u32>, usize)>> = group
                .iter()
                .map(|block| block.runs.iter().map(|run| (number_of(run.stream), run.rows as usize)).collect())
                .collect();
            self.add_dictionary(FIRST_LABEL_COLUMN + i, dictionary.iter().copied())?;
            let mut raw = std::mem::take(&mut self.raw);
            for (block, runs) in group.iter().zip(&runs) {
                columns::encode_runs(runs, dictionary.len(), &mut raw);
                let rows = block.rows as usize;
                self.add_page(FIRST_LABEL_COLUMN + i, &raw, rows, page::ENCODING_RLE_DICTIONARY, rows)?;
            }
            self.raw = raw;
        }
        self.group = group;
        self.streams = streams;
        Ok(())
    }

    fn end_group(&mut self) -> Result<()> {
        self.add_labels()?;
        let chunks = std::mem::take(&mut self.chunks);
        let mut offset = self.file.bytes_written() as u64;
        let (first_meta, columns) = (self.first_meta_column(), self.meta.columns.len());
        for (column, chunk) in chunks.iter().enumerate() {
            for (block, (at, length, _)) in self.group.iter_mut().zip(&chunk.pages) {
                place_page(
                    block,
                    column,
                    first_meta,
                    columns,
                    PageRef { offset: offset + *at as u64, length: *length as u32 },
                );
            }
            let size = chunk.bytes.len() as u64;
            match column {
                0 => self.sizes.timestamps += size,
                1 => self.sizes.lines += size,
                _ if column == 2 || (FIRST_LABEL_COLUMN..first_meta).contains(&column) => self.sizes.labels += size,
                _ => self.sizes.metadata += size,
            }
            offset += size;
        }
        let mut group = self.file.next_row_group().map_err(parquet_error)?;
        let ts_range = self
            .group
            .iter()
            .fold((i64::MAX, i64::MIN), |(min, max), block| (min.min(block.min_ts_ns), max.max(block.max_ts_ns)));
        let rows = self.group.iter().map(|block| u64::from(block.rows)).sum();
        for (column, chunk) in chunks.into_iter().enumerate() {
            let codec = if Self::is_compressed(column) { self.codec } else { Codec::None };
            let statistics =
                (column == 0).then(|| Statistics::int64(Some(ts_range.0), Some(ts_range.1), None, Some(0), false));
            let close = close_result(&chunk, self.schema.descriptor.column(column), codec, statistics, rows)?;
            group.append_column(&Bytes::from(chunk.bytes), close).map_err(parquet_error)?;
        }
        group.close().map_err(parquet_error)?;
        self.blocks.append(&mut self.group);
        Ok(())
    }

    pub fn finish(mut self) -> Result<Written> {
        self.end_last_group()?;
        let sets: Vec<GramSet> = std::mem::take(&mut self.grams).into_iter().flatten().collect();
        let (filter, layout) = slice_filters(&sets, self.file.bytes_written() as u64);
        self.file.write_all(&filter).map_err(|e| KernelError::io("segment", e))?;
        self.finish_with(vec![layout])
    }

    /// Finish a segment with copied blocks, whose filters are `stored`, in order; `check` is asked now and then and may end
    /// the work.
    pub fn finish_copied(
        mut self,
        stored: Vec<StoredFilter<'_>>,
        mut check: impl FnMut() -> Result<()>,
    ) -> Result<Written> {
        self.end_last_group()?;
        let layouts = JoinedFilters::of(stored, &std::mem::take(&mut self.grams))?.write(
            self.file.bytes_written() as u64,
            &mut |bytes| {
                check()?;
                self.file.write_all(bytes).map_err(|e| KernelError::io("segment", e))
            },
        )?;
        self.finish_with(layouts)
    }

    fn end_last_group(&mut self) -> Result<()> {
        if self.group.is_empty() { Ok(()) } else { self.end_group() }
    }

    fn finish_with(mut self, filters: Vec<GramLayout>) -> Result<Written> {
        self.sizes.grams = filters.iter().map(|layout| layout.length).sum();
        let mut directory = directory_of(&self.streams, self.meta.columns, self.blocks);
        directory.parts = self.parts;
        let mut filters = filters.into_iter();
        directory.grams = filters.next();
        directory.more_grams = filters.collect();
        directory.codec = self.codec;
        directory.sizes = self.sizes;
        let (bytes, place) = directory.encode(self.file.bytes_written() as u64)?;
        self.file.write_all(&bytes).map_err(|e| KernelError::io("segment", e))?;
        self.file.append_key_value_metadata(KeyValue::new(DIRECTORY_KEY.to_string(), place.to_text()));
        self.file.finish().map_err(parquet_error)?;
        Ok(Written {
            rows: directory.rows,
            line_bytes: directory.line_bytes,
            file_bytes: self.file.bytes_written() as u64,
            min_ts_ns: directory.min_ts_ns,
            max_ts_ns: directory.max_ts_ns,
            streams: directory.streams.len() as u64,
            blocks: directory.blocks.len() as u64,
            sizes: self.sizes,
        })
    }
}

fn place_page(block: &mut BlockEntry, column: usize, first_meta: usize, meta_columns: usize, place: PageRef) {
    match column {
        0 => block.ts = place,
        1 => block.line = place,
        3 => block.level = (block.levels[0] != block.rows).then_some(place),
        _ if column >= first_meta && column < first_meta + meta_columns => {
            if let Some(page) = &mut block.meta[column - first_meta] {
                *page = place;
            }
        }
        _ if column >= first_meta + meta_columns => {
            if let Some((keys, values)) = &mut block.rest {
                *(if column == first_meta + meta_columns { keys } else { values }) = place;
            }
        }
        _ => {}
    }
}

fn directory_of(streams: &[Arc<LabelSet>], meta_columns: Vec<MetaColumn>, blocks: Vec<BlockEntry>) -> Directory {
    let mut names = Interner::default();
    let mut values = Interner::default();
    let streams = streams
        .iter()
        .map(|labels| labels.iter().map(|(name, value)| (names.number(name), values.number(value))).collect())
        .collect();
    Directory {
        version: SEGMENT_VERSION,
        codec: Codec::None,
        rows: blocks.iter().map(|block| u64::from(block.rows)).sum(),
        line_bytes: blocks.iter().map(|block| block.line_bytes).sum(),
        min_ts_ns: blocks.iter().map(|block| block.min_ts_ns).min().unwrap_or(0),
        max_ts_ns: blocks.iter().map(|block| block.max_ts_ns).max().unwrap_or(0),
        names: names.texts,
        values: values.texts,
        streams,
        meta_columns,
        blocks,
        grams: None,
        sizes: PartSizes::default(),
        parts: Vec::new(),
        more_grams: Vec::new(),
    }
}

#[derive(Default)]
struct Interner {
    numbers: std::collections::HashMap<String, u32>,
    texts: Vec<String>,
}

impl Interner {
    fn number(&mut self, text: &str) -> u32 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let number = self.texts.len() as u32;
        self.numbers.insert(text.to_string(), number);
        self.texts.push(text.to_string());
        number
    }
}

fn close_result(
    chunk: &Chunk,
    column: parquet::schema::types::ColumnDescPtr,
    codec: Codec,
    statistics: Option<Statistics>,
    rows: u64,
) -> Result<ColumnCloseResult> {
    let encoding = match chunk.encoding {
        page::ENCODING_PLAIN => Encoding::PLAIN,
        page::ENCODING_DELTA_BINARY_PACKED => Encoding::DELTA_BINARY_PACKED,
        page::ENCODING_DELTA_LENGTH_BYTE_ARRAY => Encoding::DELTA_LENGTH_BYTE_ARRAY,
        _ => Encoding::RLE_DICTIONARY,
    };
    let mut encodings = vec![encoding, Encoding::RLE];
    if chunk.dictionary_end > 0 {
        encodings.push(Encoding::PLAIN);
    }
    let mut metadata = ColumnChunkMetaData::builder(column)
        .set_encodings(encodings)
        .set_compression(codec.parquet())
        .set_num_values(chunk.values as i64)
        .set_total_compressed_size(chunk.bytes.len() as i64)
        .set_total_uncompressed_size(chunk.raw_bytes as i64)
        .set_data_page_offset(chunk.dictionary_end as i64)
        .set_dictionary_page_offset((chunk.dictionary_end > 0).then_some(0));
    if let Some(statistics) = statistics {
        metadata = metadata.set_statistics(statistics);
    }
    let mut offsets = OffsetIndexBuilder::new();
    for (at, length, rows) in &chunk.pages {
        offsets.append_row_count(*rows as i64);
        offsets.append_offset_and_size(*at as i64, *length as i32);
    }
    Ok(ColumnCloseResult {
        bytes_written: chunk.bytes.len() as u64,
        rows_written: rows,
        metadata: metadata.build().map_err(parquet_error)?,
        bloom_filter: None,
        column_index: None,
        offset_index: Some(offsets.build()),
    })
}

fn parquet_error(error: parquet::errors::ParquetError) -> KernelError {
    match error {
        parquet::errors::ParquetError::External(source) => {
            KernelError::io("segment", std::io::Error::other(source.to_string()))
        }
        error => KernelError::Input(format!("segment: {error}")),
    }
}
