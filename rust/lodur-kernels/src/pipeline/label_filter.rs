//! Label filters: comparisons of label values and their `and`/`or` trees.
//!
//! String comparisons read a missing label as empty. The others drop a row without the label, keep one whose value
//! they cannot read and mark it `LabelFilterErr`, and let a row with an error pass as it is.

use std::borrow::Cow;

use memchr::memmem::Finder;
use regex::bytes::Regex;
use regex_syntax::hir::{Dot, Hir, HirKind};

use super::go_duration::parse_duration_ns;
use super::go_number::parse_float;
use super::go_regex::{self, Use};
use super::humanize_bytes::parse_bytes;
use super::ip::IpMatcher;
use super::literals::exact_texts;
use super::plan::{CompareOp, LabelFilter as PlanFilter, MatchOp};
use super::row_labels::{ERROR_DETAILS_NAME, ERROR_NAME, ErrorKind, RowLabels};
use crate::error::{KernelError, Result};

/// Nesting of `and` and `or`: compiling and evaluating recurse.
const DEPTH_MAX: usize = 200;

#[derive(Clone, Debug)]
pub enum LabelFilter {
    And(Vec<LabelFilter>),
    Or(Vec<LabelFilter>),
    Match { name: Box<str>, matcher: FilterMatcher },
    Number { name: Box<str>, op: CompareOp, value: f64 },
    Duration { name: Box<str>, op: CompareOp, value_ns: i64 },
    Bytes { name: Box<str>, op: CompareOp, value_bytes: u64 },
    Ip { name: Box<str>, negated: bool, matcher: IpMatcher },
}

/// The test of a label filter: as Loki simplifies it, or that of the whole value.
#[derive(Clone, Debug)]
pub enum FilterMatcher {
    /// A text beside `.*` in an expression may stand anywhere in the value: `=~"a.*"` holds for `/api`.
    Contains {
        negated: bool,
        texts: Vec<Finder<'static>>,
    },
    Whole(ValueMatcher),
}

impl FilterMatcher {
    pub(super) fn compile(op: MatchOp, value: &str) -> Result<Self> {
        if matches!(op, MatchOp::Regex | MatchOp::NotRegex)
            && let Some(texts) = texts_beside_dot_star(&go_regex::parse(value)?)
        {
            return Ok(FilterMatcher::Contains { negated: op == MatchOp::NotRegex, texts });
        }
        Ok(FilterMatcher::Whole(ValueMatcher::compile(op, value)?))
    }

    pub(super) fn is_match(&self, value: &[u8]) -> bool {
        match self {
            FilterMatcher::Contains { negated, texts } => {
                texts.iter().any(|text| text.find(value).is_some()) != *negated
            }
            FilterMatcher::Whole(matcher) => matcher.is_match(value),
        }
    }

    /// Texts one of which stands in every value that passes; None where values without any text pass.
    pub(super) fn texts(&self) -> Option<Vec<&[u8]>> {
        let texts: Vec<&[u8]> = match self {
            FilterMatcher::Contains { negated: false, texts } => texts.iter().map(Finder::needle).collect(),
            FilterMatcher::Whole(ValueMatcher { negated: false, wanted: Wanted::Text(text) }) => vec![text],
            FilterMatcher::Whole(ValueMatcher { negated: false, wanted: Wanted::AnyOf(texts) }) => {
                texts.iter().map(|text| &**text).collect()
            }
            _ => return None,
        };
        (!texts.iter().any(|text| text.is_empty())).then_some(texts)
    }
}

/// The text of each branch when every branch is one text with `.*` before or behind it.
fn texts_beside_dot_star(hir: &Hir) -> Option<Vec<Finder<'static>>> {
    match hir.kind() {
        HirKind::Capture(capture) => texts_beside_dot_star(&capture.sub),
        HirKind::Alternation(branches) => {
            let texts: Option<Vec<_>> = branches.iter().map(texts_beside_dot_star).collect();
            texts.map(|texts| texts.concat())
        }
        HirKind::Concat(parts) => {
            let mut literal = None;
            for part in parts {
                match part.kind() {
                    HirKind::Literal(text) if literal.is_none() => literal = Some(text),
                    HirKind::Repetition(repetition)
                        if repetition.min == 0
                            && repetition.max.is_none()
                            && *repetition.sub == Hir::dot(Dot::AnyCharExceptLF) => {}
                    _ => return None,
                }
            }
            literal.map(|text| vec![Finder::new(&text.0).into_owned()])
        }
        _ => None,
    }
}

/// The test of `=`, `!=`, `=~`, `!~` on a whole value.
#[derive(Clone, Debug)]
pub struct ValueMatcher {
    negated: bool,
    wanted: Wanted,
}

#[derive(Clone, Debug)]
enum Wanted {
    Text(Box<[u8]>),
    AnyOf(Vec<Box<[u8]>>),
    Expression(Regex),
}

