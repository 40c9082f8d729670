//! A block of a segment, made ready for another one: its pages as they lie, compressed, but for what must be written anew.
//!
//! Anew come the numbers of streams, which differ from segment to segment, pages of nulls, to which no directory points, and
//! what of structured metadata has another column or dictionary there. Every page that is copied is checked.

use crate::error::{KernelError, Result};
use crate::segment::block::{BlockColumn, EncodedPage, LEVEL_TEXTS, UNPLACED, encode_meta_column, encoded};
use crate::segment::codec::{Codec, Compressor};
use crate::segment::columns;
use crate::segment::delta;
use crate::segment::directory::{BlockEntry, MetaColumn, PageRef};
use crate::segment::page;
use crate::segment::read::{PageReader, PageSource, Segment};
use crate::segment::rows::{MetaByColumn, MetaSource};

/// Makes blocks ready one after the other.
pub struct BlockCopier {
    codec: Codec,
    compressor: Compressor,
    plain: Compressor,
    reader: PageReader,
    raw: Vec<u8>,
}

/// What the block becomes. Its pages are not placed yet.
pub struct CopiedBlock {
    pub entry: BlockEntry,
    pub pages: Vec<EncodedPage>,
}

impl BlockCopier {
    /// For segments that are compressed with `codec`, before and after.
    pub fn new(codec: Codec) -> Result<Self> {
        Ok(BlockCopier {
            codec,
            compressor: Compressor::new(codec)?,
            plain: Compressor::new(Codec::None)?,
            reader: PageReader::default(),
            raw: Vec::new(),
        })
    }

    /// `numbers` has the other segment's number of each stream, `meta` its metadata columns.
    pub fn copy(
        &mut self,
        (segment, source): (&Segment, &PageSource),
        block: &BlockEntry,
        numbers: &[u32],
        meta: &MetaSource,
    ) -> Result<CopiedBlock> {
        let mut entry = block.clone();
        entry.runs.iter_mut().for_each(|run| run.stream = numbers[run.stream as usize]);
        let rows = block.rows as usize;
        let packed = page::ENCODING_DELTA_BINARY_PACKED;
        let texts = page::ENCODING_DELTA_LENGTH_BYTE_ARRAY;
        let mut pages = vec![
            self.stored(source, block.ts, (BlockColumn::Fixed(0), Codec::None, packed), rows)?,
            self.stored(source, block.line, (BlockColumn::Fixed(1), self.codec, texts), rows)?,
            self.streams(&entry)?,
            self.levels(source, block.level, rows)?,
        ];
        if keeps_columns(&segment.directory.meta_columns, block, &meta.columns) {
            self.add_columns((segment, source), &mut entry, meta, &mut pages)?;
        } else {
            let found = self.reader.metadata(source, segment, block)?;
            let by_column = meta.split((0..rows).map(|row| found.of(row)));
            self.add_split(meta, &by_column, &mut entry, &mut pages)?;
        }
        Ok(CopiedBlock { entry, pages })
    }

    fn streams(&mut self, entry: &BlockEntry) -> Result<EncodedPage> {
        let runs = entry.runs.iter().map(|run| std::iter::repeat_n(i64::from(run.stream), run.rows as usize));
        self.raw.clear();
        delta::encode(&runs.flatten().collect::<Vec<_>>(), &mut self.raw);
        let packed = page::ENCODING_DELTA_BINARY_PACKED;
        encoded(&mut self.plain, BlockColumn::Fixed(2), &self.raw, entry.rows as usize, packed)
    }

    fn stored(
        &mut self,
        source: &PageSource,
        place: PageRef,
        (column, codec, encoding): (BlockColumn, Codec, i32),
        values: usize,
    ) -> Result<EncodedPage> {
        let page = self.stored_values(source, place, (column, codec, encoding))?;
        if page.values == values {
            return Ok(page);
        }
        Err(KernelError::corrupt("", place.offset, "page has another number of values than its block has rows"))
    }

    fn stored_values(
        &mut self,
        source: &PageSource,
        place: PageRef,
        (column, codec, encoding): (BlockColumn, Codec, i32),
    ) -> Result<EncodedPage> {
        let stored = self.reader.stored(source, codec, place)?;
        let mut bytes = Vec::with_capacity(place.length as usize);
        page::write_stored_page(&stored, encoding, &mut bytes);
        Ok(EncodedPage { column, bytes, values: stored.values, raw_bytes: stored.raw_bytes, encoding })
    }

