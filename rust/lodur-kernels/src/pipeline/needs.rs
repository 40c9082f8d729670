//! What label filters say of a row before any parser has run: conditions that every row meets that can pass.
//!
//! `| json | level="error"` lets a row pass only if its label `level` says so. Where a stream has the label, the stream
//! decides; where structured metadata cannot have it, it can only come from the line, which then holds the text. The
//! planner names the filters for which that is so and how parsers read; whether stream or metadata have the label is
//! judged source by source and block by block. Filters are evaluated all the same: a need only saves work.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::bitmap::Bitmap;
use super::label_filter::FilterMatcher;
use super::line_filter::Scratch;
use super::literals::Required;
use super::page_search::{Needle, Page};
use super::plan::MatchOp;
use crate::error::{KernelError, Result};
use crate::labels::LabelSet;
use crate::segment::escapes::Escapes;

/// Needs of one scan, and tests of one need: the planner names no more.
const NEEDS_MAX: usize = 16;

/// A search for shorter texts finds something in nearly every line.
const NEEDLE_BYTES_MIN: usize = 2;

/// Texts of one search over many rows.
const NEEDLE_TEXTS_MAX: usize = 16;

/// How a text of ASCII begins when it is written as an escape.
const ESCAPE: &[u8] = b"\\u00";

/// How values come from lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FromLine {
    /// No parser runs before the filter.
    Never,
    /// As they stand there.
    Verbatim,
    /// Perhaps with escapes undone.
    Unescaped,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelTest {
    pub name: String,
    pub op: MatchOp,
    pub value: String,
}

/// One of the tests must hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NeedPlan {
    pub tests: Vec<LabelTest>,
    pub from_line: FromLine,
}

/// The needs of a scan, compiled.
#[derive(Clone, Debug, Default)]
pub struct Needs {
    needs: Vec<Need>,
}

#[derive(Clone, Debug)]
struct Need {
    tests: Vec<(Box<str>, FilterMatcher)>,
    required: Required,
    /// Characters of what is required that lines may write by their numbers instead.
    escapes: Escapes,
    needle: Option<Needle>,
}

/// What a stream's labels say of a need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every row of the stream meets it.
    Met,
    /// No row of the stream meets it.
    Failed,
    /// It depends on the row.
    Open,
}

impl Needs {
    pub fn compile(plans: &[NeedPlan]) -> Result<Self> {
        if plans.len() > NEEDS_MAX || plans.iter().any(|plan| plan.tests.is_empty() || plan.tests.len() > NEEDS_MAX) {
            return Err(KernelError::Input(format!("scan plan: at most {NEEDS_MAX} needs of 1 to {NEEDS_MAX} tests")));
        }
        Ok(Needs { needs: plans.iter().map(Need::compile).collect::<Result<_>>()? })
    }

    pub fn len(&self) -> usize {
        self.needs.len()
    }

    pub fn is_empty(&self) -> bool {
        self.needs.is_empty()
    }

    pub fn judge(&self, need: usize, stream: &LabelSet) -> Verdict {
        let mut verdict = Verdict::Failed;
        for (name, matcher) in &self.needs[need].tests {
            match stream.get(name) {
                Some(value) if matcher.is_match(value.as_bytes()) => return Verdict::Met,
                Some(_) => {}
                None => verdict = Verdict::Open,
            }
        }
        verdict
    }

    /// Whether a need asks about a label of this name.
    pub fn names(&self, need: usize, name: &str) -> bool {
        self.needs[need].tests.iter().any(|(known, _)| **known == *name)
    }

    /// What the lines of rows hold whose labels all come from the line, unless they write characters by numbers.
    pub fn required(&self, need: usize) -> &Required {
        &self.needs[need].required
    }

    /// Whether lines that write these characters by numbers, and no others, hold what is required as it is.
    pub fn is_plain_in(&self, need: usize, escapes: Option<Escapes>) -> bool {
        let own = self.needs[need].escapes;
        own == Escapes::default() || escapes.is_some_and(|escapes| !escapes.meets(own))
    }

    /// Whether no row passes whose labels all come from the line.
    pub fn is_impossible(&self, need: usize) -> bool {
        matches!(&self.needs[need].required, Required::Any(branches) if branches.is_empty())
    }

