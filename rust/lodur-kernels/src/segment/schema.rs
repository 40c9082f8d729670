//! The Parquet schema of a segment: which columns there are and what they are called.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use parquet::basic::{LogicalType, Repetition, TimeUnit, Type as PhysicalType};
use parquet::schema::types::{SchemaDescriptor, Type, TypePtr};

use crate::error::{KernelError, Result};
use crate::labels::LabelSet;
use crate::level::LEVEL_NAME;

pub const TIMESTAMP: &str = "timestamp";
pub const LINE: &str = "line";
pub const STREAM: &str = "stream";
pub const REST: &str = "structured_metadata";

/// Label names with a column of their own; the names that most streams have. More would make files that other engines
/// open slowly; Lodur itself reads labels from the stream table, which has them all.
pub const LABEL_COLUMNS_MAX: usize = 200;

/// Columns in the order they are written: timestamp, line, stream, level, labels, metadata, map of rare metadata.
pub struct SegmentSchema {
    pub root: TypePtr,
    pub descriptor: Arc<SchemaDescriptor>,
    /// Label names with a column.
    pub labels: Vec<String>,
}

/// Index of the first label column.
pub const FIRST_LABEL_COLUMN: usize = 4;

impl SegmentSchema {
    pub fn new<'a>(streams: impl Iterator<Item = &'a LabelSet>, meta_names: &[String]) -> Result<Self> {
        let labels = label_columns(streams);
        let mut taken: HashSet<String> =
            [TIMESTAMP, LINE, STREAM, LEVEL_NAME, REST].iter().map(|name| (*name).to_string()).collect();
        let mut fields = vec![
            required(TIMESTAMP, PhysicalType::INT64, Some(LogicalType::timestamp(true, TimeUnit::NANOS)))?,
            required(LINE, PhysicalType::BYTE_ARRAY, Some(LogicalType::String))?,
            required(STREAM, PhysicalType::INT32, None)?,
            optional_text(LEVEL_NAME)?,
        ];
        for name in &labels {
            fields.push(optional_text(&free_name(&mut taken, name, "label_"))?);
        }
        for name in meta_names {
            fields.push(optional_text(&free_name(&mut taken, name, "metadata_"))?);
        }
        fields.push(map_field()?);
        let root = Type::group_type_builder("entries").with_fields(fields).build().map_err(schema_error)?;
        let root = Arc::new(root);
        Ok(SegmentSchema { descriptor: Arc::new(SchemaDescriptor::new(Arc::clone(&root))), root, labels })
    }
}

fn label_columns<'a>(streams: impl Iterator<Item = &'a LabelSet>) -> Vec<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for labels in streams {
        for (name, _) in labels.iter() {
            *counts.entry(name).or_default() += 1;
        }
    }
    let mut names: Vec<(&str, usize)> = counts.into_iter().collect();
    names.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    names.truncate(LABEL_COLUMNS_MAX);
    let mut names: Vec<String> = names.into_iter().map(|(name, _)| name.to_string()).collect();
    names.sort();
    names
}

/// `name`, or with `prefix` (as often as needed) where a column has that name already.
fn free_name(taken: &mut HashSet<String>, name: &str, prefix: &str) -> String {
    let mut free = name.to_string();
    while !taken.insert(free.clone()) {
        free.insert_str(0, prefix);
    }
    free
}

fn required(name: &str, physical: PhysicalType, logical: Option<LogicalType>) -> Result<TypePtr> {
    let field = Type::primitive_type_builder(name, physical)
        .with_repetition(Repetition::REQUIRED)
        .with_logical_type(logical)
        .build();
    field.map(Arc::new).map_err(schema_error)
}

fn optional_text(name: &str) -> Result<TypePtr> {
    let field = Type::primitive_type_builder(name, PhysicalType::BYTE_ARRAY)
        .with_repetition(Repetition::OPTIONAL)
        .with_logical_type(Some(LogicalType::String))
        .build();
    field.map(Arc::new).map_err(schema_error)
}

fn map_field() -> Result<TypePtr> {
    let text = |name| required(name, PhysicalType::BYTE_ARRAY, Some(LogicalType::String));
    let entries = Type::group_type_builder("key_value")
        .with_repetition(Repetition::REPEATED)
        .with_fields(vec![text("key")?, text("value")?])
        .build()
        .map_err(schema_error)?;
    let map = Type::group_type_builder(REST)
        .with_repetition(Repetition::OPTIONAL)
        .with_logical_type(Some(LogicalType::Map))
        .with_fields(vec![Arc::new(entries)])
        .build();
    map.map(Arc::new).map_err(schema_error)
}

fn schema_error(error: parquet::errors::ParquetError) -> KernelError {
    KernelError::Input(format!("segment schema: {error}"))
}
