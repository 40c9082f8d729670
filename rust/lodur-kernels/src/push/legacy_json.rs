//! The JSON body of old clients: `{"streams":[{"labels":"{…}","entries":[{"ts":"RFC 3339","line":"…"}]}]}`.

use crate::error::Result;

use super::assemble::Assembler;
use super::json::{StreamScan, each_stream, find_members, unparsable_labels};
use super::json_scan::{Scan, Scanner};
use super::label_text::{LabelPairs, parse_labels};
use super::time::parse_rfc3339;

/// Reads all streams. An error refuses the whole body; refused streams and entries are counted.
pub(super) fn read_push(body: &[u8], rows: &mut Assembler<'_>) -> Result<()> {
    let mut line = Vec::new();
    each_stream(body, |scanner| read_stream(scanner, rows, &mut line))
}

fn read_stream(scanner: &mut Scanner<'_>, rows: &mut Assembler<'_>, line_buffer: &mut Vec<u8>) -> StreamScan<()> {
    let (labels, entries) = find_members(scanner, b"labels", b"entries")?;
    let Some(mut entries) = entries else {
        rows.empty_stream();
        return Ok(());
    };
    if entries.accept_null()? {
        rows.empty_stream();
        return Ok(());
    }
    entries.open(b'[', "an array of entries")?;
    let mut stream = None;
    let mut index = 0;
    while entries.next_element(index == 0)? {
        let entry =
            read_entry(&mut entries, line_buffer).map_err(|error| error.within(&format!("entries[{index}]")))?;
        index += 1;
        let Some((ts_ns, line)) = entry else { continue };
        let stream = match &mut stream {
            Some(stream) => stream,
            none => none.insert(rows.open_stream(Ok(read_labels(labels.clone())?))),
        };
        rows.entry(stream, ts_ns, line, &[])?;
    }
    match stream {
        Some(stream) => rows.close_stream(stream),
        None => rows.empty_stream(),
    }
    Ok(())
}

fn read_labels(at: Option<Scanner<'_>>) -> StreamScan<LabelPairs> {
    let text = match at {
        Some(mut at) => at.string("labels, which are a string")?.to_text()?,
        None => "{}".into(),
    };
    Ok(parse_labels(&text).map_err(unparsable_labels)?)
}

/// Time and line; None for an entry that is nothing.
fn read_entry<'a: 'b, 'b>(scanner: &mut Scanner<'a>, line_buffer: &'b mut Vec<u8>) -> Scan<Option<(i64, &'b [u8])>> {
    if scanner.accept_null()? {
        return Ok(None);
    }
    scanner.open(b'{', "an entry object")?;
    let (mut ts_ns, mut line) = (None, None);
    let mut is_first = true;
    while let Some(key) = scanner.next_key(is_first)? {
        is_first = false;
        match key.raw {
            b"ts" => ts_ns = Some(read_ts(scanner)?),
            b"line" => line = Some(scanner.string("a line, which is a string")?),
            _ => drop(scanner.raw_value()?),
        }
    }
    let Some(ts_ns) = ts_ns else {
        return Err(scanner.error("entry without ts"));
    };
    match line {
        Some(line) => Ok(Some((ts_ns, line.text(line_buffer)?))),
        None => Ok(Some((ts_ns, b""))),
    }
}

fn read_ts(scanner: &mut Scanner<'_>) -> Scan<i64> {
    let text = scanner.string("an RFC 3339 time as ts")?.to_cow()?;
    parse_rfc3339(&text).ok_or_else(|| {
        let shown: String = String::from_utf8_lossy(&text).chars().take(40).collect();
        scanner.error(format!("ts is no RFC 3339 time between 1678 and 2261: \"{shown}\""))
    })
}