impl ValueMatcher {
    pub fn compile(op: MatchOp, value: &str) -> Result<Self> {
        let wanted = match op {
            MatchOp::Equal | MatchOp::NotEqual => Wanted::Text(value.as_bytes().into()),
            MatchOp::Regex | MatchOp::NotRegex => match exact_texts(&go_regex::parse(value)?) {
                Some(texts) => Wanted::AnyOf(texts),
                None => Wanted::Expression(go_regex::compile(value, Use::WholeValue)?),
            },
        };
        Ok(ValueMatcher { negated: matches!(op, MatchOp::NotEqual | MatchOp::NotRegex), wanted })
    }

    pub fn is_match(&self, value: &[u8]) -> bool {
        let found = match &self.wanted {
            Wanted::Text(text) => **text == *value,
            Wanted::AnyOf(texts) => texts.iter().any(|text| **text == *value),
            Wanted::Expression(regex) => regex.is_match(value),
        };
        found != self.negated
    }
}

impl LabelFilter {
    pub fn compile(plan: &PlanFilter) -> Result<Self> {
        compile(plan, 0)
    }

    /// Whether the row stays.
    pub(super) fn keeps(&self, labels: &mut RowLabels<'_>) -> bool {
        match self {
            LabelFilter::And(operands) => operands.iter().all(|operand| operand.keeps(labels)),
            LabelFilter::Or(operands) => operands.iter().any(|operand| operand.keeps(labels)),
            LabelFilter::Match { name, matcher } => matcher.is_match(text_value(name, labels)),
            LabelFilter::Number { name, op, value } => {
                compare(name, labels, parse_float, |label| holds(*op, label.partial_cmp(value)))
            }
            LabelFilter::Duration { name, op, value_ns } => {
                compare(name, labels, parse_duration_ns, |label| holds(*op, Some(label.cmp(value_ns))))
            }
            LabelFilter::Bytes { name, op, value_bytes } => {
                compare(name, labels, parse_bytes, |label| holds(*op, Some(label.cmp(value_bytes))))
            }
            LabelFilter::Ip { name, negated, matcher } => {
                labels.get(name).is_some_and(|value| matcher.is_match(value) != *negated)
            }
        }
    }
}

fn compile(plan: &PlanFilter, depth: usize) -> Result<LabelFilter> {
    if depth > DEPTH_MAX {
        return Err(KernelError::InvalidRequest(format!("label filter nests deeper than {DEPTH_MAX}")));
    }
    let all = |operands: &[PlanFilter]| -> Result<Vec<LabelFilter>> {
        operands.iter().map(|operand| compile(operand, depth + 1)).collect()
    };
    Ok(match plan {
        PlanFilter::And { operands } => LabelFilter::And(all(operands)?),
        PlanFilter::Or { operands } => LabelFilter::Or(all(operands)?),
        PlanFilter::Match { name, op, value } => {
            LabelFilter::Match { name: name.as_str().into(), matcher: FilterMatcher::compile(*op, value)? }
        }
        PlanFilter::Number { name, op, value } => {
            LabelFilter::Number { name: name.as_str().into(), op: *op, value: *value }
        }
        PlanFilter::Duration { name, op, value_ns } => {
            LabelFilter::Duration { name: name.as_str().into(), op: *op, value_ns: *value_ns }
        }
        PlanFilter::Bytes { name, op, value_bytes } => {
            LabelFilter::Bytes { name: name.as_str().into(), op: *op, value_bytes: *value_bytes }
        }
        PlanFilter::Ip { name, negated, value } => LabelFilter::Ip {
            name: name.as_str().into(),
            negated: *negated,
            matcher: IpMatcher::compile([value.as_str()])?,
        },
    })
}

/// The value that a string comparison sees. A label `__error__` that stands in the line is not the row's error.
fn text_value<'s>(name: &str, labels: &'s RowLabels<'_>) -> &'s [u8] {
    match name {
        ERROR_NAME => labels.error().map_or(b"", |error| error.text().as_bytes()),
        ERROR_DETAILS_NAME => labels.error_details().as_bytes(),
        _ => labels.get(name).unwrap_or(b""),
    }
}

fn compare<T>(
    name: &str,
    labels: &mut RowLabels<'_>,
    read: impl Fn(&[u8]) -> std::result::Result<T, Cow<'static, str>>,
    test: impl Fn(T) -> bool,
) -> bool {
    let Some(value) = labels.get(name) else {
        return false;
    };
    if labels.has_error() {
        return true;
    }
    match read(value) {
        Ok(value) => test(value),
        Err(details) => {
            labels.set_error(ErrorKind::LabelFilter, details);
            true
        }
    }
}

/// A comparison with NaN has no order; only `!=` holds then.
fn holds(op: CompareOp, order: Option<std::cmp::Ordering>) -> bool {
    match (op, order) {
        (CompareOp::NotEqual, None) => true,
        (_, None) => false,
        (CompareOp::Equal, Some(order)) => order.is_eq(),
        (CompareOp::NotEqual, Some(order)) => order.is_ne(),
        (CompareOp::Greater, Some(order)) => order.is_gt(),
        (CompareOp::GreaterOrEqual, Some(order)) => order.is_ge(),
        (CompareOp::Less, Some(order)) => order.is_lt(),
        (CompareOp::LessOrEqual, Some(order)) => order.is_le(),
    }
}
