//! `| regexp`: labels from the named groups of an expression.

use std::borrow::Cow;

use regex::bytes::Regex;

use super::go_regex::{self, Use};
use super::hints::Hints;
use super::row_labels::{Lend, RowLabels};
use crate::error::{KernelError, Result};

/// Groups of an expression. Keeping them apart costs time and memory for each byte of a line that grow with the square of
/// their number; no expression that people write comes near.
const GROUPS_MAX: usize = 256;

#[derive(Clone, Debug)]
pub struct RegexpParser {
    regex: Regex,
    /// Label name and group number.
    groups: Vec<(Box<[u8]>, usize)>,
    hints: Hints,
}

impl RegexpParser {
    pub fn compile(expression: &str, hints: Hints) -> Result<Self> {
        let invalid =
            |problem: &dyn std::fmt::Display| KernelError::InvalidRequest(format!("invalid regexp parser: {problem}"));
        let names = go_regex::group_names(expression).map_err(|error| invalid(&error))?;
        for (position, name) in names.iter().enumerate() {
            if name.starts_with(|c: char| c.is_ascii_digit()) {
                return Err(invalid(&format!("invalid extracted label name '{name}'")));
            }
            if names[..position].contains(name) {
                return Err(invalid(&format!("duplicate extracted label name '{name}'")));
            }
        }
        let regex = go_regex::compile(expression, Use::Anywhere).map_err(|error| invalid(&error))?;
        let count = regex.captures_len() - 1;
        if count > GROUPS_MAX {
            return Err(invalid(&format!("{count} groups, at most {GROUPS_MAX} are allowed")));
        }
        let mut groups = Vec::new();
        for (number, name) in regex.capture_names().enumerate() {
            if let Some(name) = name {
                groups.push((name.as_bytes().into(), number));
            }
        }
        if groups.is_empty() {
            return Err(invalid(&"at least one named capture must be supplied"));
        }
        Ok(RegexpParser { regex, groups, hints })
    }

    /// `stage` tells the places of captures of several stages apart.
    pub(super) fn parse<'l, 'a, L: Lend<'l, 'a>>(&'a self, line: &'l [u8], stage: usize, labels: &mut RowLabels<'a>) {
        if labels.is_satisfied(&self.hints) {
            return;
        }
        if labels.captures.len() <= stage {
            labels.captures.resize(stage + 1, None);
        }
        let mut places = labels.captures[stage].take().unwrap_or_else(|| self.regex.capture_locations());
        if self.regex.captures_read(&mut places, line).is_some() {
            for (name, number) in &self.groups {
                if !self.hints.wants_key(name) {
                    continue;
                }
                let value = places.get(*number).map_or(&b""[..], |(start, end)| &line[start..end]);
                if !labels.extract(Cow::Borrowed(&**name), L::lend(Cow::Borrowed(value)), &self.hints) {
                    break;
                }
            }
        }
        labels.captures[stage] = Some(places);
    }
}
