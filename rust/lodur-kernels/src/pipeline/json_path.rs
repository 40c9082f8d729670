//! `| json a="x.y[0]"`: labels from paths into the line's JSON value.
//!
//! More lenient than `json`: whatever does not stop the search for a path is overlooked, and a path that leads nowhere
//! gives an empty label.

use std::borrow::Cow;

use super::hints::Hints;
use super::json_scan::{Defect, Kind, Value, key_at, skip_blanks, unescape, value_at};
use super::plan::Extraction;
use super::row_labels::{ErrorKind, Lend, RowLabels, Text};
use crate::error::{KernelError, Result};

/// Steps of one path.
const STEPS_MAX: usize = 64;

#[derive(Clone, Debug)]
pub struct JsonPaths {
    paths: Vec<(Box<[u8]>, Vec<Step>)>,
    hints: Hints,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Field(Box<[u8]>),
    Index(usize),
}

impl JsonPaths {
    pub fn compile(extractions: &[Extraction], hints: Hints) -> Result<Self> {
        let mut paths = Vec::with_capacity(extractions.len());
        for extraction in extractions {
            let steps = parse_path(&extraction.expression).map_err(|problem| {
                let text = format!("cannot parse expression [{}]: {problem}", extraction.expression);
                KernelError::InvalidRequest(text)
            })?;
            paths.push((extraction.name.as_bytes().into(), steps));
        }
        Ok(JsonPaths { paths, hints })
    }

    pub(super) fn parse<'l, 'a, L: Lend<'l, 'a>>(&'a self, line: &'l [u8], labels: &mut RowLabels<'a>) {
        match line.first() {
            None => return,
            Some(b'{' | b'[' | b'"') => {}
            Some(_) => {
                labels.set_error(ErrorKind::JsonParser, "");
                return;
            }
        }
        for (name, steps) in &self.paths {
            if labels.is_satisfied(&self.hints) {
                return;
            }
            if !self.hints.wants_key(name) {
                continue;
            }
            match find(line, steps) {
                Ok(Some(value)) => {
                    labels.set_extraction(name, L::lend(value_text(line, &value)), &self.hints);
                }
                Ok(None) => labels.extract_missing(name, &self.hints),
                Err(defect) => {
                    labels.set_error(ErrorKind::JsonParser, defect.text());
                    labels.extract_missing(name, &self.hints);
                }
            }
        }
    }
}

fn value_text<'l>(line: &'l [u8], value: &Value) -> Text<'l> {
    let text = &line[value.text.clone()];
    match value.kind {
        Kind::String { escaped: true } => Cow::Owned(unescape(text).unwrap_or_default()),
        Kind::Null => Cow::Borrowed(b""),
        _ => Cow::Borrowed(text),
    }
}

/// The value at the end of the path; a defect only where a wanted value itself is defective.
fn find(line: &[u8], steps: &[Step]) -> std::result::Result<Option<Value>, Defect> {
    let mut at = 0;
    for step in steps {
        let Some(start) = skip_blanks(line, at) else {
            return Ok(None);
        };
        let found = match (step, line[start]) {
            (Step::Field(name), b'{') => field(line, start, name),
            (Step::Index(index), b'[') => element(line, start, *index),
            _ => None,
        };
        match found {
            Some(place) => at = place,
            None => return Ok(None),
        }
    }
    value_at(line, at).map(Some)
}

/// Where the value of the first key of this name begins, in the object at `start`.
fn field(line: &[u8], start: usize, name: &[u8]) -> Option<usize> {
    let mut at = start + 1;
    loop {
        at = skip_blanks(line, at)?;
        match line[at] {
            b',' => at += 1,
            b'"' => {
                let key = key_at(line, at).ok()?;
                let text = &line[key.text.clone()];
                let matches = if key.escaped { unescape(text).is_some_and(|text| text == name) } else { text == name };
                if matches {
                    return Some(key.end);
                }
                at = value_at(line, key.end).ok()?.end;
            }
            _ => return None,
        }
    }
}

/// Where the element begins, in the array at `start`.
fn element(line: &[u8], start: usize, index: usize) -> Option<usize> {
    let mut at = start + 1;
    for position in 0..=index {
        at = skip_blanks(line, at)?;
        if position > 0 {
            if line[at] != b',' {
                return None;
            }
            at = skip_blanks(line, at + 1)?;
        }
        if line[at] == b']' {
            return None;
        }
        if position < index {
            at = value_at(line, at).ok()?.end;
        }
    }
    Some(at)
}

