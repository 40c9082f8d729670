//! Line filters: `|=`, `!=`, `|~`, `!~`, `|>`, `!>` with their `or` chains, and `ip("…")`.
//!
//! A filter runs over many rows at once where that is possible: one search over the contiguous bytes of a page for the
//! whole condition, or for a literal that every matching line contains and then a closer look at the rows found.

use std::ops::Range;

use regex::bytes::Regex;
use regex_syntax::hir::Hir;

use super::bitmap::Bitmap;
use super::go_regex::{self, Use};
use super::ip::IpMatcher;
use super::literals::{Required, required_of_regex, required_unfolded};
use super::page_search::{HIT_BYTES_MAX, Needle, Page};
use super::pattern_filter::PatternFilter;
use super::plan::{LineFilterOp, LineMatch};
use crate::error::{KernelError, Result};

/// Alternatives of a literal prefilter; the vector search behind it is quick up to about this many.
const PREFILTER_LITERALS_MAX: usize = 16;

/// A prefilter of shorter literals finds something in nearly every line.
const PREFILTER_BYTES_MIN: usize = 2;

/// Fewer candidates than one row in so many are looked at row by row.
const SPARSE_DIVISOR: usize = 8;

#[derive(Clone, Debug)]
pub struct LineFilter {
    negated: bool,
    condition: Condition,
}

/// What a line must fulfil (before negation).
#[derive(Clone, Debug)]
enum Condition {
    Always,
    Needle(Needle),
    /// `prefilter`: whether the line can match at all; `close`: whether it does.
    Checked {
        prefilter: Option<Needle>,
        close: Close,
    },
    Any(Vec<Condition>),
}

#[derive(Clone, Debug)]
enum Close {
    Expression(Regex),
    Pattern(PatternFilter),
    Ip(IpMatcher),
}

/// Memory that filters use again and again.
#[derive(Debug, Default)]
pub struct Scratch {
    found: Bitmap,
}

impl Scratch {
    /// A bitmap of so many rows, none of them set.
    pub(super) fn found(&mut self, rows: usize) -> &mut Bitmap {
        self.found.reset(rows);
        &mut self.found
    }
}

impl LineFilter {
    pub fn compile(op: LineFilterOp, matches: &[LineMatch]) -> Result<Self> {
        let mut conditions = Vec::with_capacity(matches.len());
        let (mut literals, mut expressions): (Vec<&[u8]>, Vec<&str>) = (Vec::new(), Vec::new());
        let mut addresses: Vec<&str> = Vec::new();
        for operand in matches {
            match (op, operand) {
                (LineFilterOp::Contains | LineFilterOp::NotContains, LineMatch::Text { value }) => match value.as_str()
                {
                    "" => conditions.push(Condition::Always),
                    text => literals.push(text.as_bytes()),
                },
                (LineFilterOp::Matches | LineFilterOp::NotMatches, LineMatch::Text { value }) => {
                    expressions.push(value)
                }
                (LineFilterOp::Pattern | LineFilterOp::NotPattern, LineMatch::Text { value }) => {
                    let pattern = PatternFilter::compile(value)?;
                    let prefilter = pattern.required_literal().map(Needle::literal);
                    conditions.push(Condition::Checked { prefilter, close: Close::Pattern(pattern) });
                }
                (LineFilterOp::Contains | LineFilterOp::NotContains, LineMatch::Ip { value }) => {
                    addresses.push(value);
                }
                (_, LineMatch::Ip { .. }) => {
                    return Err(KernelError::InvalidRequest("ip: invalid operation".to_owned()));
                }
            }
        }
        if !addresses.is_empty() {
            conditions.push(Condition::Checked { prefilter: None, close: Close::Ip(IpMatcher::compile(addresses)?) });
        }
        add_literals(&literals, &mut conditions);
        add_expressions(&expressions, &mut conditions)?;
        let condition = match conditions.len() {
            0 => return Err(KernelError::Input("line filter without anything to look for".to_owned())),
            1 => conditions.swap_remove(0),
            _ if conditions.iter().any(|condition| matches!(condition, Condition::Always)) => Condition::Always,
            _ => Condition::Any(conditions),
        };
        Ok(LineFilter { negated: op.is_negated(), condition })
    }

    pub fn is_match(&self, line: &[u8]) -> bool {
        self.condition.is_match(line) != self.negated
    }

    /// Clear the rows of the range that do not pass.
    pub fn select(&self, page: Page<'_>, rows: Range<usize>, selected: &mut Bitmap, scratch: &mut Scratch) {
        let Some(first) = selected.next(rows.start, rows.end) else {
            return;
        };
        let candidates = selected.count(first..rows.end);
        if matches!(self.condition, Condition::Always) {
            if self.negated {
                selected.clear_range(first..rows.end);
            }
        } else if candidates < (rows.end - first) / SPARSE_DIVISOR {
            let mut at = first;
            while let Some(row) = selected.next(at, rows.end) {
                if !self.is_match(page.line(row)) {
                    selected.clear(row);
                }
                at = row + 1;
            }
        } else {
            scratch.found.reset(selected.len());
            self.condition.mark(page, first..rows.end, selected, &mut scratch.found);
            selected.keep_within(first..rows.end, &scratch.found, self.negated);
        }
    }
}

