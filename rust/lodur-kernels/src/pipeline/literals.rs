//! What a line must contain to pass a pipeline's line filters: the facts by which blocks are pruned.
//!
//! Literals are folded to ASCII lower case, as the gram index is, so case-insensitive expressions prune as well. The
//! analysis only ever weakens: a line that passes satisfies `Required`, the reverse need not hold. Start at
//! `required_of`.

use std::collections::BTreeSet;

use regex_syntax::hir::{Class, Hir, HirKind};

use super::go_regex;
use super::pattern_syntax::{self, Piece};
use super::plan::{LineFilterOp, LineMatch, PipelinePlan, Stage, evaluation_order};
use crate::error::Result;

/// Distinct strings of one run of an expression; further combinations cut the run instead.
const ALTERNATIVES_MAX: usize = 32;

/// Branches of one alternation; more of them give up the requirement rather than probe the index without end.
const BRANCHES_MAX: usize = 128;

/// Members of a character class that are worth spelling out.
const CLASS_MAX: usize = 4;

/// Copies of a repeated body that are spelled out.
const COPIES_MAX: u32 = 8;

/// Longest literal kept; beyond it an index knows no more.
const LITERAL_BYTES_MAX: usize = 256;

/// Nodes of one expression that are visited; nested repetitions of little text could name billions.
const VISITS_MAX: usize = 1 << 14;

/// Whether literals are lower-cased.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Case {
    Folded,
    Kept,
}

impl Case {
    fn apply(self, text: &[u8]) -> Vec<u8> {
        match self {
            Case::Folded => text.to_ascii_lowercase(),
            Case::Kept => text.to_vec(),
        }
    }
}

/// A condition on the ASCII-lower-cased line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Required {
    /// All of them hold.
    All(Vec<Required>),
    /// One of them holds; empty: no line can pass.
    Any(Vec<Required>),
    /// The folded line contains these bytes.
    Literal(Box<[u8]>),
    /// Every line may pass.
    Nothing,
}

impl Required {
    /// Whether a line, already ASCII-lower-cased, satisfies the condition.
    pub fn holds(&self, folded: &[u8]) -> bool {
        match self {
            Required::All(parts) => parts.iter().all(|part| part.holds(folded)),
            Required::Any(parts) => parts.iter().any(|part| part.holds(folded)),
            Required::Literal(literal) => memchr::memmem::find(folded, literal).is_some(),
            Required::Nothing => true,
        }
    }

    pub(super) fn all(parts: impl IntoIterator<Item = Required>) -> Required {
        let mut flat: Vec<Required> = Vec::new();
        for part in parts {
            match part {
                Required::Nothing => {}
                Required::All(inner) => flat.extend(inner),
                other if flat.contains(&other) => {}
                other => flat.push(other),
            }
        }
        match flat.len() {
            0 => Required::Nothing,
            1 => flat.swap_remove(0),
            _ => Required::All(flat),
        }
    }

    pub(super) fn any(parts: Vec<Required>) -> Required {
        if parts.len() > BRANCHES_MAX || parts.contains(&Required::Nothing) {
            return Required::Nothing;
        }
        let mut flat: Vec<Required> = Vec::new();
        for part in parts {
            match part {
                Required::Any(inner) if !inner.is_empty() => flat.extend(inner),
                other => flat.push(other),
            }
        }
        flat.dedup();
        if flat.len() == 1 { flat.swap_remove(0) } else { Required::Any(flat) }
    }

    pub(super) fn folded_literal(text: &[u8]) -> Required {
        Required::literal(text, Case::Folded)
    }

    /// Both conditions together.
    pub fn and(&self, other: &Required) -> Required {
        Required::all([self.clone(), other.clone()])
    }

    fn literal(text: &[u8], case: Case) -> Required {
        if text.is_empty() {
            return Required::Nothing;
        }
        Required::Literal(case.apply(&text[..text.len().min(LITERAL_BYTES_MAX)]).into())
    }
}

