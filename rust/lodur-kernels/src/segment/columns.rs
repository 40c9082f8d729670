//! Pages of each kind of column, from rows to bytes and back.
//!
//! Bodies follow parquet-format's Encodings.md. Optional columns hold definition levels (0 null, 1 value) before their
//! values; the map of rare metadata holds repetition levels too.

use crate::error::{KernelError, Result};
use crate::segment::delta;
use crate::segment::rle;

/// Lengths, then all lines one after another (DELTA_LENGTH_BYTE_ARRAY); returns where in `out` the lines begin.
pub fn encode_lines<'a>(lines: impl Iterator<Item = &'a [u8]> + Clone, out: &mut Vec<u8>) -> usize {
    out.clear();
    delta::encode(&lines.clone().map(|line| line.len() as i64).collect::<Vec<_>>(), out);
    let at = out.len();
    lines.for_each(|line| out.extend_from_slice(line));
    at
}

/// Turn a raw page into row ends; returns where in `raw` the lines begin.
pub fn decode_lines(raw: &[u8], rows: usize, scratch: &mut Vec<i64>, ends: &mut Vec<u32>) -> Result<usize> {
    let at = delta::decode(raw, rows, scratch)?;
    ends.clear();
    ends.reserve(rows);
    let mut end = 0i64;
    for length in scratch.iter() {
        // Lengths are non-negative and their sum is the rest of the page; anything else is damage.
        end = if *length < 0 { i64::MAX } else { end.saturating_add(*length) };
        if end > (raw.len() - at) as i64 {
            return Err(damaged("line lengths pass the page's end"));
        }
        ends.push(end as u32);
    }
    Ok(at)
}

/// Definition levels as data pages of version 1 hold them: length, then the hybrid.
fn write_levels(out: &mut Vec<u8>, encode: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    encode(out);
    let length = (out.len() - at - 4) as u32;
    out[at..at + 4].copy_from_slice(&length.to_le_bytes());
}

fn read_levels<'a>(raw: &'a [u8], max: u32, rows: usize, levels: &mut Vec<u32>) -> Result<&'a [u8]> {
    let (length, rest) = raw.split_first_chunk::<4>().ok_or_else(|| damaged("levels are missing"))?;
    let length = u32::from_le_bytes(*length) as usize;
    let bytes = rest.get(..length).ok_or_else(|| damaged("levels are cut short"))?;
    rle::decode(bytes, rle::bit_width(max), rows, levels)?;
    Ok(&rest[length..])
}

/// A dictionary column from runs of (dictionary number or null, rows): label columns, written run by run.
pub fn encode_runs(runs: &[(Option<u32>, usize)], dictionary_len: usize, out: &mut Vec<u8>) {
    out.clear();
    write_levels(out, |out| {
        for (value, rows) in runs {
            rle::write_repeated(out, u32::from(value.is_some()), *rows, 1);
        }
    });
    let width = rle::bit_width(dictionary_len.saturating_sub(1) as u32).max(1);
    out.push(width as u8);
    for (value, rows) in runs {
        if let Some(value) = value {
            rle::write_repeated(out, *value, *rows, width);
        }
    }
}

/// A dictionary column from a number or null per row.
pub fn encode_numbers(numbers: &[Option<u32>], dictionary_len: usize, out: &mut Vec<u8>) {
    out.clear();
    let present: Vec<u32> = numbers.iter().map(|number| u32::from(number.is_some())).collect();
    write_levels(out, |out| rle::encode(&present, 1, out));
    let width = rle::bit_width(dictionary_len.saturating_sub(1) as u32).max(1);
    out.push(width as u8);
    let values: Vec<u32> = numbers.iter().flatten().copied().collect();
    rle::encode(&values, width, out);
}

/// Per row the dictionary number, or None.
pub fn decode_numbers(raw: &[u8], rows: usize, dictionary_len: usize) -> Result<Vec<Option<u32>>> {
    let mut levels = Vec::new();
    let rest = read_levels(raw, 1, rows, &mut levels)?;
    let (width, packed) = rest.split_first().ok_or_else(|| damaged("dictionary numbers are missing"))?;
    let count = levels.iter().filter(|level| **level == 1).count();
    let mut values = Vec::new();
    rle::decode(packed, u32::from(*width), count, &mut values)?;
    if values.iter().any(|value| *value as usize >= dictionary_len) {
        return Err(damaged("dictionary number is out of range"));
    }
    let mut values = values.into_iter();
    Ok(levels.into_iter().map(|level| if level == 1 { values.next() } else { None }).collect())
}

/// An optional text column without dictionary (DELTA_LENGTH_BYTE_ARRAY).
pub fn encode_texts(texts: &[Option<&str>], out: &mut Vec<u8>) {
    out.clear();
    let present: Vec<u32> = texts.iter().map(|text| u32::from(text.is_some())).collect();
    write_levels(out, |out| rle::encode(&present, 1, out));
    let lengths: Vec<i64> = texts.iter().flatten().map(|text| text.len() as i64).collect();
    delta::encode(&lengths, out);
    for text in texts.iter().flatten() {
        out.extend_from_slice(text.as_bytes());
    }
}

