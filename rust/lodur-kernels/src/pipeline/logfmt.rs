//! `| logfmt`: labels from `key=value` pairs, all of them or those that extractions name.

use super::hints::Hints;
use super::label_name::sanitise;
use super::logfmt_scan::Pairs;
use super::plan::Extraction;
use super::row_labels::{ErrorKind, Lend, RowLabels, Text};
use crate::error::{KernelError, Result};

#[derive(Clone, Debug)]
pub struct LogfmtParser {
    /// Stop at the first defect and report it, rather than skip the pair.
    strict: bool,
    keep_empty: bool,
    extractions: Vec<Wanted>,
    hints: Hints,
}

/// A label and the key it is read from.
#[derive(Clone, Debug)]
struct Wanted {
    name: Box<[u8]>,
    key: Box<[u8]>,
}

impl LogfmtParser {
    pub fn compile(strict: bool, keep_empty: bool, extractions: &[Extraction], hints: Hints) -> Result<Self> {
        let extractions = extractions
            .iter()
            .map(|extraction| {
                check_key(&extraction.expression)?;
                Ok(Wanted { name: extraction.name.as_bytes().into(), key: extraction.expression.as_bytes().into() })
            })
            .collect::<Result<Vec<Wanted>>>()?;
        Ok(LogfmtParser { strict, keep_empty, extractions, hints })
    }

    pub(super) fn parse<'l, 'a, L: Lend<'l, 'a>>(&'a self, line: &'l [u8], labels: &mut RowLabels<'a>) {
        if labels.is_satisfied(&self.hints) {
            return;
        }
        let mut pairs = Pairs::new(line);
        while let Some(pair) = pairs.next_pair() {
            match pair {
                Ok(pair) => {
                    let read_on = if self.extractions.is_empty() {
                        self.add_pair::<L>(pair.key, pair.value, labels)
                    } else {
                        self.add_wanted::<L>(pair.key, pair.value, labels)
                    };
                    if !read_on {
                        return;
                    }
                }
                Err(defect) if self.strict => {
                    labels.set_error(ErrorKind::LogfmtParser, defect.text());
                    break;
                }
                Err(_) => pairs.skip_to_blank(),
            }
        }
        for wanted in &self.extractions {
            labels.extract_missing(&wanted.name, &self.hints);
        }
    }

    #[inline]
    fn add_pair<'l, 'a, L: Lend<'l, 'a>>(&self, key: &'l [u8], value: Text<'l>, labels: &mut RowLabels<'a>) -> bool {
        if (value.is_empty() && !self.keep_empty) || !self.hints.may_want(key) {
            return true;
        }
        let name = sanitise(key);
        if name.is_empty() || !self.hints.wants_key(&name) {
            return true;
        }
        labels.extract(L::lend(name), L::lend(value), &self.hints)
    }

    /// An extraction is served by its key and, as in Loki, by the key that is its label's name. The last pair counts.
    fn add_wanted<'l, 'a, L: Lend<'l, 'a>>(&'a self, key: &[u8], value: Text<'l>, labels: &mut RowLabels<'a>) -> bool {
        let name = sanitise(key);
        let mut by_key = self.extractions.iter().filter(|wanted| *wanted.key == *name).peekable();
        if by_key.peek().is_none() {
            let by_name = self.extractions.iter().find(|wanted| *wanted.name == *name);
            return by_name.is_none_or(|wanted| labels.set_extraction(&wanted.name, L::lend(value), &self.hints));
        }
        by_key.all(|wanted| labels.set_extraction(&wanted.name, L::lend(value.clone()), &self.hints))
    }
}

/// An extraction names a plain key.
fn check_key(expression: &str) -> Result<()> {
    let is_word = |c: char| c == '_' || c.is_alphanumeric();
    let problem = match expression.chars().find(|c| !is_word(*c)) {
        None if expression.is_empty() => "syntax error: unexpected $end, expecting KEY".to_owned(),
        None => return Ok(()),
        Some(c) if c.is_whitespace() => "syntax error: unexpected KEY".to_owned(),
        Some(c) => format!("unexpected char {c}"),
    };
    Err(KernelError::InvalidRequest(format!("cannot parse expression [{expression}]: {problem}")))
}
