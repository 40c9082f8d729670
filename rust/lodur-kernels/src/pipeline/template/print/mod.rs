//! Values as text: Go's package `fmt`, for the values that templates have.
//!
//! Start at `Printer`. Verbs work on values here; flags and widths are in `flags`, floats in `float`, quoted text in
//! `quote`.

mod flags;
mod float;
mod quote;

pub use flags::{first_rune, prefix_of_runes, rune_count};
pub use quote::{is_print, quote};

/// A float as `%v` writes it.
pub fn format_number(value: f64) -> String {
    float::format_float(value, b'g', None)
}

use super::time::{MONTHS, WEEKDAYS, format_duration, named_number};
use super::value::{IntKind, Value};
use flags::Flags;

/// Largest width and precision, as in Go.
const NUMBER_MAX: i64 = 1_000_000;

/// The labels of the row, sorted by name.
pub type SortedLabels<'a> = Vec<(&'a [u8], &'a [u8])>;

/// Writes values; stops taking more once `bytes_max` are written.
pub struct Printer<'p, 'a> {
    pub out: Vec<u8>,
    pub labels: &'p dyn Fn() -> SortedLabels<'a>,
    pub bytes_max: usize,
    flags: Flags,
    /// A value is being shown inside a complaint about it.
    complaining: bool,
}

/// The output became longer than it may.
#[derive(Debug)]
pub struct TooLong;

type Result<T = (), E = TooLong> = std::result::Result<T, E>;

impl<'p, 'a> Printer<'p, 'a> {
    pub fn new(out: Vec<u8>, labels: &'p dyn Fn() -> SortedLabels<'a>, bytes_max: usize) -> Self {
        Printer { out, labels, bytes_max, flags: Flags::default(), complaining: false }
    }

