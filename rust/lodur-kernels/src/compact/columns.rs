//! The metadata columns of a merged segment, from what its inputs have and without decoding their columns.

use std::collections::{BTreeSet, HashMap};

use crate::compact::cursor::without_deleted;
use crate::compact::merge::Input;
use crate::deletes::Prepared;
use crate::error::Result;
use crate::scan::load::BlockRun;
use crate::segment::directory::MetaColumn;
use crate::segment::read::{PageReader, PageSource, Segment};
use crate::segment::rows::{COLUMN_SHARE, DICTIONARY_MAX, META_COLUMNS_MAX};

/// What is known of a metadata name.
struct Found {
    /// Rows that have it; where an input has a column for it, those of the column's blocks.
    rows: u64,
    /// All values; None where they are too many for a dictionary.
    values: Option<BTreeSet<String>>,
}

impl Found {
    fn add_value(&mut self, value: &str) {
        if let Some(values) = &mut self.values {
            if !values.contains(value) {
                values.insert(value.to_string());
            }
            if values.len() > DICTIONARY_MAX {
                self.values = None;
            }
        }
    }
}

/// Names on more than one row in `COLUMN_SHARE` get a column, those of few values with a dictionary of all of them.
///
/// Of inputs with delete requests all rows are read: no value of a deleted entry may stay in a dictionary.
pub fn merged_columns(inputs: &[Input<'_>]) -> Result<Vec<MetaColumn>> {
    let mut found: HashMap<String, Found> = HashMap::new();
    let mut reader = PageReader::default();
    for (segment, source, deletes) in inputs {
        if let Some(deletes) = deletes.and_then(|deletes| Prepared::of(deletes, &segment.streams)) {
            add_kept_rows(segment, source, &deletes, &mut found).map_err(|error| error.in_file(&segment.path))?;
            continue;
        }
        add_columns(segment, &mut found);
        for block in &segment.directory.blocks {
            reader
                .rest(source, segment, block, |name, value| {
                    let known = found.entry(name.to_string()).or_insert_with(empty);
                    known.rows += 1;
                    known.add_value(value);
                })
                .map_err(|error| error.in_file(&segment.path))?;
        }
    }
    let total: u64 = inputs.iter().map(|(segment, ..)| segment.directory.rows).sum();
    let mut frequent: Vec<(String, Found)> =
        found.into_iter().filter(|(_, found)| found.rows * COLUMN_SHARE as u64 > total).collect();
    frequent.sort_by(|a, b| b.1.rows.cmp(&a.1.rows).then_with(|| a.0.cmp(&b.0)));
    frequent.truncate(META_COLUMNS_MAX);
    let column = |(name, found): (String, Found)| {
        let dictionary = found.values.map(|values| values.into_iter().collect());
        MetaColumn { name, dictionary }
    };
    Ok(frequent.into_iter().map(column).collect())
}

fn empty() -> Found {
    Found { rows: 0, values: Some(BTreeSet::new()) }
}

fn add_kept_rows(
    segment: &Segment,
    source: &PageSource,
    deletes: &Prepared,
    found: &mut HashMap<String, Found>,
) -> Result<()> {
    let mut reader = PageReader::default();
    let mut deleted = vec![0; deletes.count()];
    for (number, block) in segment.directory.blocks.iter().enumerate() {
        if block.rest.is_none() && block.meta.iter().all(Option::is_none) {
            continue;
        }
        let rows = reader.rows(source, segment, block)?;
        let mut at = 0;
        let runs = block.runs.iter().map(|run| {
            let start = at;
            at += run.rows as usize;
            BlockRun { stream: run.stream, start, end: at }
        });
        let runs: Vec<BlockRun> = runs.collect();
        let kept = without_deleted(deletes, (segment, source), number, &runs, &rows, &mut deleted)?;
        for row in kept.iter().flat_map(|run| run.start..run.end) {
            for (name, value) in rows.meta.of(row) {
                if !found.contains_key(name) {
                    found.insert(name.to_string(), empty());
                }
                if let Some(known) = found.get_mut(name) {
                    known.rows += 1;
                    known.add_value(value);
                }
            }
        }
    }
    Ok(())
}

fn add_columns(segment: &Segment, found: &mut HashMap<String, Found>) {
    for (number, column) in segment.directory.meta_columns.iter().enumerate() {
        let known = found.entry(column.name.clone()).or_insert_with(empty);
        let blocks = segment.directory.blocks.iter().filter(|block| block.meta[number].is_some());
        known.rows += blocks.map(|block| u64::from(block.rows)).sum::<u64>();
        match &column.dictionary {
            Some(dictionary) => dictionary.iter().for_each(|value| known.add_value(value)),
            None => known.values = None,
        }
    }
}
