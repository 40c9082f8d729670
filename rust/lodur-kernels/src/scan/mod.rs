//! Scans: a pipeline over head generations and segments, giving the first entries or series by steps.
//!
//! `Scan::compile` takes the plan message; `run_logs` and `run_metric` do the work on plain threads, without any Python.

use std::ops::Range;

use crate::error::{KernelError, Result};
use crate::pipeline::literals::{Required, required_of};
use crate::pipeline::needs::Needs;
use crate::pipeline::{Bitmap, LabelNeeds, Pipeline, Scratch};
use crate::scan::load::Columns;
use crate::scan::matching::Selector;
use crate::scan::parallel::Cancel;
use crate::scan::plan::{GroupingMode, ScanPlan, Task};
use crate::scan::source::{BlockRef, Selected, Source, prune_needed, select_needed};

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

/// Bytes of lines that are filtered before the cancel flag is looked at again: slow expressions do 20 MB/s.
const STRETCH_BYTES: usize = 1 << 19;

/// A compiled plan, shared by threads.
pub struct Scan {
    pub plan: ScanPlan,
    pub selector: Selector,
    pub pipeline: Pipeline,
    pub required: Required,
    pub needs: Needs,
}

impl Scan {
    pub fn compile(message: &[u8]) -> Result<Scan> {
        let plan = ScanPlan::decode(message)?;
        let selector = Selector::compile(&plan.matchers)?;
        let pipeline = Pipeline::compile(&plan.pipeline, &needs_of(&plan))?;
        let required = required_of(&plan.pipeline)?;
        let needs = Needs::compile(&plan.needs)?;
        Ok(Scan { plan, selector, pipeline, required, needs })
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

    /// Clear the rows of a block, whose lines are loaded, that line filters or needs refuse.
    pub fn select_rows(
        &self,
        selected: &Selected<'_>,
        block: &BlockRef,
        columns: &Columns<'_>,
        rows: &mut Bitmap,
        scratch: &mut Scratch,
        cancel: &Cancel,
    ) -> Result<()> {
        let (lines, ends) = (columns.lines, columns.line_ends);
        let needs: Vec<usize> = selected.needs_of_lines(block.block, &self.needs).collect();
        let mut first = 0;
        while first < rows.len() {
            cancel.check()?;
            let start = if first == 0 { 0 } else { ends[first - 1] as usize };
            let more = ends[first..].partition_point(|end| (*end as usize) < start + STRETCH_BYTES);
            let stretch = first..(first + more + 1).min(rows.len());
            first = stretch.end;
            self.pipeline.select_lines(lines, ends, stretch.clone(), rows, scratch);
            for need in &needs {
                self.needs.select(*need, lines, ends, stretch.clone(), rows, scratch);
            }
        }
        Ok(())
    }

    /// Ranges of the gram filter that pruning reads; empty if nothing can be pruned with it.
    pub fn probe_ranges(&self, source: &Source) -> Vec<(u64, u64)> {
        let Source::Segment(segment, _, deletes) = source else { return Vec::new() };
        let needs = (0..self.needs.len()).map(|need| self.needs.required(need));
        let all = std::iter::once(&self.required).chain(needs);
        let mut ranges: Vec<_> = all.flat_map(|required| segment.probe_ranges(required)).collect();
        ranges.extend(deletes.iter().flat_map(|deletes| deletes.probe_ranges(segment)));
        ranges.sort_unstable();
        ranges.dedup();
        ranges
    }

    /// Ranges of the pages that a run reads; the source must know the ranges of `probe_ranges`.
    pub fn page_ranges(&self, source: &Source) -> Result<Vec<(u64, u64)>> {
        let Source::Segment(segment, ..) = source else {
            return Err(KernelError::Input("only segments have pages".into()));
        };
        let sources = [source.clone()];
        let selected = select_needed(&sources, &self.selector, &self.needs);
        let pruned = prune_needed(&selected, &self.ts_range(), &self.required, &self.needs)?;
        let (lines, metadata) = (self.reads_lines(), self.reads_metadata(&selected[0]));
        let mut ranges = Vec::new();
        for block in &pruned.blocks {
            let entry = &segment.directory.blocks[block.block];
            ranges.push(entry.ts);
            let for_deletes = selected[0].deletes_read(block.block)?;
            if lines || for_deletes {
                ranges.push(entry.line);
            }
            if metadata || for_deletes {
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
