//! Rows on their way into a segment: in segment order, their structured metadata divided into columns.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use crate::batch::Rows;
use crate::head::HeadView;
use crate::labels::LabelSet;
use crate::segment::directory::MetaColumn;

/// A metadata name on more than one row in this many gets a column of its own.
pub const COLUMN_SHARE: usize = 100;

/// Metadata columns in a segment at most; further names go to the map.
pub const META_COLUMNS_MAX: usize = 64;

/// Distinct values up to which a metadata column is written with a dictionary.
pub const DICTIONARY_MAX: usize = 256;

/// A row of a batch, with its place in the segment's stream table.
#[derive(Clone, Copy)]
pub struct SortedRow<'a> {
    pub stream: u32,
    pub ts_ns: i64,
    rows: &'a Rows,
    row: u32,
}

impl<'a> SortedRow<'a> {
    /// A row of `rows`, of the stream with this number in the segment.
    pub fn new(stream: u32, rows: &'a Rows, row: usize) -> Self {
        SortedRow { stream, ts_ns: rows.ts_ns[row], rows, row: row as u32 }
    }

    pub fn line(&self) -> &'a [u8] {
        self.rows.line(self.row as usize)
    }

    pub fn level(&self) -> u8 {
        self.rows.levels[self.row as usize]
    }

    /// Its structured metadata, without a `detected_level` in a normal form.
    pub fn meta(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        self.rows.meta.of(self.row as usize)
    }
}

/// Rows by (label set, timestamp, arrival) and the streams that occur, sorted.
pub struct SortedRows<'a> {
    pub streams: Vec<Arc<LabelSet>>,
    pub rows: Vec<SortedRow<'a>>,
}

/// Put the rows of the generations with timestamps in `ts_range` in segment order.
pub fn sort_rows<'a>(views: &[&'a HeadView], ts_range: Range<i64>) -> SortedRows<'a> {
    let mut labels: Vec<&Arc<LabelSet>> = views.iter().flat_map(|view| &view.streams).collect();
    labels.sort();
    labels.dedup();
    let places: HashMap<&Arc<LabelSet>, usize> = labels.iter().enumerate().map(|(i, l)| (*l, i)).collect();
    let mut by_stream: Vec<Vec<SortedRow<'a>>> = vec![Vec::new(); labels.len()];
    for view in views {
        let numbers: Vec<usize> = view.streams.iter().map(|labels| places[labels]).collect();
        for batch in &view.batches {
            for run in &batch.runs {
                let place = numbers[run.stream as usize];
                let rows = (run.start..run.end).map(|row| SortedRow {
                    stream: place as u32,
                    ts_ns: batch.rows.ts_ns[row as usize],
                    rows: &batch.rows,
                    row,
                });
                by_stream[place].extend(rows.filter(|row| ts_range.contains(&row.ts_ns)));
            }
        }
    }
    let mut sorted = SortedRows { streams: Vec::new(), rows: Vec::new() };
    for (place, mut rows) in by_stream.into_iter().enumerate() {
        if rows.is_empty() {
            continue;
        }
        if !rows.is_sorted_by_key(|row| row.ts_ns) {
            rows.sort_by_key(|row| row.ts_ns);
        }
        let number = sorted.streams.len() as u32;
        sorted.streams.push(Arc::clone(labels[place]));
        sorted.rows.extend(rows.into_iter().map(|row| SortedRow { stream: number, ..row }));
    }
    sorted
}

/// Which metadata names have columns, and how values are numbered.
pub struct MetaSource {
    pub columns: Vec<MetaColumn>,
    places: HashMap<String, usize>,
    numbers: Vec<HashMap<String, u32>>,
}

/// Metadata of a block's rows by column; `rest` holds what has none.
pub struct MetaByColumn<'a> {
    pub columns: Vec<Vec<Option<&'a str>>>,
    pub rest: Vec<Vec<(&'a str, &'a str)>>,
}

/// Frequent names get columns, the most frequent first; columns of few values get a dictionary.
pub fn choose_meta_columns(sorted: &SortedRows<'_>) -> MetaSource {
    let mut counts: HashMap<&str, (usize, HashSet<&str>)> = HashMap::new();
    for row in &sorted.rows {
        for (name, value) in row.meta() {
            let (count, values) = counts.entry(name).or_default();
            *count += 1;
            if values.len() <= DICTIONARY_MAX {
                values.insert(value);
            }
        }
    }
    let mut frequent: Vec<(&str, (usize, HashSet<&str>))> =
        counts.into_iter().filter(|(_, (count, _))| count * COLUMN_SHARE > sorted.rows.len()).collect();
    frequent.sort_by(|a, b| b.1.0.cmp(&a.1.0).then(a.0.cmp(b.0)));
    frequent.truncate(META_COLUMNS_MAX);
    let columns = frequent.into_iter().map(|(name, (_, values))| {
        let dictionary = (values.len() <= DICTIONARY_MAX).then(|| {
            let mut values: Vec<String> = values.into_iter().map(str::to_string).collect();
            values.sort();
            values
        });
        MetaColumn { name: name.to_string(), dictionary }
    });
    MetaSource::new(columns.collect())
}

impl MetaSource {
    /// The dictionaries must have every value of their columns.
    pub fn new(columns: Vec<MetaColumn>) -> Self {
        let places = columns.iter().enumerate().map(|(number, column)| (column.name.clone(), number)).collect();
        let numbered = |column: &MetaColumn| {
            column.dictionary.iter().flatten().enumerate().map(|(i, value)| (value.clone(), i as u32)).collect()
        };
        let numbers = columns.iter().map(numbered).collect();
        MetaSource { columns, places, numbers }
    }

    /// Dictionary number of a value of a column.
    pub fn number(&self, column: usize, value: &str) -> Option<u32> {
        self.numbers[column].get(value).copied()
    }

    /// Divide the pairs of rows.
    pub fn split<'a, P: Iterator<Item = (&'a str, &'a str)>>(
        &self,
        rows: impl ExactSizeIterator<Item = P>,
    ) -> MetaByColumn<'a> {
        let mut by_column = MetaByColumn {
            columns: vec![vec![None; rows.len()]; self.columns.len()],
            rest: vec![Vec::new(); rows.len()],
        };
        for (i, pairs) in rows.enumerate() {
            for (name, value) in pairs {
                match self.places.get(name) {
                    Some(&column) => by_column.columns[column][i] = Some(value),
                    None => by_column.rest[i].push((name, value)),
                }
            }
        }
        by_column
    }
}
