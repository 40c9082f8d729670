//! The level of an entry: from named fields of its labels, metadata or text, else from the words of its text.
//!
//! Every ingested line passes here, so each step looks at as little of the line as it can: an object or a logfmt line
//! is read only up to the first level field, and only lines without one are searched for words.

use super::json_scan::quote_or_escape;
use super::level_words;
use crate::level::Level;

/// The fields to look at and how deep, prepared for fast comparison.
#[derive(Clone, Debug)]
pub struct LevelDetector {
    fields: Vec<Box<[u8]>>,
    /// Bit n: some field is n bytes long (63: 63 or more).
    lengths: u64,
    json_depth_max: usize,
}

/// A level that a field gave: in a normal form, or the text as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FieldLevel {
    Known(Level),
    Verbatim(Box<str>),
}

impl FieldLevel {
    pub(super) fn of(value: &str) -> Self {
        match normal_form(value.as_bytes()).or_else(|| exact_form(value.as_bytes())) {
            Some(level) => FieldLevel::Known(level),
            None => FieldLevel::Verbatim(value.into()),
        }
    }
}

impl LevelDetector {
    pub(super) fn new(fields: &[String], json_depth_max: usize) -> Self {
        let lengths = fields.iter().fold(0, |bits, field| bits | length_bit(field.len()));
        let fields = fields.iter().map(|field| field.as_bytes().into()).collect();
        LevelDetector { fields, lengths, json_depth_max }
    }

    /// Place of `name` in the list of fields; earlier ones go before later ones.
    pub(super) fn rank(&self, name: &[u8]) -> Option<usize> {
        if self.lengths & length_bit(name.len()) == 0 {
            return None;
        }
        self.fields.iter().position(|field| **field == *name)
    }

    /// The level that the text of an entry shows; `Unknown` if it shows none.
    pub(super) fn of_line(&self, line: &[u8]) -> Level {
        let from_field = if looks_like_object(line) { self.of_object(line) } else { self.of_logfmt(line) };
        from_field.or_else(|| level_words::find(line)).unwrap_or(Level::Unknown)
    }

    /// The first level field with a text value, in the order of the object, nested objects included.
    fn of_object(&self, line: &[u8]) -> Option<Level> {
        let mut at = skip_blanks(line, 0) + 1;
        let mut depth = 1;
        loop {
            at = skip_blanks(line, at);
            match *line.get(at)? {
                b'"' => {}
                b',' => {
                    at += 1;
                    continue;
                }
                b'}' if depth > 1 => {
                    depth -= 1;
                    at += 1;
                    continue;
                }
                _ => return None,
            }
            let key_end = string_end(line, at + 1)?;
            let key = &line[at + 1..key_end];
            at = skip_blanks(line, key_end + 1);
            if *line.get(at)? != b':' {
                return None;
            }
            at = skip_blanks(line, at + 1);
            match *line.get(at)? {
                b'"' => {
                    let value_end = string_end(line, at + 1)?;
                    if self.rank(key).is_some() {
                        return normal_form(&line[at + 1..value_end]);
                    }
                    at = value_end + 1;
                }
                b'{' if depth < self.json_depth_max => {
                    depth += 1;
                    at += 1;
                }
                b'{' | b'[' => at = container_end(line, at)?,
                _ => at += line[at..].iter().position(|b| matches!(b, b',' | b'}' | b']'))?,
            }
        }
    }

    /// The first level field of `key=value` pairs. A quote outside a value ends the search, as it ends the format.
    fn of_logfmt(&self, line: &[u8]) -> Option<Level> {
        let mut at = 0;
        loop {
            let equals = at + memchr::memchr(b'=', &line[at..])?;
            let key_start = line[at..equals].iter().rposition(|&b| b <= b' ').map_or(at, |blank| at + blank + 1);
            if memchr::memchr(b'"', &line[at..equals]).is_some() {
                return None;
            }
            let value_at = equals + 1;
            let (value, end) = if line.get(value_at) == Some(&b'"') {
                let end = string_end(line, value_at + 1)?;
                (&line[value_at + 1..end], end + 1)
            } else {
                let length = line[value_at..].iter().position(|&b| b <= b' ').unwrap_or(line.len() - value_at);
                (&line[value_at..value_at + length], value_at + length)
            };
            if self.rank(&line[key_start..equals]).is_some() {
                return normal_form(value);
            }
            at = end;
        }
    }
}

fn length_bit(length: usize) -> u64 {
    1 << length.min(63)
}

pub(super) fn looks_like_object(line: &[u8]) -> bool {
    let first = line.iter().find(|b| !is_blank(**b));
    first == Some(&b'{') && line.iter().rfind(|b| !is_blank(**b)) == Some(&b'}')
}

fn is_blank(b: u8) -> bool {
    matches!(b, b' ' | b'\t' | b'\n' | b'\r')
}

fn skip_blanks(line: &[u8], mut at: usize) -> usize {
    while line.get(at).is_some_and(|&b| is_blank(b)) {
        at += 1;
    }
    at
}

/// Place of the quote that ends the string whose text begins at `at`.
fn string_end(line: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += quote_or_escape(line.get(at..)?)?;
        if line[at] == b'"' {
            return Some(at);
        }
        at += 2;
    }
}

