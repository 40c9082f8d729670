//! The texts of refusals, literally those of the protocol's reference server.

use std::borrow::Cow;
use std::fmt::Write;

use super::time::rfc3339_seconds;
use crate::labels::write_go_quoted;

/// Bytes of a client's own text that a refusal repeats: two such texts and the words around them fit an answer.
const SHOWN_BYTES_MAX: usize = 6 << 10;

/// A client's text as far as a refusal repeats it: what is wrong is said behind it and must not be cut off with it.
pub(super) fn shown(text: &str) -> Cow<'_, str> {
    if text.len() <= SHOWN_BYTES_MAX {
        return Cow::Borrowed(text);
    }
    let cut = (0..=SHOWN_BYTES_MAX).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    Cow::Owned(format!("{}…", &text[..cut]))
}

/// Label pairs in text form; unlike a label set they may hold a name twice, as a refusal must show them.
pub(super) fn labels_text(pairs: &[(Box<str>, Box<str>)]) -> String {
    let mut out = String::from("{");
    for (i, (name, value)) in pairs.iter().enumerate() {
        if i > 0 {
            out.push_str(", ");
        }
        out.push_str(name);
        out.push('=');
        // Writing to a String cannot fail.
        let _ = write_go_quoted(&mut out, value);
    }
    out.push('}');
    out
}

pub(super) const MISSING_LABELS: &str = "error at least one label pair is required per stream";
pub(super) const NO_STREAMS: &str = "error at least one valid stream is required for ingestion";

pub(super) fn too_old(stream: &str, ts_ns: i64, oldest_ns: i64) -> String {
    let stream = shown(stream);
    let (ts, oldest) = (rfc3339_seconds(ts_ns), rfc3339_seconds(oldest_ns));
    format!("entry for stream '{stream}' has timestamp too old: {ts}, oldest acceptable timestamp is: {oldest}")
}

pub(super) fn too_new(stream: &str, ts_ns: i64) -> String {
    let stream = shown(stream);
    format!("entry for stream '{stream}' has timestamp too new: {}", rfc3339_seconds(ts_ns))
}

pub(super) fn line_too_long(stream: &str, bytes: usize, limit: usize) -> String {
    let stream = shown(stream);
    format!(
        "max entry size '{limit}' bytes exceeded for stream '{stream}' while adding an entry with length '{bytes}' bytes"
    )
}

pub(super) fn too_many_labels(stream: &str, count: usize, limit: usize) -> String {
    let stream = shown(stream);
    format!("entry for stream '{stream}' has {count} label names; limit {limit}")
}

pub(super) fn label_name_too_long(stream: &str, name: &str) -> String {
    let (stream, name) = (shown(stream), shown(name));
    format!("stream '{stream}' has label name too long: '{name}'")
}

pub(super) fn label_value_too_long(stream: &str, value: &str) -> String {
    let (stream, value) = (shown(stream), shown(value));
    format!("stream '{stream}' has label value too long: '{value}'")
}

pub(super) fn duplicate_label(stream: &str, name: &str) -> String {
    let (stream, name) = (shown(stream), shown(name));
    format!("stream '{stream}' has duplicate label name: '{name}'")
}

pub(super) fn invalid_labels(text: &str, reason: &str) -> String {
    let text = shown(text);
    format!("error parsing labels '{text}' with error: {reason}")
}

pub(super) fn metadata_disallowed(stream: &str) -> String {
    let stream = shown(stream);
    format!(
        "stream '{stream}' includes structured metadata, but this feature is disallowed. {}",
        see_limit("allow_structured_metadata", "enable it")
    )
}

pub(super) fn metadata_too_large(stream: &str, bytes: usize, limit: usize) -> String {
    let stream = shown(stream);
    format!(
        "stream '{stream}' has structured metadata too large: '{bytes}' bytes, limit: '{limit}' bytes. {}",
        see_limit("max_structured_metadata_size", "increase it")
    )
}

pub(super) fn metadata_too_many(stream: &str, count: usize, limit: usize) -> String {
    let stream = shown(stream);
    format!(
        "stream '{stream}' has too many structured metadata labels: '{count}', limit: '{limit}'. {}",
        see_limit("max_structured_metadata_entries_count", "increase it")
    )
}

fn see_limit(key: &str, wish: &str) -> String {
    let mut out = String::new();
    let _ = write!(out, "Please see `limits_config.{key}` or contact your Loki administrator to {wish}");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_follows_a_text_of_any_length() {
        let huge = "é".repeat(1 << 20);
        for text in [
            too_many_labels(&huge, 16, 15),
            label_value_too_long(&huge, &huge),
            duplicate_label(&huge, "a"),
            invalid_labels(&huge, "label name"),
            too_old(&huge, 0, 1),
        ] {
            assert!(text.len() < 16 << 10, "{} bytes", text.len());
            assert!(text.contains("label name") || text.contains("too long") || text.contains("too old"));
        }
        assert_eq!(shown("short"), "short");
    }
}