    /// `fmt.Sprint`: blanks between operands where neither is a string.
    pub fn print(&mut self, values: &[Value<'a>]) -> Result {
        let mut after_text = false;
        for (at, value) in values.iter().enumerate() {
            let is_text = matches!(value.inner(), Value::Text(_));
            if at > 0 && !is_text && !after_text {
                self.out.push(b' ');
            }
            self.value(value, 'v')?;
            after_text = is_text;
        }
        Ok(())
    }

    /// `fmt.Sprintln`.
    pub fn print_line(&mut self, values: &[Value<'a>]) -> Result {
        for (at, value) in values.iter().enumerate() {
            if at > 0 {
                self.out.push(b' ');
            }
            self.value(value, 'v')?;
        }
        self.out.push(b'\n');
        Ok(())
    }

    /// `fmt.Sprintf`.
    pub fn printf(&mut self, format: &[u8], values: &[Value<'a>]) -> Result {
        let mut verbs =
            Verbs { format, at: 0, values, next: 0, reordered: false, good_number: true, after_index: false };
        while let Some(percent) = memchr::memchr(b'%', &format[verbs.at..]) {
            self.out.extend_from_slice(&format[verbs.at..verbs.at + percent]);
            verbs.at += percent + 1;
            if !self.verb(&mut verbs)? {
                verbs.at = format.len();
            }
        }
        self.out.extend_from_slice(&format[verbs.at..]);
        if !verbs.reordered && verbs.next < values.len() {
            self.extra(&values[verbs.next..])?;
        }
        Ok(())
    }

    fn extra(&mut self, values: &[Value<'a>]) -> Result {
        self.flags = Flags::default();
        self.out.extend_from_slice(b"%!(EXTRA ");
        for (at, value) in values.iter().enumerate() {
            if at > 0 {
                self.out.extend_from_slice(b", ");
            }
            if value.is_nil() {
                self.out.extend_from_slice(b"<nil>");
            } else {
                self.out.extend_from_slice(value.inner().type_name().as_bytes());
                self.out.push(b'=');
                self.value(value, 'v')?;
            }
        }
        self.out.push(b')');
        Ok(())
    }

    /// One verb with its flags; false at the end of a format that has none.
    fn verb(&mut self, verbs: &mut Verbs<'_, 'a>) -> Result<bool> {
        self.flags = Flags::default();
        verbs.read_flags(&mut self.flags);
        verbs.read_index();
        if verbs.peek() == Some(b'*') {
            verbs.at += 1;
            self.star_width(verbs);
        } else {
            self.flags.width = verbs.read_number();
            if verbs.after_index && self.flags.width.is_some() {
                verbs.good_number = false;
            }
        }
        if verbs.peek() == Some(b'.') && verbs.at + 1 < verbs.format.len() {
            verbs.at += 1;
            self.read_precision(verbs);
        }
        if !verbs.after_index {
            verbs.read_index();
        }
        let Some((verb, length)) = first_rune(&verbs.format[verbs.at..]) else {
            self.out.extend_from_slice(b"%!(NOVERB)");
            return Ok(false);
        };
        verbs.at += length;
        if verb == '%' {
            self.out.push(b'%');
        } else if !verbs.good_number {
            self.complain(verb, b"(BADINDEX)");
        } else if let Some(value) = verbs.values.get(verbs.next) {
            verbs.next += 1;
            if matches!(verb, 'v' | 'w') {
                self.flags.sharp_v = std::mem::take(&mut self.flags.sharp);
                self.flags.plus_v = std::mem::take(&mut self.flags.plus);
            }
            self.value(value, verb)?;
        } else {
            self.complain(verb, b"(MISSING)");
        }
        verbs.good_number = true;
        verbs.after_index = false;
        Ok(true)
    }

    fn star_width(&mut self, verbs: &mut Verbs<'_, 'a>) {
        match verbs.take_int() {
            None => self.out.extend_from_slice(b"%!(BADWIDTH)"),
            Some(width) => {
                self.flags.width = usize::try_from(width.unsigned_abs()).ok();
                if width < 0 {
                    self.flags.minus = true;
                    self.flags.zero = false;
                }
            }
        }
        verbs.after_index = false;
    }

    fn read_precision(&mut self, verbs: &mut Verbs<'_, 'a>) {
        if verbs.after_index {
            verbs.good_number = false;
        }
        verbs.read_index();
        if verbs.peek() != Some(b'*') {
            self.flags.precision = Some(verbs.read_number().unwrap_or(0));
            return;
        }
        verbs.at += 1;
        self.flags.precision = verbs.take_int().and_then(|precision| usize::try_from(precision).ok());
        if self.flags.precision.is_none() {
            self.out.extend_from_slice(b"%!(BADPREC)");
        }
        verbs.after_index = false;
    }

    fn complain(&mut self, verb: char, what: &[u8]) {
        self.out.extend_from_slice(format!("%!{verb}").as_bytes());
        self.out.extend_from_slice(what);
    }

    fn check(&self) -> Result {
        if self.out.len() > self.bytes_max { Err(TooLong) } else { Ok(()) }
    }

    /// One operand.
    fn value(&mut self, value: &Value<'a>, verb: char) -> Result {
        let value = value.inner();
        match (value, verb) {
            (Value::Nil | Value::Invalid, 'T' | 'v') => self.flags.pad(&mut self.out, b"<nil>"),
            (Value::Nil | Value::Invalid, _) => self.complain(verb, b"(<nil>)"),
            (_, 'T') => self.flags.text(&mut self.out, value.type_name().as_bytes()),
            (_, 'p' | 'w') => self.bad_verb(value, verb)?,
            _ => self.any(value, verb)?,
        }
        self.check()
    }

    fn any(&mut self, value: &Value<'a>, verb: char) -> Result {
        if !self.complaining
            && let Some(text) = self.own_text(value, verb)
        {
            return self.text(text.as_bytes(), verb, value);
        }
        match value {
            Value::Bool(truth) => match verb {
                't' | 'v' => self.flags.pad(&mut self.out, if *truth { b"true" } else { b"false" }),
                _ => self.bad_verb(value, verb)?,
            },
            Value::Int(number, _) => self.integer(*number < 0, number.unsigned_abs(), *number as u64, verb, value)?,
            Value::Byte(byte) if verb == 'v' && self.flags.sharp_v => {
                let flags = Flags { sharp: true, ..self.flags };
                flags.integer(&mut self.out, false, u64::from(*byte), 16, 'v');
            }
            Value::Byte(byte) => self.integer(false, u64::from(*byte), u64::from(*byte), verb, value)?,
            Value::Float(number) => self.float(*number, verb, value)?,
            Value::Complex(real, imaginary) => self.complex(*real, *imaginary, verb, value)?,
            Value::Text(text) => self.text(text, verb, value)?,
            Value::Labels => {
                let labels = (self.labels)();
                let pairs =
                    labels.into_iter().map(|(name, text)| (name, Value::text(super::value::Text::Borrowed(text))));
                self.map(pairs, verb, value)?;
            }
            Value::Map(map) => {
                self.map(map.iter().map(|(name, member)| (name.as_slice(), member.clone())), verb, value)?
            }
            Value::List(list) => self.list(list.items(), verb)?,
            Value::Time(_) | Value::Zone(_) => self.bad_verb(value, verb)?,
            Value::Nil | Value::Invalid | Value::Any(_) => self.out.extend_from_slice(b"<nil>"),
        }
        Ok(())
    }

    /// What the type's own `String` gives, where the verb asks for text.
    fn own_text(&self, value: &Value<'a>, verb: char) -> Option<String> {
        if self.flags.sharp_v || !matches!(verb, 'v' | 's' | 'x' | 'X' | 'q') {
            return None;
        }
        Some(match value {
            Value::Time(time) => String::from_utf8_lossy(&time.printed()).into_owned(),
            Value::Zone(zone) => zone.name().to_owned(),
            Value::Int(ns, IntKind::Duration) => format_duration(*ns),
            Value::Int(number, IntKind::Month) => named_number(&MONTHS, *number, 1, "Month"),
            Value::Int(number, IntKind::Weekday) => named_number(&WEEKDAYS, *number, 0, "Weekday"),
            _ => return None,
        })
    }

    fn bad_verb(&mut self, value: &Value<'a>, verb: char) -> Result {
        self.complain(verb, b"(");
        self.out.extend_from_slice(value.type_name().as_bytes());
        self.out.push(b'=');
        let complaining = std::mem::replace(&mut self.complaining, true);
        if !complaining {
            match value {
                Value::Time(time) => self.out.extend_from_slice(&time.printed()),
                Value::Zone(zone) => self.out.extend_from_slice(zone.name().as_bytes()),
                _ => self.any(value, 'v')?,
            }
        }
        self.complaining = complaining;
        self.out.push(b')');
        Ok(())
    }

    fn integer(&mut self, negative: bool, magnitude: u64, bits: u64, verb: char, value: &Value<'a>) -> Result {
        let base = match verb {
            'v' | 'd' => 10,
            'b' => 2,
            'o' | 'O' => 8,
            'x' | 'X' => 16,
            'c' => {
                self.flags.character(&mut self.out, bits);
                return Ok(());
            }
            'q' => {
                self.flags.quoted_character(&mut self.out, bits);
                return Ok(());
            }
            'U' => {
                self.flags.unicode(&mut self.out, bits);
                return Ok(());
            }
            _ => return self.bad_verb(value, verb),
        };
        self.flags.integer(&mut self.out, negative, magnitude, base, verb);
        Ok(())
    }

    fn float(&mut self, number: f64, verb: char, value: &Value<'a>) -> Result {
        let precision = match verb {
            'v' | 'b' | 'g' | 'G' | 'x' | 'X' => None,
            'f' | 'e' | 'E' | 'F' => Some(6),
            _ => return self.bad_verb(value, verb),
        };
        self.flags.float(&mut self.out, number, verb, precision);
        Ok(())
    }

    fn complex(&mut self, real: f64, imaginary: f64, verb: char, value: &Value<'a>) -> Result {
        if !matches!(verb, 'v' | 'b' | 'g' | 'G' | 'x' | 'X' | 'f' | 'F' | 'e' | 'E') {
            return self.bad_verb(value, verb);
        }
        let plus = self.flags.plus;
        self.out.push(b'(');
        self.float(real, verb, value)?;
        self.flags.plus = true;
        self.float(imaginary, verb, value)?;
        self.flags.plus = plus;
        self.out.extend_from_slice(b"i)");
        Ok(())
    }

    fn text(&mut self, text: &[u8], verb: char, value: &Value<'a>) -> Result {
        match verb {
            'v' if self.flags.sharp_v => self.flags.quoted(&mut self.out, text),
            'v' | 's' => self.flags.text(&mut self.out, text),
            'x' | 'X' => self.flags.hex_text(&mut self.out, text, verb == 'X'),
            'q' => self.flags.quoted(&mut self.out, text),
            _ => self.bad_verb(value, verb)?,
        }
        Ok(())
    }

    fn map<'m>(
        &mut self,
        members: impl Iterator<Item = (&'m [u8], Value<'a>)>,
        verb: char,
        value: &Value<'a>,
    ) -> Result {
        let go_syntax = self.flags.sharp_v;
        if go_syntax {
            self.out.extend_from_slice(value.type_name().as_bytes());
        }
        self.out.extend_from_slice(if go_syntax { b"{" } else { b"map[" });
        for (at, (name, member)) in members.enumerate() {
            if at > 0 {
                self.out.extend_from_slice(if go_syntax { b", " } else { b" " });
            }
            self.text(name, verb, &Value::text(name.to_vec()))?;
            self.out.push(b':');
            self.element(&member, verb)?;
        }
        self.out.push(if go_syntax { b'}' } else { b']' });
        Ok(())
    }

    fn list(&mut self, items: &[Value<'a>], verb: char) -> Result {
        let go_syntax = self.flags.sharp_v;
        self.out.extend_from_slice(if go_syntax { b"[]interface {}{" } else { b"[" });
        for (at, item) in items.iter().enumerate() {
            if at > 0 {
                self.out.extend_from_slice(if go_syntax { b", " } else { b" " });
            }
            self.element(item, verb)?;
        }
        self.out.push(if go_syntax { b'}' } else { b']' });
        Ok(())
    }

    /// A member or element: nil has no verb and no width here.
    fn element(&mut self, value: &Value<'a>, verb: char) -> Result {
        if value.is_nil() {
            self.out.extend_from_slice(if self.flags.sharp_v { b"interface {}(nil)".as_slice() } else { b"<nil>" });
        } else {
            self.any(value.inner(), verb)?;
        }
        self.check()
    }
}

/// A format being read, and the operands that it takes.
struct Verbs<'v, 'a> {
    format: &'v [u8],
    at: usize,
    values: &'v [Value<'a>],
    next: usize,
    reordered: bool,
    good_number: bool,
    after_index: bool,
}

impl Verbs<'_, '_> {
    fn peek(&self) -> Option<u8> {
        self.format.get(self.at).copied()
    }

    fn read_flags(&mut self, flags: &mut Flags) {
        while let Some(byte) = self.peek() {
            match byte {
                b'#' => flags.sharp = true,
                b'0' => flags.zero = true,
                b'+' => flags.plus = true,
                b'-' => flags.minus = true,
                b' ' => flags.space = true,
                _ => return,
            }
            self.at += 1;
        }
    }

    /// Digits; None if there are none or too many.
    fn read_number(&mut self) -> Option<usize> {
        let (number, end) = number_at(self.format, self.at, self.format.len());
        self.at = end;
        number
    }

    /// An explicit operand: `[3]`.
    fn read_index(&mut self) {
        self.after_index = false;
        if self.peek() != Some(b'[') {
            return;
        }
        self.reordered = true;
        let rest = &self.format[self.at..];
        let close = if rest.len() < 3 { None } else { memchr::memchr(b']', rest) };
        let Some(close) = close else {
            self.good_number = false;
            self.at += 1;
            return;
        };
        let (number, end) = number_at(rest, 1, close);
        self.at += close + 1;
        let index = number.filter(|_| end == close);
        self.after_index = index.is_some();
        match index.and_then(|index| index.checked_sub(1)).filter(|index| *index < self.values.len()) {
            Some(index) => self.next = index,
            None => self.good_number = false,
        }
    }

    /// The next operand as a width or precision.
    fn take_int(&mut self) -> Option<i64> {
        let value = self.values.get(self.next)?;
        self.next += 1;
        let number = match value.inner() {
            Value::Int(number, _) => *number,
            Value::Byte(byte) => i64::from(*byte),
            _ => return None,
        };
        (-NUMBER_MAX..=NUMBER_MAX).contains(&number).then_some(number)
    }
}

/// The number at a place, and where it ends; a crazily long one is none and ends with the text.
fn number_at(text: &[u8], start: usize, end: usize) -> (Option<usize>, usize) {
    let mut at = start;
    let mut number: Option<usize> = None;
    while at < end && text[at].is_ascii_digit() {
        let known = number.unwrap_or(0);
        if known > NUMBER_MAX as usize {
            return (None, end);
        }
        number = Some(known * 10 + usize::from(text[at] - b'0'));
        at += 1;
    }
    (number, at)
}
