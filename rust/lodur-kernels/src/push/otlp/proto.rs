//! `ExportLogsServiceRequest` in protobuf, read by hand so that no record is allocated.

use std::borrow::Cow;

use crate::error::{KernelError, Result};
use crate::push::assemble::Assembler;
use crate::push::limits::PushLimits;
use crate::push::wire::{Reader, WireError};

use super::records::{LogRecord, Records, Scope};
use super::value::{Attribute, DEPTH_MAX, Value, ValueCount};

/// Reads all records of a message. An error refuses the whole body; refused streams and entries are counted.
pub(in crate::push) fn read_push<'l>(
    message: &[u8],
    rows: &mut Assembler<'l>,
    limits: &'l PushLimits,
    now_ns: i64,
) -> Result<()> {
    let mut records = Records::new(rows, limits, now_ns);
    let mut record = LogRecord::default();
    let mut reader = Reader::new(message);
    while let Some(field) = reader.field()? {
        match field.number {
            1 => read_resource_logs(reader.bytes(field, "resource_logs")?, &mut records, &mut record)?,
            _ => reader.skip(field)?,
        }
    }
    Ok(())
}

fn read_resource_logs<'a>(
    message: &'a [u8],
    records: &mut Records<'_, '_, 'a>,
    record: &mut LogRecord<'a>,
) -> Result<()> {
    records.open_resource(read_resource(message)?)?;
    let mut reader = Reader::new(message);
    while let Some(field) = reader.field()? {
        match field.number {
            2 => read_scope_logs(reader.bytes(field, "scope_logs")?, records, record)?,
            _ => reader.skip(field)?,
        }
    }
    records.close_resource();
    Ok(())
}

/// The attributes of the resource, which may stand anywhere in the message, also in parts.
fn read_resource(message: &[u8]) -> Result<Vec<Attribute<'_>>> {
    let (mut attributes, mut count) = (Vec::new(), ValueCount::default());
    let mut reader = Reader::new(message);
    while let Some(field) = reader.field()? {
        if field.number != 1 {
            reader.skip(field)?;
            continue;
        }
        let mut resource = Reader::new(reader.bytes(field, "resource")?);
        while let Some(field) = resource.field()? {
            match field.number {
                1 => attributes.push(read_attribute(resource.bytes(field, "attributes")?, 0, &mut count)?),
                _ => resource.skip(field)?,
            }
        }
    }
    Ok(attributes)
}

fn read_scope_logs<'a>(message: &'a [u8], records: &mut Records<'_, '_, 'a>, record: &mut LogRecord<'a>) -> Result<()> {
    records.open_scope(read_scope(message)?)?;
    let mut reader = Reader::new(message);
    while let Some(field) = reader.field()? {
        match field.number {
            2 => {
                record.renew();
                read_record(reader.bytes(field, "log_records")?, record)?;
                records.record(record)?;
            }
            _ => reader.skip(field)?,
        }
    }
    Ok(())
}

fn read_scope(message: &[u8]) -> Result<Scope<'_>> {
    let (mut scope, mut count) = (Scope::default(), ValueCount::default());
    let mut outer = Reader::new(message);
    while let Some(field) = outer.field()? {
        if field.number != 1 {
            outer.skip(field)?;
            continue;
        }
        let mut reader = Reader::new(outer.bytes(field, "scope")?);
        while let Some(field) = reader.field()? {
            match field.number {
                1 => scope.name = Cow::Borrowed(reader.bytes(field, "name")?),
                2 => scope.version = Cow::Borrowed(reader.bytes(field, "version")?),
                3 => scope.attributes.push(read_attribute(reader.bytes(field, "attributes")?, 0, &mut count)?),
                4 => scope.dropped_attributes = reader.integer(field, "dropped_attributes_count")? as u32,
                _ => reader.skip(field)?,
            }
        }
    }
    Ok(scope)
}

