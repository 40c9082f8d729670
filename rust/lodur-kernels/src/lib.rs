//! Lodur's per-line work: decode pushes, keep them durable, sort and encode segments, index, scan, aggregate.
//!
//! No Python here (see `lodur-native` for that face). Input bytes are hostile everywhere: sizes are checked before
//! allocation and nothing reachable from input panics.

pub mod batch;
pub mod compact;
pub mod deletes;
pub mod error;
pub mod fields;
pub mod head;
pub mod labels;
pub mod level;
pub mod patterns;
pub mod pipeline;
pub mod push;
pub mod rank;
pub mod relabel;
pub mod scan;
pub mod segment;
pub mod wal;

pub fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}