/// The condition that every row passing the pipeline's line filters meets.
pub fn required_of(plan: &PipelinePlan) -> Result<Required> {
    let mut parts = Vec::new();
    for stage in evaluation_order(&plan.stages) {
        if stage.changes_line() {
            break;
        }
        if let Stage::LineFilter { op, matches } = stage {
            parts.push(required_of_filter(*op, matches)?);
        }
    }
    Ok(Required::all(parts))
}

fn required_of_filter(op: LineFilterOp, matches: &[LineMatch]) -> Result<Required> {
    let mut branches = Vec::with_capacity(matches.len());
    for operand in matches {
        branches.push(match (op, operand) {
            (LineFilterOp::Contains, LineMatch::Text { value }) => Required::literal(value.as_bytes(), Case::Folded),
            (LineFilterOp::Matches, LineMatch::Text { value }) => required_of_regex(&go_regex::parse(value)?),
            (LineFilterOp::Pattern, LineMatch::Text { value }) => required_of_pattern(value),
            _ => Required::Nothing,
        });
    }
    Ok(Required::any(branches))
}

fn required_of_pattern(pattern: &str) -> Required {
    Required::all(pattern_syntax::split(pattern).iter().map(|piece| match piece {
        Piece::Literal(text) => Required::literal(text.as_bytes(), Case::Folded),
        Piece::Placeholder | Piece::Capture(_) => Required::Nothing,
    }))
}

/// The condition that every text matched by the expression meets.
pub fn required_of_regex(hir: &Hir) -> Required {
    required_within(hir, Case::Folded, &mut 0)
}

/// The same over the text as it is written: literals keep their case, and `holds` wants the line unfolded.
pub fn required_unfolded(hir: &Hir) -> Required {
    required_within(hir, Case::Kept, &mut 0)
}

fn required_within(hir: &Hir, case: Case, visits: &mut usize) -> Required {
    let mut run = Run { current: Strings::from([Vec::new()]), required: Vec::new(), case, visits };
    run.append(hir);
    run.finish()
}

/// All texts that the expression matches when they are few and it looks at nothing around them; case counts.
pub fn exact_texts(hir: &Hir) -> Option<Vec<Box<[u8]>>> {
    if !hir.properties().look_set().is_empty() {
        return None;
    }
    Some(exact(hir, Case::Kept)?.into_iter().map(Vec::into_boxed_slice).collect())
}

type Strings = BTreeSet<Vec<u8>>;

/// Walks an expression from left to right: `current` holds what the text since the last gap can be.
struct Run<'v> {
    current: Strings,
    required: Vec<Required>,
    case: Case,
    visits: &'v mut usize,
}

impl Run<'_> {
    fn finish(mut self) -> Required {
        self.cut();
        Required::all(self.required)
    }

    /// End the run at hand: whatever follows is not known to be adjacent to it.
    fn cut(&mut self) {
        let strings = std::mem::replace(&mut self.current, Strings::from([Vec::new()]));
        self.required.push(Required::any(strings.iter().map(|text| Required::literal(text, self.case)).collect()));
    }

    fn append(&mut self, hir: &Hir) {
        *self.visits += 1;
        if *self.visits > VISITS_MAX {
            self.cut();
            return;
        }
        if let Some(strings) = exact(hir, self.case) {
            self.append_strings(&strings);
            return;
        }
        match hir.kind() {
            HirKind::Concat(parts) => parts.iter().for_each(|part| self.append(part)),
            HirKind::Capture(capture) => self.append(&capture.sub),
            HirKind::Repetition(repetition) if repetition.min > 0 => {
                for _ in 0..repetition.min.min(COPIES_MAX) {
                    self.append(&repetition.sub);
                }
                if repetition.max != Some(repetition.min) || repetition.min > COPIES_MAX {
                    // The last copy is adjacent to what follows, but perhaps not to those before it.
                    self.cut();
                    self.append(&repetition.sub);
                }
            }
            HirKind::Alternation(branches) => {
                self.cut();
                let branches = branches.iter().map(|branch| required_within(branch, self.case, self.visits)).collect();
                self.required.push(Required::any(branches));
            }
            _ => self.cut(),
        }
    }

    fn append_strings(&mut self, strings: &Strings) {
        if self.current.len() * strings.len() > ALTERNATIVES_MAX {
            self.cut();
        }
        let mut extended = Strings::new();
        for head in &self.current {
            for tail in strings {
                extended.insert([head.as_slice(), tail.as_slice()].concat());
            }
        }
        self.current = extended;
        if self.current.iter().any(|text| text.len() > LITERAL_BYTES_MAX) {
            self.cut();
        }
    }
}

