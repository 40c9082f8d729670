//! Scanning JSON as leniently as Loki does: values are delimited, not validated.
//!
//! Positions are byte offsets into the text at hand. The texts of `Defect` are those that Loki shows in
//! `__error_details__`.

use std::ops::Range;

/// Why a text could not be read on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Defect {
    Malformed,
    Object,
    Array,
    String,
    Value,
    Escape,
}

impl Defect {
    pub fn text(self) -> &'static str {
        match self {
            Defect::Malformed => "Malformed JSON error",
            Defect::Object => "Value looks like object, but can't find closing '}' symbol",
            Defect::Array => "Value is array, but can't find closing ']' symbol",
            Defect::String => "Value is string, but can't find closing '\"' symbol",
            Defect::Value => "Unknown value type",
            Defect::Escape => "Encountered an invalid escape sequence in a string",
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// The range is between the quotes.
    String {
        escaped: bool,
    },
    Number,
    Boolean,
    Null,
    Object,
    Array,
}

#[derive(Clone, Debug)]
pub struct Value {
    pub kind: Kind,
    /// What the value says.
    pub text: Range<usize>,
    /// Where the text after the value begins.
    pub end: usize,
}

/// First byte at or after `at` that is no blank.
#[inline]
pub fn skip_blanks(text: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match text.get(at)? {
            b' ' | b'\t' | b'\n' | b'\r' => at += 1,
            _ => return Some(at),
        }
    }
}

pub(super) const LOW_BITS: u64 = 0x0101_0101_0101_0101;
pub(super) const HIGH_BITS: u64 = 0x8080_8080_8080_8080;

/// High bit of each byte that equals `byte`; bits above the lowest set one may be wrong.
#[inline]
pub(super) fn equal_bytes(word: u64, byte: u8) -> u64 {
    let mixed = word ^ (LOW_BITS * u64::from(byte));
    mixed.wrapping_sub(LOW_BITS) & !mixed & HIGH_BITS
}

#[inline]
pub(super) fn word_at(text: &[u8], at: usize) -> Option<u64> {
    text.get(at..at + 8)?.try_into().ok().map(u64::from_le_bytes)
}

/// From behind an opening quote: the place of the closing one and whether there are escapes before it.
#[inline]
pub fn string_end(text: &[u8], start: usize) -> Option<(usize, bool)> {
    let mut at = start;
    while let Some(word) = word_at(text, at) {
        let hits = equal_bytes(word, b'"') | equal_bytes(word, b'\\');
        if hits != 0 {
            at += (hits.trailing_zeros() / 8) as usize;
            return if text[at] == b'"' {
                Some((at, false))
            } else {
                escaped_string_end(text, at).map(|end| (end, true))
            };
        }
        at += 8;
    }
    loop {
        match text.get(at)? {
            b'"' => return Some((at, false)),
            b'\\' => return escaped_string_end(text, at).map(|end| (end, true)),
            _ => at += 1,
        }
    }
}

fn escaped_string_end(text: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += memchr::memchr2(b'"', b'\\', text.get(at..)?)?;
        if text[at] == b'"' {
            return Some(at);
        }
        at += 2;
    }
}

/// From an opening bracket: the place behind the closing one. Brackets of the other kind are not looked at.
pub fn block_end(text: &[u8], start: usize, open: u8, close: u8) -> Option<usize> {
    let mut depth = 0usize;
    let mut at = start;
    loop {
        while let Some(word) = word_at(text, at) {
            let hits = equal_bytes(word, b'"') | equal_bytes(word, open) | equal_bytes(word, close);
            if hits != 0 {
                at += (hits.trailing_zeros() / 8) as usize;
                break;
            }
            at += 8;
        }
        let byte = *text.get(at)?;
        if byte == b'"' {
            at = string_end(text, at + 1)?.0;
        } else if byte == open {
            depth += 1;
        } else if byte == close {
            // The scan begins at an opening bracket, so the depth is never zero here.
            depth = depth.saturating_sub(1);
            if depth == 0 {
                return Some(at + 1);
            }
        }
        at += 1;
    }
}

const TOKEN_ENDS: [bool; 256] = {
    let mut table = [false; 256];
    let ends = b" \t\n\r,}]";
    let mut index = 0;
    while index < ends.len() {
        table[ends[index] as usize] = true;
        index += 1;
    }
    table
};