/// One search for all literals of an `or` chain, or one each where they are too many together.
fn add_literals(literals: &[&[u8]], conditions: &mut Vec<Condition>) {
    match literals {
        [] => {}
        [only] => conditions.push(Condition::Needle(Needle::literal(only))),
        several => match Needle::literals(several, false) {
            Some(needle) => conditions.push(Condition::Needle(needle)),
            None => conditions.extend(several.iter().map(|text| Condition::Needle(Needle::literal(text)))),
        },
    }
}

/// One search for all expressions of an `or` chain, or one each where they are too large together.
fn add_expressions(expressions: &[&str], conditions: &mut Vec<Condition>) -> Result<()> {
    match expressions {
        [] => {}
        [only] => conditions.push(compile_expressions(&[only])?),
        several => match compile_expressions(several) {
            Ok(condition) => conditions.push(condition),
            Err(_) => {
                for expression in several {
                    conditions.push(compile_expressions(&[expression])?);
                }
            }
        },
    }
    Ok(())
}

fn compile_expressions(expressions: &[&str]) -> Result<Condition> {
    let regex = go_regex::compile_any(expressions, Use::Anywhere)?;
    let hir = go_regex::parse_any(expressions)?;
    let properties = hir.properties();
    let looks_around = !properties.look_set().is_empty();
    if properties.minimum_len() == Some(0) && !looks_around {
        return Ok(Condition::Always);
    }
    let searchable = !looks_around
        && properties.minimum_len().is_some_and(|bytes| bytes > 0)
        && properties.maximum_len().is_some_and(|bytes| bytes <= HIT_BYTES_MAX);
    if searchable {
        return Ok(Condition::Needle(match literal_of(&hir) {
            Some(literal) => Needle::literal(literal),
            None => Needle::Expression(regex),
        }));
    }
    Ok(Condition::Checked { prefilter: prefilter_of(&hir), close: Close::Expression(regex) })
}

/// The text when the expression is nothing but one.
fn literal_of(hir: &Hir) -> Option<&[u8]> {
    match hir.kind() {
        regex_syntax::hir::HirKind::Literal(literal) => Some(&literal.0),
        _ => None,
    }
}

/// A search for literals, one of which every matching line contains.
fn prefilter_of(hir: &Hir) -> Option<Needle> {
    if let Some(literals) = best_literals(&required_unfolded(hir)) {
        return match literals.as_slice() {
            [only] => Some(Needle::literal(only)),
            several => Needle::literals(several, false),
        };
    }
    let folded = required_of_regex(hir);
    let literals = best_literals(&folded)?;
    Needle::literals(&literals, true)
}

/// Of the conditions that must all hold the one whose shortest literal is longest.
fn best_literals(required: &Required) -> Option<Vec<&[u8]>> {
    let alternatives = match required {
        Required::Literal(literal) => vec![&**literal],
        Required::Any(branches) => {
            let mut all = Vec::new();
            for branch in branches {
                all.extend(best_literals(branch)?);
            }
            all
        }
        Required::All(parts) => {
            return parts.iter().filter_map(best_literals).max_by_key(|literals| shortest(literals));
        }
        Required::Nothing => return None,
    };
    let useful = alternatives.len() <= PREFILTER_LITERALS_MAX && shortest(&alternatives) >= PREFILTER_BYTES_MIN;
    useful.then_some(alternatives)
}

fn shortest(literals: &[&[u8]]) -> usize {
    literals.iter().map(|literal| literal.len()).min().unwrap_or(0)
}

impl Condition {
    fn is_match(&self, line: &[u8]) -> bool {
        match self {
            Condition::Always => true,
            Condition::Needle(needle) => needle.is_match(line),
            Condition::Checked { close, .. } => close.is_match(line),
            Condition::Any(conditions) => conditions.iter().any(|condition| condition.is_match(line)),
        }
    }

    /// Set the rows of the range that fulfil the condition; rows outside `wanted` may be left out.
    fn mark(&self, page: Page<'_>, rows: Range<usize>, wanted: &Bitmap, found: &mut Bitmap) {
        match self {
            Condition::Always => found.set_range(rows),
            Condition::Needle(needle) => needle.mark(page, rows, found),
            Condition::Checked { prefilter: Some(needle), close } => {
                let mut possible = Bitmap::empty(found.len());
                needle.mark(page, rows.clone(), &mut possible);
                possible.keep_within(rows.clone(), wanted, false);
                close.mark(page, rows, &possible, found);
            }
            Condition::Checked { prefilter: None, close } => close.mark(page, rows, wanted, found),
            Condition::Any(conditions) => {
                conditions.iter().for_each(|condition| condition.mark(page, rows.clone(), wanted, found));
            }
        }
    }
}