fn parse_path(expression: &str) -> std::result::Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    let mut rest = expression;
    while let Some(first) = rest.chars().next() {
        if steps.len() == STEPS_MAX {
            return Err(format!("more than {STEPS_MAX} steps"));
        }
        let first_step = steps.is_empty();
        match first {
            '[' => steps.push(bracket(&mut rest)?),
            '.' if first_step => return Err("syntax error: unexpected DOT, expecting LSB or FIELD".to_owned()),
            '.' => {
                rest = &rest[1..];
                match rest.chars().next() {
                    Some(c) if is_field_start(c) => steps.push(Step::Field(field_name(&mut rest))),
                    other => return Err(unexpected(other, "FIELD")),
                }
            }
            c if is_field_start(c) && first_step => steps.push(Step::Field(field_name(&mut rest))),
            c if is_field_start(c) => return Err("syntax error: unexpected FIELD".to_owned()),
            c => return Err(format!("unexpected char {c}")),
        }
    }
    if steps.is_empty() {
        return Err("syntax error: unexpected $end, expecting LSB or FIELD".to_owned());
    }
    Ok(steps)
}

fn is_field_start(c: char) -> bool {
    c == '_' || c.is_ascii_alphabetic()
}

fn field_name(rest: &mut &str) -> Box<[u8]> {
    let end = rest.find(|c: char| !(c == '_' || c.is_ascii_alphanumeric())).unwrap_or(rest.len());
    let (name, tail) = rest.split_at(end);
    *rest = tail;
    name.as_bytes().into()
}

/// `[0]` or `["key"]`.
fn bracket(rest: &mut &str) -> std::result::Result<Step, String> {
    let inner = &rest[1..];
    let (step, tail) = if let Some(quoted) = inner.strip_prefix('"') {
        let (end, escaped) =
            super::json_scan::string_end(quoted.as_bytes(), 0).ok_or("syntax error: unterminated string")?;
        let raw = &quoted.as_bytes()[..end];
        let key = if escaped { unescape(raw).ok_or("syntax error: invalid string")? } else { raw.to_vec() };
        (Step::Field(key.into()), &quoted[end + 1..])
    } else {
        let digits = inner.len() - inner.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        if digits == 0 {
            return Err(unexpected(inner.chars().next(), "STRING or INDEX"));
        }
        let index = inner[..digits].parse().map_err(|_| format!("index {} is too large", &inner[..digits]))?;
        (Step::Index(index), &inner[digits..])
    };
    *rest = tail.strip_prefix(']').ok_or_else(|| unexpected(tail.chars().next(), "RSB"))?;
    Ok(step)
}

fn unexpected(found: Option<char>, expected: &str) -> String {
    let token = match found {
        None => "$end",
        Some('.') => "DOT",
        Some('[') => "LSB",
        Some(']') => "RSB",
        Some('"') => "STRING",
        Some(c) if c.is_ascii_digit() => "INDEX",
        Some(c) if is_field_start(c) => "FIELD",
        Some(c) => return format!("unexpected char {c}"),
    };
    format!("syntax error: unexpected {token}, expecting {expected}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn lookup(line: &str, path: &str) -> Option<String> {
        let value = find(line.as_bytes(), &parse_path(path).unwrap()).unwrap()?;
        Some(String::from_utf8(value_text(line.as_bytes(), &value).into_owned()).unwrap())
    }

    #[test]
    fn follows_paths() {
        let line = r#"{"o":{"k":[1,2],"z":"q\n"},"weird key!":[{"x":1},{"y":[10,20]}], "n":null}"#;
        assert_eq!(lookup(line, "o.k[1]").as_deref(), Some("2"));
        assert_eq!(lookup(line, "o").as_deref(), Some(r#"{"k":[1,2],"z":"q\n"}"#));
        assert_eq!(lookup(line, "o[\"z\"]").as_deref(), Some("q\n"));
        assert_eq!(lookup(line, "[\"weird key!\"][1].y[0]").as_deref(), Some("10"));
        assert_eq!(lookup(line, "n").as_deref(), Some(""));
        assert_eq!(lookup(line, "o.k[2]"), None);
        assert_eq!(lookup(r#"{"a":"1" "b":"2"}"#, "b").as_deref(), Some("2"));
        assert_eq!(lookup("[1,2,{\"a\":3}]", "[2].a").as_deref(), Some("3"));
        assert_eq!(find(b"{\"a\":tru}", &parse_path("a").unwrap()).unwrap_err(), Defect::Value);
    }

    #[test]
    fn refuses_wrong_paths() {
        let error = |path: &str| parse_path(path).unwrap_err();
        assert_eq!(error("[a"), "syntax error: unexpected FIELD, expecting STRING or INDEX");
        assert_eq!(error("a..b"), "syntax error: unexpected DOT, expecting FIELD");
        assert_eq!(error("a[x]"), "syntax error: unexpected FIELD, expecting STRING or INDEX");
        assert_eq!(error("a-b"), "unexpected char -");
    }
}
