//! Scans: a pipeline over head generations and segments, giving the first entries or series by steps.
//!
//! `Scan::compile` takes the plan message; `run_logs` and `run_metric` do the work on plain threads, without any Python.

use std::ops::Range;

use crate::error::{KernelError, Result};
use crate::pipeline::literals::{Required, required_of};
use crate::pipeline::{LabelNeeds, Pipeline};
use crate::scan::matching::Selector;
use crate::scan::plan::{GroupingMode, ScanPlan, Task};
use crate::scan::source::{Selected, Source, prune, select};
use crate::segment::grams;
use crate::segment::read::Segment;

pub mod json;
pub mod load;
pub mod logs;
pub mod matching;
pub mod metadata;
pub mod metric;
pub mod parallel;
pub mod plan;
pub mod source;
pub mod stats;
pub mod tail_json;
pub mod volume;
pub mod windows;

/// A compiled plan, shared by threads.
pub struct Scan {
    pub plan: ScanPlan,
    pub selector: Selector,
    pub pipeline: Pipeline,
    pub required: Required,
}

impl Scan {
    pub fn compile(message: &[u8]) -> Result<Scan> {
        let plan = ScanPlan::decode(message)?;
        let selector = Selector::compile(&plan.matchers)?;
        let pipeline = Pipeline::compile(&plan.pipeline, &needs_of(&plan))?;
        let required = required_of(&plan.pipeline)?;
        Ok(Scan { plan, selector, pipeline, required })
    }

    /// Half-open range of timestamps that the task looks at.
    pub fn ts_range(&self) -> Range<i64> {
        match &self.plan.task {
            Task::Logs(task) => task.start_ns..task.end_ns,
            Task::Metric(task) => task.ts_range(),
        }
    }

    /// Whether structured metadata can matter: the result shows it, a stage may read it, or a group name may mean it.
    pub fn reads_metadata(&self, selected: &Selected<'_>) -> bool {
        let Task::Metric(task) = &self.plan.task else { return true };
        if self.pipeline.has_row_stages() || task.grouping.mode != GroupingMode::By {
            return true;
        }
        let is_stream_label = |name: &String| {
            selected
                .source
                .streams()
                .iter()
                .zip(&selected.accepted)
                .all(|(stream, yes)| !yes || stream.get(name).is_some())
        };
        !task.grouping.names.iter().all(is_stream_label)
    }

    /// Whether lines must be decoded for what the task returns or computes.
    pub fn reads_lines(&self) -> bool {
        self.pipeline.reads_line() || self.task_reads_lines()
    }

    fn task_reads_lines(&self) -> bool {
        match &self.plan.task {
            Task::Logs(_) => true,
            Task::Metric(task) => matches!(task.op, plan::RangeOp::Bytes | plan::RangeOp::BytesRate),
        }
    }

    /// Ranges of the gram filter that pruning reads; empty if nothing can be pruned with it.
    pub fn probe_ranges(&self, segment: &Segment) -> Vec<(u64, u64)> {
        segment.directory.grams.as_ref().map(|layout| grams::probe_ranges(layout, &self.required)).unwrap_or_default()
    }

    /// Ranges of the pages that a run reads; the source must know the ranges of `probe_ranges`.
    pub fn page_ranges(&self, source: &Source) -> Result<Vec<(u64, u64)>> {
        let Source::Segment(segment, _) = source else {
            return Err(KernelError::Input("only segments have pages".into()));
        };
        let sources = [source.clone()];
        let selected = select(&sources, &self.selector);
        let pruned = prune(&selected, &self.ts_range(), &self.required)?;
        let (lines, metadata) = (self.reads_lines(), self.reads_metadata(&selected[0]));
        let mut ranges = Vec::new();
        for block in &pruned.blocks {
            let entry = &segment.directory.blocks[block.block];
            ranges.push(entry.ts);
            if lines {
                ranges.push(entry.line);
            }
            if metadata {
                ranges.extend(entry.level);
                ranges.extend(entry.meta.iter().flatten());
                ranges.extend(entry.rest.iter().flat_map(|(keys, values)| [*keys, *values]));
            }
        }
        Ok(ranges.into_iter().map(|page| (page.offset, u64::from(page.length))).collect())
    }
}

/// Labels that the task needs of the pipeline's result.
fn needs_of(plan: &ScanPlan) -> LabelNeeds {
    match &plan.task {
        Task::Logs(_) => LabelNeeds::All,
        Task::Metric(task) => match task.grouping.mode {
            GroupingMode::By if task.grouping.names.is_empty() => LabelNeeds::None,
            GroupingMode::By => LabelNeeds::Only(task.grouping.names.clone()),
            _ => LabelNeeds::All,
        },
    }
}
