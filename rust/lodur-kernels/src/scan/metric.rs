//! Metric queries: rows to samples, samples to buckets by series, buckets to windows.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::error::{KernelError, Result};
use crate::level::LEVEL_COUNT;
use crate::pipeline::{Bitmap, Grouping, RowLabels, Scratch, UnwrapResult, decode_pairs};
use crate::scan::Scan;
use crate::scan::load::{BlockRun, Columns, Loaded, PooledBuffers, load_lines, load_metadata, load_runs};
use crate::scan::logs::count_read;
use crate::scan::parallel::{Cancel, Flow, run};
use crate::scan::plan::{GroupingMode, MetricTask, RangeOp, Task};
use crate::scan::source::{BlockRef, Selected, Source, prune_needed, select_needed};
use crate::scan::stats::ScanStats;
use crate::scan::windows::{
    Accumulator, Average, Bucketer, Edge, Greatest, Least, Moments, Sample, Samples, Steps, Sum,
};

/// Rows after which a worker looks at the cancel flag and its memory.
const CHECK_ROWS: usize = 4096;

/// Buckets of a series are put in order and joined when they have doubled since the last time, beyond this many.
const COMPACT_MIN: usize = 1024;

/// Bytes of a series beyond its buckets: map entry, vectors, the objects that its labels become.
const SERIES_BYTES: usize = 1000;

/// How often the text of a label set is held: as a key, as pairs, and as the caller's strings.
const LABEL_COPIES: usize = 3;

pub type Labels = Vec<(String, String)>;

/// Series by steps, row by row: `values[i * steps + k]` counts where `present` says so.
#[derive(Clone, Debug, Default)]
pub struct MetricResult {
    /// Sorted pairs of names and values, which may be empty.
    pub labels: Vec<Labels>,
    pub steps: usize,
    pub values: Vec<f64>,
    pub present: Vec<bool>,
    pub stats: ScanStats,
}

/// Run a plan whose task is `Metric`.
pub fn run_metric(
    scan: &Scan,
    sources: &[Source],
    cancel: &Cancel,
    threads: usize,
    bytes_max: usize,
) -> Result<MetricResult> {
    let Task::Metric(task) = &scan.plan.task else {
        return Err(KernelError::Input("the plan is no metric query".into()));
    };
    let metric = MetricScan::new(scan, task, sources, cancel, bytes_max);
    match task.op {
        RangeOp::Count | RangeOp::Rate | RangeOp::Bytes | RangeOp::BytesRate | RangeOp::Sum => {
            metric.run::<Sum>(threads)
        }
        RangeOp::Avg => metric.run::<Average>(threads),
        RangeOp::Min => metric.run::<Least>(threads),
        RangeOp::Max => metric.run::<Greatest>(threads),
        RangeOp::Stdvar | RangeOp::Stddev => metric.run::<Moments>(threads),
        RangeOp::First => metric.run::<Edge<false>>(threads),
        RangeOp::Last => metric.run::<Edge<true>>(threads),
        RangeOp::Quantile | RangeOp::RateCounter => metric.run::<Samples>(threads),
    }
}

struct MetricScan<'a> {
    scan: &'a Scan,
    task: &'a MetricTask,
    selected: Vec<Selected<'a>>,
    grouping: Grouping,
    /// Whether a row that a stage failed on may pass: its series says so.
    groups_errors: bool,
    /// Whether a series has the label of errors.
    shows_errors: bool,
    bytes_max: usize,
    /// Bytes that all workers hold, as of their last checks.
    held: AtomicUsize,
    cancel: &'a Cancel,
}

/// Buckets of one series.
struct Series<A> {
    buckets: Vec<(Steps, A)>,
    compacted: usize,
}

struct Worker<A> {
    buffers: PooledBuffers,
    rows: Bitmap,
    scratch: Scratch,
    stats: ScanStats,
    numbers: HashMap<Box<[u8]>, u32>,
    series: Vec<Series<A>>,
    bucketer: Bucketer,
    key: Vec<u8>,
    last_key: Vec<u8>,
    last_series: Option<u32>,
    bytes: usize,
    /// `bytes` when the scan was last told.
    bytes_told: usize,
}

