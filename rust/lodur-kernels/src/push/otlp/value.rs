//! Values of attributes and bodies: their text, their JSON, and maps taken apart into pairs.

use std::borrow::Cow;

use crate::error::{KernelError, Result};
use crate::push::metadata::RawPair;

use super::base64;

/// Deepest nesting of a value. The readers recurse, and passing over JSON ends at 128 brackets, of which a level of
/// maps takes four.
pub(super) const DEPTH_MAX: u32 = 24;

/// Most values in a log record, in the attributes of a resource or of a scope: on the wire one can take two bytes, in
/// memory some fifty.
pub(super) const VALUES_MAX: usize = 1 << 20;

/// What a pair takes in memory beside its value; its name is kept once for all rows.
const PAIR_BYTES: usize = 12;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value<'a> {
    Empty,
    Text(Cow<'a, [u8]>),
    Bool(bool),
    Int(i64),
    Double(f64),
    Bytes(Cow<'a, [u8]>),
    Array(Vec<Value<'a>>),
    Map(Vec<Attribute<'a>>),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Attribute<'a> {
    pub(super) key: Cow<'a, [u8]>,
    pub(super) value: Value<'a>,
}

/// Counts values as they are read, so that few bytes cannot become much memory.
#[derive(Debug, Default)]
pub(super) struct ValueCount(usize);

impl ValueCount {
    pub(super) fn add_one(&mut self) -> Result<()> {
        self.0 += 1;
        if self.0 > VALUES_MAX {
            return Err(too_large(&format!("more than {VALUES_MAX} values in one log record, resource or scope")));
        }
        Ok(())
    }
}

/// Bytes that the entries of a body may still take, with the attributes that each of them repeats.
#[derive(Debug)]
pub(super) struct Room {
    bytes_max: usize,
    left: usize,
}

impl Room {
    pub(super) fn new(bytes_max: usize) -> Self {
        Room { bytes_max, left: bytes_max }
    }

    pub(super) fn take(&mut self, bytes: usize) -> Result<()> {
        self.left = self.left.checked_sub(bytes).ok_or_else(|| self.exhausted())?;
        Ok(())
    }

    fn exhausted(&self) -> KernelError {
        too_large(&format!("its entries take more than {} bytes with the attributes that they share", self.bytes_max))
    }
}

pub(super) fn too_large(what: &str) -> KernelError {
    KernelError::LimitExceeded { limit: "max_recv_msg_size", message: format!("request body too large: {what}") }
}

/// What a pair counts for in a `Room`.
pub(super) fn pair_size(pair: &RawPair<'_>) -> usize {
    pair.value.len() + PAIR_BYTES
}

impl<'a> Value<'a> {
    /// The value as text: arrays and maps as JSON, bytes in base64.
    pub(super) fn into_text(self, room: &Room) -> Result<Cow<'a, [u8]>> {
        Ok(match self {
            Value::Empty => Cow::Borrowed(b""),
            Value::Text(text) => text,
            Value::Bool(true) => Cow::Borrowed(b"true"),
            Value::Bool(false) => Cow::Borrowed(b"false"),
            Value::Int(number) => Cow::Owned(itoa::Buffer::new().format(number).as_bytes().to_vec()),
            Value::Double(number) if number.is_finite() => Cow::Owned(double_text(number).into_bytes()),
            Value::Double(number) => {
                Cow::Owned(format!("json: unsupported value: {}", odd_double(number)).into_bytes())
            }
            Value::Bytes(bytes) => {
                let mut out = Vec::with_capacity(bytes.len() / 3 * 4 + 4);
                base64::write(&mut out, &bytes);
                Cow::Owned(out)
            }
            composite @ (Value::Array(_) | Value::Map(_)) => {
                let mut out = Vec::new();
                write_json(&mut out, composite, room)?;
                Cow::Owned(out)
            }
        })
    }
}

/// Appends the pairs of an attribute: one, or one for each leaf of a map, whose keys are joined by `_`.
pub(super) fn flatten<'a>(attribute: Attribute<'a>, room: &mut Room, pairs: &mut Vec<RawPair<'a>>) -> Result<()> {
    let Value::Map(members) = attribute.value else {
        let value = attribute.value.into_text(room)?;
        // An empty value is no value; it must not count towards the limits of the entry.
        if !value.is_empty() {
            let pair = RawPair { name: regular_name(attribute.key), value };
            room.take(pair_size(&pair))?;
            pairs.push(pair);
        }
        return Ok(());
    };
    for member in members {
        // What the prefix costs each member is taken before it is copied.
        room.take(attribute.key.len())?;
        let mut key = Vec::with_capacity(attribute.key.len() + 1 + member.key.len());
        key.extend_from_slice(&attribute.key);
        key.push(b'_');
        key.extend_from_slice(&member.key);
        flatten(Attribute { key: Cow::Owned(key), value: member.value }, room, pairs)?;
    }
    Ok(())
}

/// Every character that a label name cannot have becomes `_`; a name that begins with a digit is prefixed.
fn regular_name(raw: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    let begins_with_digit = raw.first().is_some_and(u8::is_ascii_digit);
    if !begins_with_digit && raw.iter().all(|&b| b.is_ascii_alphanumeric() || b == b'_') {
        return raw;
    }
    let mut name = Vec::with_capacity(raw.len() + 4);
    if begins_with_digit {
        name.extend_from_slice(b"key_");
    }
    for chunk in raw.utf8_chunks() {
        name.extend(chunk.valid().chars().map(|c| if c.is_ascii_alphanumeric() { c as u8 } else { b'_' }));
        name.extend(chunk.invalid().iter().map(|_| b'_'));
    }
    Cow::Owned(name)
}

/// As JSON has it: shortest digits, an exponent below 1e-6 and from 1e21 on.
fn double_text(number: f64) -> String {
    let size = number.abs();
    if size == 0.0 || (1e-6..1e21).contains(&size) {
        return format!("{number}");
    }
    let text = format!("{number:e}");
    match text.split_once('e') {
        Some((digits, exponent)) if !exponent.starts_with('-') => format!("{digits}e+{exponent}"),
        _ => text,
    }
}

fn odd_double(number: f64) -> &'static str {
    match number {
        number if number.is_nan() => "NaN",
        number if number > 0.0 => "+Inf",
        _ => "-Inf",
    }
}

/// Members of maps sorted by key, of equal keys the last.
fn write_json(out: &mut Vec<u8>, value: Value<'_>, room: &Room) -> Result<()> {
    match value {
        Value::Empty => out.extend_from_slice(b"null"),
        Value::Text(text) => write_json_text(out, &text, room)?,
        // JSON has no such numbers; as text they are at least there.
        Value::Double(number) if !number.is_finite() => write_json_text(out, odd_double(number).as_bytes(), room)?,
        Value::Bytes(bytes) => {
            out.push(b'"');
            base64::write(out, &bytes);
            out.push(b'"');
        }
        Value::Array(items) => {
            out.push(b'[');
            for (place, item) in items.into_iter().enumerate() {
                if place > 0 {
                    out.push(b',');
                }
                write_json(out, item, room)?;
            }
            out.push(b']');
        }
        Value::Map(members) => write_json_object(out, members, room)?,
        scalar @ (Value::Bool(_) | Value::Int(_) | Value::Double(_)) => {
            out.extend_from_slice(&scalar.into_text(room)?);
        }
    }
    if out.len() > room.left { Err(room.exhausted()) } else { Ok(()) }
}

fn write_json_object(out: &mut Vec<u8>, mut members: Vec<Attribute<'_>>, room: &Room) -> Result<()> {
    members.sort_by(|a, b| a.key.cmp(&b.key));
    // `dedup_by` drops its first argument, which is the later one.
    members.dedup_by(|later, earlier| {
        let same = later.key == earlier.key;
        if same {
            std::mem::swap(later, earlier);
        }
        same
    });
    out.push(b'{');
    for (place, member) in members.into_iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        write_json_text(out, &member.key, room)?;
        out.push(b':');
        write_json(out, member.value, room)?;
    }
    out.push(b'}');
    Ok(())
}

