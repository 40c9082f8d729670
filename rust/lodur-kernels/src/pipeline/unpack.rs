//! `| unpack`: a line that an agent packed, a JSON object of labels and the line itself in `_entry`.

use std::borrow::Cow;

use super::hints::Hints;
use super::json_scan::{Defect, Kind, key_at, next_key, object_start, unescape, value_at};
use super::label_name::sanitise;
use super::row_labels::{ErrorKind, Lend, RowLabels, Text};

/// The member that holds the line.
const ENTRY_KEY: &[u8] = b"_entry";

const NOT_AN_OBJECT: &str = "expecting json object(6), but it is not";

#[derive(Clone, Debug)]
pub struct Unpacker {
    hints: Hints,
}

/// The string members of a line.
struct Packed<'l> {
    labels: Vec<(Text<'l>, Text<'l>)>,
    entry: Option<Text<'l>>,
}

impl Unpacker {
    pub fn new(hints: Hints) -> Self {
        Unpacker { hints }
    }

    pub(super) fn parse<'l, 'a, L: Lend<'l, 'a>>(
        &self,
        line: &'l [u8],
        labels: &mut RowLabels<'a>,
    ) -> Option<Text<'a>> {
        if line.is_empty() {
            return None;
        }
        if line[0] != b'{' {
            labels.set_error(ErrorKind::JsonParser, NOT_AN_OBJECT);
            return None;
        }
        match read(line) {
            Ok(Packed { labels: members, entry: Some(entry) }) => {
                for (name, value) in members {
                    labels.extract(L::lend(name), L::lend(value), &self.hints);
                }
                Some(L::lend(entry))
            }
            Ok(_) => None,
            Err(defect) => {
                labels.set_error(ErrorKind::JsonParser, defect.text());
                None
            }
        }
    }
}

fn read(line: &[u8]) -> Result<Packed<'_>, Defect> {
    let mut packed = Packed { labels: Vec::new(), entry: None };
    let mut next = object_start(line, 0)?;
    while let Some(at) = next {
        if line[at] != b'"' {
            return Err(Defect::Object);
        }
        let key = key_at(line, at)?;
        let name = if key.escaped {
            Cow::Owned(unescape(&line[key.text]).ok_or(Defect::Escape)?)
        } else {
            Cow::Borrowed(&line[key.text])
        };
        let value = value_at(line, key.end)?;
        next = next_key(line, value.end)?;
        let Kind::String { escaped } = value.kind else { continue };
        let text = &line[value.text];
        let text = if escaped { Cow::Owned(unescape(text).unwrap_or_default()) } else { Cow::Borrowed(text) };
        if *name == *ENTRY_KEY {
            packed.entry = Some(text);
            continue;
        }
        let name = match name {
            Cow::Borrowed(name) => sanitise(name),
            Cow::Owned(name) => Cow::Owned(sanitise(&name).into_owned()),
        };
        if !name.is_empty() {
            packed.labels.push((name, text));
        }
    }
    Ok(packed)
}
