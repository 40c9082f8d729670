//! Numbers, ids, attributes and values in the JSON form of OTLP.

use std::borrow::Cow;
use std::str::FromStr;

use crate::error::Result;
use crate::push::json_scan::{Scan, Scanner};

use super::base64;
use super::json::{each_element, each_member, skip};
use super::value::{Attribute, DEPTH_MAX, Value, ValueCount};

/// Part of a wrong value that an error repeats.
const SHOWN_BYTES_MAX: usize = 40;

/// A string; `null` is an empty one.
pub(super) fn read_text<'a>(scanner: &mut Scanner<'a>, expected: &str) -> Scan<Cow<'a, [u8]>> {
    if scanner.accept_null()? {
        return Ok(Cow::Borrowed(b""));
    }
    scanner.string(expected)?.to_cow()
}

/// A whole number, which may be written as a string; `null` is 0.
pub(super) fn decimal<T: FromStr + Default>(scanner: &mut Scanner<'_>) -> Scan<T> {
    number(scanner, "a whole number, in range, or a string of one")
}

fn number<T: FromStr + Default>(scanner: &mut Scanner<'_>, expected: &str) -> Scan<T> {
    if scanner.accept_null()? {
        return Ok(T::default());
    }
    let before = scanner.clone();
    let text = match scanner.peek() {
        Some(b'"') => scanner.string(expected)?.raw,
        Some(b'-' | b'0'..=b'9') => scanner.raw_value()?,
        _ => return Err(scanner.unexpected(expected)),
    };
    let parsed = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    parsed.ok_or_else(|| wrong(&before, expected, text))
}

fn wrong(at: &Scanner<'_>, expected: &str, found: &[u8]) -> crate::push::json_scan::JsonError {
    let shown = String::from_utf8_lossy(&found[..found.len().min(SHOWN_BYTES_MAX)]);
    at.error(format!("expected {expected}, found \"{shown}\""))
}

/// Hex digits of N bytes, or an empty string for none.
pub(super) fn read_id<const N: usize>(scanner: &mut Scanner<'_>, name: &str) -> Scan<[u8; N]> {
    let expected = format!("a {name} of {} hex digits", 2 * N);
    let before = scanner.clone();
    let text = read_text(scanner, &expected)?;
    let mut id = [0; N];
    if text.is_empty() {
        return Ok(id);
    }
    let digit = |b: u8| (b as char).to_digit(16).map(|value| value as u8);
    let mut digits = text.chunks_exact(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?));
    if text.len() != 2 * N || !id.iter_mut().all(|b| digits.next().flatten().map(|value| *b = value).is_some()) {
        return Err(wrong(&before, &expected, &text));
    }
    Ok(id)
}

/// A number, or the name of the enumeration's value, as in `SEVERITY_NUMBER_WARN2`.
pub(super) fn read_severity_number(scanner: &mut Scanner<'_>) -> Scan<i32> {
    const EXPECTED: &str = "a severity number or its name";
    if scanner.peek() != Some(b'"') {
        return number(scanner, EXPECTED);
    }
    let before = scanner.clone();
    let text = scanner.string(EXPECTED)?.raw;
    let name = std::str::from_utf8(text).unwrap_or("");
    let value = severity_of_name(name).or_else(|| name.parse().ok());
    value.ok_or_else(|| wrong(&before, EXPECTED, text))
}

fn severity_of_name(name: &str) -> Option<i32> {
    const NAMES: [&str; 6] = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];
    let name = name.strip_prefix("SEVERITY_NUMBER_")?;
    if name == "UNSPECIFIED" {
        return Some(0);
    }
    let (index, step) = NAMES.iter().zip(0..).find_map(|(known, index)| Some((index, name.strip_prefix(known)?)))?;
    let step = match step {
        "" => 0,
        "2" => 1,
        "3" => 2,
        "4" => 3,
        _ => return None,
    };
    Some(1 + 4 * index + step)
}

