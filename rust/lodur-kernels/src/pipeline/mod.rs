//! LogQL pipelines: compiled once from a plan message, run over blocks of lines and then row by row.

pub mod bitmap;
pub mod go_regex;
mod ip;
mod label_name;
mod line_filter;
pub mod literals;
mod page_search;
mod pattern_filter;
pub mod pattern_syntax;
pub mod plan;