impl<'a> MetricScan<'a> {
    fn new(scan: &'a Scan, task: &'a MetricTask, sources: &'a [Source], cancel: &'a Cancel, bytes_max: usize) -> Self {
        let names = &task.grouping.names;
        let grouping = match task.grouping.mode {
            GroupingMode::By => Grouping::by(names.iter().cloned()),
            GroupingMode::All | GroupingMode::Without => {
                Grouping::without(names.iter().map(String::as_str).chain(scan.pipeline.unwrap_name()))
            }
        };
        // Lines can be counted by their errors; samples of an unwrap cannot be had of them.
        let is_by = task.grouping.mode == GroupingMode::By;
        let shows_errors = is_by == names.iter().any(|n| n == crate::pipeline::ERROR_NAME);
        let groups_errors = is_by && shows_errors && scan.pipeline.unwrap_name().is_none();
        let selected = select_needed(sources, &scan.selector, &scan.needs);
        let held = AtomicUsize::new(0);
        MetricScan { scan, task, selected, grouping, groups_errors, shows_errors, bytes_max, held, cancel }
    }

    fn run<A: Accumulator>(&self, threads: usize) -> Result<MetricResult> {
        let pruned = prune_needed(&self.selected, &self.scan.ts_range(), &self.scan.required, &self.scan.needs)?;
        let mut stats = ScanStats {
            segments: pruned.segments as u64,
            blocks: pruned.total as u64,
            blocks_skipped: pruned.skipped as u64,
            streams: pruned.streams as u64,
            ..ScanStats::default()
        };
        let metadata: Vec<bool> = self.selected.iter().map(|selected| self.scan.reads_metadata(selected)).collect();
        let workers = run(
            &pruned.blocks,
            threads,
            self.cancel,
            || Worker::<A>::new(self.task),
            |worker, block| {
                self.visit(worker, block, metadata[block.source])?;
                Ok(Flow::More)
            },
        )?;
        workers.iter().for_each(|worker| stats.add(&worker.stats));
        self.finish(workers, stats)
    }

    fn visit<A: Accumulator>(&self, worker: &mut Worker<A>, block: &BlockRef, metadata: bool) -> Result<()> {
        let selected = &self.selected[block.source];
        let pipeline = &self.scan.pipeline;
        let runs = load_runs(selected, block, &self.scan.ts_range(), &mut worker.buffers, &mut worker.rows)?;
        let all = 0..worker.rows.len();
        if worker.rows.next(0, all.end).is_none() {
            return Ok(());
        }
        worker.stats.blocks_read += 1;
        let lines = self.scan.reads_lines();
        if lines {
            load_lines(selected, block, &mut worker.buffers)?;
        }
        let columns = Columns::of(selected, block, &worker.buffers, Loaded { lines, metadata: false });
        if lines {
            count_read(&mut worker.stats, selected, block, &columns);
            let (rows, scratch) = (&mut worker.rows, &mut worker.scratch);
            self.scan.select_rows(selected, block, &columns, rows, scratch, self.cancel)?;
            if worker.rows.next(0, all.end).is_none() {
                return Ok(());
            }
        } else {
            worker.stats.lines += columns.ts_ns.len() as u64;
        }
        if metadata {
            load_metadata(selected, block, &mut worker.buffers)?;
        }
        if !pipeline.has_row_stages() {
            worker.stats.lines_kept += worker.rows.count(all) as u64;
        }
        let buffers = std::mem::take(&mut worker.buffers);
        let rows = std::mem::take(&mut worker.rows);
        let columns = Columns::of(selected, block, &buffers, Loaded { lines, metadata });
        let added = if pipeline.has_row_stages() {
            self.add_processed(worker, block, &runs, &columns, &rows)
        } else {
            self.add_plain(worker, block, &runs, &columns, &rows)
        };
        worker.buffers = buffers;
        worker.rows = rows;
        added
    }

    /// No stage changes labels: the series of a row is that of its stream and level, unless it has other metadata.
    fn add_plain<A: Accumulator>(
        &self,
        worker: &mut Worker<A>,
        block: &BlockRef,
        runs: &[BlockRun],
        columns: &Columns<'_>,
        rows: &Bitmap,
    ) -> Result<()> {
        let mut labels = RowLabels::new();
        let bytes = matches!(self.task.op, RangeOp::Bytes | RangeOp::BytesRate);
        let level_only = columns.is_level_only();
        for run in runs {
            if !bytes && !columns.has_metadata() && rows.count(run.start..run.end) == run.end - run.start {
                labels.begin(columns.row(run.start, run.stream));
                let series = worker.series_of(&labels, &self.grouping);
                worker.count_run(series, &columns.ts_ns[run.start..run.end], block.order + run.start as u64);
                continue;
            }
            let mut by_level: [Option<u32>; LEVEL_COUNT] = [None; LEVEL_COUNT];
            for row in rows.iter(run.start..run.end) {
                let level = usize::from(columns.level(row)).min(LEVEL_COUNT - 1);
                let series = match by_level[level] {
                    Some(series) if level_only => series,
                    _ => {
                        labels.begin(columns.row(row, run.stream));
                        let series = worker.series_of(&labels, &self.grouping);
                        by_level[level] = Some(series);
                        series
                    }
                };
                let value = if bytes { columns.line(row).len() as f64 } else { 1.0 };
                worker.add(series, Sample { ts_ns: columns.ts_ns[row], order: block.order + row as u64, value });
            }
            self.check(worker)?;
        }
        Ok(())
    }

