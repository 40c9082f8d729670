//! Write a segment: sort a head generation's rows, cut them into blocks, encode, index.
//!
//! Start at `write_segment`. Rows are sorted by (label set, timestamp, arrival); a block ends after `BLOCK_ROWS` rows or
//! `BLOCK_LINE_BYTES` of lines, and every column has a page boundary there. A row group holds `GROUP_BLOCKS` blocks, so
//! that other engines can read a segment in parallel and only one group is in memory while writing.

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
use crate::level::LEVEL_COUNT;
use crate::segment::codec::{Codec, Compressor};
use crate::segment::columns;
use crate::segment::delta;
use crate::segment::directory::{
    BlockEntry, DIRECTORY_KEY, Directory, MetaColumn, PageRef, PartSizes, RunBytes, RunEntry, SEGMENT_VERSION,
};
use crate::segment::escapes::Escapes;
use crate::segment::grams::{GramSet, slice_filters};
use crate::segment::page;
use crate::segment::rows::{MetaSource, SortedRow, choose_meta_columns, sort_rows};
use crate::segment::schema::{FIRST_LABEL_COLUMN, SegmentSchema};
use crate::segment::sizes::MetadataSize;

/// Rows after which a block ends: small enough that a needle's one block decodes in about a millisecond.
pub const BLOCK_ROWS: usize = 16 << 10;

/// Bytes of lines after which a block ends.
pub const BLOCK_LINE_BYTES: usize = 4 << 20;

/// Blocks in a row group: some 40 MiB of lines, the unit of parallel work of other engines.
const GROUP_BLOCKS: usize = 16;

/// Numbers 1.. of `Level` in the dictionary of the level column start at 0.
const LEVEL_TEXTS: [&str; LEVEL_COUNT - 1] =
    ["unknown", "trace", "debug", "info", "warn", "error", "critical", "fatal"];

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