/// An array of attributes in place of what `attributes` has; of several the last counts.
pub(super) fn read_attributes<'a>(
    scanner: &mut Scanner<'a>,
    depth: u32,
    count: &mut ValueCount,
    attributes: &mut Vec<Attribute<'a>>,
) -> Result<()> {
    attributes.clear();
    each_element(scanner, |scanner| {
        attributes.push(read_attribute(scanner, depth, count)?);
        Ok(())
    })
}

fn read_attribute<'a>(scanner: &mut Scanner<'a>, depth: u32, count: &mut ValueCount) -> Result<Attribute<'a>> {
    let mut attribute = Attribute { key: Cow::Borrowed(b""), value: Value::Empty };
    count.add_one()?;
    each_member(scanner, "an attribute", |key, scanner| {
        match key {
            b"key" => attribute.key = read_text(scanner, "a key, which is a string")?,
            b"value" => attribute.value = read_value(scanner, depth, count)?,
            _ => skip(scanner)?,
        }
        Ok(())
    })?;
    Ok(attribute)
}

pub(super) fn read_value<'a>(scanner: &mut Scanner<'a>, depth: u32, count: &mut ValueCount) -> Result<Value<'a>> {
    let mut value = Value::Empty;
    count.add_one()?;
    each_member(scanner, "a value, which is an object", |key, scanner| {
        value = match key {
            b"stringValue" | b"string_value" => Value::Text(read_text(scanner, "a string")?),
            b"boolValue" | b"bool_value" => read_bool(scanner)?,
            b"intValue" | b"int_value" => Value::Int(decimal(scanner)?),
            b"doubleValue" | b"double_value" => Value::Double(number(scanner, "a number or a string of one")?),
            b"bytesValue" | b"bytes_value" => read_bytes(scanner)?,
            b"arrayValue" | b"array_value" => {
                let depth = deeper(scanner, depth)?;
                let mut items = Vec::new();
                each_value(scanner, |scanner| {
                    items.push(read_value(scanner, depth, count)?);
                    Ok(())
                })?;
                Value::Array(items)
            }
            b"kvlistValue" | b"kvlist_value" => {
                let depth = deeper(scanner, depth)?;
                let mut members = Vec::new();
                each_value(scanner, |scanner| {
                    members.push(read_attribute(scanner, depth, count)?);
                    Ok(())
                })?;
                Value::Map(members)
            }
            _ => return skip(scanner),
        };
        Ok(())
    })?;
    Ok(value)
}

fn deeper(scanner: &Scanner<'_>, depth: u32) -> Result<u32> {
    if depth < DEPTH_MAX {
        return Ok(depth + 1);
    }
    Err(scanner.error(format!("values nested deeper than {DEPTH_MAX}")).into())
}

/// The member `values` of an array or a map.
fn each_value<'a>(scanner: &mut Scanner<'a>, mut read: impl FnMut(&mut Scanner<'a>) -> Result<()>) -> Result<()> {
    each_member(scanner, "an object with values", |key, scanner| match key {
        b"values" => each_element(scanner, &mut read),
        _ => skip(scanner),
    })
}

fn read_bool<'a>(scanner: &mut Scanner<'a>) -> Scan<Value<'a>> {
    let before = scanner.clone();
    match scanner.raw_value()? {
        b"true" => Ok(Value::Bool(true)),
        b"false" => Ok(Value::Bool(false)),
        b"null" => Ok(Value::Empty),
        other => Err(wrong(&before, "true or false", other)),
    }
}

fn read_bytes<'a>(scanner: &mut Scanner<'a>) -> Scan<Value<'a>> {
    let before = scanner.clone();
    let text = read_text(scanner, "a string in base64")?;
    let bytes = base64::read(&text).ok_or_else(|| wrong(&before, "a string in base64", &text))?;
    Ok(Value::Bytes(Cow::Owned(bytes)))
}