fn read_record<'a>(message: &'a [u8], record: &mut LogRecord<'a>) -> Result<()> {
    let mut count = ValueCount::default();
    let mut reader = Reader::new(message);
    while let Some(field) = reader.field()? {
        match field.number {
            1 => record.time_ns = reader.fixed64(field, "time_unix_nano")?,
            2 => record.severity_number = reader.integer(field, "severity_number")? as i32,
            3 => record.severity_text = Cow::Borrowed(reader.bytes(field, "severity_text")?),
            5 => record.body = read_value(reader.bytes(field, "body")?, 0, &mut count)?,
            6 => record.attributes.push(read_attribute(reader.bytes(field, "attributes")?, 0, &mut count)?),
            7 => record.dropped_attributes = reader.integer(field, "dropped_attributes_count")? as u32,
            8 => record.flags = reader.fixed32(field, "flags")?,
            9 => record.trace_id = read_id(reader.bytes(field, "trace_id")?, "trace_id")?,
            10 => record.span_id = read_id(reader.bytes(field, "span_id")?, "span_id")?,
            11 => record.observed_ns = reader.fixed64(field, "observed_time_unix_nano")?,
            12 => record.event_name = Cow::Borrowed(reader.bytes(field, "event_name")?),
            _ => reader.skip(field)?,
        }
    }
    Ok(())
}

fn read_id<const N: usize>(bytes: &[u8], name: &str) -> Result<[u8; N]> {
    if bytes.is_empty() {
        return Ok([0; N]);
    }
    let length = bytes.len();
    bytes
        .try_into()
        .map_err(|_| KernelError::InvalidRequest(format!("proto: invalid length for {name}: {length} bytes, not {N}")))
}

fn read_attribute<'a>(message: &'a [u8], depth: u32, count: &mut ValueCount) -> Result<Attribute<'a>> {
    let mut attribute = Attribute { key: Cow::Borrowed(b""), value: Value::Empty };
    count.add_one()?;
    let mut reader = Reader::new(message);
    while let Some(field) = reader.field()? {
        match field.number {
            1 => attribute.key = Cow::Borrowed(reader.bytes(field, "key")?),
            2 => attribute.value = read_value(reader.bytes(field, "value")?, depth, count)?,
            _ => reader.skip(field)?,
        }
    }
    Ok(attribute)
}

fn read_value<'a>(message: &'a [u8], depth: u32, count: &mut ValueCount) -> Result<Value<'a>> {
    let mut value = Value::Empty;
    count.add_one()?;
    let mut reader = Reader::new(message);
    while let Some(field) = reader.field()? {
        value = match field.number {
            1 => Value::Text(Cow::Borrowed(reader.bytes(field, "string_value")?)),
            2 => Value::Bool(reader.integer(field, "bool_value")? != 0),
            3 => Value::Int(reader.integer(field, "int_value")? as i64),
            4 => Value::Double(f64::from_bits(reader.fixed64(field, "double_value")?)),
            5 => Value::Array(read_items(reader.bytes(field, "array_value")?, deeper(depth)?, count, read_value)?),
            6 => Value::Map(read_items(reader.bytes(field, "kvlist_value")?, deeper(depth)?, count, read_attribute)?),
            7 => Value::Bytes(Cow::Borrowed(reader.bytes(field, "bytes_value")?)),
            _ => {
                reader.skip(field)?;
                continue;
            }
        };
    }
    Ok(value)
}

fn deeper(depth: u32) -> Result<u32> {
    if depth < DEPTH_MAX { Ok(depth + 1) } else { Err(WireError::TooDeep { most: DEPTH_MAX }.into()) }
}

/// The field `values` of an array or a map.
fn read_items<'a, T>(
    message: &'a [u8],
    depth: u32,
    count: &mut ValueCount,
    read: impl Fn(&'a [u8], u32, &mut ValueCount) -> Result<T>,
) -> Result<Vec<T>> {
    let mut items = Vec::new();
    let mut reader = Reader::new(message);
    while let Some(field) = reader.field()? {
        match field.number {
            1 => items.push(read(reader.bytes(field, "values")?, depth, count)?),
            _ => reader.skip(field)?,
        }
    }
    Ok(items)
}