/// All texts the expression can match, folded, if they are few.
fn exact(hir: &Hir, case: Case) -> Option<Strings> {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => Some(Strings::from([Vec::new()])),
        HirKind::Literal(literal) => Some(Strings::from([case.apply(&literal.0)])),
        HirKind::Class(class) => class_members(class, case),
        HirKind::Capture(capture) => exact(&capture.sub, case),
        HirKind::Repetition(repetition) => {
            let max = repetition.max.filter(|max| *max <= COPIES_MAX)?;
            let body = exact(&repetition.sub, case)?;
            let mut copies = Strings::from([Vec::new()]);
            let mut all = if repetition.min == 0 { copies.clone() } else { Strings::new() };
            for count in 1..=max {
                copies = product(&copies, &body)?;
                if count >= repetition.min {
                    all.extend(copies.iter().cloned());
                }
            }
            (all.len() <= ALTERNATIVES_MAX).then_some(all)
        }
        HirKind::Concat(parts) => {
            parts.iter().try_fold(Strings::from([Vec::new()]), |strings, part| product(&strings, &exact(part, case)?))
        }
        HirKind::Alternation(branches) => {
            let mut all = Strings::new();
            for branch in branches {
                all.extend(exact(branch, case)?);
                if all.len() > BRANCHES_MAX {
                    return None;
                }
            }
            Some(all)
        }
    }
}

fn product(heads: &Strings, tails: &Strings) -> Option<Strings> {
    if heads.len() * tails.len() > ALTERNATIVES_MAX {
        return None;
    }
    let mut all = Strings::new();
    for head in heads {
        for tail in tails {
            if head.len() + tail.len() > LITERAL_BYTES_MAX {
                return None;
            }
            all.insert([head.as_slice(), tail.as_slice()].concat());
        }
    }
    Some(all)
}

