//! Rows of tests, and the batch that holds them.

use std::sync::Arc;

use lodur_kernels::batch::{Batch, MetaPair, Rows, Run};
use lodur_kernels::labels::LabelSet;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Row {
    pub stream: u8,
    pub ts_ns: i64,
    pub line: String,
    pub level: u8,
    pub meta: Vec<(String, String)>,
}

fn labels(number: u8) -> LabelSet {
    LabelSet::from_pairs([("app", format!("a{}", number / 2)), ("pod", format!("p{number}"))])
}

pub fn batch_of(rows: &[Row]) -> Batch {
    let streams = (0..5u8).map(|number| Arc::new(labels(number))).collect();
    let mut batch = Batch { streams, ..Batch::default() };
    for (at, row) in rows.iter().enumerate() {
        batch.runs.push(Run { stream: u32::from(row.stream), start: at as u32, end: at as u32 + 1 });
        let columns: &mut Rows = &mut batch.rows;
        columns.ts_ns.push(row.ts_ns);
        columns.lines.extend_from_slice(row.line.as_bytes());
        columns.line_ends.push(columns.lines.len() as u32);
        columns.levels.push(row.level);
        for (name, value) in &row.meta {
            let known = columns.meta.names.iter().position(|known| **known == **name);
            let number = known.unwrap_or_else(|| {
                columns.meta.names.push(name.as_str().into());
                columns.meta.names.len() - 1
            });
            let start = columns.meta.bytes.len() as u32;
            columns.meta.bytes.extend_from_slice(value.as_bytes());
            columns.meta.pairs.push(MetaPair { name: number as u32, start, end: columns.meta.bytes.len() as u32 });
        }
        columns.meta.ends.push(columns.meta.pairs.len() as u32);
    }
    batch
}
