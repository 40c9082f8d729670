//! `| json` without extractions: every scalar of the line's object becomes a label, nested names joined by `_`.
//!
//! Arrays and nulls are passed over. The first defect ends the reading; labels found before it stay. With hints only
//! needed labels are made, and reading ends with the last of them.

use std::borrow::Cow;

use super::hints::Hints;
use super::json_scan::{Defect, Key, Kind, key_at, next_key, object_start, unescape, value_at};
use super::label_name::{append_sanitised, sanitise};
use super::row_labels::{ErrorKind, Lend, RowLabels, Text};

/// Objects nested deeper are passed over: no name of so many parts is asked for, and each level is read once more.
const DEPTH_MAX: usize = 64;

#[derive(Clone, Debug)]
pub struct JsonParser {
    hints: Hints,
}

/// Whether to read on.
enum Flow {
    On,
    Done,
}

impl JsonParser {
    pub fn new(hints: Hints) -> Self {
        JsonParser { hints }
    }

    pub(super) fn parse<'l, 'a, L: Lend<'l, 'a>>(&self, line: &'l [u8], labels: &mut RowLabels<'a>) {
        if labels.is_satisfied(&self.hints) {
            return;
        }
        let mut prefix = std::mem::take(&mut labels.prefix);
        prefix.clear();
        let mut reader = Reader { hints: &self.hints, labels, prefix: &mut prefix };
        let outcome = reader.object::<L>(line, 0);
        labels.prefix = prefix;
        if let Err(defect) = outcome {
            labels.set_error(ErrorKind::JsonParser, defect.text());
        }
    }
}

struct Reader<'r, 'a> {
    hints: &'r Hints,
    labels: &'r mut RowLabels<'a>,
    /// Sanitised names of the objects around, each with its underscore.
    prefix: &'r mut Vec<u8>,
}

impl<'a> Reader<'_, 'a> {
    fn object<'l, L: Lend<'l, 'a>>(&mut self, text: &'l [u8], depth: usize) -> Result<Flow, Defect> {
        let mut next = object_start(text, 0)?;
        while let Some(at) = next {
            if text[at] != b'"' {
                return Err(Defect::Object);
            }
            let key = key_at(text, at)?;
            let value = value_at(text, key.end)?;
            let flow = match value.kind {
                Kind::String { escaped } => self.scalar::<L>(text, &key, &text[value.text.clone()], escaped)?,
                Kind::Number | Kind::Boolean => self.scalar::<L>(text, &key, &text[value.text.clone()], false)?,
                Kind::Object => self.nested::<L>(text, &key, &text[value.text.clone()], depth)?,
                Kind::Array | Kind::Null => {
                    key_text(text, &key)?;
                    Flow::On
                }
            };
            if matches!(flow, Flow::Done) {
                return Ok(Flow::Done);
            }
            next = next_key(text, value.end)?;
        }
        Ok(Flow::On)
    }

    #[inline]
    fn scalar<'l, L: Lend<'l, 'a>>(
        &mut self,
        text: &'l [u8],
        key: &Key,
        value: &'l [u8],
        escaped: bool,
    ) -> Result<Flow, Defect> {
        let key = key_text(text, key)?;
        let Some(name) = self.name::<L>(key) else {
            return Ok(Flow::On);
        };
        let value = if escaped {
            // A wrong escape spoils only this value.
            Cow::Owned(unescape(value).unwrap_or_default())
        } else {
            L::lend(Cow::Borrowed(value))
        };
        Ok(if self.labels.extract(name, value, self.hints) { Flow::On } else { Flow::Done })
    }

    /// The label name of a key, if it is one that is needed.
    #[inline]
    fn name<'l, L: Lend<'l, 'a>>(&mut self, key: Text<'l>) -> Option<Text<'a>> {
        if self.prefix.is_empty() {
            if !self.hints.may_want(&key) {
                return None;
            }
            let name = match key {
                Cow::Borrowed(key) => sanitise(key),
                Cow::Owned(key) => Cow::Owned(sanitise(&key).into_owned()),
            };
            return (!name.is_empty() && self.hints.wants_key(&name)).then(|| L::lend(name));
        }
        if !self.hints.may_want_end(&key) {
            return None;
        }
        let length = self.prefix.len();
        append_sanitised(self.prefix, &key);
        let name = self.hints.wants_key(self.prefix).then(|| Cow::Owned(self.prefix.clone()));
        self.prefix.truncate(length);
        name
    }

    fn nested<'l, L: Lend<'l, 'a>>(
        &mut self,
        text: &'l [u8],
        key: &Key,
        object: &'l [u8],
        depth: usize,
    ) -> Result<Flow, Defect> {
        let key = key_text(text, key)?;
        let length = self.prefix.len();
        append_sanitised(self.prefix, &key);
        if !self.prefix.is_empty() {
            self.prefix.push(b'_');
        }
        let wanted = depth < DEPTH_MAX && self.hints.wants_prefix(self.prefix);
        let outcome = if wanted { self.object::<L>(object, depth + 1) } else { Ok(Flow::On) };
        self.prefix.truncate(length);
        outcome
    }
}

#[inline]
fn key_text<'l>(text: &'l [u8], key: &Key) -> Result<Text<'l>, Defect> {
    let raw = &text[key.text.clone()];
    if key.escaped { unescape(raw).map(Cow::Owned).ok_or(Defect::Escape) } else { Ok(Cow::Borrowed(raw)) }
}