/// Place behind the bracket that closes the one at `at`; brackets in strings do not count.
fn container_end(line: &[u8], mut at: usize) -> Option<usize> {
    let mut depth = 0;
    loop {
        match *line.get(at)? {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            b'"' => at = string_end(line, at + 1)?,
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return Some(at);
        }
    }
}

/// The level that a value of a level field names, in any case.
pub(super) fn normal_form(value: &[u8]) -> Option<Level> {
    const FORMS: [(&[u8], Level); 14] = [
        (b"info", Level::Info),
        (b"error", Level::Error),
        (b"warn", Level::Warn),
        (b"debug", Level::Debug),
        (b"warning", Level::Warn),
        (b"trace", Level::Trace),
        (b"critical", Level::Critical),
        (b"fatal", Level::Fatal),
        (b"err", Level::Error),
        (b"inf", Level::Info),
        (b"information", Level::Info),
        (b"dbg", Level::Debug),
        (b"wrn", Level::Warn),
        (b"trc", Level::Trace),
    ];
    FORMS.iter().find(|(form, _)| form.eq_ignore_ascii_case(value)).map(|&(_, level)| level)
}

/// The level whose text `value` is, letter by letter: what the level column can stand for.
pub(super) fn exact_form(value: &[u8]) -> Option<Level> {
    (1..crate::level::LEVEL_COUNT as u8).map(Level::from_code).find(|level| level.text().as_bytes() == value)
}

/// The level of an OpenTelemetry severity number.
pub(super) fn of_severity_number(value: &[u8]) -> Option<Level> {
    let number: u32 = std::str::from_utf8(value).ok()?.parse().ok()?;
    match number {
        0 => Some(Level::Unknown),
        1..=4 => Some(Level::Trace),
        5..=8 => Some(Level::Debug),
        9..=12 => Some(Level::Info),
        13..=16 => Some(Level::Warn),
        17..=20 => Some(Level::Error),
        21..=24 => Some(Level::Fatal),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::push::limits::LimitValues;
    use proptest::prelude::*;

    fn detector() -> LevelDetector {
        let values = LimitValues::default();
        LevelDetector::new(&values.log_level_fields, values.log_level_from_json_max_depth)
    }

    #[test]
    fn levels_of_lines() {
        let cases = [
            ("level=trace a", Level::Trace),
            ("level=DEBUG b", Level::Debug),
            ("ts=1 lvl=info c", Level::Info),
            ("msg=\"a level=debug \\\" b\" severity=Warning d", Level::Warn),
            ("level=\"err\" e", Level::Error),
            ("level=unknown_level h", Level::Unknown),
            ("level=\"\" error", Level::Error),
            ("\"stray quote\" level=dbg", Level::Unknown),
            ("loglevel=error nope", Level::Error),
            ("/x?level=dbg", Level::Unknown),
            ("SEVERITY=crit", Level::Unknown),
            ("SeverityText=fatal", Level::Fatal),
            ("{\"level\":\"info\",\"m\":\"x\"}", Level::Info),
            (" {\"m\":[{\"level\":\"dbg\"}], \"n\": 1.5 , \"severity\" : \"ERROR\"} ", Level::Error),
            ("{\"log\":{\"x\":{\"y\":\"}\"},\"level\":\"warn\"}}", Level::Warn),
            ("{\"a\":{\"b\":1},\"lvl\":\"dbg\"}", Level::Debug),
            ("{\"a\":{\"b\":{\"level\":\"error\"}}}", Level::Error),
            ("{\"a\":{\"b\":{\"level\":\"dbg\"}}}", Level::Unknown),
            ("{\"a\":{\"severity\":\"crit\"}}", Level::Unknown),
            ("{\"level\":30}", Level::Unknown),
            ("{\"level\":30,\"severity\":\"INF\"}", Level::Info),
            ("{\"level\":\"notice\",\"msg\":\"error inside\"}", Level::Error),
            ("{\"msg\":\"an error here\"}", Level::Error),
            ("{\"log.level\":\"debug\"}", Level::Debug),
            ("{\"unfinished", Level::Unknown),
            ("", Level::Unknown),
        ];
        let detector = detector();
        for (line, level) in cases {
            assert_eq!(detector.of_line(line.as_bytes()), level, "{line}");
        }
    }

    #[test]
    fn forms() {
        assert_eq!(FieldLevel::of("Information"), FieldLevel::Known(Level::Info));
        assert_eq!(FieldLevel::of("notice"), FieldLevel::Verbatim("notice".into()));
        assert_eq!(exact_form(b"warn"), Some(Level::Warn));
        assert_eq!(exact_form(b"WARN"), None);
        assert_eq!(exact_form(b""), None);
        assert_eq!(of_severity_number(b"17"), Some(Level::Error));
        assert_eq!(of_severity_number(b"25"), None);
    }

    proptest! {
        #[test]
        fn any_line_is_read_without_panic(line in "[{}\\[\\]\":,=\\\\ level\n]{0,60}") {
            let _ = detector().of_line(line.as_bytes());
        }
    }
}
