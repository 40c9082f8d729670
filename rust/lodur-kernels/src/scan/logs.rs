//! Log queries: the first entries in a direction.
//!
//! Blocks are taken newest first (or oldest first). The worst of the best entries so far is a threshold that all workers
//! share: rows and blocks beyond it are not looked at. Where no stage can refuse a row, timestamps alone decide, and only
//! the blocks of the winners have their lines decoded.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::ops::Range;
use std::sync::atomic::{AtomicI64, Ordering as Memory};

use hashbrown::HashSet;
use parking_lot::Mutex;
use xxhash_rust::xxh3::Xxh3Default;

use crate::error::{KernelError, Result};
use crate::pipeline::{Bitmap, Category, RowLabels, Scratch};
use crate::scan::Scan;
use crate::scan::load::{BlockRun, Columns, Loaded, PooledBuffers};
use crate::scan::load::{load_lines, load_metadata, load_runs, load_stored_runs};
use crate::scan::parallel::{Cancel, Flow, run};
use crate::scan::plan::{LogsTask, Task};
use crate::scan::source::{BlockRef, Selected, Source, prune_needed, select_needed};
use crate::scan::stats::ScanStats;

/// Rows after which a worker looks at the cancel flag: one may take milliseconds, the look nothing.
const CANCEL_ROWS: usize = 16;

/// An entry of the result. Label keys are those of `RowLabels::write_category`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Entry {
    pub ts_ns: i64,
    pub order: u64,
    pub stream: Vec<u8>,
    pub metadata: Vec<u8>,
    pub parsed: Vec<u8>,
    pub line: Vec<u8>,
}

