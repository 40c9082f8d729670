//! `ExportLogsServiceRequest` in JSON: names in lower camel case (or as the protobuf has them), 64-bit numbers as text
//! or number, ids in hex, `null` for what is not there. Unknown keys are passed over.

use crate::error::{KernelError, Result};
use crate::push::assemble::Assembler;
use crate::push::json_scan::Scanner;
use crate::push::limits::PushLimits;

use super::json_value::{decimal, read_attributes, read_id, read_severity_number, read_text, read_value};
use super::records::{LogRecord, Records, Scope};
use super::value::{Attribute, ValueCount};

/// Reads all records of a body. An error refuses the whole body; refused streams and entries are counted.
pub(in crate::push) fn read_push<'l>(
    body: &[u8],
    rows: &mut Assembler<'l>,
    limits: &'l PushLimits,
    now_ns: i64,
) -> Result<()> {
    let mut records = Records::new(rows, limits, now_ns);
    let mut record = LogRecord::default();
    let mut scanner = Scanner::new(body);
    if scanner.peek().is_none() {
        return Err(KernelError::InvalidRequest("EOF".to_owned()));
    }
    each_member(&mut scanner, "an object with resourceLogs", |key, scanner| match key {
        b"resourceLogs" | b"resource_logs" => {
            each_element(scanner, |scanner| read_resource_logs(scanner, &mut records, &mut record))
        }
        _ => skip(scanner),
    })
}

/// The resource may stand behind what it has; as senders put it first, that is read at once then.
fn read_resource_logs<'a>(
    scanner: &mut Scanner<'a>,
    records: &mut Records<'_, '_, 'a>,
    record: &mut LogRecord<'a>,
) -> Result<()> {
    let (mut is_open, mut waiting) = (false, Vec::new());
    each_member(scanner, "an object", |key, scanner| match key {
        b"resource" if is_open => Err(scanner.error("more than one resource").into()),
        b"resource" => {
            is_open = true;
            records.open_resource(read_resource(scanner)?)
        }
        b"scopeLogs" | b"scope_logs" if is_open => {
            each_element(scanner, |scanner| read_scope_logs(scanner, records, record))
        }
        b"scopeLogs" | b"scope_logs" => {
            waiting.push(scanner.clone());
            skip(scanner)
        }
        _ => skip(scanner),
    })?;
    if !is_open {
        records.open_resource(Vec::new())?;
    }
    for mut content in waiting {
        each_element(&mut content, |scanner| read_scope_logs(scanner, records, record))?;
    }
    records.close_resource();
    Ok(())
}

fn read_scope_logs<'a>(
    scanner: &mut Scanner<'a>,
    records: &mut Records<'_, '_, 'a>,
    record: &mut LogRecord<'a>,
) -> Result<()> {
    let (mut is_open, mut waiting) = (false, Vec::new());
    each_member(scanner, "an object", |key, scanner| match key {
        b"scope" if is_open => Err(scanner.error("more than one scope").into()),
        b"scope" => {
            is_open = true;
            records.open_scope(read_scope(scanner)?)
        }
        b"logRecords" | b"log_records" if is_open => read_records(scanner, records, record),
        b"logRecords" | b"log_records" => {
            waiting.push(scanner.clone());
            skip(scanner)
        }
        _ => skip(scanner),
    })?;
    if !is_open {
        records.open_scope(Scope::default())?;
    }
    for mut content in waiting {
        read_records(&mut content, records, record)?;
    }
    Ok(())
}

fn read_records<'a>(
    scanner: &mut Scanner<'a>,
    records: &mut Records<'_, '_, 'a>,
    record: &mut LogRecord<'a>,
) -> Result<()> {
    each_element(scanner, |scanner| {
        record.renew();
        read_record(scanner, record)?;
        records.record(record)
    })
}

fn read_resource<'a>(scanner: &mut Scanner<'a>) -> Result<Vec<Attribute<'a>>> {
    let (mut attributes, mut count) = (Vec::new(), ValueCount::default());
    each_member(scanner, "a resource", |key, scanner| match key {
        b"attributes" => read_attributes(scanner, 0, &mut count, &mut attributes),
        _ => skip(scanner),
    })?;
    Ok(attributes)
}

fn read_scope<'a>(scanner: &mut Scanner<'a>) -> Result<Scope<'a>> {
    let (mut scope, mut count) = (Scope::default(), ValueCount::default());
    each_member(scanner, "a scope", |key, scanner| {
        match key {
            b"name" => scope.name = read_text(scanner, "a name")?,
            b"version" => scope.version = read_text(scanner, "a version")?,
            b"attributes" => read_attributes(scanner, 0, &mut count, &mut scope.attributes)?,
            b"droppedAttributesCount" | b"dropped_attributes_count" => scope.dropped_attributes = decimal(scanner)?,
            _ => skip(scanner)?,
        }
        Ok(())
    })?;
    Ok(scope)
}

fn read_record<'a>(scanner: &mut Scanner<'a>, record: &mut LogRecord<'a>) -> Result<()> {
    let mut count = ValueCount::default();
    each_member(scanner, "a log record", |key, scanner| {
        match key {
            b"timeUnixNano" | b"time_unix_nano" => record.time_ns = decimal(scanner)?,
            b"observedTimeUnixNano" | b"observed_time_unix_nano" => record.observed_ns = decimal(scanner)?,
            b"severityNumber" | b"severity_number" => record.severity_number = read_severity_number(scanner)?,
            b"severityText" | b"severity_text" => record.severity_text = read_text(scanner, "a severity's text")?,
            b"body" => record.body = read_value(scanner, 0, &mut count)?,
            b"attributes" => read_attributes(scanner, 0, &mut count, &mut record.attributes)?,
            b"droppedAttributesCount" | b"dropped_attributes_count" => record.dropped_attributes = decimal(scanner)?,
            b"flags" => record.flags = decimal(scanner)?,
            b"traceId" | b"trace_id" => record.trace_id = read_id(scanner, "trace id")?,
            b"spanId" | b"span_id" => record.span_id = read_id(scanner, "span id")?,
            b"eventName" | b"event_name" => record.event_name = read_text(scanner, "an event's name")?,
            _ => skip(scanner)?,
        }
        Ok(())
    })
}

/// Calls `read` before the value of each member of an object, which it must read; `null` has no members.
pub(super) fn each_member<'a>(
    scanner: &mut Scanner<'a>,
    expected: &str,
    mut read: impl FnMut(&[u8], &mut Scanner<'a>) -> Result<()>,
) -> Result<()> {
    if scanner.accept_null()? {
        return Ok(());
    }
    scanner.open(b'{', expected)?;
    let mut is_first = true;
    while let Some(key) = scanner.next_key(is_first)? {
        is_first = false;
        read(key.raw, scanner)?;
    }
    Ok(())
}

/// Calls `read` before each element of an array, which it must read; `null` has no elements.
pub(super) fn each_element<'a>(
    scanner: &mut Scanner<'a>,
    mut read: impl FnMut(&mut Scanner<'a>) -> Result<()>,
) -> Result<()> {
    if scanner.accept_null()? {
        return Ok(());
    }
    scanner.open(b'[', "an array")?;
    let mut is_first = true;
    while scanner.next_element(is_first)? {
        is_first = false;
        read(scanner)?;
    }
    Ok(())
}

pub(super) fn skip(scanner: &mut Scanner<'_>) -> Result<()> {
    scanner.raw_value()?;
    Ok(())
}