    fn add_processed<A: Accumulator>(
        &self,
        worker: &mut Worker<A>,
        block: &BlockRef,
        runs: &[BlockRun],
        columns: &Columns<'_>,
        rows: &Bitmap,
    ) -> Result<()> {
        let mut labels = RowLabels::new();
        let mut seen = 0usize;
        let unwraps = self.scan.pipeline.unwrap_name().is_some();
        for run in runs {
            for row in rows.iter(run.start..run.end) {
                // A row may take milliseconds, a look at the flag nothing.
                self.cancel.check()?;
                seen += 1 + labels.take_work();
                if seen >= CHECK_ROWS {
                    seen = 0;
                    self.check(worker)?;
                }
                // Between windows that do not meet nothing counts, errors neither.
                if worker.bucketer.steps_of(columns.ts_ns[row]).is_none() {
                    continue;
                }
                if !self.scan.pipeline.process(columns.row(row, run.stream), &mut labels) {
                    continue;
                }
                if let Some(message) = labels.metric_error(self.groups_errors, self.shows_errors) {
                    return Err(KernelError::InvalidRequest(message));
                }
                worker.stats.lines_kept += 1;
                let value = match self.task.op {
                    RangeOp::Bytes | RangeOp::BytesRate => labels.line().len() as f64,
                    _ if !unwraps => 1.0,
                    _ => match labels.unwrapped() {
                        UnwrapResult::Value(value) => value,
                        UnwrapResult::Missing | UnwrapResult::Error => continue,
                    },
                };
                let series = worker.series_of(&labels, &self.grouping);
                worker.add(series, Sample { ts_ns: columns.ts_ns[row], order: block.order + row as u64, value });
            }
        }
        self.check(worker)
    }

    fn check<A: Accumulator>(&self, worker: &mut Worker<A>) -> Result<()> {
        self.cancel.check()?;
        let before = std::mem::replace(&mut worker.bytes_told, worker.bytes);
        let held = if worker.bytes >= before {
            self.held.fetch_add(worker.bytes - before, Ordering::Relaxed) + (worker.bytes - before)
        } else {
            self.held.fetch_sub(before - worker.bytes, Ordering::Relaxed)
        };
        if held > self.bytes_max {
            return Err(KernelError::LimitExceeded {
                limit: "max_query_memory",
                message: format!(
                    "the query would hold more than {} bytes in memory; add more specific stream selectors, aggregate \
                     by fewer labels, or ask for a shorter time range",
                    self.bytes_max
                ),
            });
        }
        Ok(())
    }

    /// Join the workers' series, slide the windows, sort by label set.
    fn finish<A: Accumulator>(&self, workers: Vec<Worker<A>>, stats: ScanStats) -> Result<MetricResult> {
        let mut all: HashMap<Box<[u8]>, Series<A>> = HashMap::new();
        for worker in workers {
            self.cancel.check()?;
            let mut series: Vec<Option<Series<A>>> = worker.series.into_iter().map(Some).collect();
            for (key, number) in worker.numbers {
                let Some(series) = series[number as usize].take() else { continue };
                match all.entry(key) {
                    std::collections::hash_map::Entry::Occupied(mut known) => {
                        known.get_mut().buckets.extend(series.buckets)
                    }
                    std::collections::hash_map::Entry::Vacant(free) => {
                        free.insert(series);
                    }
                }
            }
        }
        let max = self.task.series_max as usize;
        if max > 0 && all.len() > max {
            return Err(too_many_series(max));
        }
        let mut sorted: Vec<(Labels, Series<A>)> = Vec::with_capacity(all.len());
        for (key, series) in all {
            let mut labels = decode_pairs(&key)?;
            labels.sort_unstable();
            sorted.push((labels, series));
        }
        self.cancel.check()?;
        sorted.sort_by(|a, b| a.0.cmp(&b.0));
        let steps = self.task.steps as usize;
        let mut result = MetricResult { steps, stats, ..MetricResult::default() };
        result.values.reserve_exact(sorted.len() * steps);
        result.present.reserve_exact(sorted.len() * steps);
        let mut at = 0;
        for (labels, mut series) in sorted {
            series.compact();
            result.labels.push(labels);
            result.values.resize(at + steps, 0.0);
            result.present.resize(at + steps, false);
            A::slide(&series.buckets, self.task, &mut |step, value| {
                result.values[at + step] = value;
                result.present[at + step] = true;
            });
            at += steps;
            self.cancel.check()?;
        }
        Ok(result)
    }
}

