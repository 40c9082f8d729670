//! `logproto.PushRequest`: the body that agents send, read by hand so that no entry is allocated.

use std::borrow::Cow;

use crate::error::{KernelError, Result};

use super::assemble::{Assembler, OpenStream};
use super::label_text::{LabelPairs, parse_labels};
use super::metadata::RawPair;
use super::text;
use super::validate::Refusal;
use super::wire::{Reader, WireError, WireTime};

/// Reads all streams of a message. An error refuses the whole body; refused streams and entries are counted.
pub(super) fn read_push(message: &[u8], rows: &mut Assembler<'_>) -> Result<()> {
    let mut reader = Reader::new(message);
    let mut pairs = Vec::new();
    while let Some(field) = reader.field()? {
        match field.number {
            1 => read_stream(reader.bytes(field, "streams")?, rows, &mut pairs)?,
            _ => reader.skip(field)?,
        }
    }
    Ok(())
}

fn read_stream<'a>(message: &'a [u8], rows: &mut Assembler<'_>, pairs: &mut Vec<RawPair<'a>>) -> Result<()> {
    let mut reader = Reader::new(message);
    let labels = labels_of(message)?;
    let mut labels_given = 0;
    let mut stream = None;
    while let Some(field) = reader.field()? {
        match field.number {
            1 => {
                reader.bytes(field, "labels")?;
                labels_given += 1;
            }
            2 => {
                let entry = reader.bytes(field, "entries")?;
                let stream = stream.get_or_insert_with(|| rows.open_stream(read_labels(labels)));
                read_entry(entry, rows, stream, pairs)?;
            }
            _ => reader.skip(field)?,
        }
    }
    // Which of several would count depends on the reader; nobody sends this on purpose.
    if labels_given > 1 {
        return Err(KernelError::InvalidRequest("proto: more than one field labels in a stream".to_owned()));
    }
    match stream {
        Some(stream) => rows.close_stream(stream),
        None => rows.empty_stream(),
    }
    Ok(())
}

/// The labels, which every known sender puts first, though they may stand anywhere.
fn labels_of(message: &[u8]) -> std::result::Result<&[u8], WireError> {
    let mut reader = Reader::new(message);
    while let Some(field) = reader.field()? {
        match field.number {
            1 => return reader.bytes(field, "labels"),
            _ => reader.skip(field)?,
        }
    }
    Ok(&[])
}

fn read_labels(bytes: &[u8]) -> std::result::Result<LabelPairs, Refusal> {
    let refused =
        |text: &str, reason: &str| Refusal { reason: "invalid_labels", message: text::invalid_labels(text, reason) };
    let text = std::str::from_utf8(bytes)
        .map_err(|_| refused(&String::from_utf8_lossy(bytes), "labels are not valid UTF-8"))?;
    parse_labels(text).map_err(|reason| refused(text, &reason))
}

fn read_entry<'a>(
    message: &'a [u8],
    rows: &mut Assembler<'_>,
    stream: &mut OpenStream,
    pairs: &mut Vec<RawPair<'a>>,
) -> Result<()> {
    let mut reader = Reader::new(message);
    let mut ts_ns = 0;
    let mut line: &[u8] = &[];
    pairs.clear();
    while let Some(field) = reader.field()? {
        match field.number {
            1 => ts_ns = read_time(reader.bytes(field, "timestamp")?)?,
            2 => line = reader.bytes(field, "line")?,
            3 => pairs.push(read_pair(reader.bytes(field, "structuredMetadata")?)?),
            _ => reader.skip(field)?,
        }
    }
    rows.entry(stream, ts_ns, line, pairs)
}

fn read_time(message: &[u8]) -> std::result::Result<i64, WireError> {
    let mut reader = Reader::new(message);
    let (mut seconds, mut nanos) = (0, 0);
    while let Some(field) = reader.field()? {
        match field.number {
            1 => seconds = reader.integer(field, "seconds")? as i64,
            2 => nanos = reader.integer(field, "nanos")? as i64,
            _ => reader.skip(field)?,
        }
    }
    WireTime::to_ns(seconds, nanos)
}

fn read_pair(message: &[u8]) -> std::result::Result<RawPair<'_>, WireError> {
    let mut reader = Reader::new(message);
    let (mut name, mut value): (&[u8], &[u8]) = (&[], &[]);
    while let Some(field) = reader.field()? {
        match field.number {
            1 => name = reader.bytes(field, "name")?,
            2 => value = reader.bytes(field, "value")?,
            _ => reader.skip(field)?,
        }
    }
    Ok(RawPair { name: Cow::Borrowed(name), value: Cow::Borrowed(value) })
}
