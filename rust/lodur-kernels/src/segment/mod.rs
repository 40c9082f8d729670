//! Segments: plain Parquet files with an index of ours inside. Format: docs/formats/segment.md.

pub(crate) mod block;
pub mod codec;
pub mod columns;
pub mod copied;
pub mod delta;
pub mod directory;
pub mod escapes;
pub mod gram_join;
pub mod grams;
pub mod log_matches;
pub mod page;
pub mod read;
pub mod rle;
pub mod rows;
pub mod schema;
mod sequences;
pub mod sizes;
pub mod steady;
pub mod write;
