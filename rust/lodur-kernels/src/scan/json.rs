//! Results as the JSON that Loki's clients read (loki.md 1.7 to 1.9).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use crate::error::Result;
use crate::labels::{LabelSet, write_go_quoted};
use crate::pipeline::decode_pairs;
use crate::pipeline::go_quote::shown;
use crate::push::time::rfc3339_nanos;
use crate::scan::logs::{Entry, LogResult};
use crate::scan::parallel::Cancel;

/// The array of a `streams` result.
///
/// A stream is one final label set; with `categorize` it is the set of stream labels, and each value has a third member
/// with structured metadata and parsed labels; entries of one time stand in the order of their final label sets then.
/// Streams are ordered by their printed label set, `extra` labels included.
pub fn streams(result: &LogResult, categorize: bool, extra: &[(String, String)]) -> Result<Vec<u8>> {
    let mut by_labels = grouped(result, categorize, extra)?;
    let mut out = Vec::with_capacity(size_hint(result));
    out.push(b'[');
    for (i, (labels, entries)) in by_labels.values_mut().enumerate() {
        if categorize {
            order_ties(entries);
        }
        if i > 0 {
            out.push(b',');
        }
        out.extend_from_slice(b"{\"stream\":");
        write_labels(&mut out, labels);
        out.extend_from_slice(b",\"values\":[");
        for (i, entry) in entries.iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            write_value(&mut out, entry, categorize)?;
        }
        out.extend_from_slice(b"]}");
    }
    out.push(b']');
    Ok(out)
}

/// The array of `streams` of Loki's legacy endpoints: label sets as text, times in RFC 3339.
pub fn legacy_streams(result: &LogResult, extra: &[(String, String)]) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(size_hint(result));
    out.push(b'[');
    for (i, (labels, entries)) in grouped(result, false, extra)?.values().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        out.extend_from_slice(b"{\"labels\":");
        write_text(&mut out, &printed(labels));
        out.extend_from_slice(b",\"entries\":[");
        for (i, entry) in entries.iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            out.extend_from_slice(b"{\"ts\":");
            write_text(&mut out, &rfc3339_nanos(entry.ts_ns));
            out.extend_from_slice(b",\"line\":");
            write_text(&mut out, &shown(&entry.line));
            out.push(b'}');
        }
        out.extend_from_slice(b"]}");
    }
    out.push(b']');
    Ok(out)
}

pub(super) type LabelPairs = BTreeMap<String, String>;

/// Streams by their printed labels: with `categorize` the labels of the stream alone, else all.
type Grouped<'r> = BTreeMap<String, (LabelPairs, Vec<&'r Entry>)>;

fn grouped<'r>(result: &'r LogResult, categorize: bool, extra: &[(String, String)]) -> Result<Grouped<'r>> {
    let mut by_labels = Grouped::new();
    for entry in &result.entries {
        let mut labels = LabelPairs::new();
        let keys: &[&Vec<u8>] =
            if categorize { &[&entry.stream] } else { &[&entry.stream, &entry.metadata, &entry.parsed] };
        for key in keys {
            labels.extend(decode_pairs(key)?);
        }
        for (name, value) in extra {
            if let Some(own) = labels.remove(name) {
                labels.insert(format!("original_{name}"), own);
            }
            labels.insert(name.clone(), value.clone());
        }
        by_labels.entry(printed(&labels)).or_insert_with(|| (labels, Vec::new())).1.push(entry);
    }
    Ok(by_labels)
}

/// Put entries of one stream and time in the order of their final label sets; those of one label set keep theirs.
fn order_ties(entries: &mut [&Entry]) {
    for ties in entries.chunk_by_mut(|a, b| a.ts_ns == b.ts_ns) {
        if ties.len() > 1 {
            ties.sort_by_cached_key(|entry| {
                let keys = [&entry.stream, &entry.metadata, &entry.parsed];
                printed(&keys.into_iter().filter_map(|key| decode_pairs(key).ok()).flatten().collect())
            });
        }
    }
}

/// The label set as it is printed; a label with an empty value is a part of it.
pub(super) fn printed(labels: &LabelPairs) -> String {
    let mut text = String::from("{");
    for (name, value) in labels {
        if text.len() > 1 {
            text.push_str(", ");
        }
        text.push_str(name);
        text.push('=');
        // Writing to a String cannot fail.
        let _ = write_go_quoted(&mut text, value);
    }
    text.push('}');
    text
}