impl Entry {
    /// A digest of the line and the labels.
    fn content(&self) -> u128 {
        let mut hash = Xxh3Default::new();
        for part in [&self.stream, &self.metadata, &self.parsed, &self.line] {
            hash.update(&(part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        hash.digest128()
    }
}

/// Entries in the direction of the query.
#[derive(Clone, Debug, Default)]
pub struct LogResult {
    pub entries: Vec<Entry>,
    pub stats: ScanStats,
}

/// Where a row is, until it is sure that its content is wanted.
#[derive(Clone, Copy, Debug)]
struct Place {
    block: usize,
    row: usize,
    stream: u32,
}

struct Candidate {
    backward: bool,
    ts_ns: i64,
    order: u64,
    place: Place,
    entry: Option<Entry>,
    /// Tells the content of the entry from that of all others at its time; None as long as it is not read.
    content: Option<u128>,
}

/// The greatest candidate is the worst, so that it is on top of the heap.
impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        let order = (self.ts_ns, self.order).cmp(&(other.ts_ns, other.order));
        if self.backward { order.reverse() } else { order }
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Candidate {}

/// The best entries so far.
struct Best {
    held: Mutex<Held>,
    limit: usize,
    backward: bool,
    bytes_max: usize,
    /// Timestamp of the worst entry once there are `limit`.
    threshold: AtomicI64,
}

#[derive(Default)]
struct Held {
    heap: BinaryHeap<Candidate>,
    bytes: usize,
    /// Times and contents: entries equal in both are one, and count once for the limit.
    contents: HashSet<(i64, u128)>,
}

impl Best {
    fn new(limit: usize, backward: bool, bytes_max: usize) -> Self {
        let threshold = AtomicI64::new(if backward { i64::MIN } else { i64::MAX });
        Best { held: Mutex::default(), limit, backward, bytes_max, threshold }
    }

    /// Whether an entry at this time can still get in.
    fn wants(&self, ts_ns: i64) -> bool {
        let threshold = self.threshold.load(Memory::Relaxed);
        if self.backward { ts_ns >= threshold } else { ts_ns <= threshold }
    }

    fn wants_block(&self, block: &BlockRef) -> bool {
        self.wants(if self.backward { block.max_ts_ns } else { block.min_ts_ns })
    }

    fn offer(&self, candidate: Candidate) -> Result<()> {
        let mut held = self.held.lock();
        let Held { heap, bytes, contents } = &mut *held;
        if candidate.content.is_some_and(|content| contents.contains(&(candidate.ts_ns, content))) {
            return Ok(());
        }
        if heap.len() >= self.limit {
            match heap.peek() {
                Some(worst) if candidate < *worst => {}
                _ => return Ok(()),
            }
            if let Some(gone) = heap.pop() {
                *bytes -= gone.size();
                if let Some(content) = gone.content {
                    contents.remove(&(gone.ts_ns, content));
                }
            }
        }
        *bytes += candidate.size();
        self.check(*bytes)?;
        if let Some(content) = candidate.content {
            contents.insert((candidate.ts_ns, content));
        }
        heap.push(candidate);
        if heap.len() >= self.limit
            && let Some(worst) = heap.peek()
        {
            self.threshold.store(worst.ts_ns, Memory::Relaxed);
        }
        Ok(())
    }
}

impl Best {
    fn check(&self, bytes: usize) -> Result<()> {
        if bytes <= self.bytes_max {
            return Ok(());
        }
        Err(KernelError::LimitExceeded {
            limit: "max_query_memory",
            message: format!(
                "the entries of the query would take more than {} bytes of memory; ask for fewer of them",
                self.bytes_max
            ),
        })
    }
}

impl Candidate {
    fn size(&self) -> usize {
        self.entry.as_ref().map_or(size_of::<Candidate>(), Entry::held_bytes)
    }
}

/// What a worker keeps from block to block.
struct Worker {
    buffers: PooledBuffers,
    rows: Bitmap,
    scratch: Scratch,
    stats: ScanStats,
}

impl Worker {
    fn new() -> Self {
        Worker {
            buffers: PooledBuffers::take(),
            rows: Bitmap::default(),
            scratch: Scratch::default(),
            stats: ScanStats::default(),
        }
    }
}

struct LogScan<'a> {
    scan: &'a Scan,
    selected: &'a [Selected<'a>],
    blocks: &'a [BlockRef],
    ts_range: Range<i64>,
    best: Best,
    cancel: &'a Cancel,
}

/// Run a plan whose task is `Logs`.
pub fn run_logs(
    scan: &Scan,
    sources: &[Source],
    cancel: &Cancel,
    threads: usize,
    bytes_max: usize,
) -> Result<LogResult> {
    let Task::Logs(task) = &scan.plan.task else {
        return Err(KernelError::Input("the plan is no log query".into()));
    };
    let selected = select_needed(sources, &scan.selector, &scan.needs);
    let mut pruned = prune_needed(&selected, &scan.ts_range(), &scan.required, &scan.needs)?;
    if task.backward {
        pruned.blocks.sort_by_key(|block| std::cmp::Reverse(block.max_ts_ns));
    } else {
        pruned.blocks.sort_by_key(|block| block.min_ts_ns);
    }
    let mut stats = ScanStats {
        segments: pruned.segments as u64,
        blocks: pruned.total as u64,
        blocks_skipped: pruned.skipped as u64,
        streams: pruned.streams as u64,
        ..ScanStats::default()
    };
    if task.limit == 0 {
        return Ok(LogResult { entries: Vec::new(), stats });
    }
    let mut log_scan = LogScan {
        scan,
        selected: &selected,
        blocks: &pruned.blocks,
        ts_range: scan.ts_range(),
        best: Best::new(task.limit as usize, task.backward, bytes_max),
        cancel,
    };
    let mut entries = loop {
        let (entries, is_full) = log_scan.best_entries(threads, &mut stats)?;
        // Rows that are chosen by their times alone may turn out to be repetitions, in whose place others belong.
        if !is_full || entries.len() >= task.limit as usize {
            break entries;
        }
        log_scan.best = Best::new(log_scan.best.limit.saturating_mul(2), task.backward, bytes_max);
    };
    entries.truncate(task.limit as usize);
    let entries = thin_out(entries, task);
    stats.lines_kept = stats.lines_kept.max(entries.len() as u64);
    Ok(LogResult { entries, stats })
}

impl LogScan<'_> {
    /// The best entries, each once, and whether there may be more of them.
    fn best_entries(&self, threads: usize, stats: &mut ScanStats) -> Result<(Vec<Entry>, bool)> {
        let by_time_alone = !self.scan.pipeline.has_line_filters() && !self.scan.pipeline.has_row_stages();
        let workers = run(self.blocks, threads, self.cancel, Worker::new, |worker, block| {
            if !self.best.wants_block(block) {
                return Ok(Flow::Done);
            }
            self.visit(worker, block, by_time_alone)?;
            Ok(Flow::More)
        })?;
        workers.iter().for_each(|worker| stats.add(&worker.stats));
        let held = std::mem::take(&mut *self.best.held.lock());
        let mut candidates = held.heap.into_sorted_vec();
        let is_full = candidates.len() >= self.best.limit;
        if by_time_alone {
            self.fill(&mut candidates, stats)?;
        }
        let entries: Vec<Entry> = candidates.into_iter().filter_map(|candidate| candidate.entry).collect();
        Ok((without_repetitions(entries), is_full))
    }

