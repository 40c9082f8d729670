//! The disk write-ahead log: accepted pushes of all tenants, durable before they are answered.
//!
//! One directory, one writer. What a payload means is the caller's affair; here it is bytes with a `kind`.
//! Start at `WalWriter::open` (writing) and `Replay` (reading back). Format: docs/formats/wal.md.

mod chain;
mod directory;
mod disk;
mod format;
mod object;
mod reader;
mod replay;
mod writer;

#[cfg(test)]
mod tests;

/// A record's bytes as they are handed over: shared or borrowed from their owner, never copied.
pub use bytes::Bytes as Payload;
pub use chain::WalStats;
pub use disk::{Disk, DiskFiles, LogFile};
pub use format::{MAX_RECORD_BYTES, MAX_TENANT_BYTES};
pub use object::{ObjectRecord, WalObject, decode_object, encode_object};
pub use replay::{Problem, ProblemKind, Record, Replay};
pub use writer::{WalOptions, WalWriter};
