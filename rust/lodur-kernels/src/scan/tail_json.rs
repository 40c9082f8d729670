//! Entries as the frames of a live tail (loki.md 1.16): each entry a stream of its own, in the order of their times.

use crate::error::Result;
use crate::pipeline::decode_pairs;
use crate::push::time::rfc3339_nanos;
use crate::scan::json::{LabelPairs, printed, write_labels, write_text, write_value};
use crate::scan::logs::{Entry, LogResult};

/// How a client wants to see entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TailForm {
    Plain,
    /// Values of three members, the third with structured metadata and parsed labels.
    Categorized,
    /// Label sets as text, times in RFC 3339.
    Legacy,
}

/// How much goes into frames, and how much of the rest is named.
#[derive(Clone, Copy, Debug)]
pub struct TailSizes {
    pub per_frame: usize,
    pub entries_max: usize,
    pub dropped_max: usize,
}

/// What a client is sent, and what it is told that it is not.
#[derive(Debug, Default)]
pub struct TailFrames {
    /// The arrays `streams` of frames, oldest entries first.
    pub frames: Vec<Vec<u8>>,
    /// The members of the array `dropped_entries`, oldest first.
    pub dropped: Vec<Vec<u8>>,
}

/// The frames of all entries of some results: the oldest `entries_max`, and the names of those after them.
pub fn tail_frames(results: &[&LogResult], form: TailForm, sizes: TailSizes) -> Result<TailFrames> {
    let mut entries: Vec<&Entry> = results.iter().flat_map(|result| &result.entries).collect();
    entries.sort_by_key(|entry| entry.ts_ns);
    let (sent, rest) = entries.split_at(entries.len().min(sizes.entries_max));
    let mut out = TailFrames::default();
    for frame in sent.chunks(sizes.per_frame.max(1)) {
        out.frames.push(write_array(frame, |out, entry| write_entry(out, entry, form))?);
    }
    for entry in rest.iter().take(sizes.dropped_max) {
        let mut one = Vec::new();
        write_dropped(&mut one, entry, form)?;
        out.dropped.push(one);
    }
    Ok(out)
}

fn write_array(entries: &[&Entry], write: impl Fn(&mut Vec<u8>, &Entry) -> Result<()>) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(entries.iter().map(|entry| entry.line.len() + 256).sum::<usize>() + 2);
    out.push(b'[');
    for (i, entry) in entries.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        write(&mut out, entry)?;
    }
    out.push(b']');
    Ok(out)
}

fn write_entry(out: &mut Vec<u8>, entry: &Entry, form: TailForm) -> Result<()> {
    let categorize = form == TailForm::Categorized;
    let labels = labels_of(entry, categorize)?;
    if form == TailForm::Legacy {
        out.extend_from_slice(b"{\"labels\":");
        write_text(out, &printed(&labels));
        out.extend_from_slice(b",\"entries\":[{\"ts\":");
        write_text(out, &rfc3339_nanos(entry.ts_ns));
        out.extend_from_slice(b",\"line\":");
        write_text(out, &String::from_utf8_lossy(&entry.line));
        out.extend_from_slice(b"}]}");
    } else {
        out.extend_from_slice(b"{\"stream\":");
        write_labels(out, &labels);
        out.extend_from_slice(b",\"values\":[");
        write_value(out, entry, categorize)?;
        out.extend_from_slice(b"]}");
    }
    Ok(())
}

fn write_dropped(out: &mut Vec<u8>, entry: &Entry, form: TailForm) -> Result<()> {
    let labels = labels_of(entry, form == TailForm::Categorized)?;
    out.extend_from_slice(b"{\"timestamp\":");
    if form == TailForm::Legacy {
        write_text(out, &rfc3339_nanos(entry.ts_ns));
        out.extend_from_slice(b",\"labels\":");
        write_text(out, &printed(&labels));
    } else {
        write_text(out, &entry.ts_ns.to_string());
        out.extend_from_slice(b",\"labels\":");
        write_labels(out, &labels);
    }
    out.push(b'}');
    Ok(())
}

fn labels_of(entry: &Entry, categorize: bool) -> Result<LabelPairs> {
    let keys: &[&Vec<u8>] =
        if categorize { &[&entry.stream] } else { &[&entry.stream, &entry.metadata, &entry.parsed] };
    let mut labels = LabelPairs::new();
    for key in keys {
        labels.extend(decode_pairs(key)?);
    }
    Ok(labels)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn result(times_ns: &[i64]) -> LogResult {
        let entries =
            times_ns.iter().map(|&ts_ns| Entry { ts_ns, line: b"<x>".to_vec(), ..Entry::default() }).collect();
        LogResult { entries, ..LogResult::default() }
    }

    fn texts(parts: &[Vec<u8>]) -> Vec<String> {
        parts.iter().map(|part| String::from_utf8(part.clone()).unwrap()).collect()
    }

    #[test]
    fn entries_are_sorted_cut_and_named() {
        let (new, old) = (result(&[5, 3]), result(&[4, 1, 2]));
        let sizes = TailSizes { per_frame: 2, entries_max: 3, dropped_max: 1 };
        let written = tail_frames(&[&new, &old], TailForm::Plain, sizes).unwrap();
        let entry = |at: u8| format!("{{\"stream\":{{}},\"values\":[[\"{at}\",\"\\u003cx\\u003e\"]]}}");
        assert_eq!(texts(&written.frames), [format!("[{},{}]", entry(1), entry(2)), format!("[{}]", entry(3))]);
        assert_eq!(texts(&written.dropped), ["{\"timestamp\":\"4\",\"labels\":{}}"]);
    }

    #[test]
    fn the_legacy_form_has_texts() {
        let sizes = TailSizes { per_frame: 100, entries_max: 1, dropped_max: 9 };
        let written = tail_frames(&[&result(&[0, 1])], TailForm::Legacy, sizes).unwrap();
        assert_eq!(
            texts(&written.frames),
            ["[{\"labels\":\"{}\",\"entries\":[{\"ts\":\"1970-01-01T00:00:00Z\",\"line\":\"\\u003cx\\u003e\"}]}]"]
        );
        assert_eq!(texts(&written.dropped), ["{\"timestamp\":\"1970-01-01T00:00:00.000000001Z\",\"labels\":\"{}\"}"]);
    }

    #[test]
    fn nothing_makes_no_frame() {
        let sizes = TailSizes { per_frame: 100, entries_max: 100, dropped_max: 100 };
        let written = tail_frames(&[], TailForm::Categorized, sizes).unwrap();
        assert!(written.frames.is_empty() && written.dropped.is_empty());
    }
}