fn class_members(class: &Class, case: Case) -> Option<Strings> {
    let mut members = Strings::new();
    match class {
        Class::Unicode(unicode) => {
            for range in unicode.iter() {
                // Folding halves the ASCII letters at most.
                if range.end() as u32 - range.start() as u32 > 2 * CLASS_MAX as u32 {
                    return None;
                }
                members.extend((range.start()..=range.end()).map(|c| case.apply(c.to_string().as_bytes())));
                if members.len() > CLASS_MAX {
                    return None;
                }
            }
        }
        Class::Bytes(bytes) => {
            for range in bytes.iter() {
                members.extend((range.start()..=range.end()).map(|byte| case.apply(&[byte])));
            }
        }
    }
    (members.len() <= CLASS_MAX).then_some(members)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::super::plan::PLAN_VERSION;
    use super::*;

    fn of(op: LineFilterOp, operands: &[&str]) -> Required {
        let matches = operands.iter().map(|value| LineMatch::Text { value: (*value).to_owned() }).collect();
        let stages = vec![Stage::LineFilter { op, matches }];
        required_of(&PipelinePlan { version: PLAN_VERSION, stages, unwrap: None }).unwrap()
    }

    fn literal(text: &str) -> Required {
        Required::Literal(text.as_bytes().into())
    }

    fn any(texts: &[&str]) -> Required {
        Required::Any(texts.iter().map(|text| literal(text)).collect())
    }

    #[test]
    fn finds_the_literals_of_filters() {
        use LineFilterOp::{Contains, Matches, NotContains, Pattern};
        assert_eq!(of(Contains, &["Needle"]), literal("needle"));
        assert_eq!(of(Contains, &["a b", "c d"]), any(&["a b", "c d"]));
        assert_eq!(of(Contains, &["a", ""]), Required::Nothing);
        assert_eq!(of(NotContains, &["a"]), Required::Nothing);
        assert_eq!(of(Matches, &["time[dr]out of [0-9]{9}"]), any(&["timedout of ", "timerout of "]));
        assert_eq!(of(Matches, &["(?i)Error: .*"]), literal("error: "));
        assert_eq!(of(Matches, &["foo|bar"]), any(&["bar", "foo"]));
        assert_eq!(of(Matches, &["(foo.*|bar)baz"]), Required::All(vec![any(&["foo", "bar"]), literal("baz")]));
        assert_eq!(of(Matches, &["colou?r"]), any(&["color", "colour"]));
        assert_eq!(of(Matches, &["ab+c"]), Required::All(vec![literal("ab"), literal("bc")]));
        assert_eq!(of(Matches, &["a{3}b"]), literal("aaab"));
        assert_eq!(of(Matches, &["x*"]), Required::Nothing);
        let nested = format!("{}a.b{}", "(".repeat(60), "){8}".repeat(60));
        assert_ne!(of(Matches, &[&nested]), Required::Nothing);
        assert_eq!(of(Pattern, &["<_> text <_> end"]), Required::All(vec![literal(" text "), literal(" end")]));
    }

    #[test]
    fn respects_the_order_of_evaluation() {
        let filter = |value: &str| Stage::LineFilter {
            op: LineFilterOp::Contains,
            matches: vec![LineMatch::Text { value: value.to_owned() }],
        };
        let plan = |stages: Vec<Stage>| PipelinePlan { version: PLAN_VERSION, stages, unwrap: None };
        let moved = plan(vec![filter("one"), Stage::Decolorize {}, filter("two")]);
        assert_eq!(required_of(&moved).unwrap(), Required::All(vec![literal("one"), literal("two")]));
        let kept = plan(vec![filter("one"), Stage::Unpack {}, filter("two")]);
        assert_eq!(required_of(&kept).unwrap(), literal("one"));
    }

    fn expression() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            "[a-dK ]{1,4}",
            Just("[ab]".to_owned()),
            Just("[a-z]".to_owned()),
            Just(".".to_owned()),
            Just("\\bk".to_owned()),
            Just("(?i:kS)".to_owned()),
            Just("^".to_owned()),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 1..4).prop_map(|parts| parts.concat()),
                prop::collection::vec(inner.clone(), 1..4).prop_map(|parts| format!("(?:{})", parts.join("|"))),
                (inner.clone(), prop::sample::select(vec!["*", "+", "?", "{2}", "{1,3}", "{0,2}", "{12}"]))
                    .prop_map(|(body, repeat)| format!("(?:{body}){repeat}")),
                inner.prop_map(|body| format!("(?i:{body})")),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn matching_lines_satisfy_the_requirement(expression in expression(), lines in prop::collection::vec("[a-dkKsS\u{212A}\u{17F} ]{0,24}", 8)) {
            let Ok(regex) = go_regex::compile(&expression, go_regex::Use::Anywhere) else { return Ok(()) };
            let hir = go_regex::parse(&expression).unwrap();
            let (required, unfolded) = (required_of_regex(&hir), required_unfolded(&hir));
            for line in &lines {
                if regex.is_match(line.as_bytes()) {
                    prop_assert!(unfolded.holds(line.as_bytes()), "{expression} {line} {unfolded:?}");
                    prop_assert!(required.holds(&line.as_bytes().to_ascii_lowercase()), "{expression} {line} {required:?}");
                }
            }
        }
    }
}
