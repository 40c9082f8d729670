//! The plan message of a LogQL pipeline: what Python sends and `Pipeline::compile` reads.
//!
//! Closed and versioned: an unknown field, tag or version is refused. `lodur/kernels/plan.py` mirrors it field by field.
//! No regex is compiled and nothing is checked against Loki's rules here; see `Pipeline::compile`.

use serde::{Deserialize, Serialize};

use crate::error::{KernelError, Result};

/// Raised with every change of meaning or shape.
pub const PLAN_VERSION: u32 = 1;

/// Bytes of an encoded plan: a LogQL text is at most 128 KiB and a plan grows at most a few times over it.
pub const PLAN_BYTES_MAX: usize = 4 << 20;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PipelinePlan {
    pub version: u32,
    pub stages: Vec<Stage>,
    pub unwrap: Option<Unwrap>,
}

/// One step of a pipeline, in the order of the query text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Stage {
    /// `|=` and its kin; `matches` holds the operands of an `or` chain (at least one).
    LineFilter {
        op: LineFilterOp,
        matches: Vec<LineMatch>,
    },
    /// `| json`, with extractions only those labels.
    Json {
        extractions: Vec<Extraction>,
    },
    Logfmt {
        strict: bool,
        keep_empty: bool,
        extractions: Vec<Extraction>,
    },
    Regexp {
        expression: String,
    },
    Pattern {
        expression: String,
    },
    Unpack {},
    LabelFilter {
        filter: LabelFilter,
    },
    Drop {
        targets: Vec<LabelTarget>,
    },
    Keep {
        targets: Vec<LabelTarget>,
    },
    Decolorize {},
    /// `| line_format "{{.a}}"`
    LineFormat {
        template: String,
    },
    /// `| label_format a=b, c="{{.d}}"`; each name once.
    LabelFormat {
        changes: Vec<LabelChange>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LineFilterOp {
    Contains,
    NotContains,
    Matches,
    NotMatches,
    Pattern,
    NotPattern,
}

impl LineFilterOp {
    pub fn is_negated(self) -> bool {
        matches!(self, LineFilterOp::NotContains | LineFilterOp::NotMatches | LineFilterOp::NotPattern)
    }

    /// As written in a query.
    pub fn text(self) -> &'static str {
        match self {
            LineFilterOp::Contains => "|=",
            LineFilterOp::NotContains => "!=",
            LineFilterOp::Matches => "|~",
            LineFilterOp::NotMatches => "!~",
            LineFilterOp::Pattern => "|>",
            LineFilterOp::NotPattern => "!>",
        }
    }
}

/// What a line filter looks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum LineMatch {
    /// A literal, regular expression or pattern, as the filter's operator says.
    Text { value: String },
    /// An address, CIDR or range of `ip("…")`; only with `Contains` and `NotContains`.
    Ip { value: String },
}

/// `name="expression"` of `json` and `logfmt`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extraction {
    pub name: String,
    pub expression: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum LabelFilter {
    And { operands: Vec<LabelFilter> },
    Or { operands: Vec<LabelFilter> },
    Match { name: String, op: MatchOp, value: String },
    Number { name: String, op: CompareOp, value: f64 },
    Duration { name: String, op: CompareOp, value_ns: i64 },
    Bytes { name: String, op: CompareOp, value_bytes: u64 },
    Ip { name: String, negated: bool, value: String },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MatchOp {
    Equal,
    NotEqual,
    Regex,
    NotRegex,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CompareOp {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

/// One assignment of `label_format`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum LabelChange {
    /// `name` takes the value of `source`, which goes.
    Rename {
        name: String,
        source: String,
    },
    Template {
        name: String,
        template: String,
    },
}

/// A member of `drop` or `keep`: a name, perhaps only where its value matches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelTarget {
    pub name: String,
    pub matcher: Option<ValueMatcher>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValueMatcher {
    pub op: MatchOp,
    pub value: String,
}

/// `| unwrap …` and the label filters after it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unwrap {
    pub name: String,
    pub conversion: Conversion,
    pub filters: Vec<LabelFilter>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Conversion {
    Number,
    /// `duration(…)` and `duration_seconds(…)`: a Go duration in seconds.
    DurationSeconds,
    Bytes,
}

impl PipelinePlan {
    /// The plan of a bare selector: every row passes.
    pub fn empty() -> Self {
        PipelinePlan { version: PLAN_VERSION, stages: Vec::new(), unwrap: None }
    }

    /// Read a MessagePack plan message.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        if bytes.len() > PLAN_BYTES_MAX {
            return Err(KernelError::Input(format!(
                "pipeline plan of {} bytes, at most {PLAN_BYTES_MAX}",
                bytes.len()
            )));
        }
        let plan: PipelinePlan =
            rmp_serde::from_slice(bytes).map_err(|error| KernelError::Input(format!("pipeline plan: {error}")))?;
        plan.check_version()?;
        Ok(plan)
    }

    /// Write the plan as the MessagePack map that `decode` reads.
    pub fn encode(&self) -> Result<Vec<u8>> {
        rmp_serde::to_vec_named(self).map_err(|error| KernelError::Input(format!("pipeline plan: {error}")))
    }

    /// Number of regular expressions in the plan.
    pub fn expressions(&self) -> usize {
        let in_stages: usize = self.stages.iter().map(Stage::expressions).sum();
        let after_unwrap = self.unwrap.iter().flat_map(|unwrap| &unwrap.filters);
        in_stages + after_unwrap.map(LabelFilter::expressions).sum::<usize>()
    }

    pub fn check_version(&self) -> Result<()> {
        if self.version == PLAN_VERSION {
            return Ok(());
        }
        Err(KernelError::Input(format!("pipeline plan of version {}, this build reads {PLAN_VERSION}", self.version)))
    }
}

