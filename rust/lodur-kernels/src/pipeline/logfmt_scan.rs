//! Reading `key=value` pairs the way Loki's logfmt decoder does.

use std::borrow::Cow;

use super::json_scan::{HIGH_BITS, LOW_BITS, equal_bytes, word_at};

/// A pair; a bare key has an empty value.
pub struct Pair<'l> {
    pub key: &'l [u8],
    pub value: Cow<'l, [u8]>,
}

/// What is wrong with a pair, with its place counted from one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Defect {
    Unexpected { byte: u8, position: usize },
    UnterminatedQuote { position: usize },
    InvalidQuote { position: usize },
}

impl Defect {
    pub fn text(self) -> String {
        match self {
            Defect::Unexpected { byte, position } => {
                format!("logfmt syntax error at pos {position} : unexpected '{}'", char::from(byte))
            }
            Defect::UnterminatedQuote { position } => {
                format!("logfmt syntax error at pos {position} : unterminated quoted value")
            }
            Defect::InvalidQuote { position } => {
                format!("logfmt syntax error at pos {position} : invalid quoted value")
            }
        }
    }
}

/// A line and how far it has been read.
pub struct Pairs<'l> {
    line: &'l [u8],
    at: usize,
}

const IS_END: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = byte <= b' ' as usize || byte == b'=' as usize || byte == b'"' as usize;
        byte += 1;
    }
    table
};

impl<'l> Pairs<'l> {
    pub fn new(line: &'l [u8]) -> Self {
        Pairs { line, at: 0 }
    }

    /// The next pair, its defect, or None at the end. After a defect the reader stands where it was seen.
    #[inline]
    pub fn next_pair(&mut self) -> Option<Result<Pair<'l>, Defect>> {
        let line = self.line;
        self.at += line[self.at..].iter().position(|byte| *byte > b' ')?;
        let start = self.at;
        self.at = run_end(line, start);
        let key = &line[start..self.at];
        match line.get(self.at) {
            Some(b'=') if !key.is_empty() => self.at += 1,
            Some(byte @ (b'=' | b'"')) => return Some(Err(self.unexpected(*byte))),
            _ => return Some(Ok(Pair { key, value: Cow::Borrowed(b"") })),
        }
        if line.get(self.at) == Some(&b'"') {
            return Some(self.quoted().map(|value| Pair { key, value }));
        }
        let start = self.at;
        self.at = run_end(line, start);
        match line.get(self.at) {
            Some(byte @ (b'=' | b'"')) => Some(Err(self.unexpected(*byte))),
            _ => Some(Ok(Pair { key, value: Cow::Borrowed(&line[start..self.at]) })),
        }
    }

    /// Go on behind the next blank, after a defect.
    pub fn skip_to_blank(&mut self) {
        let blank = self.line[self.at..].iter().position(|byte| *byte <= b' ');
        self.at = blank.map_or(self.line.len(), |offset| self.at + offset);
    }

    fn unexpected(&self, byte: u8) -> Defect {
        Defect::Unexpected { byte, position: self.at + 1 }
    }

    /// A quoted value; the reader stands on the opening quote.
    fn quoted(&mut self) -> Result<Cow<'l, [u8]>, Defect> {
        let start = self.at + 1;
        let Some((end, escaped)) = super::json_scan::string_end(self.line, start) else {
            self.at = self.line.len();
            return Err(Defect::UnterminatedQuote { position: self.at + 1 });
        };
        self.at = end + 1;
        let text = &self.line[start..end];
        if !escaped {
            return Ok(Cow::Borrowed(text));
        }
        match unquote(text) {
            Some(value) => Ok(Cow::Owned(value)),
            None => Err(Defect::InvalidQuote { position: self.at + 1 }),
        }
    }
}

/// First byte at or after `start` that is a blank, `=` or `"`.
#[inline]
fn run_end(line: &[u8], start: usize) -> usize {
    let mut at = start;
    while let Some(word) = word_at(line, at) {
        let ends = at_most_blank(word) | equal_bytes(word, b'=') | equal_bytes(word, b'"');
        if ends != 0 {
            return at + (ends.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    let length = line[at..].iter().position(|byte| IS_END[*byte as usize]);
    length.map_or(line.len(), |length| at + length)
}

/// High bit of each byte that is a blank or a control character; bits above the lowest set one may be wrong.
#[inline]
fn at_most_blank(word: u64) -> u64 {
    word.wrapping_sub(LOW_BITS * (b' ' as u64 + 1)) & !word & HIGH_BITS
}

/// Undo escapes; control characters and unknown escapes make the value invalid, half a surrogate pair becomes U+FFFD.
fn unquote(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        at += 1;
        if *byte < b' ' {
            return None;
        }
        if *byte != b'\\' {
            out.push(*byte);
            continue;
        }
        let kind = *text.get(at)?;
        at += 1;
        out.push(match kind {
            b'"' | b'\\' | b'/' | b'\'' => kind,
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let first = hex(text.get(at..at + 4)?)?;
                at += 4;
                let second =
                    text.get(at..at + 6).filter(|next| next.starts_with(b"\\u")).and_then(|next| hex(&next[2..]));
                let c = match (first, second) {
                    (0xD800..=0xDBFF, Some(low @ 0xDC00..=0xDFFF)) => {
                        at += 6;
                        char::from_u32(0x10000 + ((first - 0xD800) << 10) + (low - 0xDC00))
                    }
                    _ => char::from_u32(first),
                };
                let c = c.unwrap_or(char::REPLACEMENT_CHARACTER);
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                continue;
            }
            _ => return None,
        });
    }
    Some(out)
}

fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |value, digit| Some(value * 16 + char::from(*digit).to_digit(16)?))
}