fn write_json_text(out: &mut Vec<u8>, text: &[u8], room: &Room) -> Result<()> {
    out.push(b'"');
    for chunk in text.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' => out.extend_from_slice(b"\\\""),
                '\\' => out.extend_from_slice(b"\\\\"),
                '\n' => out.extend_from_slice(b"\\n"),
                '\r' => out.extend_from_slice(b"\\r"),
                '\t' => out.extend_from_slice(b"\\t"),
                '\u{8}' => out.extend_from_slice(b"\\b"),
                '\u{c}' => out.extend_from_slice(b"\\f"),
                c if (c as u32) < 0x20 || matches!(c, '\u{2028}' | '\u{2029}') => {
                    out.extend_from_slice(format!("\\u{:04x}", c as u32).as_bytes());
                }
                c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        if !chunk.invalid().is_empty() {
            out.extend(chunk.invalid().iter().flat_map(|_| *b"\\ufffd"));
        }
        // Escapes make text up to six times longer; damaged text has a chunk for each damage.
        if out.len() > room.left {
            return Err(room.exhausted());
        }
    }
    out.push(b'"');
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn room() -> Room {
        Room::new(1 << 20)
    }

    fn text_of(value: Value<'_>) -> String {
        String::from_utf8(value.into_text(&room()).unwrap().into_owned()).unwrap()
    }

    fn text(text: &str) -> Value<'_> {
        Value::Text(Cow::Borrowed(text.as_bytes()))
    }

    fn member<'a>(key: &'a str, value: Value<'a>) -> Attribute<'a> {
        Attribute { key: Cow::Borrowed(key.as_bytes()), value }
    }

    #[test]
    fn scalars() {
        let cases = [
            (Value::Empty, ""),
            (text("a\"b"), "a\"b"),
            (Value::Bool(true), "true"),
            (Value::Int(i64::MIN), "-9223372036854775808"),
            (Value::Double(2.0), "2"),
            (Value::Double(-0.125), "-0.125"),
            (Value::Double(1e-6), "0.000001"),
            (Value::Double(1e-7), "1e-7"),
            (Value::Double(1.5e300), "1.5e+300"),
            (Value::Double(1e21), "1e+21"),
            (Value::Double(1e20), "100000000000000000000"),
            (Value::Double(f64::NAN), "json: unsupported value: NaN"),
            (Value::Bytes(Cow::Borrowed(b"\x00\xff")), "AP8="),
        ];
        for (value, expected) in cases {
            assert_eq!(text_of(value), expected);
        }
    }

    #[test]
    fn composites_are_json() {
        let value = Value::Map(vec![
            member("b", Value::Array(vec![Value::Int(1), Value::Empty, Value::Double(f64::NEG_INFINITY), text("<&>")])),
            member("a", text("first")),
            member("a", text("\u{1}\n\u{2028}é\"")),
            member("c", Value::Map(vec![])),
            member("d", Value::Bytes(Cow::Borrowed(b"x"))),
        ]);
        assert_eq!(text_of(value), r#"{"a":"\u0001\n\u2028é\"","b":[1,null,"-Inf","<&>"],"c":{},"d":"eA=="}"#);
        assert_eq!(text_of(Value::Array(vec![Value::Text(Cow::Borrowed(b"a\xffb"))])), r#"["a\ufffdb"]"#);
    }

    #[test]
    fn maps_are_taken_apart() {
        let inner = Value::Map(vec![member("x.y", Value::Int(1)), member("9", text("n")), member("e", text(""))]);
        let attribute = member("9ü:k", Value::Map(vec![member("m", inner), member("f", Value::Bool(false))]));
        let mut pairs = Vec::new();
        flatten(attribute, &mut room(), &mut pairs).unwrap();
        let read: Vec<_> = pairs
            .iter()
            .map(|pair| format!("{}={}", String::from_utf8_lossy(&pair.name), String::from_utf8_lossy(&pair.value)))
            .collect();
        assert_eq!(read, ["key_9__k_m_x_y=1", "key_9__k_m_9=n", "key_9__k_f=false"]);
    }

    #[test]
    fn growth_is_bounded() {
        let long = "k".repeat(1000);
        let members = (0..100).map(|_| member("a", Value::Int(1))).collect();
        let mut room = Room::new(10_000);
        assert!(flatten(member(&long, Value::Map(members)), &mut room, &mut Vec::new()).is_err());
        let escapes = "\u{1}".repeat(3000);
        assert!(Value::Array(vec![text(&escapes)]).into_text(&Room::new(10_000)).is_err());
    }
}