impl MatchOp {
    fn is_expression(self) -> bool {
        matches!(self, MatchOp::Regex | MatchOp::NotRegex)
    }
}

impl LabelFilter {
    fn expressions(&self) -> usize {
        match self {
            LabelFilter::And { operands } | LabelFilter::Or { operands } => {
                operands.iter().map(LabelFilter::expressions).sum()
            }
            LabelFilter::Match { op, .. } => usize::from(op.is_expression()),
            _ => 0,
        }
    }
}

impl Stage {
    fn expressions(&self) -> usize {
        match self {
            Stage::LineFilter { op: LineFilterOp::Matches | LineFilterOp::NotMatches, matches } => matches.len(),
            Stage::LabelFilter { filter } => filter.expressions(),
            Stage::Drop { targets } | Stage::Keep { targets } => {
                targets.iter().filter(|target| target.matcher.as_ref().is_some_and(|m| m.op.is_expression())).count()
            }
            Stage::Regexp { .. } => 1,
            Stage::LineFormat { template } => expressions_of(template),
            Stage::LabelFormat { changes } => changes
                .iter()
                .map(|change| match change {
                    LabelChange::Template { template, .. } => expressions_of(template),
                    LabelChange::Rename { .. } => 0,
                })
                .sum(),
            _ => 0,
        }
    }

    /// Whether later stages see another line than earlier ones.
    pub fn changes_line(&self) -> bool {
        matches!(self, Stage::Unpack {} | Stage::Decolorize {} | Stage::LineFormat { .. })
    }

    /// Whether line filters written after this stage are evaluated before it (Loki moves them).
    pub fn yields_to_line_filters(&self) -> bool {
        match self {
            Stage::Json { .. }
            | Stage::Logfmt { .. }
            | Stage::Regexp { .. }
            | Stage::Pattern { .. }
            | Stage::Decolorize {}
            | Stage::Drop { .. }
            | Stage::Keep { .. }
            | Stage::LabelFormat { .. }
            | Stage::LineFilter { .. } => true,
            Stage::Unpack {} | Stage::LabelFilter { .. } | Stage::LineFormat { .. } => false,
        }
    }
}

/// At most so many expressions are compiled with a template: the functions that take one, wherever they are named.
fn expressions_of(template: &str) -> usize {
    ["regexReplaceAll", "count"].iter().map(|name| template.matches(name).count()).sum()
}

/// The stages in the order in which they are evaluated: line filters moved forward as far as they may go.
pub fn evaluation_order(stages: &[Stage]) -> Vec<&Stage> {
    let mut ordered: Vec<&Stage> = Vec::with_capacity(stages.len());
    let mut filters_end = 0;
    for stage in stages {
        if matches!(stage, Stage::LineFilter { .. }) {
            ordered.insert(filters_end, stage);
            filters_end += 1;
            continue;
        }
        ordered.push(stage);
        if !stage.yields_to_line_filters() {
            filters_end = ordered.len();
        }
    }
    ordered
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    /// Written by Python; tests/unit/kernels/test_plan.py holds the plan it says.
    const RECORDED: &[u8] = include_bytes!("../../../../tests/unit/kernels/data/pipeline_plan.msgpack");

    #[test]
    fn reads_what_python_writes() {
        let plan = PipelinePlan::decode(RECORDED).unwrap();
        assert_eq!(plan.stages.len(), 15);
        assert_eq!(plan.unwrap.as_ref().unwrap().conversion, Conversion::DurationSeconds);
        let Stage::LabelFilter { filter: LabelFilter::Or { operands } } = &plan.stages[9] else { panic!("no filter") };
        let size = LabelFilter::Bytes { name: "size".to_owned(), op: CompareOp::NotEqual, value_bytes: 1 << 63 };
        assert_eq!(operands[2], size);
        assert_eq!(PipelinePlan::decode(&plan.encode().unwrap()).unwrap(), plan);
    }

    #[test]
    fn refuses_other_versions_and_shapes() {
        let newer = PipelinePlan { version: PLAN_VERSION + 1, ..PipelinePlan::empty() };
        let error = PipelinePlan::decode(&newer.encode().unwrap()).unwrap_err().to_string();
        assert_eq!(error, "kernel input: pipeline plan of version 2, this build reads 1");
        #[derive(Serialize)]
        struct Wider {
            version: u32,
            stages: [u8; 0],
            unwrap: Option<u8>,
            surprise: bool,
        }
        let wider = Wider { version: 1, stages: [], unwrap: None, surprise: true };
        assert!(PipelinePlan::decode(&rmp_serde::to_vec_named(&wider).unwrap()).is_err());
        assert!(PipelinePlan::decode(&vec![0; PLAN_BYTES_MAX + 1]).is_err());
    }

    #[test]
    fn line_filters_go_first() {
        let filter = |value: &str| Stage::LineFilter {
            op: LineFilterOp::Contains,
            matches: vec![LineMatch::Text { value: value.to_owned() }],
        };
        let stages =
            [Stage::Json { extractions: vec![] }, filter("a"), Stage::Unpack {}, Stage::Decolorize {}, filter("b")];
        let order: Vec<&Stage> = evaluation_order(&stages);
        assert_eq!(order, [&stages[1], &stages[0], &stages[2], &stages[4], &stages[3]]);
    }
}