fn size_hint(result: &LogResult) -> usize {
    result.entries.iter().map(|entry| entry.line.len() + 64).sum::<usize>() + 2
}

pub(super) fn write_value(out: &mut Vec<u8>, entry: &Entry, categorize: bool) -> Result<()> {
    out.extend_from_slice(b"[\"");
    out.extend_from_slice(itoa::Buffer::new().format(entry.ts_ns).as_bytes());
    out.extend_from_slice(b"\",");
    write_text(out, &shown(&entry.line));
    if categorize {
        out.extend_from_slice(b",{");
        let mut first = true;
        for (name, key) in [("structuredMetadata", &entry.metadata), ("parsed", &entry.parsed)] {
            if key.is_empty() {
                continue;
            }
            if !first {
                out.push(b',');
            }
            first = false;
            write_text(out, name);
            out.push(b':');
            write_labels(out, &decode_pairs(key)?.into_iter().collect());
        }
        out.push(b'}');
    }
    out.push(b']');
    Ok(())
}

/// Label sets as members of a JSON array, without its brackets; each with one label more, unless it has that already.
pub fn label_sets(all: &[Arc<LabelSet>], extra_label: Option<&(String, String)>, cancel: &Cancel) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    for (i, labels) in all.iter().enumerate() {
        cancel.check()?;
        if i > 0 {
            out.push(b',');
        }
        let mut pairs: Vec<(&str, &str)> = labels.iter().collect();
        if let Some((name, value)) = extra_label.filter(|(name, _)| labels.get(name).is_none()) {
            pairs.push((name, value));
            pairs.sort_unstable();
        }
        out.push(b'{');
        for (i, (name, value)) in pairs.iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            write_text(&mut out, name);
            out.push(b':');
            write_text(&mut out, value);
        }
        out.push(b'}');
    }
    Ok(out)
}

pub(super) fn write_labels(out: &mut Vec<u8>, labels: &LabelPairs) {
    out.push(b'{');
    for (i, (name, value)) in labels.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        write_text(out, name);
        out.push(b':');
        write_text(out, value);
    }
    out.push(b'}');
}

/// A JSON string, with the characters escaped that could end a script in a page.
pub(super) fn write_text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut start = 0;
    for (at, c) in text.char_indices() {
        let escape: &[u8] = match c {
            '"' => b"\\\"",
            '\\' => b"\\\\",
            '\n' => b"\\n",
            '\r' => b"\\r",
            '\t' => b"\\t",
            '<' | '>' | '&' | '\u{0}'..='\u{1f}' | '\u{2028}' | '\u{2029}' => b"",
            _ => continue,
        };
        out.extend_from_slice(&text.as_bytes()[start..at]);
        start = at + c.len_utf8();
        if escape.is_empty() {
            let mut code = String::with_capacity(6);
            // Writing to a String cannot fail.
            let _ = write!(code, "\\u{:04x}", c as u32);
            out.extend_from_slice(code.as_bytes());
        } else {
            out.extend_from_slice(escape);
        }
    }
    out.extend_from_slice(&text.as_bytes()[start..]);
    out.push(b'"');
}

/// The shortest decimal that reads back as the same value, never with an exponent.
pub fn write_number(out: &mut Vec<u8>, value: f64) {
    if value.is_nan() {
        out.extend_from_slice(b"NaN");
    } else if value.is_infinite() {
        out.extend_from_slice(if value > 0.0 { b"+Inf" } else { b"-Inf" });
    } else {
        let mut text = String::new();
        // Rust prints floats in shortest round-trip form without exponent; writing to a String cannot fail.
        let _ = write!(text, "{value}");
        out.extend_from_slice(text.as_bytes());
    }
}

/// A series of a `matrix` result; `times_ms` has a time a step.
pub struct SeriesRow<'a> {
    pub labels: &'a [(String, String)],
    pub values: &'a [f64],
    pub present: &'a [bool],
}

/// The array of a `matrix` result; series without a point are left out.
pub fn matrix<'a>(times_ms: &[i64], series: impl Iterator<Item = SeriesRow<'a>>) -> Vec<u8> {
    let times: Vec<Vec<u8>> = times_ms.iter().map(|ms| seconds_text(*ms)).collect();
    let mut out = vec![b'['];
    for row in series.filter(|row| row.present.iter().any(|yes| *yes)) {
        if out.len() > 1 {
            out.push(b',');
        }
        out.extend_from_slice(b"{\"metric\":");
        write_labels(&mut out, &row.labels.iter().cloned().collect());
        out.extend_from_slice(b",\"values\":[");
        let mut first = true;
        for ((time, value), present) in times.iter().zip(row.values).zip(row.present) {
            if !*present {
                continue;
            }
            if !first {
                out.push(b',');
            }
            first = false;
            out.push(b'[');
            out.extend_from_slice(time);
            out.extend_from_slice(b",\"");
            write_number(&mut out, *value);
            out.extend_from_slice(b"\"]");
        }
        out.extend_from_slice(b"]}");
    }
    out.push(b']');
    out
}