    fn visit(&self, worker: &mut Worker, block: &BlockRef, by_time_alone: bool) -> Result<()> {
        let selected = &self.selected[block.source];
        let runs = load_runs(selected, block, &self.ts_range, &mut worker.buffers, &mut worker.rows)?;
        let columns = Columns::of(selected, block, &worker.buffers, Loaded::default());
        let mut any = false;
        for run in &runs {
            for row in run.start..run.end {
                if worker.rows.get(row) {
                    if self.best.wants(columns.ts_ns[row]) {
                        any = true;
                    } else {
                        worker.rows.clear(row);
                    }
                }
            }
        }
        if !any {
            return Ok(());
        }
        worker.stats.blocks_read += 1;
        if by_time_alone {
            let count = worker.rows.count(0..worker.rows.len()) as u64;
            worker.stats.lines_kept += count;
            return self.offer_rows(block, &runs, &columns, &worker.rows, |_, _| Ok(None));
        }
        load_lines(selected, block, &mut worker.buffers)?;
        let lines_loaded = Loaded { lines: true, metadata: false };
        let columns = Columns::of(selected, block, &worker.buffers, lines_loaded);
        count_read(&mut worker.stats, selected, block, &columns);
        let all = 0..worker.rows.len();
        let (rows, scratch) = (&mut worker.rows, &mut worker.scratch);
        self.scan.select_rows(selected, block, &columns, rows, scratch, self.cancel)?;
        if worker.rows.next(0, all.end).is_none() {
            return Ok(());
        }
        load_metadata(selected, block, &mut worker.buffers)?;
        let columns = Columns::of(selected, block, &worker.buffers, Loaded { lines: true, metadata: true });
        let mut labels = RowLabels::new();
        let mut seen = 0usize;
        let mut kept = 0u64;
        let result = self.offer_rows(block, &runs, &columns, &worker.rows, |row, stream| {
            seen += 1 + labels.take_work();
            if seen >= CANCEL_ROWS {
                seen = 0;
                self.cancel.check()?;
            }
            if !self.scan.pipeline.process(columns.row(row, stream), &mut labels) {
                return Ok(Some(None));
            }
            kept += 1;
            Ok(Some(Some(entry_of(&labels))))
        });
        worker.stats.lines_kept += kept;
        result
    }

    /// Offer the selected rows, best first. `make` gives None to leave the content for later, Some(None) to refuse.
    fn offer_rows(
        &self,
        block: &BlockRef,
        runs: &[BlockRun],
        columns: &Columns<'_>,
        rows: &Bitmap,
        mut make: impl FnMut(usize, u32) -> Result<Option<Option<Entry>>>,
    ) -> Result<()> {
        let mut wanted: Vec<(i64, usize, u32)> = runs
            .iter()
            .flat_map(|run| rows.iter(run.start..run.end).map(|row| (columns.ts_ns[row], row, run.stream)))
            .collect();
        if self.best.backward {
            wanted.sort_unstable_by_key(|(ts_ns, row, _)| std::cmp::Reverse((*ts_ns, *row)));
        } else {
            wanted.sort_unstable_by_key(|(ts_ns, row, _)| (*ts_ns, *row));
        }
        let number = self.blocks.iter().position(|known| std::ptr::eq(known, block)).unwrap_or(0);
        for (ts_ns, row, stream) in wanted {
            if !self.best.wants(ts_ns) {
                break;
            }
            let entry = match make(row, stream)? {
                Some(None) => continue,
                Some(Some(entry)) => Some(entry),
                None => None,
            };
            let order = block.order + row as u64;
            let place = Place { block: number, row, stream };
            let content = entry.as_ref().map(Entry::content);
            let entry = entry.map(|entry| Entry { ts_ns, order, ..entry });
            self.best.offer(Candidate { backward: self.best.backward, ts_ns, order, place, entry, content })?;
        }
        Ok(())
    }

