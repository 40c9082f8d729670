//! JSON text from left to right, without a tree: what push bodies need and no more.
//!
//! Values that are asked for are checked strictly; values that are passed over only as far as it takes to find their
//! end. Bytes in strings need not be UTF-8, and control characters are let through.

use std::borrow::Cow;

use crate::error::KernelError;

/// Deepest nesting of a value that is passed over; one bit of a word each.
const DEPTH_MAX: u32 = 128;

/// What is wrong and where.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct JsonError {
    pub(super) at: usize,
    pub(super) what: String,
}

impl JsonError {
    /// Names the place in the document too, for instance `streams[0]`.
    pub(super) fn within(mut self, place: &str) -> Self {
        let joint = if self.what.starts_with("values[") || self.what.starts_with("entries[") { "." } else { ": " };
        self.what = format!("{place}{joint}{}", self.what);
        self
    }
}

impl From<JsonError> for KernelError {
    fn from(error: JsonError) -> Self {
        KernelError::InvalidRequest(format!("push body is wrong at byte {}: {}", error.at, error.what))
    }
}

pub(super) type Scan<T> = Result<T, JsonError>;

/// A string as it stands between its quotes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quoted<'a> {
    pub(super) raw: &'a [u8],
    has_escapes: bool,
    at: usize,
}

impl<'a> Quoted<'a> {
    /// What the string means; `buffer` is used only where that differs from how it stands.
    pub(super) fn text<'b>(self, buffer: &'b mut Vec<u8>) -> Scan<&'b [u8]>
    where
        'a: 'b,
    {
        if !self.has_escapes {
            return Ok(self.raw);
        }
        buffer.clear();
        self.unescape(buffer)?;
        Ok(buffer)
    }

    pub(super) fn to_cow(self) -> Scan<Cow<'a, [u8]>> {
        if !self.has_escapes {
            return Ok(Cow::Borrowed(self.raw));
        }
        let mut buffer = Vec::with_capacity(self.raw.len());
        self.unescape(&mut buffer)?;
        Ok(Cow::Owned(buffer))
    }

    /// As text, with U+FFFD in place of what is not UTF-8.
    pub(super) fn to_text(self) -> Scan<Box<str>> {
        Ok(String::from_utf8_lossy(&self.to_cow()?).into())
    }

    fn unescape(self, out: &mut Vec<u8>) -> Scan<()> {
        let mut rest = self.raw;
        // A quote inside stands behind a backslash and is taken with it.
        while let Some(plain) = quote_or_escape(rest) {
            out.extend_from_slice(&rest[..plain]);
            let used = unescape_one(&rest[plain..], out).ok_or_else(|| {
                let at = self.at + (self.raw.len() - rest.len()) + plain;
                JsonError { at, what: "unknown escape sequence or lone surrogate in a string".to_owned() }
            })?;
            rest = &rest[plain + used..];
        }
        out.extend_from_slice(rest);
        Ok(())
    }
}

/// Place of the first quote or backslash. Most are near, in keys, short values and text full of escapes; there a call
/// of `memchr` would cost more than the search.
#[inline]
pub(super) fn quote_or_escape(text: &[u8]) -> Option<usize> {
    const NEAR_BYTES: usize = 32;
    let mut at = 0;
    while at < NEAR_BYTES {
        let Some(word) = text.get(at..).and_then(|rest| rest.first_chunk()) else { break };
        let word = u64::from_le_bytes(*word);
        let found =
            zero_bytes(word ^ u64::from_le_bytes([b'"'; 8])) | zero_bytes(word ^ u64::from_le_bytes([b'\\'; 8]));
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    memchr::memchr2(b'"', b'\\', &text[at..]).map(|length| at + length)
}

/// The high bit of each byte that is zero; bytes above the lowest such may be marked too.
fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(0x0101_0101_0101_0101) & !word & 0x8080_8080_8080_8080
}

/// Appends what the escape at the start of `text` means and gives its length; None where it means nothing.
fn unescape_one(text: &[u8], out: &mut Vec<u8>) -> Option<usize> {
    let simple = match *text.get(1)? {
        b'n' => b'\n',
        b't' => b'\t',
        b'r' => b'\r',
        b'b' => 8,
        b'f' => 12,
        kind @ (b'"' | b'\\' | b'/') => kind,
        b'u' => {
            let (c, used) = unescape_unicode(text)?;
            let mut utf8 = [0; 4];
            out.extend_from_slice(c.encode_utf8(&mut utf8).as_bytes());
            return Some(used);
        }
        _ => return None,
    };
    out.push(simple);
    Some(2)
}