    /// Clear the rows of the range whose line cannot meet the need; labels must come from lines alone.
    pub fn select(
        &self,
        need: usize,
        lines: &[u8],
        line_ends: &[u32],
        rows: Range<usize>,
        selected: &mut Bitmap,
        scratch: &mut Scratch,
    ) {
        let Some(first) = selected.next(rows.start, rows.end) else { return };
        if self.is_impossible(need) {
            selected.clear_range(rows);
        } else if let Some(needle) = &self.needs[need].needle {
            let found = scratch.found(selected.len());
            needle.mark(Page { lines, line_ends }, first..rows.end, found);
            selected.keep_within(first..rows.end, found, false);
        }
    }
}

impl Need {
    fn compile(plan: &NeedPlan) -> Result<Self> {
        let mut tests = Vec::with_capacity(plan.tests.len());
        let mut texts: Option<Vec<Vec<u8>>> = Some(Vec::new());
        for test in &plan.tests {
            let matcher = FilterMatcher::compile(test.op, &test.value)?;
            match (&mut texts, matcher.texts()) {
                (Some(all), Some(more)) => all.extend(more.into_iter().map(<[u8]>::to_vec)),
                _ => texts = None,
            }
            tests.push((test.name.as_str().into(), matcher));
        }
        let texts = match plan.from_line {
            FromLine::Never => texts.map(|_| Vec::new()),
            FromLine::Verbatim | FromLine::Unescaped => texts,
        };
        let unescaped = plan.from_line == FromLine::Unescaped;
        let Some(texts) = texts else {
            return Ok(Need { tests, required: Required::Nothing, escapes: Escapes::default(), needle: None });
        };
        let pieces: Vec<Vec<&[u8]>> = texts.iter().map(|text| pieces_of(text, unescaped)).collect();
        let all_of = |pieces: &Vec<&[u8]>| Required::all(pieces.iter().map(|piece| Required::folded_literal(piece)));
        let required = Required::any(pieces.iter().map(all_of).collect());
        let escapes = if unescaped { Escapes::of_text(&pieces.concat().concat()) } else { Escapes::default() };
        Ok(Need { tests, required, escapes, needle: needle_of(&pieces, unescaped) })
    }
}

/// The parts of a text that stand in a line in which a value with this text stands.
fn pieces_of(text: &[u8], unescaped: bool) -> Vec<&[u8]> {
    if unescaped { plain_pieces(text).collect() } else { vec![text] }
}

/// The parts of a text that can be written in one other way only: by the numbers of their characters.
fn plain_pieces(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\' | b'/' | b'\'');
    text.split(move |byte| !is_plain(byte)).filter(|piece| !piece.is_empty())
}