impl Close {
    fn is_match(&self, line: &[u8]) -> bool {
        match self {
            Close::Expression(regex) => regex.is_match(line),
            Close::Pattern(pattern) => pattern.is_match(line),
            Close::Ip(matcher) => matcher.is_match(line),
        }
    }

    fn mark(&self, page: Page<'_>, rows: Range<usize>, possible: &Bitmap, found: &mut Bitmap) {
        for row in possible.iter(rows) {
            if self.is_match(page.line(row)) {
                found.set(row);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn filter(op: LineFilterOp, values: &[&str]) -> LineFilter {
        let matches: Vec<LineMatch> =
            values.iter().map(|value| LineMatch::Text { value: (*value).to_owned() }).collect();
        LineFilter::compile(op, &matches).unwrap()
    }

    fn select(filter: &LineFilter, lines: &[String]) -> Vec<usize> {
        let mut bytes = Vec::new();
        let mut ends = Vec::new();
        for line in lines {
            bytes.extend_from_slice(line.as_bytes());
            ends.push(bytes.len() as u32);
        }
        let mut selected = Bitmap::full(lines.len());
        let page = Page { lines: &bytes, line_ends: &ends };
        filter.select(page, 0..lines.len(), &mut selected, &mut Scratch::default());
        selected.iter(0..lines.len()).collect()
    }

    #[test]
    fn a_hit_over_the_end_of_a_row_is_none() {
        let lines: Vec<String> = ["xab", "cx", "", "abc", "ab", "cabc"].map(str::to_owned).into();
        assert_eq!(select(&filter(LineFilterOp::Contains, &["abc"]), &lines), vec![3, 5]);
        assert_eq!(select(&filter(LineFilterOp::NotContains, &["abc"]), &lines), vec![0, 1, 2, 4]);
        assert_eq!(select(&filter(LineFilterOp::Contains, &["abc", "cx"]), &lines), vec![1, 3, 5]);
        assert_eq!(select(&filter(LineFilterOp::Matches, &["ab?c?"]), &lines), vec![0, 3, 4, 5]);
        assert_eq!(select(&filter(LineFilterOp::Matches, &["b.*c"]), &lines), vec![3, 5]);
        assert_eq!(select(&filter(LineFilterOp::Matches, &["^ab"]), &lines), vec![3, 4]);
    }

    fn operand() -> impl Strategy<Value = (LineFilterOp, Vec<String>)> {
        let literal = || prop::collection::vec("[ab]{0,3}", 1..3);
        let expression = prop::sample::select(vec![
            "a+b",
            "ab|ba",
            "^a",
            "b$",
            "a.*b",
            "(?i)AB",
            "(?i)a.*B",
            "\\bab\\b",
            "[ab]{2}c",
            "a{2,4}",
            "",
            "(?:ab)*",
            "a.b",
            "(?:abc|b+c).*a",
            "é",
            "[^a]b",
            "ab.*|c",
        ]);
        let pattern = prop::sample::select(vec!["<_>ab<_>", "a<_>", "<_>b", "<_>", "", "ab", "a<_>b<_>c"]);
        prop_oneof![
            literal().prop_map(|values| (LineFilterOp::Contains, values)),
            literal().prop_map(|values| (LineFilterOp::NotContains, values)),
            expression.clone().prop_map(|value| (LineFilterOp::Matches, vec![value.to_owned()])),
            (expression.clone(), expression.clone())
                .prop_map(|(a, b)| (LineFilterOp::Matches, vec![a.to_owned(), b.to_owned()])),
            expression.prop_map(|value| (LineFilterOp::NotMatches, vec![value.to_owned(), "cc".to_owned()])),
            pattern.clone().prop_map(|value| (LineFilterOp::Pattern, vec![value.to_owned()])),
            pattern.prop_map(|value| (LineFilterOp::NotPattern, vec![value.to_owned()])),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1500))]
        #[test]
        fn pages_and_single_rows_agree((op, values) in operand(), lines in prop::collection::vec("[abcAB é\n]{0,8}", 0..24)) {
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            let filter = filter(op, &values);
            let expected: Vec<usize> = (0..lines.len())
                .filter(|row| {
                    let line = &lines[*row];
                    let holds = values.iter().any(|value| match op {
                        LineFilterOp::Contains | LineFilterOp::NotContains => line.contains(value),
                        LineFilterOp::Matches | LineFilterOp::NotMatches => {
                            go_regex::compile(value, Use::Anywhere).unwrap().is_match(line.as_bytes())
                        }
                        LineFilterOp::Pattern | LineFilterOp::NotPattern => {
                            PatternFilter::compile(value).unwrap().is_match(line.as_bytes())
                        }
                    });
                    holds != op.is_negated()
                })
                .collect();
            prop_assert_eq!(select(&filter, &lines), expected);
        }
    }
}