/// Seconds with up to three decimals, no trailing zeros.
fn seconds_text(ms: i64) -> Vec<u8> {
    let mut text = format!("{}", ms / 1000);
    if ms < 0 && ms > -1000 {
        text.insert(0, '-');
    }
    let rest = (ms % 1000).unsigned_abs();
    if rest != 0 {
        text.push('.');
        text.push_str(format!("{rest:03}").trim_end_matches('0'));
    }
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_have_no_exponent() {
        let number = |value| {
            let mut out = Vec::new();
            write_number(&mut out, value);
            String::from_utf8_lossy(&out).into_owned()
        };
        assert_eq!(number(1e-7), "0.0000001");
        assert_eq!(number(1e20), "100000000000000000000");
        assert_eq!(number(2.0), "2");
        assert_eq!(number(f64::NEG_INFINITY), "-Inf");
        let time = |ms| String::from_utf8_lossy(&seconds_text(ms)).into_owned();
        assert_eq!(
            (time(1_730_000_000_120), time(5000), time(-20)),
            ("1730000000.12".into(), "5".into(), "-0.02".into())
        );
    }

    fn entry(ts_ns: i64, m: &str, line: &str) -> Entry {
        let key = |name: &str, value: &str| {
            let length = |text: &str| (text.len() as u32).to_le_bytes();
            [&length(name)[..], name.as_bytes(), &length(value)[..], value.as_bytes()].concat()
        };
        let metadata = if m.is_empty() { Vec::new() } else { key("m", m) };
        Entry { ts_ns, stream: key("app", "x"), metadata, line: line.into(), ..Entry::default() }
    }

    fn text(json: Result<Vec<u8>>) -> String {
        json.map_or_else(|error| error.to_string(), |bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    #[test]
    fn entries_of_one_time_stand_in_the_order_of_their_labels() {
        let entries =
            vec![entry(2, "b", "1"), entry(2, "", "2"), entry(2, "a", "3"), entry(2, "b", "4"), entry(1, "a", "5")];
        let result = LogResult { entries, ..LogResult::default() };
        assert_eq!(
            text(streams(&result, true, &[])),
            r#"[{"stream":{"app":"x"},"values":[["2","3",{"structuredMetadata":{"m":"a"}}],["2","1",{"structuredMetadata":{"m":"b"}}],["2","4",{"structuredMetadata":{"m":"b"}}],["2","2",{}],["1","5",{"structuredMetadata":{"m":"a"}}]]}]"#
        );
    }

    #[test]
    fn legacy_streams_have_labels_and_times_as_text() {
        let result =
            LogResult { entries: vec![entry(1_500_000_000, "a\"", "l\n"), entry(0, "", "0")], ..LogResult::default() };
        assert_eq!(
            text(legacy_streams(&result, &[("t".into(), "u".into())])),
            concat!(
                r#"[{"labels":"{app=\"x\", m=\"a\\\"\", t=\"u\"}","entries":[{"ts":"1970-01-01T00:00:01.5Z","line":"l\n"}]},"#,
                r#"{"labels":"{app=\"x\", t=\"u\"}","entries":[{"ts":"1970-01-01T00:00:00Z","line":"0"}]}]"#
            )
        );
    }

    #[test]
    fn streams_with_an_empty_label_come_before_those_without() {
        let labels = |pairs: &[(&str, &str)]| pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        assert_eq!(printed(&labels(&[("a", "x\""), ("b", "")])), r#"{a="x\"", b=""}"#);
        assert!(printed(&labels(&[("a", "x"), ("b", "")])) < printed(&labels(&[("a", "x")])));
    }

    #[test]
    fn texts_are_escaped() {
        let mut out = Vec::new();
        write_text(&mut out, "a\"<\u{1}é\u{2028}");
        assert_eq!(String::from_utf8_lossy(&out), "\"a\\\"\\u003c\\u0001é\\u2028\"");
    }
}
