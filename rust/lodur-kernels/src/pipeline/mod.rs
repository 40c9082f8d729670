//! LogQL pipelines: compiled once from a plan message, run over blocks of lines and then row by row.
//!
//! `Pipeline::select_lines` runs the line filters over many rows at once; `Pipeline::process` runs the other stages
//! over one row and leaves its labels in a `RowLabels`. Reading blocks and aggregating samples are left to the scan.
//! The language is Loki's LogQL, oddities included where answers show them. The plan message is `plan`; required
//! literals for pruning blocks are in `literals`.

mod bitmap;
mod decolorize;
mod drop_keep;
mod format;
pub(crate) mod go_duration;
pub(crate) mod go_number;
pub(crate) mod go_quote;
pub mod go_regex;
mod go_syntax;
mod group_key;
mod hints;
pub(crate) mod humanize_bytes;
mod ip;
mod json;
mod json_path;
pub(crate) mod json_scan;
mod label_filter;
pub(crate) mod label_name;
mod line_filter;
pub mod literals;
mod logfmt;
pub(crate) mod logfmt_scan;
pub mod needs;
mod page_search;
mod pattern;
pub(crate) mod pattern_filter;
mod pattern_syntax;
pub mod plan;
mod regexp;
mod row_labels;
pub mod template;
mod unpack;
mod unwrap;

use std::borrow::Cow;
use std::ops::Range;

pub use bitmap::Bitmap;
pub use group_key::{Grouping, decode_group_key, decode_pairs};
pub use hints::LabelNeeds;
pub use line_filter::Scratch;
pub use plan::PipelinePlan;
pub use row_labels::{Category, ERROR_DETAILS_NAME, ERROR_NAME, ErrorKind, MetaRef, RowInput, RowLabels, UnwrapResult};

use crate::error::{KernelError, Result};
use decolorize::Decolorizer;
use drop_keep::LabelTargets;
use format::{LabelFormatter, LineFormatter};
use hints::{Hints, gates_of};
use json::JsonParser;
use json_path::JsonPaths;
use label_filter::LabelFilter;
use line_filter::LineFilter;
use logfmt::LogfmtParser;
use page_search::Page;
use pattern::PatternParser;
use plan::{Stage, evaluation_order};
use regexp::RegexpParser;
use row_labels::{FromBlock, FromStage};
use unpack::Unpacker;
use unwrap::Unwrap;

/// Stages of one pipeline; each may hold a compiled expression of some MiB.
const STAGES_MAX: usize = 256;

/// Regular expressions of one pipeline: each takes memory for itself and for every thread that runs it.
const EXPRESSIONS_MAX: usize = 1024;

/// A compiled pipeline; immutable, so one serves all threads of a scan.
#[derive(Clone, Debug)]
pub struct Pipeline {
    /// Line filters that see the stored line.
    line_filters: Vec<LineFilter>,
    stages: Vec<RowStage>,
    unwrap: Option<Unwrap>,
}

#[derive(Clone, Debug)]
enum RowStage {
    LineFilter(LineFilter),
    Json(JsonParser),
    JsonPaths(JsonPaths),
    Logfmt(LogfmtParser),
    Regexp(RegexpParser),
    Pattern(PatternParser),
    Unpack(Unpacker),
    LabelFilter(LabelFilter),
    Drop(LabelTargets),
    Keep(LabelTargets),
    Decolorize(Decolorizer),
    LineFormat(LineFormatter),
    LabelFormat(LabelFormatter),
}