    /// Levels, all null where there is no page of them.
    fn levels(&mut self, source: &PageSource, place: Option<PageRef>, rows: usize) -> Result<EncodedPage> {
        let (column, encoding) = (BlockColumn::Fixed(3), page::ENCODING_RLE_DICTIONARY);
        if let Some(place) = place {
            return self.stored(source, place, (column, self.codec, encoding), rows);
        }
        columns::encode_runs(&[(None, rows)], LEVEL_TEXTS.len(), &mut self.raw);
        encoded(&mut self.compressor, column, &self.raw, rows, encoding)
    }

    /// Metadata of a block whose columns go over each by itself.
    fn add_columns(
        &mut self,
        (segment, source): (&Segment, &PageSource),
        entry: &mut BlockEntry,
        meta: &MetaSource,
        pages: &mut Vec<EncodedPage>,
    ) -> Result<()> {
        let rows = entry.rows as usize;
        let places = std::mem::take(&mut entry.meta);
        for (number, column) in meta.columns.iter().enumerate() {
            let owns = segment.directory.meta_columns.iter().zip(&places);
            let own = owns.filter(|(own, _)| own.name == column.name).find_map(|(own, place)| Some((own, (*place)?)));
            entry.meta.push(own.map(|_| UNPLACED));
            let name = BlockColumn::Metadata(number);
            let page = match own {
                Some((own, place)) if own.dictionary == column.dictionary => {
                    self.stored(source, place, (name, self.codec, encoding_of(column)), rows)?
                }
                Some((own, place)) => {
                    let dictionary = own.dictionary.as_deref().unwrap_or_default();
                    let numbers = self.reader.numbers(source, self.codec, place, (rows, dictionary.len()))?;
                    let texts: Vec<Option<&str>> =
                        numbers.into_iter().map(|number| Some(&*dictionary[number? as usize])).collect();
                    self.column(meta, number, &texts)?
                }
                None => self.column(meta, number, &vec![None; rows])?,
            };
            pages.push(page);
        }
        match entry.rest {
            Some((keys, values)) => {
                let plain = page::ENCODING_PLAIN;
                let keys = self.stored_values(source, keys, (BlockColumn::RestKeys, self.codec, plain))?;
                pages.push(self.stored(source, values, (BlockColumn::RestValues, self.codec, plain), keys.values)?);
                pages.push(keys);
            }
            None => self.add_rest(&vec![Vec::new(); rows], pages)?,
        }
        Ok(())
    }

    /// Metadata that was divided anew.
    fn add_split(
        &mut self,
        meta: &MetaSource,
        by_column: &MetaByColumn<'_>,
        entry: &mut BlockEntry,
        pages: &mut Vec<EncodedPage>,
    ) -> Result<()> {
        let has_text = |texts: &Vec<Option<&str>>| texts.iter().any(Option::is_some).then_some(UNPLACED);
        entry.meta = by_column.columns.iter().map(has_text).collect();
        for (number, texts) in by_column.columns.iter().enumerate() {
            pages.push(self.column(meta, number, texts)?);
        }
        let has_rest = by_column.rest.iter().any(|pairs| !pairs.is_empty());
        entry.rest = has_rest.then_some((UNPLACED, UNPLACED));
        self.add_rest(&by_column.rest, pages)
    }

    fn column(&mut self, meta: &MetaSource, number: usize, texts: &[Option<&str>]) -> Result<EncodedPage> {
        let encoding = encode_meta_column(meta, number, texts, &mut self.raw);
        encoded(&mut self.compressor, BlockColumn::Metadata(number), &self.raw, texts.len(), encoding)
    }

    fn add_rest(&mut self, rest: &[Vec<(&str, &str)>], pages: &mut Vec<EncodedPage>) -> Result<()> {
        let mut values = Vec::new();
        let entries = columns::encode_map(rest, &mut self.raw, &mut values);
        let plain = page::ENCODING_PLAIN;
        pages.push(encoded(&mut self.compressor, BlockColumn::RestKeys, &self.raw, entries, plain)?);
        pages.push(encoded(&mut self.compressor, BlockColumn::RestValues, &values, entries, plain)?);
        Ok(())
    }
}

/// Whether no value of a block changes between columns and the map where it gets these columns.
fn keeps_columns(own: &[MetaColumn], block: &BlockEntry, wanted: &[MetaColumn]) -> bool {
    let is_among = |columns: &[MetaColumn], name: &str| columns.iter().any(|column| column.name == name);
    let mut used = own.iter().zip(&block.meta).filter(|(_, place)| place.is_some());
    let keeps_own = used.all(|(column, _)| is_among(wanted, &column.name));
    keeps_own && (block.rest.is_none() || wanted.iter().all(|column| is_among(own, &column.name)))
}

fn encoding_of(column: &MetaColumn) -> i32 {
    match column.dictionary {
        Some(_) => page::ENCODING_RLE_DICTIONARY,
        None => page::ENCODING_DELTA_LENGTH_BYTE_ARRAY,
    }
}
