//! LogQL pipelines: compiled once from a plan message, run over blocks of lines and then row by row.

pub mod go_regex;
pub mod literals;
pub mod pattern_syntax;
pub mod plan;
