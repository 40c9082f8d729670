//! The directory of a segment: what Lodur knows of the file beyond Parquet's own footer.
//!
//! It lies between the last column chunk and the footer as zstd-compressed MessagePack; the footer's key-value entry
//! `lodur.directory` says where (see `DirectoryRef`). Described in docs/formats/segment.md.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::error::{KernelError, Result};
use crate::labels::LabelSet;
use crate::level::LEVEL_COUNT;
use crate::segment::codec::{Codec, Decompressor};
use crate::segment::escapes::Escapes;
use crate::segment::grams::GramLayout;

/// Version of the segment format; raised with every change that an old reader would misread.
pub const SEGMENT_VERSION: u32 = 4;

/// Oldest version that this build reads. Version 1 did not say how many bytes a run has, version 2 knew no parts,
/// up to version 3 blocks had one column in the gram filter each.
const SEGMENT_VERSION_MIN: u32 = 1;

/// Key of the footer entry that locates the directory.
pub const DIRECTORY_KEY: &str = "lodur.directory";

/// Largest directory that a reader decodes. 100,000 streams and 1,000 blocks stay far below.
pub const DIRECTORY_BYTES_MAX: u64 = 512 << 20;

const ZSTD_LEVEL: i32 = 3;

/// A page: place in the file and size, header included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageRef {
    pub offset: u64,
    pub length: u32,
}

/// Consecutive rows of one stream in a block, with their first and last timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunEntry {
    pub stream: u32,
    pub rows: u32,
    pub first_ts_ns: i64,
    pub last_ts_ns: i64,
    /// None in segments of version 1.
    #[serde(default)]
    pub bytes: Option<RunBytes>,
}

/// Bytes of a run's lines, and of its structured metadata as `segment::sizes` counts it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunBytes {
    pub lines: u64,
    pub metadata: u64,
}

/// A block: rows that are skipped, fetched and decompressed together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BlockEntry {
    pub rows: u32,
    pub line_bytes: u64,
    pub min_ts_ns: i64,
    pub max_ts_ns: i64,
    /// Rows by `Level` code.
    pub levels: [u32; LEVEL_COUNT],
    pub runs: Vec<RunEntry>,
    pub ts: PageRef,
    pub line: PageRef,
    /// None when no row has a level.
    pub level: Option<PageRef>,
    /// Per metadata column; None when no row of the block has a value.
    pub meta: Vec<Option<PageRef>>,
    /// Key and value pages of the map of rare metadata; None when no row of the block has any.
    pub rest: Option<(PageRef, PageRef)>,
    /// None where nobody looked, as in segments of version 1.
    #[serde(default)]
    pub escapes: Option<Escapes>,
}

/// A structured-metadata name with a column of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetaColumn {
    pub name: String,
    /// Values by dictionary number; None for a column written without dictionary.
    pub dictionary: Option<Vec<String>>,
}

/// Bytes of a segment by part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartSizes {
    pub lines: u64,
    pub timestamps: u64,
    pub labels: u64,
    pub metadata: u64,
    pub grams: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Directory {
    pub version: u32,
    pub codec: Codec,
    pub rows: u64,
    pub line_bytes: u64,
    pub min_ts_ns: i64,
    pub max_ts_ns: i64,
    /// Distinct label names and values; streams are pairs of numbers into them.
    pub names: Vec<String>,
    pub values: Vec<String>,
    pub streams: Vec<Vec<(u32, u32)>>,
    pub meta_columns: Vec<MetaColumn>,
    pub blocks: Vec<BlockEntry>,
    pub grams: Option<GramLayout>,
    pub sizes: PartSizes,
    /// First blocks of the parts after the first. Rows are in order within a part; the rows of a stream are so throughout.
    #[serde(default)]
    pub parts: Vec<u32>,
    /// Filters of the blocks after those of `grams`, in order: where parts came with columns of different lengths.
    #[serde(default)]
    pub more_grams: Vec<GramLayout>,
}

/// Where the directory lies: the value of the footer's `lodur.directory`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirectoryRef {
    pub offset: u64,
    pub length: u64,
    pub raw_length: u64,
    pub crc32c: u32,
}

impl BlockEntry {
    /// Bytes of a run's lines and metadata; where the directory does not say, its share of the block's lines by rows.
    pub fn bytes_of(&self, run: &RunEntry) -> u64 {
        match run.bytes {
            Some(bytes) => bytes.lines.saturating_add(bytes.metadata),
            None => share(self.line_bytes, u64::from(run.rows), u64::from(self.rows)),
        }
    }
}