/// The value that begins at or after `at`.
#[inline]
pub fn value_at(text: &[u8], at: usize) -> Result<Value, Defect> {
    let start = skip_blanks(text, at).ok_or(Defect::Malformed)?;
    match text[start] {
        b'"' => {
            let (end, escaped) = string_end(text, start + 1).ok_or(Defect::String)?;
            Ok(Value { kind: Kind::String { escaped }, text: start + 1..end, end: end + 1 })
        }
        b'{' => {
            let end = block_end(text, start, b'{', b'}').ok_or(Defect::Object)?;
            Ok(Value { kind: Kind::Object, text: start..end, end })
        }
        b'[' => {
            let end = block_end(text, start, b'[', b']').ok_or(Defect::Array)?;
            Ok(Value { kind: Kind::Array, text: start..end, end })
        }
        first => {
            let length = text[start..].iter().take_while(|byte| !TOKEN_ENDS[**byte as usize]).count();
            let token = &text[start..start + length];
            let kind = match first {
                b'0'..=b'9' | b'-' => Kind::Number,
                b't' | b'f' if token == b"true" || token == b"false" => Kind::Boolean,
                b'n' if token == b"null" => Kind::Null,
                _ => return Err(Defect::Value),
            };
            Ok(Value { kind, text: start..start + length, end: start + length })
        }
    }
}

/// A key of an object with the place behind its colon.
pub struct Key {
    pub text: Range<usize>,
    pub escaped: bool,
    pub end: usize,
}

/// The key whose opening quote is at `at`.
#[inline]
pub fn key_at(text: &[u8], at: usize) -> Result<Key, Defect> {
    let (end, escaped) = string_end(text, at + 1).ok_or(Defect::Malformed)?;
    match skip_blanks(text, end + 1) {
        Some(colon) if text[colon] == b':' => Ok(Key { text: at + 1..end, escaped, end: colon + 1 }),
        _ => Err(Defect::Malformed),
    }
}

/// Begin an object: the place of its first key, or None if it is empty.
pub fn object_start(text: &[u8], at: usize) -> Result<Option<usize>, Defect> {
    match skip_blanks(text, at) {
        Some(open) if text[open] == b'{' => {
            let first = skip_blanks(text, open + 1).ok_or(Defect::Malformed)?;
            Ok((text[first] != b'}').then_some(first))
        }
        _ => Err(Defect::Object),
    }
}

/// After a value of an object: the place of the next key, or None at its end. A comma before the end is overlooked.
#[inline]
pub fn next_key(text: &[u8], at: usize) -> Result<Option<usize>, Defect> {
    let after_value = skip_blanks(text, at).ok_or(Defect::Array)?;
    match text[after_value] {
        b'}' => Ok(None),
        b',' => {
            let next = skip_blanks(text, after_value + 1).ok_or(Defect::Array)?;
            Ok((text[next] != b'}').then_some(next))
        }
        _ => Err(Defect::Object),
    }
}

/// Undo the escapes of a string; None if one of them is wrong.
pub fn unescape(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at + 1..];
        let (kind, tail) = rest.split_first()?;
        rest = tail;
        out.push(match kind {
            b'"' | b'\\' | b'/' => *kind,
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let c = unicode_escape(&mut rest)?;
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                continue;
            }
            _ => return None,
        });
    }
    out.extend_from_slice(rest);
    Some(out)
}

/// The character of `\uXXXX` (the first two bytes are read already), with its second half if it has one.
fn unicode_escape(rest: &mut &[u8]) -> Option<char> {
    let first = take_hex(rest)?;
    if !(0xD800..0xE000).contains(&first) {
        return char::from_u32(first);
    }
    *rest = rest.strip_prefix(b"\\u")?;
    let second = take_hex(rest)?;
    let paired = (0xD800..0xDC00).contains(&first) && (0xDC00..0xE000).contains(&second);
    paired.then(|| char::from_u32(0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00)))?
}

fn take_hex(rest: &mut &[u8]) -> Option<u32> {
    let (digits, tail) = rest.split_first_chunk::<4>()?;
    let mut value = 0;
    for digit in digits {
        value = value * 16 + char::from(*digit).to_digit(16)?;
    }
    *rest = tail;
    Some(value)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn finds_ends() {
        assert_eq!(string_end(b"abc\" rest", 0), Some((3, false)));
        assert_eq!(string_end(br#"a\"bcdefgh\\" rest"#, 0), Some((12, true)));
        assert_eq!(string_end(b"abcdefghijklmnop", 0), None);
        assert_eq!(string_end(b"abc\\", 0), None);
        let block = br#"{"a":"}","b":{"c":[{}]}} tail"#;
        assert_eq!(block_end(block, 0, b'{', b'}'), Some(block.len() - 5));
        assert_eq!(block_end(b"{{}", 0, b'{', b'}'), None);
    }

    #[test]
    fn undoes_escapes() {
        assert_eq!(unescape(br#"\u00e9\ud83d\ude00\t\/"#).unwrap(), "é😀\t/".as_bytes());
        for wrong in [r"\ud800 lone", r"\x", r"\u12", r"\", r"\ude00", r"\ud800A"] {
            assert_eq!(unescape(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
