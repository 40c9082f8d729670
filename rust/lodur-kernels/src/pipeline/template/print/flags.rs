//! Flags, width and precision of a verb, and what they do to texts and numbers.

use super::float::format_float;
use super::quote::{can_backquote, is_print, quote};

#[derive(Clone, Copy, Debug, Default)]
pub struct Flags {
    pub width: Option<usize>,
    pub precision: Option<usize>,
    pub minus: bool,
    pub plus: bool,
    pub sharp: bool,
    pub space: bool,
    pub zero: bool,
    /// `%+v` and `%#v`.
    pub plus_v: bool,
    pub sharp_v: bool,
}

impl Flags {
    fn fill(&self, out: &mut Vec<u8>, count: usize) {
        let byte = if self.zero && !self.minus { b'0' } else { b' ' };
        out.resize(out.len() + count, byte);
    }

    /// A text padded to the width.
    pub fn pad(&self, out: &mut Vec<u8>, text: &[u8]) {
        let missing = self.width.unwrap_or(0).saturating_sub(rune_count(text));
        if !self.minus {
            self.fill(out, missing);
        }
        out.extend_from_slice(text);
        if self.minus {
            self.fill(out, missing);
        }
    }

    fn pad_with_blanks(&self, out: &mut Vec<u8>, text: &[u8]) {
        Flags { zero: false, ..*self }.pad(out, text);
    }

    pub fn text(&self, out: &mut Vec<u8>, text: &[u8]) {
        self.pad(out, self.truncated(text));
    }

    /// At most so many runes as the precision says.
    fn truncated<'t>(&self, text: &'t [u8]) -> &'t [u8] {
        match self.precision {
            Some(precision) => prefix_of_runes(text, precision),
            None => text,
        }
    }

    pub fn quoted(&self, out: &mut Vec<u8>, text: &[u8]) {
        let text = self.truncated(text);
        if self.sharp && can_backquote(text) {
            self.pad(out, &[b"`", text, b"`"].concat());
        } else {
            self.pad(out, quote(text, '"', self.plus).as_bytes());
        }
    }

    /// The bytes of a text in hexadecimal.
    pub fn hex_text(&self, out: &mut Vec<u8>, text: &[u8], upper: bool) {
        let text = &text[..text.len().min(self.precision.unwrap_or(usize::MAX))];
        let prefix = if upper { "0X" } else { "0x" };
        let mut hex = String::new();
        for (at, byte) in text.iter().enumerate() {
            if self.space && at > 0 {
                hex.push(' ');
            }
            if self.sharp && (at == 0 || self.space) {
                hex.push_str(prefix);
            }
            hex.push_str(&if upper { format!("{byte:02X}") } else { format!("{byte:02x}") });
        }
        self.pad(out, hex.as_bytes());
    }

    /// A number in base 2, 8, 10 or 16; the verb tells `x` from `X` and `o` from `O`.
    pub fn integer(&self, out: &mut Vec<u8>, negative: bool, magnitude: u64, base: u32, verb: char) {
        if self.precision == Some(0) && magnitude == 0 {
            Flags { zero: false, ..*self }.fill(out, self.width.unwrap_or(0));
            return;
        }
        let signed = negative || self.plus || self.space;
        let least = match (self.precision, self.width) {
            (Some(precision), _) => precision,
            (None, Some(width)) if self.zero && !self.minus => width.saturating_sub(usize::from(signed)),
            _ => 0,
        };
        let mut digits = match base {
            2 => format!("{magnitude:b}"),
            8 => format!("{magnitude:o}"),
            16 if verb == 'X' => format!("{magnitude:X}"),
            16 => format!("{magnitude:x}"),
            _ => magnitude.to_string(),
        };
        if digits.len() < least {
            digits.insert_str(0, &"0".repeat(least - digits.len()));
        }
        let prefix = match base {
            _ if verb == 'O' => "0o",
            2 if self.sharp => "0b",
            8 if self.sharp && !digits.starts_with('0') => "0",
            16 if self.sharp && verb == 'X' => "0X",
            16 if self.sharp => "0x",
            _ => "",
        };
        let sign = match (negative, self.plus, self.space) {
            (true, _, _) => "-",
            (_, true, _) => "+",
            (_, _, true) => " ",
            _ => "",
        };
        self.pad_with_blanks(out, format!("{sign}{prefix}{digits}").as_bytes());
    }

    pub fn character(&self, out: &mut Vec<u8>, code: u64) {
        self.pad(out, char_of(code).encode_utf8(&mut [0; 4]).as_bytes());
    }

    pub fn quoted_character(&self, out: &mut Vec<u8>, code: u64) {
        let mut buffer = [0; 4];
        let text = char_of(code).encode_utf8(&mut buffer);
        self.pad(out, quote(text.as_bytes(), '\'', self.plus).as_bytes());
    }

    /// `U+0041`, with the character behind it where `#` is given.
    pub fn unicode(&self, out: &mut Vec<u8>, code: u64) {
        let digits = self.precision.unwrap_or(4).max(4);
        let shown = u32::try_from(code).ok().and_then(char::from_u32).filter(|c| self.sharp && is_print(*c));
        let hex = format!("{code:X}");
        let zeros = "0".repeat(digits.saturating_sub(hex.len()));
        let tail = shown.map(|c| format!(" '{c}'")).unwrap_or_default();
        self.pad_with_blanks(out, format!("U+{zeros}{hex}{tail}").as_bytes());
    }

    /// A float by a form of `format_float` and its default precision.
    pub fn float(&self, out: &mut Vec<u8>, value: f64, verb: char, default: Option<usize>) {
        let precision = self.precision.or(default);
        let form = match verb {
            'v' => b'g',
            'F' => b'f',
            other => u8::try_from(other).unwrap_or(b'g'),
        };
        let mut text = format_float(value, form, precision);
        if !text.starts_with(['+', '-']) {
            text.insert(0, '+');
        }
        if self.space && text.starts_with('+') && !self.plus {
            text.replace_range(..1, " ");
        }
        if text[1..].starts_with(['I', 'N']) {
            // Only NaN stands without a sign.
            let unsigned = text[1..].starts_with('N') && !self.space && !self.plus;
            self.pad_with_blanks(out, &text.as_bytes()[usize::from(unsigned)..]);
            return;
        }
        if self.sharp && form != b'b' {
            text = with_point(&text, form, precision);
        }
        if !self.plus && text.starts_with('+') {
            self.pad(out, &text.as_bytes()[1..]);
        } else if self.zero && !self.minus && self.width.is_some_and(|width| width > text.len()) {
            out.extend_from_slice(&text.as_bytes()[..1]);
            self.fill(out, self.width.unwrap_or(0) - text.len());
            out.extend_from_slice(&text.as_bytes()[1..]);
        } else {
            self.pad(out, text.as_bytes());
        }
    }
}

