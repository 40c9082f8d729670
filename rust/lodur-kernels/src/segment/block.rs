//! One block of a segment: from rows in order to the pages of its columns, its grams, and what the directory says of it.
//!
//! Blocks know nothing of each other, so several threads can encode a segment's. Where pages go is `write`'s affair.

use crate::error::{KernelError, Result};
use crate::level::LEVEL_COUNT;
use crate::segment::codec::{Codec, Compressor};
use crate::segment::columns;
use crate::segment::delta;
use crate::segment::directory::{BlockEntry, PageRef, RunBytes, RunEntry};
use crate::segment::escapes::Escapes;
use crate::segment::grams::GramSet;
use crate::segment::page;
use crate::segment::rows::{MetaSource, SortedRow};
use crate::segment::sizes::MetadataSize;

/// Numbers 1.. of `Level` in the dictionary of the level column start at 0.
pub const LEVEL_TEXTS: [&str; LEVEL_COUNT - 1] =
    ["unknown", "trace", "debug", "info", "warn", "error", "critical", "fatal"];

/// A place that is not known before the row group is written; until then only the fact counts that there is one.
pub const UNPLACED: PageRef = PageRef { offset: 0, length: 0 };

/// A column of the segment as far as a block knows it.
#[derive(Clone, Copy, Debug)]
pub enum BlockColumn {
    /// Those before the labels, by number.
    Fixed(usize),
    /// Of those that metadata names have, the number.
    Metadata(usize),
    RestKeys,
    RestValues,
}

/// A page with its header.
pub struct EncodedPage {
    pub column: BlockColumn,
    pub bytes: Vec<u8>,
    pub values: usize,
    pub raw_bytes: usize,
    pub encoding: i32,
}

pub struct EncodedBlock {
    pub entry: BlockEntry,
    pub grams: GramSet,
    pub pages: Vec<EncodedPage>,
}

/// Encodes blocks one after the other.
pub struct BlockEncoder {
    pub compressor: Compressor,
    lines: Compressor,
    plain: Compressor,
    raw: Vec<u8>,
    folded: Vec<u8>,
}

impl BlockEncoder {
    pub fn new(codec: Codec) -> Result<Self> {
        Ok(BlockEncoder {
            compressor: Compressor::new(codec)?,
            lines: Compressor::of_lines(codec)?,
            plain: Compressor::new(Codec::None)?,
            raw: Vec::new(),
            folded: Vec::new(),
        })
    }