/// Calls `each` with row and text of every row that has one.
pub fn decode_texts(raw: &[u8], rows: usize, mut each: impl FnMut(usize, &str)) -> Result<()> {
    let mut levels = Vec::new();
    let rest = read_levels(raw, 1, rows, &mut levels)?;
    let count = levels.iter().filter(|level| **level == 1).count();
    let (mut lengths, mut ends) = (Vec::new(), Vec::new());
    let at = decode_lines(rest, count, &mut lengths, &mut ends)?;
    let texts = std::str::from_utf8(&rest[at..]).map_err(|_| damaged("text is not UTF-8"))?;
    let mut start = 0;
    let present = levels.iter().enumerate().filter(|(_, level)| **level == 1);
    for ((row, _), end) in present.zip(&ends) {
        let end = *end as usize;
        each(row, texts.get(start..end).ok_or_else(|| damaged("text is not UTF-8"))?);
        start = end;
    }
    Ok(())
}

/// The two leaf pages of the map of rare metadata. `rows[i]` holds the pairs of row i.
pub fn encode_map(rows: &[Vec<(&str, &str)>], keys: &mut Vec<u8>, values: &mut Vec<u8>) -> usize {
    let (mut repetition, mut definition) = (Vec::new(), Vec::new());
    for pairs in rows {
        if pairs.is_empty() {
            repetition.push(0);
            definition.push(0);
        }
        for i in 0..pairs.len() {
            repetition.push(u32::from(i > 0));
            definition.push(2);
        }
    }
    for (out, pick_value) in [(keys, false), (values, true)] {
        out.clear();
        write_levels(out, |out| rle::encode(&repetition, 1, out));
        write_levels(out, |out| rle::encode(&definition, 2, out));
        for (name, value) in rows.iter().flatten() {
            let text = if pick_value { value } else { name };
            out.extend_from_slice(&(text.len() as u32).to_le_bytes());
            out.extend_from_slice(text.as_bytes());
        }
    }
    definition.len()
}

/// Calls `each` with row, name and value of every pair of the map. `values` counts level entries of the pages.
pub fn decode_map(
    keys: &[u8],
    values: &[u8],
    entries: usize,
    rows: usize,
    mut each: impl FnMut(usize, &str, &str),
) -> Result<()> {
    let (mut repetition, mut definition) = (Vec::new(), Vec::new());
    let rest = read_levels(keys, 1, entries, &mut repetition)?;
    let mut names = read_levels(rest, 2, entries, &mut definition)?;
    let rest = read_levels(values, 1, entries, &mut Vec::new())?;
    let mut texts = read_levels(rest, 2, entries, &mut Vec::new())?;
    let mut row = usize::MAX;
    for (repetition, definition) in repetition.iter().zip(&definition) {
        if *repetition == 0 {
            row = row.wrapping_add(1);
        }
        if row >= rows {
            return Err(damaged("metadata map has more rows than its block"));
        }
        if *definition == 2 {
            each(row, take_text(&mut names)?, take_text(&mut texts)?);
        }
    }
    Ok(())
}

fn take_text<'a>(bytes: &mut &'a [u8]) -> Result<&'a str> {
    let (length, rest) = bytes.split_first_chunk::<4>().ok_or_else(|| damaged("text is cut short"))?;
    let length = u32::from_le_bytes(*length) as usize;
    let text = rest.get(..length).ok_or_else(|| damaged("text is cut short"))?;
    *bytes = &rest[length..];
    std::str::from_utf8(text).map_err(|_| damaged("text is not UTF-8"))
}

/// A dictionary page's body: PLAIN texts.
pub fn encode_dictionary<'a>(values: impl IntoIterator<Item = &'a str>, out: &mut Vec<u8>) {
    out.clear();
    for value in values {
        out.extend_from_slice(&(value.len() as u32).to_le_bytes());
        out.extend_from_slice(value.as_bytes());
    }
}

fn damaged(what: &str) -> KernelError {
    KernelError::corrupt("", 0, what)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn texts_and_maps_round_trip(rows in proptest::collection::vec(
            proptest::collection::vec(("[a-c]{1,2}", "\\PC{0,6}"), 0..3), 0..60))
        {
            let borrowed: Vec<Vec<(&str, &str)>> =
                rows.iter().map(|r| r.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect()).collect();
            let (mut keys, mut values) = (Vec::new(), Vec::new());
            let entries = encode_map(&borrowed, &mut keys, &mut values);
            let mut back = vec![Vec::new(); rows.len()];
            decode_map(&keys, &values, entries, rows.len(), |row, name, value| {
                back[row].push((name.to_string(), value.to_string()));
            }).unwrap();
            prop_assert_eq!(&back, &rows);

            let texts: Vec<Option<&str>> = borrowed.iter().map(|r| r.first().map(|(_, v)| *v)).collect();
            let mut raw = Vec::new();
            encode_texts(&texts, &mut raw);
            let mut found: Vec<Option<String>> = vec![None; texts.len()];
            decode_texts(&raw, texts.len(), |row, text| found[row] = Some(text.to_string())).unwrap();
            prop_assert_eq!(found.iter().map(|t| t.as_deref()).collect::<Vec<_>>(), texts);
        }

        #[test]
        fn numbers_round_trip(numbers in proptest::collection::vec(proptest::option::of(0u32..300), 0..400)) {
            let mut raw = Vec::new();
            encode_numbers(&numbers, 300, &mut raw);
            prop_assert_eq!(decode_numbers(&raw, numbers.len(), 300).unwrap(), numbers);
        }

        #[test]
        fn hostile_pages_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..120), rows in 0usize..50) {
            let _ = decode_lines(&bytes, rows, &mut Vec::new(), &mut Vec::new());
            let _ = decode_numbers(&bytes, rows, 5);
            let _ = decode_texts(&bytes, rows, |_, _| {});
            let _ = decode_map(&bytes, &bytes, rows, rows, |_, _, _| {});
        }
    }
}
