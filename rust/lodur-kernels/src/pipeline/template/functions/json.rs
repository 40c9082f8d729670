//! `fromJson`: JSON as Go's `encoding/json` reads it into any value.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::super::exec::Exec;
use super::super::value::{List, Value};
use super::Outcome;

/// Arrays and objects inside each other: reading and dropping them recurse. Deeper texts are read as none.
const DEPTH_MAX: usize = 256;

/// The value of a text; nil where it is no JSON.
pub fn decode<'a>(text: &[u8], exec: &mut Exec<'a>) -> Outcome<'a> {
    let mut reader = Reader { text, at: 0, depth: 0, values: 0 };
    let value = reader.value().filter(|_| {
        reader.blanks();
        reader.at == text.len()
    });
    exec.count_values(reader.values)?;
    Ok(value.unwrap_or(Value::Nil))
}

struct Reader<'t> {
    text: &'t [u8],
    at: usize,
    depth: usize,
    values: usize,
}

impl<'t> Reader<'t> {
    fn blanks(&mut self) {
        while matches!(self.text.get(self.at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn takes(&mut self, text: &[u8]) -> bool {
        let found = self.text[self.at..].starts_with(text);
        if found {
            self.at += text.len();
        }
        found
    }

    fn value<'a>(&mut self) -> Option<Value<'a>> {
        self.values += 1;
        if self.values > super::super::exec::VALUES_MAX {
            return None;
        }
        self.blanks();
        match *self.text.get(self.at)? {
            b'{' => self.nested(Self::object),
            b'[' => self.nested(Self::array),
            b'"' => self.string().map(Value::text),
            b't' => self.takes(b"true").then_some(Value::Bool(true)),
            b'f' => self.takes(b"false").then_some(Value::Bool(false)),
            b'n' => self.takes(b"null").then_some(Value::Nil),
            _ => self.number(),
        }
    }

    fn nested<'a>(&mut self, read: impl FnOnce(&mut Self) -> Option<Value<'a>>) -> Option<Value<'a>> {
        self.at += 1;
        self.depth += 1;
        let value = if self.depth > DEPTH_MAX { None } else { read(self) };
        self.depth -= 1;
        value
    }

    fn object<'a>(&mut self) -> Option<Value<'a>> {
        let mut members = BTreeMap::new();
        self.blanks();
        if self.takes(b"}") {
            return Some(Value::Map(Rc::new(members)));
        }
        loop {
            self.blanks();
            if self.text.get(self.at) != Some(&b'"') {
                return None;
            }
            let name = self.string()?;
            self.blanks();
            if !self.takes(b":") {
                return None;
            }
            let value = self.value()?;
            members.insert(name, value);
            self.blanks();
            if self.takes(b"}") {
                return Some(Value::Map(Rc::new(members)));
            }
            if !self.takes(b",") {
                return None;
            }
        }
    }

    fn array<'a>(&mut self) -> Option<Value<'a>> {
        let mut items = Vec::new();
        self.blanks();
        if self.takes(b"]") {
            return Some(Value::List(List::new(items)));
        }
        loop {
            items.push(self.value()?);
            self.blanks();
            if self.takes(b"]") {
                return Some(Value::List(List::new(items)));
            }
            if !self.takes(b",") {
                return None;
            }
        }
    }

    fn number<'a>(&mut self) -> Option<Value<'a>> {
        let start = self.at;
        self.takes(b"-");
        if !self.takes(b"0") && self.digits() == 0 {
            return None;
        }
        if self.takes(b".") && self.digits() == 0 {
            return None;
        }
        if self.takes(b"e") || self.takes(b"E") {
            if !self.takes(b"+") {
                self.takes(b"-");
            }
            if self.digits() == 0 {
                return None;
            }
        }
        let number: f64 = std::str::from_utf8(&self.text[start..self.at]).ok()?.parse().ok()?;
        // Too large a number is left out, the rest is read.
        Some(if number.is_finite() { Value::Float(number) } else { Value::Nil })
    }

    fn digits(&mut self) -> usize {
        let digits = self.text[self.at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += digits;
        digits
    }

    /// A string; broken bytes and halves of surrogate pairs become U+FFFD.
    fn string(&mut self) -> Option<Vec<u8>> {
        self.at += 1;
        let mut out = Vec::new();
        loop {
            let rest = &self.text[self.at..];
            let plain = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f))?;
            match std::str::from_utf8(&rest[..plain]) {
                Ok(text) => out.extend_from_slice(text.as_bytes()),
                Err(_) => rest[..plain].utf8_chunks().for_each(|chunk| {
                    out.extend_from_slice(chunk.valid().as_bytes());
                    chunk.invalid().iter().for_each(|_| out.extend_from_slice("\u{fffd}".as_bytes()));
                }),
            }
            self.at += plain + 1;
            match rest[plain] {
                b'"' => return Some(out),
                b'\\' => self.escape(&mut out)?,
                _ => return None,
            }
        }
    }

    fn escape(&mut self, out: &mut Vec<u8>) -> Option<()> {
        let byte = *self.text.get(self.at)?;
        self.at += 1;
        let plain = match byte {
            b'"' | b'\\' | b'/' => byte,
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let c = self.unicode()?;
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                return Some(());
            }
            _ => return None,
        };
        out.push(plain);
        Some(())
    }

    fn unicode(&mut self) -> Option<char> {
        let first = self.hex4()?;
        if let Some(c) = char::from_u32(first) {
            return Some(c);
        }
        let after = self.at;
        if first < 0xdc00
            && self.takes(b"\\u")
            && let Some(second @ 0xdc00..=0xdfff) = self.hex4()
        {
            return char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00));
        }
        self.at = after;
        Some(char::REPLACEMENT_CHARACTER)
    }

    fn hex4(&mut self) -> Option<u32> {
        let digits = self.text.get(self.at..self.at + 4)?;
        let value = digits.iter().try_fold(0, |value, byte| Some(value * 16 + char::from(*byte).to_digit(16)?))?;
        self.at += 4;
        Some(value)
    }
}
