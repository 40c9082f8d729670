//! The JSON body: `{"streams":[{"stream":{…},"values":[["ns","line",{…}]]}]}`.
//!
//! The odd rules of the format are those of the reference server: label values of any type become text, `null` entries
//! and elements after the third are passed over, unknown keys too, and so is everything after the document.

use crate::error::{KernelError, Result};

use super::assemble::{Assembler, OpenStream};
use super::json_scan::{JsonError, Scan, Scanner};
use super::label_text::{LabelPairs, is_label_name, parse_labels};
use super::metadata::RawPair;
use super::text::labels_text;

/// Reads all streams. An error refuses the whole body; refused streams and entries are counted.
pub(super) fn read_push(body: &[u8], rows: &mut Assembler<'_>) -> Result<()> {
    // Memory that the entries share.
    let (mut line, mut pairs) = (Vec::new(), Vec::new());
    each_stream(body, |scanner| read_stream(scanner, rows, &mut line, &mut pairs))
}

/// Calls `read_stream` before each element of `streams`, which it must read.
pub(super) fn each_stream<'a>(
    body: &'a [u8],
    mut read_stream: impl FnMut(&mut Scanner<'a>) -> StreamScan<()>,
) -> Result<()> {
    let mut scanner = Scanner::new(body);
    if scanner.peek().is_none() {
        return Err(KernelError::InvalidRequest("EOF".to_owned()));
    }
    if scanner.accept_null()? {
        return Ok(());
    }
    scanner.open(b'{', "an object with streams")?;
    let mut is_first = true;
    while let Some(key) = scanner.next_key(is_first)? {
        is_first = false;
        if key.raw != b"streams" {
            scanner.raw_value()?;
            continue;
        }
        if scanner.accept_null()? {
            continue;
        }
        scanner.open(b'[', "an array of streams")?;
        let mut index = 0;
        while scanner.next_element(index == 0)? {
            read_stream(&mut scanner).map_err(|error| error.within(index))?;
            index += 1;
        }
    }
    Ok(())
}

/// An error of the text, which is given its stream's number, or another.
pub(super) enum StreamError {
    Text(JsonError),
    Other(KernelError),
}

pub(super) type StreamScan<T> = std::result::Result<T, StreamError>;

impl From<JsonError> for StreamError {
    fn from(error: JsonError) -> Self {
        StreamError::Text(error)
    }
}

impl From<KernelError> for StreamError {
    fn from(error: KernelError) -> Self {
        StreamError::Other(error)
    }
}

impl StreamError {
    fn within(self, stream: usize) -> KernelError {
        match self {
            StreamError::Text(error) => error.within(&format!("streams[{stream}]")).into(),
            StreamError::Other(error) => error,
        }
    }
}

/// Places of the two members of a stream, which may stand in any order; of several the last counts.
pub(super) fn find_members<'a>(
    scanner: &mut Scanner<'a>,
    labels_key: &[u8],
    entries_key: &[u8],
) -> Scan<(Option<Scanner<'a>>, Option<Scanner<'a>>)> {
    let (mut labels, mut entries) = (None, None);
    scanner.open(b'{', "a stream object")?;
    let mut is_first = true;
    while let Some(key) = scanner.next_key(is_first)? {
        is_first = false;
        if key.raw == labels_key {
            labels = Some(scanner.clone());
        } else if key.raw == entries_key {
            entries = Some(scanner.clone());
        }
        scanner.raw_value()?;
    }
    Ok((labels, entries))
}

fn read_stream<'a>(
    scanner: &mut Scanner<'a>,
    rows: &mut Assembler<'_>,
    line_buffer: &mut Vec<u8>,
    pairs: &mut Vec<RawPair<'a>>,
) -> StreamScan<()> {
    let (labels, values) = find_members(scanner, b"stream", b"values")?;
    let labels = labels.map(|mut at| read_label_object(&mut at)).transpose()?;
    let Some(mut values) = values else {
        rows.empty_stream();
        return Ok(());
    };
    if values.accept_null()? {
        rows.empty_stream();
        return Ok(());
    }
    values.open(b'[', "an array of values")?;
    let mut stream = None;
    let mut labels = labels.unwrap_or_default();
    let mut index = 0;
    while values.next_element(index == 0)? {
        let entry = read_entry(&mut values, line_buffer, pairs);
        let entry = entry.map_err(|error| error.within(&format!("values[{index}]")))?;
        index += 1;
        let Some((ts_ns, line)) = entry else { continue };
        let stream = match &mut stream {
            Some(stream) => stream,
            none => none.insert(open(rows, std::mem::take(&mut labels))?),
        };
        rows.entry(stream, ts_ns, line, pairs)?;
    }
    match stream {
        Some(stream) => rows.close_stream(stream),
        None => rows.empty_stream(),
    }
    Ok(())
}