impl Pipeline {
    /// Compile a plan for a caller who needs these labels of the rows that pass.
    pub fn compile(plan: &PipelinePlan, needs: &LabelNeeds) -> Result<Pipeline> {
        plan.check_version()?;
        if plan.stages.len() > STAGES_MAX {
            let text = format!("pipeline of {} stages, at most {STAGES_MAX} are allowed", plan.stages.len());
            return Err(KernelError::InvalidRequest(text));
        }
        let expressions = plan.expressions();
        if expressions > EXPRESSIONS_MAX {
            let text = format!("query of {expressions} regular expressions, at most {EXPRESSIONS_MAX} are allowed");
            return Err(KernelError::InvalidRequest(text));
        }
        let hints = Hints::new(plan, needs);
        let mut line_filters = Vec::new();
        let mut stages = Vec::new();
        let mut line_changed = false;
        let ordered = evaluation_order(&plan.stages);
        let gates = gates_of(&ordered)?;
        for (position, stage) in ordered.iter().enumerate() {
            match compile_stage(stage, hints.at(position, &gates))? {
                // A line filter touches no label, so it may go before every stage that leaves the line alone.
                RowStage::LineFilter(filter) if !line_changed => line_filters.push(filter),
                stage if hints.skips_parsers() && stage.only_makes_labels() => {}
                stage => stages.push(stage),
            }
            line_changed |= stage.changes_line();
        }
        let unwrap = plan.unwrap.as_ref().map(Unwrap::compile).transpose()?;
        Ok(Pipeline { line_filters, stages, unwrap })
    }

    /// Clear the bits of those rows of the range whose line does not pass the line filters.
    ///
    /// `lines` holds the lines one after another, `line_ends` the end of each; bits of `selected` are rows of
    /// `line_ends`. Clear bits stay clear.
    pub fn select_lines(
        &self,
        lines: &[u8],
        line_ends: &[u32],
        rows: Range<usize>,
        selected: &mut Bitmap,
        scratch: &mut Scratch,
    ) {
        let page = Page { lines, line_ends };
        for filter in &self.line_filters {
            filter.select(page, rows.clone(), selected, scratch);
        }
    }

    /// Whether one stored line passes the line filters.
    pub fn selects_line(&self, line: &[u8]) -> bool {
        self.line_filters.iter().all(|filter| filter.is_match(line))
    }

    pub fn has_line_filters(&self) -> bool {
        !self.line_filters.is_empty()
    }

    /// Whether rows that passed the line filters must go through `process`.
    pub fn has_row_stages(&self) -> bool {
        !self.stages.is_empty() || self.unwrap.is_some()
    }

    /// Whether any stage looks at the line.
    pub fn reads_line(&self) -> bool {
        self.has_line_filters() || self.stages.iter().any(RowStage::reads_line)
    }

    /// Whether `process` may leave another line than it was given.
    pub fn changes_line(&self) -> bool {
        self.stages
            .iter()
            .any(|stage| matches!(stage, RowStage::Unpack(_) | RowStage::Decolorize(_) | RowStage::LineFormat(_)))
    }

    /// The label whose value is the sample; no part of a series that is not grouped by it.
    pub fn unwrap_name(&self) -> Option<&str> {
        self.unwrap.as_ref().map(Unwrap::name)
    }

    /// Run the stages after the line filters over a row that passed them; false if the row is dropped.
    pub fn process<'a>(&'a self, row: RowInput<'a>, out: &mut RowLabels<'a>) -> bool {
        out.begin(row);
        self.stages.iter().enumerate().all(|(index, stage)| stage.run(index, out))
            && self.unwrap.as_ref().is_none_or(|unwrap| unwrap.keeps(out))
    }
}

fn compile_stage(stage: &Stage, hints: Hints) -> Result<RowStage> {
    Ok(match stage {
        Stage::LineFilter { op, matches } => RowStage::LineFilter(LineFilter::compile(*op, matches)?),
        Stage::Json { extractions } if extractions.is_empty() => RowStage::Json(JsonParser::new(hints)),
        Stage::Json { extractions } => RowStage::JsonPaths(JsonPaths::compile(extractions, hints)?),
        Stage::Logfmt { strict, keep_empty, extractions } => {
            RowStage::Logfmt(LogfmtParser::compile(*strict, *keep_empty, extractions, hints)?)
        }
        Stage::Regexp { expression } => RowStage::Regexp(RegexpParser::compile(expression, hints)?),
        Stage::Pattern { expression } => RowStage::Pattern(PatternParser::compile(expression, hints)?),
        Stage::Unpack {} => RowStage::Unpack(Unpacker::new(hints)),
        Stage::LabelFilter { filter } => RowStage::LabelFilter(LabelFilter::compile(filter)?),
        Stage::Drop { targets } => RowStage::Drop(LabelTargets::compile(targets)?),
        Stage::Keep { targets } => RowStage::Keep(LabelTargets::compile(targets)?),
        Stage::Decolorize {} => RowStage::Decolorize(Decolorizer::compile()?),
        Stage::LineFormat { template } => RowStage::LineFormat(LineFormatter::compile(template)?),
        Stage::LabelFormat { changes } => RowStage::LabelFormat(LabelFormatter::compile(changes)?),
    })
}