/// With a decimal point, and the zeros that `g` drops (`%#g`).
fn with_point(text: &str, form: u8, precision: Option<usize>) -> String {
    let is_hex = matches!(form, b'x' | b'X');
    let wanted = if matches!(form, b'g' | b'G' | b'x') { precision.unwrap_or(6) } else { 0 };
    let marks: &[char] = if is_hex { &['p', 'P'] } else { &['e', 'E', 'p', 'P'] };
    let (number, tail) = text.split_at(text.find(marks).unwrap_or(text.len()));
    let digits = number[1..].chars().filter(|c| *c != '.').skip_while(|c| *c == '0').count();
    let mut made = number.to_owned();
    let mut present = digits;
    if !number.contains('.') {
        if &number[1..] == "0" {
            present += 1;
        }
        made.push('.');
    }
    made.push_str(&"0".repeat(wanted.saturating_sub(present)));
    made + tail
}

fn char_of(code: u64) -> char {
    u32::try_from(code).ok().and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// The first rune and its length; a byte that is part of none is one that cannot be shown.
pub fn first_rune(text: &[u8]) -> Option<(char, usize)> {
    let first = *text.first()?;
    if first.is_ascii() {
        return Some((char::from(first), 1));
    }
    let start = &text[..text.len().min(4)];
    match start.utf8_chunks().next().and_then(|chunk| chunk.valid().chars().next()) {
        Some(c) => Some((c, c.len_utf8())),
        None => Some((char::REPLACEMENT_CHARACTER, 1)),
    }
}

/// Runes as Go counts them.
pub fn rune_count(text: &[u8]) -> usize {
    if text.is_ascii() {
        return text.len();
    }
    text.utf8_chunks().map(|chunk| chunk.valid().chars().count() + chunk.invalid().len()).sum()
}

/// As many bytes as the first runes have.
pub fn prefix_of_runes(text: &[u8], count: usize) -> &[u8] {
    if count >= text.len() {
        return text;
    }
    let mut length = 0;
    for _ in 0..count {
        match first_rune(&text[length..]) {
            Some((_, bytes)) => length += bytes,
            None => break,
        }
    }
    &text[..length]
}
