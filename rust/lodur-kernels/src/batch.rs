//! Rows of one tenant in memory: what decoding a push gives, what the head keeps, what a segment block decodes to.
//!
//! Columns, not rows: a line is a range of one byte buffer, so that a filter can run over many lines at once.

use std::sync::Arc;

use crate::labels::LabelSet;

/// Consecutive rows `start..end` of one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Index into the owner's stream table.
    pub stream: u32,
    pub start: u32,
    pub end: u32,
}

/// One structured-metadata pair of a row: a name of the owner's name table and a range of its value bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetaPair {
    pub name: u32,
    pub start: u32,
    pub end: u32,
}

/// Structured metadata of consecutive rows, without `detected_level` in a normal form (see `Rows::levels`).
#[derive(Clone, Debug, Default)]
pub struct Metadata {
    /// Distinct names, sanitised.
    pub names: Vec<Box<str>>,
    /// Per row the end of its range in `pairs`; empty when no row has any metadata.
    pub ends: Vec<u32>,
    /// Pairs of a row are sorted by name and unique.
    pub pairs: Vec<MetaPair>,
    /// Values, UTF-8.
    pub bytes: Vec<u8>,
}

impl Metadata {
    pub fn pairs_of(&self, row: usize) -> &[MetaPair] {
        if self.ends.is_empty() {
            return &[];
        }
        let start = if row == 0 { 0 } else { self.ends[row - 1] as usize };
        &self.pairs[start..self.ends[row] as usize]
    }

    /// Name and value of each pair of a row.
    pub fn of(&self, row: usize) -> impl Iterator<Item = (&str, &str)> + Clone {
        self.pairs_of(row).iter().map(|pair| (&*self.names[pair.name as usize], self.value(*pair)))
    }

    pub fn value(&self, pair: MetaPair) -> &str {
        // Values are checked to be UTF-8 when rows are made; damage that slipped through reads as empty.
        std::str::from_utf8(&self.bytes[pair.start as usize..pair.end as usize]).unwrap_or("")
    }
}

/// Rows in columns. All vectors describe the same rows in the same order.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    pub ts_ns: Vec<i64>,
    /// Lines one after another without separators, UTF-8.
    pub lines: Vec<u8>,
    /// Per row the end of its line in `lines`; it starts where the previous ends.
    pub line_ends: Vec<u32>,
    /// Per row a `Level` code: `detected_level` in a normal form.
    pub levels: Vec<u8>,
    pub meta: Metadata,
}

impl Rows {
    pub fn len(&self) -> usize {
        self.ts_ns.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ts_ns.is_empty()
    }

    pub fn line_range(&self, row: usize) -> std::ops::Range<usize> {
        let start = if row == 0 { 0 } else { self.line_ends[row - 1] as usize };
        start..self.line_ends[row] as usize
    }

    pub fn line(&self, row: usize) -> &[u8] {
        &self.lines[self.line_range(row)]
    }
}

/// Rows with their streams. `runs` cover all rows without gap, in row order.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    pub streams: Vec<Arc<LabelSet>>,
    pub runs: Vec<Run>,
    pub rows: Rows,
}
