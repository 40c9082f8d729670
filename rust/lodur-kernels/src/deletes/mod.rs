//! Delete requests: entries that a source still has and that nobody is to see any more.
//!
//! A `DeleteRule` is one request, compiled once. `Deletes` are those that one source must be read without; scans clear
//! their rows when a block is loaded (`scan::load`), merges when a block is decoded (`compact::cursor`). Which requests
//! matter to which source is Python's business. What a directory says of their effect is in `effect`.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use crate::deletes::plan::DeletePlan;
use crate::error::Result;
use crate::labels::LabelSet;
use crate::pipeline::literals::{Required, required_of};
use crate::pipeline::{Bitmap, LabelNeeds, Pipeline, RowLabels, Scratch};
use crate::scan::load::{BlockRun, Columns};
use crate::scan::matching::Selector;
use crate::segment::read::{PageSource, Segment};

pub mod effect;
pub mod plan;

/// One request, shared by all sources that it may touch.
pub struct DeleteRule {
    selector: Selector,
    /// None where every entry of the selector's streams is meant.
    pipeline: Option<Pipeline>,
    required: Required,
    span: Range<i64>,
}

/// The requests that a source is read without.
pub struct Deletes {
    rules: Vec<Arc<DeleteRule>>,
}

impl DeleteRule {
    pub fn compile(message: &[u8]) -> Result<DeleteRule> {
        let plan = DeletePlan::decode(message)?;
        // All labels: a request deletes what a log query of the same text shows, and that reads them all.
        let pipeline = match plan.pipeline.stages.is_empty() && plan.pipeline.unwrap.is_none() {
            true => None,
            false => Some(Pipeline::compile(&plan.pipeline, &LabelNeeds::All)?),
        };
        Ok(DeleteRule {
            selector: Selector::compile(&plan.matchers)?,
            pipeline,
            required: required_of(&plan.pipeline)?,
            span: plan.start_ns..plan.end_ns,
        })
    }
}

impl Deletes {
    pub fn new(rules: Vec<Arc<DeleteRule>>) -> Deletes {
        Deletes { rules }
    }

    pub fn len(&self) -> usize {
        self.rules.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Ranges of a segment's gram filter that tell which blocks the requests may touch.
    pub fn probe_ranges(&self, segment: &Segment) -> Vec<(u64, u64)> {
        let with_lines = self.rules.iter().filter(|rule| rule.pipeline.is_some());
        with_lines.flat_map(|rule| segment.probe_ranges(&rule.required)).collect()
    }
}

/// The requests that accept a stream of one source, by place in its `Deletes`.
pub struct Prepared {
    rules: Vec<PreparedRule>,
    /// Those of `rules` that mean whole streams, by the start of their spans.
    whole: Vec<usize>,
    count: usize,
}

struct PreparedRule {
    place: usize,
    rule: Arc<DeleteRule>,
    accepted: Vec<bool>,
    /// Blocks that the gram filter leaves, once it was asked; None where it says nothing.
    blocks: OnceLock<Option<Vec<u8>>>,
}

impl PreparedRule {
    fn accepts(&self, stream: u32) -> bool {
        self.accepted[stream as usize]
    }

    fn overlaps(&self, first_ts_ns: i64, last_ts_ns: i64) -> bool {
        first_ts_ns < self.rule.span.end && last_ts_ns >= self.rule.span.start
    }

    fn may_touch(&self, segment: &Segment, pages: &PageSource, block: usize) -> Result<bool> {
        let bits = match self.blocks.get() {
            Some(bits) => bits,
            None => {
                let probed = segment.probe(pages, &self.rule.required)?;
                self.blocks.get_or_init(|| probed)
            }
        };
        Ok(bits.as_ref().is_none_or(|bits| bits[block / 8] >> (block % 8) & 1 == 1))
    }

