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

/// An entry: its result, and its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub result: u32,
    pub entry: u32,
}

/// All entries of some results, oldest first.
pub fn in_order(results: &[&LogResult]) -> Vec<Place> {
    let mut places: Vec<(i64, Place)> = Vec::with_capacity(results.iter().map(|result| result.entries.len()).sum());
    for (number, result) in (0..).zip(results) {
        places.extend((0..).zip(&result.entries).map(|(entry, found)| (found.ts_ns, Place { result: number, entry })));
    }
    places.sort_by_key(|(ts_ns, _)| *ts_ns);
    places.into_iter().map(|(_, place)| place).collect()
}

/// The array `streams` of a frame with these entries.
pub fn frame(results: &[&LogResult], places: &[Place], form: TailForm) -> Result<Vec<u8>> {
    let size = places.iter().map(|place| entry_at(results, *place).line.len() + 256).sum::<usize>();
    let mut out = Vec::with_capacity(size + 2);
    let mut labels = LastLabels::default();
    out.push(b'[');
    for (i, place) in places.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        write_entry(&mut out, entry_at(results, *place), form, &mut labels)?;
    }
    out.push(b']');
    Ok(out)
}

/// The member of the array `dropped_entries` that names an entry.
pub fn dropped(results: &[&LogResult], place: Place, form: TailForm) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    write_dropped(&mut out, entry_at(results, place), form)?;
    Ok(out)
}

fn entry_at<'r>(results: &[&'r LogResult], place: Place) -> &'r Entry {
    &results[place.result as usize].entries[place.entry as usize]
}

/// Labels as they were written last: entries of one stream follow each other, and mostly have the same.
#[derive(Default)]
struct LastLabels {
    keys: [Vec<u8>; 3],
    written: Vec<u8>,
}

impl LastLabels {
    /// The JSON object (of the legacy form: the text) of an entry's labels.
    fn of(&mut self, entry: &Entry, form: TailForm) -> Result<&[u8]> {
        let keys = [&entry.stream, &entry.metadata, &entry.parsed];
        if self.written.is_empty() || self.keys.iter().zip(keys).any(|(last, key)| last != key) {
            let labels = labels_of(entry, form == TailForm::Categorized)?;
            self.written.clear();
            if form == TailForm::Legacy {
                write_text(&mut self.written, &printed(&labels));
            } else {
                write_labels(&mut self.written, &labels);
            }
            for (last, key) in self.keys.iter_mut().zip(keys) {
                last.clone_from(key);
            }
        }
        Ok(&self.written)
    }
}

fn write_entry(out: &mut Vec<u8>, entry: &Entry, form: TailForm, labels: &mut LastLabels) -> Result<()> {
    if form == TailForm::Legacy {
        out.extend_from_slice(b"{\"labels\":");
        out.extend_from_slice(labels.of(entry, form)?);
        out.extend_from_slice(b",\"entries\":[{\"ts\":");
        write_text(out, &rfc3339_nanos(entry.ts_ns));
        out.extend_from_slice(b",\"line\":");
        write_text(out, &String::from_utf8_lossy(&entry.line));
        out.extend_from_slice(b"}]}");
    } else {
        out.extend_from_slice(b"{\"stream\":");
        out.extend_from_slice(labels.of(entry, form)?);
        out.extend_from_slice(b",\"values\":[");
        write_value(out, entry, form == TailForm::Categorized)?;
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

    fn text(bytes: &[u8]) -> String {
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[test]
    fn entries_are_sorted_and_named() {
        let (new, old) = (result(&[5, 3]), result(&[4, 1, 2]));
        let results = [&new, &old];
        let places = in_order(&results);
        assert_eq!(places.iter().map(|place| entry_at(&results, *place).ts_ns).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
        let entry = |at: u8| format!("{{\"stream\":{{}},\"values\":[[\"{at}\",\"\\u003cx\\u003e\"]]}}");
        let written = frame(&results, &places[..2], TailForm::Plain).unwrap();
        assert_eq!(text(&written), format!("[{},{}]", entry(1), entry(2)));
        let named = dropped(&results, places[3], TailForm::Plain).unwrap();
        assert_eq!(text(&named), "{\"timestamp\":\"4\",\"labels\":{}}");
    }

    #[test]
    fn labels_are_those_of_each_entry() {
        let mut all = result(&[0, 1, 2]);
        let one = 1u32.to_le_bytes();
        let key = |app: &str| [&one[..], &b"a"[..], &one[..], app.as_bytes()].concat();
        all.entries[1].stream = key("x");
        all.entries[2].stream = key("y");
        let written = text(&frame(&[&all], &in_order(&[&all]), TailForm::Plain).unwrap());
        assert!(written.contains("{\"stream\":{},\"values\":[[\"0\""), "{written}");
        assert!(written.contains("{\"stream\":{\"a\":\"x\"},\"values\":[[\"1\""), "{written}");
        assert!(written.contains("{\"stream\":{\"a\":\"y\"},\"values\":[[\"2\""), "{written}");
    }

    #[test]
    fn the_legacy_form_has_texts() {
        let all = result(&[0, 1]);
        let places = in_order(&[&all]);
        assert_eq!(
            text(&frame(&[&all], &places[..1], TailForm::Legacy).unwrap()),
            "[{\"labels\":\"{}\",\"entries\":[{\"ts\":\"1970-01-01T00:00:00Z\",\"line\":\"\\u003cx\\u003e\"}]}]"
        );
        assert_eq!(
            text(&dropped(&[&all], places[1], TailForm::Legacy).unwrap()),
            "{\"timestamp\":\"1970-01-01T00:00:00.000000001Z\",\"labels\":\"{}\"}"
        );
    }
}