fn too_many_series(max: usize) -> KernelError {
    KernelError::LimitExceeded {
        limit: "max_query_series",
        message: format!(
            "maximum number of series ({max}) reached for a single query; consider reducing query cardinality by adding \
             more specific stream selectors, reducing the time range, or aggregating results with functions like sum(), \
             count() or topk()"
        ),
    }
}

impl<A: Accumulator> Worker<A> {
    fn new(task: &MetricTask) -> Self {
        Worker {
            buffers: PooledBuffers::take(),
            rows: Bitmap::default(),
            scratch: Scratch::default(),
            stats: ScanStats::default(),
            numbers: HashMap::new(),
            series: Vec::new(),
            bucketer: Bucketer::new(task),
            key: Vec::new(),
            last_key: Vec::new(),
            last_series: None,
            bytes: 0,
            bytes_told: 0,
        }
    }

    fn series_of(&mut self, labels: &RowLabels<'_>, grouping: &Grouping) -> u32 {
        self.key.clear();
        labels.write_group_key(grouping, &mut self.key);
        if let Some(series) = self.last_series
            && self.key == self.last_key
        {
            return series;
        }
        let number = match self.numbers.get(self.key.as_slice()) {
            Some(number) => *number,
            None => {
                let number = self.series.len() as u32;
                self.series.push(Series { buckets: Vec::new(), compacted: 0 });
                self.numbers.insert(self.key.as_slice().into(), number);
                self.bytes += SERIES_BYTES + self.key.len() * LABEL_COPIES;
                number
            }
        };
        self.last_key.clone_from(&self.key);
        self.last_series = Some(number);
        number
    }

    /// Count whole stretches of rows that share a bucket; unsorted rows only make the stretches shorter.
    fn count_run(&mut self, series: u32, ts_ns: &[i64], order: u64) {
        let sorted = ts_ns.is_sorted();
        let mut at = 0;
        while at < ts_ns.len() {
            self.bucketer.steps_of(ts_ns[at]);
            let until = self.bucketer.until();
            let length = if sorted { ts_ns[at..].partition_point(|ts| *ts <= until) } else { 1 };
            self.add(series, Sample { ts_ns: ts_ns[at], order, value: length as f64 });
            at += length;
        }
    }

    fn add(&mut self, series: u32, sample: Sample) {
        let Some(steps) = self.bucketer.steps_of(sample.ts_ns) else { return };
        let series = &mut self.series[series as usize];
        match series.buckets.last_mut() {
            Some((last, bucket)) if *last == steps => {
                let before = bucket.heap_bytes();
                bucket.add(sample);
                self.bytes += bucket.heap_bytes() - before;
            }
            _ => {
                let mut bucket = A::default();
                bucket.add(sample);
                self.bytes += size_of::<(Steps, A)>() + bucket.heap_bytes();
                series.buckets.push((steps, bucket));
                if series.buckets.len() >= COMPACT_MIN && series.buckets.len() >= 2 * series.compacted {
                    let before = series.buckets.len();
                    series.compact();
                    let gone = (before - series.buckets.len()) * size_of::<(Steps, A)>();
                    self.bytes = self.bytes.saturating_sub(gone);
                }
            }
        }
    }
}

impl<A: Accumulator> Series<A> {
    /// Put the buckets in order of time and join those of the same steps.
    fn compact(&mut self) {
        if !self.buckets.is_sorted_by(|a, b| a.0 < b.0) {
            self.buckets.sort_by_key(|(steps, _)| *steps);
            self.buckets.dedup_by(|later, earlier| {
                let same = later.0 == earlier.0;
                if same {
                    earlier.1.merge(&later.1);
                }
                same
            });
        }
        self.compacted = self.buckets.len();
    }
}