/// Run a parser over the line wherever it lies: texts are borrowed from the block, copied from a made line.
macro_rules! parse_line {
    ($labels:ident, $parser:ident $(, $argument:expr)?) => {
        match std::mem::take(&mut $labels.line) {
            Cow::Borrowed(line) => {
                $labels.line = Cow::Borrowed(line);
                $parser.parse::<FromBlock>(line, $($argument,)? $labels)
            }
            Cow::Owned(line) => {
                let outcome = $parser.parse::<FromStage>(&line, $($argument,)? $labels);
                $labels.line = Cow::Owned(line);
                outcome
            }
        }
    };
}

impl RowStage {
    /// Whether the row stays.
    fn run<'a>(&'a self, index: usize, labels: &mut RowLabels<'a>) -> bool {
        match self {
            RowStage::LineFilter(filter) => return filter.is_match(labels.line()),
            RowStage::LabelFilter(filter) => return filter.keeps(labels),
            RowStage::Json(parser) => parse_line!(labels, parser),
            RowStage::JsonPaths(parser) => parse_line!(labels, parser),
            RowStage::Logfmt(parser) => parse_line!(labels, parser),
            RowStage::Regexp(parser) => parse_line!(labels, parser, index),
            RowStage::Pattern(parser) => parse_line!(labels, parser),
            RowStage::Unpack(parser) => {
                if let Some(entry) = parse_line!(labels, parser) {
                    labels.line = entry;
                }
            }
            RowStage::Drop(targets) => targets.drop_from(labels),
            RowStage::Keep(targets) => targets.keep_in(labels),
            RowStage::Decolorize(decolorizer) => {
                if let Some(line) = decolorizer.strip(labels.line()) {
                    labels.line = Cow::Owned(line);
                }
            }
            RowStage::LineFormat(formatter) => formatter.format(labels),
            RowStage::LabelFormat(formatter) => formatter.format(labels),
        }
        !labels.is_rejected()
    }

    fn reads_line(&self) -> bool {
        match self {
            RowStage::LabelFilter(_) | RowStage::Drop(_) | RowStage::Keep(_) => false,
            RowStage::LabelFormat(formatter) => formatter.reads_line(),
            RowStage::LineFilter(_)
            | RowStage::Json(_)
            | RowStage::JsonPaths(_)
            | RowStage::Logfmt(_)
            | RowStage::Regexp(_)
            | RowStage::Pattern(_)
            | RowStage::Unpack(_)
            | RowStage::Decolorize(_)
            | RowStage::LineFormat(_) => true,
        }
    }

    /// Whether the stage is left out when nobody needs labels. So is `unpack`, as in Loki, though the line then stays
    /// packed for the filters behind it.
    fn only_makes_labels(&self) -> bool {
        match self {
            RowStage::Json(_)
            | RowStage::JsonPaths(_)
            | RowStage::Logfmt(_)
            | RowStage::Regexp(_)
            | RowStage::Pattern(_)
            | RowStage::Unpack(_)
            | RowStage::Drop(_)
            | RowStage::Keep(_)
            | RowStage::LabelFormat(_) => true,
            RowStage::LineFilter(_) | RowStage::LabelFilter(_) | RowStage::Decolorize(_) | RowStage::LineFormat(_) => {
                false
            }
        }
    }
}