    /// Decode the content of the winners, block by block.
    fn fill(&self, candidates: &mut [Candidate], stats: &mut ScanStats) -> Result<()> {
        let mut by_block: Vec<&mut Candidate> = candidates.iter_mut().collect();
        by_block.sort_by_key(|candidate| candidate.place.block);
        let mut bytes = 0;
        for group in by_block.chunk_by_mut(|a, b| a.place.block == b.place.block) {
            self.cancel.check()?;
            let block = &self.blocks[group[0].place.block];
            let selected = &self.selected[block.source];
            let mut buffers = PooledBuffers::take();
            load_stored_runs(selected, block, &self.ts_range, &mut buffers, &mut Bitmap::default())?;
            load_lines(selected, block, &mut buffers)?;
            load_metadata(selected, block, &mut buffers)?;
            let columns = Columns::of(selected, block, &buffers, Loaded { lines: true, metadata: true });
            count_read(stats, selected, block, &columns);
            let mut labels = RowLabels::new();
            for candidate in group {
                let Place { row, stream, .. } = candidate.place;
                labels.begin(columns.row(row, stream));
                let (ts_ns, order) = (candidate.ts_ns, candidate.order);
                candidate.entry = Some(Entry { ts_ns, order, ..entry_of(&labels) });
                bytes += candidate.size();
                self.best.check(bytes)?;
            }
        }
        Ok(())
    }
}

/// Count a block whose lines were decoded (or lie in the head).
pub fn count_read(stats: &mut ScanStats, selected: &Selected<'_>, block: &BlockRef, columns: &Columns<'_>) {
    let (lines, bytes) = (columns.ts_ns.len() as u64, columns.lines.len() as u64);
    stats.lines += lines;
    stats.bytes += bytes;
    match selected.source {
        Source::Head(..) => {
            stats.head_lines += lines;
            stats.head_bytes += bytes;
        }
        Source::Segment(segment, ..) => {
            stats.stored_bytes += u64::from(segment.directory.blocks[block.block].line.length);
        }
    }
}

fn entry_of(labels: &RowLabels<'_>) -> Entry {
    let mut entry = Entry { line: labels.line().to_vec(), ..Entry::default() };
    labels.write_category(Category::Stream, &mut entry.stream);
    labels.write_category(Category::StructuredMetadata, &mut entry.metadata);
    labels.write_category(Category::Parsed, &mut entry.parsed);
    entry
}

/// Apply `interval` in the merged order: after an entry at t, the next is at t + interval or later. What it leaves out
/// counts for the limit all the same.
fn thin_out(mut entries: Vec<Entry>, task: &LogsTask) -> Vec<Entry> {
    if task.interval_ns > 0 {
        let mut next: Option<i64> = None;
        entries.retain(|entry| {
            let wanted = next.is_none_or(|next| if task.backward { entry.ts_ns <= next } else { entry.ts_ns >= next });
            if wanted {
                let step = if task.backward { -task.interval_ns } else { task.interval_ns };
                next = Some(entry.ts_ns.saturating_add(step));
            }
            wanted
        });
    }
    entries
}

/// Entries that are equal in everything, from a retry long after its first write, are one.
fn without_repetitions(mut entries: Vec<Entry>) -> Vec<Entry> {
    let same = |a: &Entry, b: &Entry| {
        a.ts_ns == b.ts_ns
            && a.stream == b.stream
            && a.line == b.line
            && a.metadata == b.metadata
            && a.parsed == b.parsed
    };
    let mut kept: Vec<Entry> = Vec::with_capacity(entries.len());
    for entry in entries.drain(..) {
        let repeated =
            kept.iter().rev().take_while(|known| known.ts_ns == entry.ts_ns).any(|known| same(known, &entry));
        if !repeated {
            kept.push(entry);
        }
    }
    kept
}

impl Entry {
    fn held_bytes(&self) -> usize {
        size_of::<Candidate>() + self.stream.len() + self.metadata.len() + self.parsed.len() + self.line.len()
    }
}

impl LogResult {
    /// Bytes that the entries take.
    pub fn held_bytes(&self) -> usize {
        self.entries.iter().map(Entry::held_bytes).sum()
    }

    /// One result of several, in the direction; keeps the first `limit`. Order among results follows their place.
    pub fn merge(results: Vec<LogResult>, limit: usize, backward: bool) -> LogResult {
        let mut merged = LogResult::default();
        for result in results {
            merged.stats.add(&result.stats);
            merged.entries.extend(result.entries);
        }
        if backward {
            merged.entries.sort_by_key(|entry| std::cmp::Reverse(entry.ts_ns));
        } else {
            merged.entries.sort_by_key(|entry| entry.ts_ns);
        }
        merged.entries.truncate(limit);
        merged
    }
}