/// Write the rows of `views` (oldest first) with timestamps in `ts_range` to `out`. None when there are none.
pub fn write_segment<W: Write + Send>(
    views: &[&HeadView],
    ts_range: Range<i64>,
    codec: Codec,
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
    let mut from = 0;
    while from < sorted.rows.len() {
        let until = block_end(&sorted.rows, from);
        writer.add_block(&sorted.rows[from..until])?;
        from = until;
    }
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

/// Writes blocks of rows that come in segment order.
pub struct SegmentWriter<W: Write + Send> {
    file: SerializedFileWriter<W>,
    schema: SegmentSchema,
    streams: Vec<Arc<LabelSet>>,
    meta: MetaSource,
    codec: Codec,
    compressor: Compressor,
    plain: Compressor,
    chunks: Vec<Chunk>,
    /// Blocks of the current row group; pages are placed when the group is written.
    group: Vec<BlockEntry>,
    blocks: Vec<BlockEntry>,
    grams: Vec<GramSet>,
    sizes: PartSizes,
    raw: Vec<u8>,
    folded: Vec<u8>,
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
            compressor: Compressor::new(codec)?,
            plain: Compressor::new(Codec::None)?,
            chunks: Vec::new(),
            group: Vec::new(),
            blocks: Vec::new(),
            grams: Vec::new(),
            sizes: PartSizes::default(),
            raw: Vec::new(),
            folded: Vec::new(),
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

    pub fn add_block(&mut self, rows: &[SortedRow<'_>]) -> Result<()> {
        if self.chunks.is_empty() {
            self.begin_group()?;
        }
        let mut entry = block_entry(rows, self.meta.columns.len());
        let mut raw = std::mem::take(&mut self.raw);
        let at = columns::encode_lines(rows.iter().map(SortedRow::line), &mut raw);
        let lines = &raw[at..];
        entry.line_bytes = lines.len() as u64;
        entry.escapes = Some(Escapes::of_lines(lines));
        self.grams.push(GramSet::collect(lines, &mut self.folded));
        self.add_page(1, &raw, rows.len(), page::ENCODING_DELTA_LENGTH_BYTE_ARRAY, rows.len())?;
        raw.clear();
        delta::encode(&rows.iter().map(|row| row.ts_ns).collect::<Vec<_>>(), &mut raw);
        self.add_page(0, &raw, rows.len(), page::ENCODING_DELTA_BINARY_PACKED, rows.len())?;
        raw.clear();
        delta::encode(&rows.iter().map(|row| i64::from(row.stream)).collect::<Vec<_>>(), &mut raw);
        self.add_page(2, &raw, rows.len(), page::ENCODING_DELTA_BINARY_PACKED, rows.len())?;
        let levels: Vec<Option<u32>> = rows.iter().map(|row| u32::from(row.level()).checked_sub(1)).collect();
        columns::encode_numbers(&levels, LEVEL_TEXTS.len(), &mut raw);
        self.add_page(3, &raw, rows.len(), page::ENCODING_RLE_DICTIONARY, rows.len())?;
        self.add_meta(rows, &mut entry, &mut raw)?;
        self.raw = raw;
        self.group.push(entry);
        if self.group.len() == GROUP_BLOCKS {
            self.end_group()?;
        }
        Ok(())
    }

    fn add_meta(&mut self, rows: &[SortedRow<'_>], entry: &mut BlockEntry, raw: &mut Vec<u8>) -> Result<()> {
        let first = self.first_meta_column();
        let columns_count = self.meta.columns.len();
        let by_column = self.meta.split(rows);
        for number in 0..columns_count {
            let texts = &by_column.columns[number];
            let encoding = match &self.meta.columns[number].dictionary {
                Some(dictionary) => {
                    let numbers: Vec<Option<u32>> =
                        texts.iter().map(|text| text.and_then(|text| self.meta.number(number, text))).collect();
                    columns::encode_numbers(&numbers, dictionary.len(), raw);
                    page::ENCODING_RLE_DICTIONARY
                }
                None => {
                    columns::encode_texts(texts, raw);
                    page::ENCODING_DELTA_LENGTH_BYTE_ARRAY
                }
            };
            if texts.iter().any(Option::is_some) {
                // Placed when the group is written; until then only the fact counts.
                entry.meta[number] = Some(PageRef { offset: 0, length: 0 });
            }
            self.add_page(first + number, raw, rows.len(), encoding, rows.len())?;
        }
        let mut values = Vec::new();
        let entries = columns::encode_map(&by_column.rest, raw, &mut values);
        if by_column.rest.iter().any(|pairs| !pairs.is_empty()) {
            let unplaced = PageRef { offset: 0, length: 0 };
            entry.rest = Some((unplaced, unplaced));
        }
        self.add_page(first + columns_count, raw, entries, page::ENCODING_PLAIN, rows.len())?;
        self.add_page(first + columns_count + 1, &values, entries, page::ENCODING_PLAIN, rows.len())
    }

    /// Timestamps and stream numbers are bit-packed tightly: compressing them again costs time and saves nothing.
    fn is_compressed(column: usize) -> bool {
        column != 0 && column != 2
    }

    fn add_page(&mut self, column: usize, raw: &[u8], values: usize, encoding: i32, rows: usize) -> Result<()> {
        let compressor = if Self::is_compressed(column) { &mut self.compressor } else { &mut self.plain };
        let chunk = &mut self.chunks[column];
        let at = chunk.bytes.len();
        page::write_data_page(compressor, raw, values, encoding, &mut chunk.bytes)?;
        chunk.pages.push((at, chunk.bytes.len() - at, rows));
        chunk.values += values;
        chunk.raw_bytes += raw.len() + 32;
        chunk.encoding = encoding;
        Ok(())
    }

    fn add_dictionary<'d>(&mut self, column: usize, values: impl ExactSizeIterator<Item = &'d str>) -> Result<()> {
        let mut raw = std::mem::take(&mut self.raw);
        let count = values.len();
        columns::encode_dictionary(values, &mut raw);
        let chunk = &mut self.chunks[column];
        page::write_dictionary_page(&mut self.compressor, &raw, count, &mut chunk.bytes)?;
        chunk.dictionary_end = chunk.bytes.len();
        chunk.raw_bytes += raw.len() + 32;
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
        if !self.group.is_empty() {
            self.end_group()?;
        }
        let (filter, grams) = slice_filters(&self.grams, self.file.bytes_written() as u64);
        self.file.write_all(&filter).map_err(|e| KernelError::io("segment", e))?;
        self.sizes.grams = filter.len() as u64;
        let mut directory = directory_of(&self.streams, self.meta.columns, self.blocks);
        directory.codec = self.codec;
        directory.grams = Some(grams);
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

fn block_entry(rows: &[SortedRow<'_>], meta_columns: usize) -> BlockEntry {
    let unplaced = PageRef { offset: 0, length: 0 };
    let mut entry = BlockEntry {
        rows: rows.len() as u32,
        line_bytes: 0,
        min_ts_ns: i64::MAX,
        max_ts_ns: i64::MIN,
        levels: [0; LEVEL_COUNT],
        runs: Vec::new(),
        ts: unplaced,
        line: unplaced,
        level: None,
        meta: vec![None; meta_columns],
        rest: None,
        escapes: None,
    };
    for row in rows {
        entry.min_ts_ns = entry.min_ts_ns.min(row.ts_ns);
        entry.max_ts_ns = entry.max_ts_ns.max(row.ts_ns);
        entry.levels[usize::from(row.level()).min(LEVEL_COUNT - 1)] += 1;
        match entry.runs.last_mut() {
            Some(run) if run.stream == row.stream => {
                run.rows += 1;
                run.last_ts_ns = row.ts_ns;
            }
            _ => {
                entry.runs.push(RunEntry {
                    stream: row.stream,
                    rows: 1,
                    first_ts_ns: row.ts_ns,
                    last_ts_ns: row.ts_ns,
                    bytes: None,
                });
            }
        }
    }
    let mut from = 0;
    for run in &mut entry.runs {
        let until = from + run.rows as usize;
        run.bytes = Some(run_bytes(&rows[from..until]));
        from = until;
    }
    entry
}

fn run_bytes(rows: &[SortedRow<'_>]) -> RunBytes {
    let mut metadata = MetadataSize::default();
    for row in rows {
        metadata.add(0, row.level(), row.meta());
    }
    RunBytes { lines: rows.iter().map(|row| row.line().len() as u64).sum(), metadata: metadata.bytes() }
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