/// `part` of `whole` parts of a number, rounded down; parts beyond the whole are the whole.
pub fn share(number: u64, part: u64, whole: u64) -> u64 {
    if part >= whole {
        return number;
    }
    let portion = u128::from(number) * u128::from(part) / u128::from(whole);
    u64::try_from(portion).unwrap_or(number)
}

impl DirectoryRef {
    pub fn to_text(self) -> String {
        format!("{} {} {} {:08x}", self.offset, self.length, self.raw_length, self.crc32c)
    }

    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(' ');
        let mut number = || parts.next()?.parse::<u64>().ok();
        let (offset, length, raw_length) = (number()?, number()?, number()?);
        let crc32c = u32::from_str_radix(parts.next()?, 16).ok()?;
        Some(DirectoryRef { offset, length, raw_length, crc32c })
    }
}

impl Directory {
    /// The stored bytes, and where they are once written at `offset`.
    pub fn encode(&self, offset: u64) -> Result<(Vec<u8>, DirectoryRef)> {
        let raw = rmp_serde::to_vec(self).map_err(|e| KernelError::Input(format!("segment directory: {e}")))?;
        let bytes = zstd::bulk::compress(&raw, ZSTD_LEVEL).map_err(|e| KernelError::io("zstd", e))?;
        let place = DirectoryRef {
            offset,
            length: bytes.len() as u64,
            raw_length: raw.len() as u64,
            crc32c: crc32c::crc32c(&bytes),
        };
        Ok((bytes, place))
    }

    pub fn decode(bytes: &[u8], place: DirectoryRef) -> Result<Self> {
        let damaged = |what: &str| KernelError::corrupt("", place.offset, what);
        if crc32c::crc32c(bytes) != place.crc32c {
            return Err(damaged("segment directory checksum does not match"));
        }
        if place.raw_length > DIRECTORY_BYTES_MAX {
            return Err(damaged("segment directory is too large"));
        }
        let mut raw = Vec::new();
        let codec = Codec::Zstd { level: ZSTD_LEVEL };
        Decompressor::default().decompress(codec, bytes, place.raw_length as usize, &mut raw)?;
        let directory: Directory =
            rmp_serde::from_slice(&raw).map_err(|e| damaged(&format!("segment directory: {e}")))?;
        if !(SEGMENT_VERSION_MIN..=SEGMENT_VERSION).contains(&directory.version) {
            return Err(damaged(&format!(
                "segment version {} is not known to this build, which reads {SEGMENT_VERSION_MIN} to {SEGMENT_VERSION}",
                directory.version
            )));
        }
        directory.check().map_err(damaged)?;
        Ok(directory)
    }

    /// Numbers that index other parts are in range, so that readers need not ask again.
    fn check(&self) -> std::result::Result<(), &'static str> {
        let streams_fit = self
            .streams
            .iter()
            .flatten()
            .all(|&(name, value)| (name as usize) < self.names.len() && (value as usize) < self.values.len());
        if !streams_fit {
            return Err("segment directory names a label that is not there");
        }
        for block in &self.blocks {
            let rows: u64 = block.runs.iter().map(|run| u64::from(run.rows)).sum();
            let known = block.runs.iter().all(|run| (run.stream as usize) < self.streams.len());
            if rows != u64::from(block.rows) || !known || block.meta.len() != self.meta_columns.len() {
                return Err("segment directory has a block that does not add up");
            }
        }
        let starts = std::iter::once(&0).chain(&self.parts);
        if !starts.is_sorted_by(|a, b| a < b)
            || self.parts.last().is_some_and(|last| *last as usize >= self.blocks.len())
        {
            return Err("segment directory has parts that are no runs of its blocks");
        }
        if !self.filters().all(GramLayout::is_sound) {
            return Err("segment directory has a gram filter of an impossible size");
        }
        let filtered: u64 = self.filters().map(|layout| u64::from(layout.blocks)).sum();
        if self.filters().next().is_some() && filtered != self.blocks.len() as u64 {
            return Err("segment directory has gram filters of other blocks than its own");
        }
        Ok(())
    }

    /// The gram filters, in the order of their blocks.
    pub fn filters(&self) -> impl Iterator<Item = &GramLayout> {
        self.grams.iter().chain(&self.more_grams)
    }

    /// The blocks of each part.
    pub fn part_blocks(&self) -> impl Iterator<Item = Range<usize>> {
        (0..=self.parts.len()).map(|part| {
            let start = part.checked_sub(1).map_or(0, |before| self.parts[before] as usize);
            start..self.parts.get(part).map_or(self.blocks.len(), |next| *next as usize)
        })
    }

    pub fn label_set(&self, stream: usize) -> LabelSet {
        LabelSet::from_pairs(
            self.streams[stream]
                .iter()
                .map(|&(name, value)| (self.names[name as usize].as_str(), self.values[value as usize].as_str())),
        )
    }
}