    /// Clear what lines and metadata decide; `found` is told the number of rows.
    fn clear(
        &self,
        pipeline: &Pipeline,
        runs: &[BlockRun],
        columns: &Columns<'_>,
        rows: &mut Bitmap,
        scratch: &mut Scratch,
    ) -> u64 {
        let mut hits = Bitmap::empty(rows.len());
        for run in runs.iter().filter(|run| self.accepts(run.stream)) {
            let within = |row: &usize| self.rule.span.contains(&columns.ts_ns[*row]);
            rows.iter(run.start..run.end).filter(within).for_each(|row| hits.set(row));
        }
        let Some(first) = hits.next(0, hits.len()) else { return 0 };
        pipeline.select_lines(columns.lines, columns.line_ends, first..rows.len(), &mut hits, scratch);
        let mut labels = RowLabels::new();
        let mut cleared = 0;
        for run in runs.iter().filter(|run| self.accepts(run.stream)) {
            for row in hits.iter(run.start..run.end) {
                if !pipeline.has_row_stages() || pipeline.process(columns.row(row, run.stream), &mut labels) {
                    rows.clear(row);
                    cleared += 1;
                }
            }
        }
        cleared
    }
}

impl Prepared {
    /// None where no request accepts a stream.
    pub fn of(deletes: &Deletes, streams: &[Arc<LabelSet>]) -> Option<Prepared> {
        let mut rules = Vec::new();
        for (place, rule) in deletes.rules.iter().enumerate() {
            let accepted = rule.selector.accept(streams);
            if accepted.contains(&true) {
                rules.push(PreparedRule { place, rule: Arc::clone(rule), accepted, blocks: OnceLock::new() });
            }
        }
        let mut whole: Vec<usize> = (0..rules.len()).filter(|at| rules[*at].rule.pipeline.is_none()).collect();
        whole.sort_by_key(|at| rules[*at].rule.span.start);
        (!rules.is_empty()).then_some(Prepared { rules, whole, count: deletes.len() })
    }

    /// How many requests there are, those that accept no stream included.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The place of a request that deletes all rows of a stream between two times (both included), whatever they are.
    pub fn covering(&self, stream: u32, first_ts_ns: i64, last_ts_ns: i64) -> Option<usize> {
        let covers = |one: &&PreparedRule| {
            let span = &one.rule.span;
            one.rule.pipeline.is_none() && one.accepts(stream) && span.start <= first_ts_ns && last_ts_ns < span.end
        };
        self.rules.iter().find(covers).map(|one| one.place)
    }

    /// Whether requests delete, one after the other or one alone, all rows of a stream between two times (both
    /// included), whatever they are.
    pub fn cover(&self, stream: u32, first_ts_ns: i64, last_ts_ns: i64) -> bool {
        let mut covered_to_ns = first_ts_ns;
        for one in self.whole.iter().map(|at| &self.rules[*at]).filter(|one| one.accepts(stream)) {
            if one.rule.span.start > covered_to_ns {
                return false;
            }
            covered_to_ns = covered_to_ns.max(one.rule.span.end);
            if covered_to_ns > last_ts_ns {
                return true;
            }
        }
        false
    }

    /// Clear the rows of loaded timestamps that are deleted by stream and time; `found` is told place and number.
    pub fn clear_by_time(
        &self,
        runs: &[BlockRun],
        ts_ns: &[i64],
        rows: &mut Bitmap,
        mut found: impl FnMut(usize, u64),
    ) {
        for one in self.rules.iter().filter(|one| one.rule.pipeline.is_none()) {
            let mut cleared = 0;
            for run in runs.iter().filter(|run| one.accepts(run.stream)) {
                let mut at = run.start;
                while let Some(row) = rows.next(at, run.end) {
                    at = row + 1;
                    if one.rule.span.contains(&ts_ns[row]) {
                        rows.clear(row);
                        cleared += 1;
                    }
                }
            }
            found(one.place, cleared);
        }
    }

    /// Clear the rows that lines and metadata decide, where `may_touch` is not sure that there are none.
    pub fn clear_by_content(
        &self,
        runs: &[BlockRun],
        columns: &Columns<'_>,
        rows: &mut Bitmap,
        mut found: impl FnMut(usize, u64),
    ) {
        let mut scratch = Scratch::default();
        for one in &self.rules {
            if let Some(pipeline) = &one.rule.pipeline {
                found(one.place, one.clear(pipeline, runs, columns, rows, &mut scratch));
            }
        }
    }

    /// Whether lines must be looked at: a request with a pipeline accepts a stream of the block within its times, and
    /// the gram filter (of a segment) does not rule it out.
    pub fn reads_content(
        &self,
        segment: Option<(&Segment, &PageSource)>,
        block: usize,
        runs: impl Iterator<Item = (u32, i64, i64)> + Clone,
    ) -> Result<bool> {
        for one in self.rules.iter().filter(|one| one.rule.pipeline.is_some()) {
            let overlaps = |(stream, first, last): (u32, i64, i64)| one.accepts(stream) && one.overlaps(first, last);
            if !runs.clone().any(overlaps) {
                continue;
            }
            let may_touch = match segment {
                Some((segment, pages)) => one.may_touch(segment, pages, block)?,
                None => true,
            };
            if may_touch {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
