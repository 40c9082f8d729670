//! Work on segments as a whole: merge several into one, say what of them has expired, check every byte.
//!
//! Which segments are merged and what becomes of the files is Python's business. Start at `merge::merge_segments`.

pub mod columns;
pub mod copy;
pub mod cursor;
pub mod keep;
pub mod merge;
pub mod verify;
