//! Pushes of log entries: bodies to rows, rows to bodies.
//!
//! Rate and stream-count limits are left to the caller (they need state across requests); everything that one body
//! alone decides is decided here. Start reading at `lines` for the sending side.

pub mod lines;
mod wire;