/// One search for the longest piece of each text; None where it would find too much.
fn needle_of(texts: &[Vec<&[u8]>], unescaped: bool) -> Option<Needle> {
    let mut wanted: Vec<&[u8]> = Vec::with_capacity(texts.len() + 1);
    for pieces in texts {
        let longest = pieces.iter().max_by_key(|piece| piece.len())?;
        if longest.len() < NEEDLE_BYTES_MIN {
            return None;
        }
        wanted.push(longest);
    }
    if unescaped && !wanted.is_empty() {
        wanted.push(ESCAPE);
    }
    match wanted.as_slice() {
        [] => None,
        [only] => Some(Needle::literal(only)),
        several if several.len() <= NEEDLE_TEXTS_MAX => Needle::literals(several, false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::super::plan::{LabelFilter, PLAN_VERSION, PipelinePlan, Stage};
    use super::super::{LabelNeeds, MetaRef, Pipeline, RowInput, RowLabels};
    use super::*;
    use crate::level::Level;

    fn needs(name: &str, op: MatchOp, value: &str, from_line: FromLine) -> Needs {
        let test = LabelTest { name: name.to_owned(), op, value: value.to_owned() };
        Needs::compile(&[NeedPlan { tests: vec![test], from_line }]).unwrap()
    }

    fn holds(needs: &Needs, line: &[u8]) -> bool {
        !needs.is_plain_in(0, Some(Escapes::of_lines(line))) || needs.required(0).holds(&line.to_ascii_lowercase())
    }

    fn selects(needs: &Needs, line: &[u8]) -> bool {
        let mut rows = Bitmap::full(1);
        needs.select(0, line, &[line.len() as u32], 0..1, &mut rows, &mut Scratch::default());
        rows.get(0)
    }

    #[test]
    fn escapes_are_allowed_for() {
        let error = needs("level", MatchOp::Equal, "error", FromLine::Unescaped);
        for (line, may) in [
            (r#"{"level":"error"}"#, true),
            (r#"{"level":"\u0065rror"}"#, true),
            (r#"{"level":"err\u006Fr"}"#, true),
            (r#"{"level":"info"}"#, false),
        ] {
            assert_eq!(holds(&error, line.as_bytes()), may, "{line}");
            assert_eq!(selects(&error, line.as_bytes()), may, "{line}");
        }
        let path = needs("path", MatchOp::Equal, "/api/orders", FromLine::Unescaped);
        assert!(holds(&path, br#"{"path":"\/api\/orders"}"#) && selects(&path, br#"{"path":"\/api\/orders"}"#));
        assert!(!holds(&path, br#"{"path":"/api/users"}"#));
    }

    #[test]
    fn streams_decide_for_their_labels() {
        let error = needs("level", MatchOp::Equal, "error", FromLine::Never);
        let stream = |value: &str| LabelSet::from_pairs(vec![("level".to_owned(), value.to_owned())]);
        assert_eq!(error.judge(0, &stream("error")), Verdict::Met);
        assert_eq!(error.judge(0, &stream("info")), Verdict::Failed);
        assert_eq!(error.judge(0, &LabelSet::default()), Verdict::Open);
        assert!(!holds(&error, b"error") && !selects(&error, b"error"));
        let none = needs("level", MatchOp::NotEqual, "error", FromLine::Never);
        assert!(holds(&none, b"") && selects(&none, b""));
    }

    fn value() -> impl Strategy<Value = String> {
        prop_oneof!["[a-cA-C/\"\\\\ é'\n]{0,5}", Just("error".to_owned()), Just("a|b".to_owned())]
    }

    /// A value as JSON, each character written in one of the ways that JSON has.
    fn written(value: String, ways: Vec<u8>) -> String {
        let mut out = String::new();
        for (at, c) in value.chars().enumerate() {
            match (ways.get(at).copied().unwrap_or(0) % 4, c) {
                (0, c) if (c as u32) < 0x10000 => out.push_str(&format!("\\u{:04x}", c as u32)),
                (1, c) if (c as u32) < 0x10000 => out.push_str(&format!("\\u{:04X}", c as u32)),
                (2, '/') => out.push_str("\\/"),
                (_, '"') => out.push_str("\\\""),
                (_, '\\') => out.push_str("\\\\"),
                (_, '\n') => out.push_str("\\n"),
                (_, c) => out.push(c),
            }
        }
        out
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3000))]
        #[test]
        fn rows_that_pass_meet_the_need(
            wanted in value(),
            found in value(),
            same in any::<bool>(),
            ways in prop::collection::vec(any::<u8>(), 5),
            logfmt in any::<bool>(),
            op in prop::sample::select(vec![MatchOp::Equal, MatchOp::NotEqual, MatchOp::Regex, MatchOp::NotRegex]),
            beside in prop::sample::select(vec!["", ".*"]),
        ) {
            let is_regex = matches!(op, MatchOp::Regex | MatchOp::NotRegex);
            let text = if is_regex { format!("{}{beside}", regex_syntax::escape(&wanted).replace("\\|", "|")) } else { wanted.clone() };
            let text_in_line = written(if same { wanted } else { found }, ways);
            let line = if logfmt { format!("v=\"{text_in_line}\"") } else { format!("{{\"v\":\"{text_in_line}\"}}") };
            let parser = if logfmt {
                Stage::Logfmt { strict: false, keep_empty: true, extractions: Vec::new() }
            } else {
                Stage::Json { extractions: Vec::new() }
            };
            let filter = Stage::LabelFilter { filter: LabelFilter::Match { name: "v".to_owned(), op, value: text.clone() } };
            let plan = PipelinePlan { version: PLAN_VERSION, stages: vec![parser, filter], unwrap: None };
            let pipeline = Pipeline::compile(&plan, &LabelNeeds::All).unwrap();
            let stream = LabelSet::default();
            let row = RowInput { ts_ns: 0, line: line.as_bytes(), stream: &stream, level: Level::None, meta: MetaRef::none() };
            if pipeline.process(row, &mut RowLabels::new()) {
                let needs = needs("v", op, &text, FromLine::Unescaped);
                prop_assert!(holds(&needs, line.as_bytes()), "{line} {text} {:?}", needs.required(0));
                prop_assert!(selects(&needs, line.as_bytes()), "{line} {text}");
            }
        }
    }
}