fn unescape_unicode(text: &[u8]) -> Option<(char, usize)> {
    let high = hex4(text.get(2..6)?)?;
    if !(0xd800..0xdc00).contains(&high) {
        return Some((char::from_u32(high)?, 6));
    }
    let low = text.get(6..12)?;
    let low = low.strip_prefix(b"\\u").and_then(hex4).filter(|low| (0xdc00..0xe000).contains(low))?;
    let c = char::from_u32(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00))?;
    Some((c, 12))
}

fn hex4(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |value, &b| Some(value * 16 + (b as char).to_digit(16)?))
}

#[derive(Clone)]
pub(super) struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Scanner { bytes, at: 0 }
    }

    pub(super) fn error(&self, what: impl Into<String>) -> JsonError {
        JsonError { at: self.at, what: what.into() }
    }

    /// An error that says what stands here.
    pub(super) fn unexpected(&mut self, expected: &str) -> JsonError {
        let found = match self.peek() {
            None => "the end of the body".to_owned(),
            Some(b'"') => "a string".to_owned(),
            Some(b'{') => "an object".to_owned(),
            Some(b'[') => "an array".to_owned(),
            Some(b't' | b'f') => "a boolean".to_owned(),
            Some(b'n') => "null".to_owned(),
            Some(b'-' | b'0'..=b'9') => "a number".to_owned(),
            Some(b) => format!("'{}'", b.escape_ascii()),
        };
        self.error(format!("expected {expected}, found {found}"))
    }

    /// The first byte of the next token, which stays unread.
    #[inline]
    pub(super) fn peek(&mut self) -> Option<u8> {
        while let Some(&b) = self.bytes.get(self.at) {
            if !matches!(b, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(b);
            }
            self.at += 1;
        }
        None
    }

    #[inline]
    fn accept(&mut self, token: u8) -> bool {
        let found = self.peek() == Some(token);
        self.at += usize::from(found);
        found
    }

    /// Reads the bracket that begins an object or array.
    pub(super) fn open(&mut self, bracket: u8, expected: &str) -> Scan<()> {
        if self.accept(bracket) { Ok(()) } else { Err(self.unexpected(expected)) }
    }

    /// Reads `null` if it stands here.
    pub(super) fn accept_null(&mut self) -> Scan<bool> {
        if self.peek() != Some(b'n') {
            return Ok(false);
        }
        if !self.bytes[self.at..].starts_with(b"null") {
            return Err(self.error("expected null"));
        }
        self.at += 4;
        Ok(true)
    }

    /// Whether another element of an open array follows, which is then next; else its end was read.
    #[inline]
    pub(super) fn next_element(&mut self, is_first: bool) -> Scan<bool> {
        if self.accept(b']') {
            return Ok(false);
        }
        if !is_first && !self.accept(b',') {
            return Err(self.unexpected("',' or ']'"));
        }
        Ok(true)
    }

    /// The next key of an open object, whose value is then next; None if its end was read.
    #[inline]
    pub(super) fn next_key(&mut self, is_first: bool) -> Scan<Option<Quoted<'a>>> {
        if self.accept(b'}') {
            return Ok(None);
        }
        if !is_first && !self.accept(b',') {
            return Err(self.unexpected("',' or '}'"));
        }
        let key = self.string("a key")?;
        if self.accept(b':') { Ok(Some(key)) } else { Err(self.unexpected("':'")) }
    }

    #[inline]
    pub(super) fn string(&mut self, expected: &str) -> Scan<Quoted<'a>> {
        if !self.accept(b'"') {
            return Err(self.unexpected(expected));
        }
        let start = self.at;
        let has_escapes = self.pass_string()?;
        Ok(Quoted { raw: &self.bytes[start..self.at - 1], has_escapes, at: start })
    }

    /// Reads the rest of a string and its closing quote; tells whether it has escapes.
    fn pass_string(&mut self) -> Scan<bool> {
        let start = self.at;
        let mut has_escapes = false;
        loop {
            let Some(length) = quote_or_escape(self.bytes.get(self.at..).unwrap_or_default()) else {
                self.at = start;
                return Err(self.error("unterminated string"));
            };
            self.at += length;
            if self.bytes[self.at] == b'"' {
                self.at += 1;
                return Ok(has_escapes);
            }
            has_escapes = true;
            self.at += 2;
        }
    }

    /// Passes over any value and gives its text.
    pub(super) fn raw_value(&mut self) -> Scan<&'a [u8]> {
        self.peek();
        let start = self.at;
        // One bit for each open bracket, the innermost lowest: 1 for an object.
        let (mut kinds, mut depth) = (0u128, 0);
        loop {
            match self.peek() {
                Some(open @ (b'{' | b'[')) => {
                    if depth == DEPTH_MAX {
                        return Err(self.error(format!("nested deeper than {DEPTH_MAX}")));
                    }
                    kinds = kinds << 1 | u128::from(open == b'{');
                    depth += 1;
                    self.at += 1;
                }
                Some(close @ (b'}' | b']')) if depth > 0 && (kinds & 1 == 1) == (close == b'}') => {
                    kinds >>= 1;
                    depth -= 1;
                    self.at += 1;
                }
                Some(b',' | b':') if depth > 0 => {
                    self.at += 1;
                    continue;
                }
                Some(b'"') => {
                    self.at += 1;
                    self.pass_string()?;
                }
                Some(b't' | b'f' | b'n' | b'-' | b'0'..=b'9') => self.pass_scalar()?,
                _ => return Err(self.unexpected("a value")),
            }
            if depth == 0 {
                return Ok(&self.bytes[start..self.at]);
            }
        }
    }

    fn pass_scalar(&mut self) -> Scan<()> {
        let rest = &self.bytes[self.at..];
        for word in [&b"true"[..], b"false", b"null"] {
            if rest.starts_with(word) {
                self.at += word.len();
                return Ok(());
            }
        }
        let length = rest.iter().take_while(|b| matches!(b, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')).count();
        if length == 0 {
            return Err(self.error("expected a value"));
        }
        self.at += length;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_are_passed_over() {
        let values =
            ["1", "-1.5e+3", "true", "null", "\"a\\\"]\"", "[]", "{}", "[1,{\"a\":[\"}\"]},2]", "{\"a\":{\"b\":[]}}"];
        for value in values {
            let text = format!("  {value} ,rest");
            assert_eq!(Scanner::new(text.as_bytes()).raw_value(), Ok(value.as_bytes()), "{value}");
        }
        for broken in ["", "]", "[}", "{\"a\"", "[\"a", "x", "tru", &"[".repeat(1000), "[\"\\"] {
            assert!(Scanner::new(broken.as_bytes()).raw_value().is_err(), "{broken}");
        }
    }

    #[test]
    fn escapes() {
        let read = |text: &str| Scanner::new(text.as_bytes()).string("").unwrap().to_text();
        assert_eq!(
            read(r#""tab\tnl\nuni\u00e9 \ud83d\ude00 \/ nul\u0000 \"\\ end""#),
            Ok("tab\tnl\nunié 😀 / nul\0 \"\\ end".into())
        );
        for broken in [r#""\x""#, r#""\ud800""#, r#""\ud800\u0041""#, r#""\udc00""#, r#""\u12""#] {
            assert!(read(broken).is_err(), "{broken}");
        }
    }

    proptest! {
        #[test]
        fn quotes_and_escapes_are_found_where_they_are(text in "[a!#\\[\\]é]{0,50}[\"\\\\]{0,1}.{0,20}") {
            let plain = text.bytes().position(|b| matches!(b, b'"' | b'\\'));
            prop_assert_eq!(quote_or_escape(text.as_bytes()), plain);
        }

        #[test]
        fn any_text_is_read_without_panic(text in "[{}\\[\\]\",:\\\\ucd8 0-9tfn]{0,50}") {
            let mut scanner = Scanner::new(text.as_bytes());
            let _ = scanner.raw_value();
            if let Ok(quoted) = Scanner::new(text.as_bytes()).string("") {
                let _ = quoted.to_cow();
            }
        }
    }
}