fn open(rows: &mut Assembler<'_>, labels: LabelPairs) -> Result<OpenStream> {
    Ok(rows.open_stream(Ok(checked_names(labels)?)))
}

/// Names of a JSON object can be anything; those that are no label names are refused as their text form is.
fn checked_names(mut pairs: LabelPairs) -> Result<LabelPairs> {
    // Of equal names the last one counts, as in any object. Sorting keeps their order, and `dedup_by` drops its first
    // argument, so the later value is moved into the earlier pair.
    pairs.sort_by(|a, b| a.0.cmp(&b.0));
    pairs.dedup_by(|later, earlier| {
        let same = later.0 == earlier.0;
        if same {
            std::mem::swap(later, earlier);
        }
        same
    });
    if pairs.iter().all(|(name, _)| is_label_name(name)) {
        return Ok(pairs);
    }
    parse_labels(&labels_text(&pairs)).map_err(unparsable_labels)
}

pub(super) fn unparsable_labels(reason: String) -> KernelError {
    KernelError::InvalidRequest(format!("couldn't parse labels: {reason}"))
}

fn read_label_object(scanner: &mut Scanner<'_>) -> Scan<LabelPairs> {
    scanner.open(b'{', "an object of labels")?;
    let mut pairs = LabelPairs::new();
    while let Some(name) = scanner.next_key(pairs.is_empty())? {
        let value = match scanner.peek() {
            Some(b'"') => scanner.string("a label value")?.to_text()?,
            _ => String::from_utf8_lossy(scanner.raw_value()?).into(),
        };
        pairs.push((name.to_text()?, value));
    }
    Ok(pairs)
}

/// Time and line, with the metadata in `pairs`; None for an entry that is nothing.
fn read_entry<'a: 'b, 'b>(
    scanner: &mut Scanner<'a>,
    line_buffer: &'b mut Vec<u8>,
    pairs: &mut Vec<RawPair<'a>>,
) -> Scan<Option<(i64, &'b [u8])>> {
    if scanner.accept_null()? {
        return Ok(None);
    }
    scanner.open(b'[', "an array of timestamp and line")?;
    pairs.clear();
    if !scanner.next_element(true)? {
        return Ok(None);
    }
    let ts_ns = read_ts(scanner)?;
    if !scanner.next_element(false)? {
        return Ok(Some((ts_ns, b"")));
    }
    let line = scanner.string("a line, which is a string")?;
    if scanner.next_element(false)? {
        read_metadata(scanner, pairs)?;
        while scanner.next_element(false)? {
            scanner.raw_value()?;
        }
    }
    Ok(Some((ts_ns, line.text(line_buffer)?)))
}

fn read_ts(scanner: &mut Scanner<'_>) -> Scan<i64> {
    const NEEDED: &str = "a string of decimal nanoseconds as timestamp";
    // The second half is the decoder text that clients of the reference know.
    const TEXT: &str = "timestamp is no string of decimal nanoseconds \
        (Value looks like Number/Boolean/None, but can't find its end: ',' or '}' symbol)";
    if scanner.peek() != Some(b'"') {
        let unexpected = scanner.unexpected(NEEDED).what;
        return Err(scanner.error(format!("{TEXT}: {unexpected}")));
    }
    let mut before = scanner.clone();
    let text = scanner.string(NEEDED)?;
    match parse_decimal(text.raw) {
        Some(ts_ns) => Ok(ts_ns),
        None => {
            before.peek();
            let shown: String = String::from_utf8_lossy(text.raw).chars().take(40).collect();
            Err(before.error(format!("{TEXT}: \"{shown}\"")))
        }
    }
}

fn parse_decimal(digits: &[u8]) -> Option<i64> {
    let (negative, digits) = match digits.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, digits),
    };
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0i64, |value, &b| {
        let digit = b.is_ascii_digit().then(|| i64::from(b - b'0'))?;
        let value = value.checked_mul(10)?;
        if negative { value.checked_sub(digit) } else { value.checked_add(digit) }
    })
}

fn read_metadata<'a>(scanner: &mut Scanner<'a>, pairs: &mut Vec<RawPair<'a>>) -> Scan<()> {
    scanner.open(b'{', "an object of structured metadata")?;
    while let Some(name) = scanner.next_key(pairs.is_empty())? {
        let value = scanner.string("a metadata value, which is a string")?;
        pairs.push(RawPair { name: name.to_cow()?, value: value.to_cow()? });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals() {
        assert_eq!(parse_decimal(b"1768471300000000000"), Some(1_768_471_300_000_000_000));
        assert_eq!(parse_decimal(b"-9223372036854775808"), Some(i64::MIN));
        for bad in ["", "-", "1.5", "abc", "9223372036854775808", "+1", " 1"] {
            assert_eq!(parse_decimal(bad.as_bytes()), None, "{bad}");
        }
    }
}