    pub fn encode(&mut self, meta: &MetaSource, rows: &[SortedRow<'_>]) -> Result<EncodedBlock> {
        let mut entry = block_entry(rows, meta.columns.len());
        let mut pages = Vec::with_capacity(6 + meta.columns.len());
        let mut raw = std::mem::take(&mut self.raw);
        let at = columns::encode_lines(rows.iter().map(SortedRow::line), &mut raw);
        let lines = &raw[at..];
        entry.line_bytes = lines.len() as u64;
        entry.escapes = Some(Escapes::of_lines(lines));
        let grams = GramSet::collect(lines, rows.iter().map(|row| row.line().len()), &mut self.folded);
        let mut bytes = Vec::new();
        page::write_lines_page(&mut self.lines, &raw, at, rows.len(), &mut bytes)?;
        pages.push(EncodedPage {
            column: BlockColumn::Fixed(1),
            bytes,
            values: rows.len(),
            raw_bytes: raw.len(),
            encoding: page::ENCODING_DELTA_LENGTH_BYTE_ARRAY,
        });
        raw.clear();
        delta::encode(&rows.iter().map(|row| row.ts_ns).collect::<Vec<_>>(), &mut raw);
        let packed = page::ENCODING_DELTA_BINARY_PACKED;
        pages.push(encoded(&mut self.plain, BlockColumn::Fixed(0), &raw, rows.len(), packed)?);
        raw.clear();
        delta::encode(&rows.iter().map(|row| i64::from(row.stream)).collect::<Vec<_>>(), &mut raw);
        pages.push(encoded(&mut self.plain, BlockColumn::Fixed(2), &raw, rows.len(), packed)?);
        let levels: Vec<Option<u32>> = rows.iter().map(|row| u32::from(row.level()).checked_sub(1)).collect();
        columns::encode_numbers(&levels, LEVEL_TEXTS.len(), &mut raw);
        let numbers = page::ENCODING_RLE_DICTIONARY;
        pages.push(encoded(&mut self.compressor, BlockColumn::Fixed(3), &raw, rows.len(), numbers)?);
        self.add_meta(meta, rows, &mut entry, &mut raw, &mut pages)?;
        self.raw = raw;
        Ok(EncodedBlock { entry, grams, pages })
    }

    fn add_meta(
        &mut self,
        meta: &MetaSource,
        rows: &[SortedRow<'_>],
        entry: &mut BlockEntry,
        raw: &mut Vec<u8>,
        pages: &mut Vec<EncodedPage>,
    ) -> Result<()> {
        let by_column = meta.split(rows.iter().map(SortedRow::meta));
        for (number, texts) in by_column.columns.iter().enumerate() {
            let encoding = encode_meta_column(meta, number, texts, raw);
            if texts.iter().any(Option::is_some) {
                entry.meta[number] = Some(UNPLACED);
            }
            pages.push(encoded(&mut self.compressor, BlockColumn::Metadata(number), raw, rows.len(), encoding)?);
        }
        let mut values = Vec::new();
        let entries = columns::encode_map(&by_column.rest, raw, &mut values);
        if by_column.rest.iter().any(|pairs| !pairs.is_empty()) {
            entry.rest = Some((UNPLACED, UNPLACED));
        }
        let plain = page::ENCODING_PLAIN;
        pages.push(encoded(&mut self.compressor, BlockColumn::RestKeys, raw, entries, plain)?);
        pages.push(encoded(&mut self.compressor, BlockColumn::RestValues, &values, entries, plain)?);
        Ok(())
    }
}

/// Encode blocks, with a thread for each encoder.
pub fn encode_all(
    blocks: &[&[SortedRow<'_>]],
    meta: &MetaSource,
    encoders: &mut [BlockEncoder],
) -> Result<Vec<EncodedBlock>> {
    let threads = encoders.len();
    if let [encoder] = encoders {
        return blocks.iter().map(|rows| encoder.encode(meta, rows)).collect();
    }
    std::thread::scope(|scope| {
        let workers: Vec<_> = encoders
            .iter_mut()
            .enumerate()
            .map(|(first, encoder)| {
                let own = blocks.iter().skip(first).step_by(threads);
                scope.spawn(move || own.map(|rows| encoder.encode(meta, rows)).collect::<Result<Vec<_>>>())
            })
            .collect();
        let mut encoded = Vec::with_capacity(threads);
        for worker in workers {
            let blocks = worker.join().map_err(|_| KernelError::Input("a block cannot be encoded".to_owned()))?;
            encoded.push(blocks?.into_iter());
        }
        Ok((0..blocks.len()).filter_map(|place| encoded[place % threads].next()).collect())
    })
}

/// The raw page of a metadata column; gives its encoding.
pub fn encode_meta_column(meta: &MetaSource, number: usize, texts: &[Option<&str>], raw: &mut Vec<u8>) -> i32 {
    match &meta.columns[number].dictionary {
        Some(dictionary) => {
            let numbers: Vec<Option<u32>> =
                texts.iter().map(|text| text.and_then(|text| meta.number(number, text))).collect();
            columns::encode_numbers(&numbers, dictionary.len(), raw);
            page::ENCODING_RLE_DICTIONARY
        }
        None => {
            columns::encode_texts(texts, raw);
            page::ENCODING_DELTA_LENGTH_BYTE_ARRAY
        }
    }
}

/// The page of a column.
pub fn encoded(
    compressor: &mut Compressor,
    column: BlockColumn,
    raw: &[u8],
    values: usize,
    encoding: i32,
) -> Result<EncodedPage> {
    let mut bytes = Vec::new();
    page::write_data_page(compressor, raw, values, encoding, &mut bytes)?;
    Ok(EncodedPage { column, bytes, values, raw_bytes: raw.len(), encoding })
}

fn block_entry(rows: &[SortedRow<'_>], meta_columns: usize) -> BlockEntry {
    let mut entry = BlockEntry {
        rows: rows.len() as u32,
        line_bytes: 0,
        min_ts_ns: i64::MAX,
        max_ts_ns: i64::MIN,
        levels: [0; LEVEL_COUNT],
        runs: Vec::new(),
        ts: UNPLACED,
        line: UNPLACED,
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
