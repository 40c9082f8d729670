//! Patterns: what the lines of a selector have in common, found when it is asked for, in the lines as they are stored.
//!
//! Nothing is kept while lines arrive. Where there is too much to read, a part of the blocks, spread evenly, stands for
//! all of them. Lines are cut in `words` and put together in `miner`.

use std::ops::Range;

use xxhash_rust::xxh3::xxh3_64;

use crate::error::{KernelError, Result};
use crate::level::Level;
use crate::patterns::miner::{Counts, Miner};
use crate::patterns::plan::PatternPlan;
use crate::pipeline::Bitmap;
use crate::pipeline::literals::Required;
use crate::scan::load::{Columns, Loaded, PooledBuffers, load_levels, load_lines, load_runs};
use crate::scan::logs::count_read;
use crate::scan::matching::Selector;
use crate::scan::parallel::{Cancel, Flow, run};
use crate::scan::source::{BlockRef, Selected, Source, prune, select};
use crate::scan::stats::ScanStats;

pub mod miner;
pub mod plan;
pub mod words;

/// A pattern is what at least two lines share.
const LINES_MIN: u64 = 2;

/// Memory of the templates of one search, shared by its threads: ten thousands of kinds of lines.
const TEMPLATE_BYTES_MAX: usize = 128 << 20;

/// Rows after which a worker looks at the cancel flag.
const CANCEL_ROWS: usize = 4096;

/// A pattern, its level, and per step (by its number since the epoch) the lines that it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundPattern {
    pub text: String,
    pub level: &'static str,
    pub samples: Vec<(i64, u64)>,
}

/// The patterns of most lines first.
#[derive(Clone, Debug, Default)]
pub struct PatternResult {
    pub patterns: Vec<FoundPattern>,
    pub stats: ScanStats,
}

/// A compiled plan, shared by threads.
pub struct PatternScan {
    pub plan: PatternPlan,
    selector: Selector,
}

impl PatternScan {
    pub fn compile(message: &[u8]) -> Result<Self> {
        let plan = PatternPlan::decode(message)?;
        let selector = Selector::compile(&plan.matchers)?;
        Ok(PatternScan { plan, selector })
    }

    fn ts_range(&self) -> Range<i64> {
        self.plan.start_ns..self.plan.end_ns
    }

    /// Bytes of lines in all blocks that hold something of the selector, read or not.
    pub fn block_bytes(&self, sources: &[Source]) -> Result<u64> {
        let selected = select(sources, &self.selector);
        let pruned = prune(&selected, &self.ts_range(), &Required::Nothing)?;
        Ok(pruned.blocks.iter().map(|block| block.line_bytes as u64).sum())
    }

    /// Ranges of the pages that a run reads.
    pub fn page_ranges(&self, source: &Source) -> Result<Vec<(u64, u64)>> {
        let Source::Segment(segment, ..) = source else {
            return Err(KernelError::Input("only segments have pages".into()));
        };
        let sources = [source.clone()];
        let selected = select(&sources, &self.selector);
        let pruned = prune(&selected, &self.ts_range(), &Required::Nothing)?;
        let kept = pruned.blocks.iter().filter(|block| self.keeps(source, block));
        let mut pages = Vec::new();
        for block in kept {
            let entry = &segment.directory.blocks[block.block];
            pages.extend([Some(entry.ts), Some(entry.line), entry.level].into_iter().flatten());
            if selected[0].deletes_read(block.block)? {
                pages.extend(entry.meta.iter().flatten());
                pages.extend(entry.rest.iter().flat_map(|(keys, values)| [*keys, *values]));
            }
        }
        Ok(pages.into_iter().map(|page| (page.offset, u64::from(page.length))).collect())
    }

    /// Ranges of the gram filter that tell which blocks delete requests may touch.
    pub fn probe_ranges(&self, source: &Source) -> Vec<(u64, u64)> {
        match source {
            Source::Segment(segment, _, Some(deletes)) => deletes.probe_ranges(segment),
            Source::Head(..) | Source::Segment(..) => Vec::new(),
        }
    }

    /// Whether a block is among those that are read: the same choice wherever it is asked.
    fn keeps(&self, source: &Source, block: &BlockRef) -> bool {
        let first = match source {
            Source::Head(..) => 0,
            Source::Segment(segment, ..) => xxh3_64(segment.path.as_bytes()),
        };
        first.wrapping_add(block.block as u64).is_multiple_of(self.plan.keep_every)
    }

    pub fn run(&self, sources: &[Source], cancel: &Cancel, threads: usize) -> Result<PatternResult> {
        let selected = select(sources, &self.selector);
        let mut pruned = prune(&selected, &self.ts_range(), &Required::Nothing)?;
        let bytes = |blocks: &[BlockRef]| blocks.iter().map(|block| block.line_bytes as u64).sum::<u64>();
        let all_bytes = bytes(&pruned.blocks);
        pruned.blocks.retain(|block| self.keeps(selected[block.source].source, block));
        let mut stats = ScanStats {
            segments: pruned.segments as u64,
            blocks: pruned.total as u64,
            blocks_skipped: (pruned.total - pruned.blocks.len()) as u64,
            streams: pruned.streams as u64,
            ..ScanStats::default()
        };
        let workers = run(
            &pruned.blocks,
            threads,
            cancel,
            || Worker::new(threads),
            |worker, block| {
                self.visit(worker, &selected[block.source], block, cancel)?;
                Ok(Flow::More)
            },
        )?;
        let mut miner = Miner::new(TEMPLATE_BYTES_MAX);
        for worker in workers {
            stats.add(&worker.stats);
            miner.merge(worker.miner);
        }
        let scale = (all_bytes, bytes(&pruned.blocks));
        let patterns = miner.patterns(LINES_MIN).into_iter().take(self.plan.patterns_max as usize);
        let found = patterns.map(|pattern| FoundPattern {
            text: pattern.text,
            level: pattern.level.text(),
            samples: scaled(&pattern.counts, scale),
        });
        Ok(PatternResult { patterns: found.collect(), stats })
    }

    fn visit(&self, worker: &mut Worker, selected: &Selected<'_>, block: &BlockRef, cancel: &Cancel) -> Result<()> {
        let runs = load_runs(selected, block, &self.ts_range(), &mut worker.buffers, &mut worker.rows)?;
        if worker.rows.next(0, worker.rows.len()).is_none() {
            return Ok(());
        }
        load_lines(selected, block, &mut worker.buffers)?;
        load_levels(selected, block, &mut worker.buffers)?;
        worker.stats.blocks_read += 1;
        let columns = Columns::of(selected, block, &worker.buffers, Loaded { lines: true, metadata: true });
        count_read(&mut worker.stats, selected, block, &columns);
        let rows = runs.iter().flat_map(|run| worker.rows.iter(run.start..run.end));
        for (seen, row) in rows.enumerate() {
            if seen % CANCEL_ROWS == 0 {
                cancel.check()?;
            }
            let level = match Level::from_code(columns.level(row)) {
                Level::None => Level::Unknown,
                level => level,
            };
            worker.miner.add(columns.line(row), level, columns.ts_ns[row].div_euclid(self.plan.step_ns));
            worker.stats.lines_kept += 1;
        }
        Ok(())
    }
}

/// What a worker keeps from block to block.
struct Worker {
    buffers: PooledBuffers,
    rows: Bitmap,
    miner: Miner,
    stats: ScanStats,
}

impl Worker {
    fn new(threads: usize) -> Self {
        Worker {
            buffers: PooledBuffers::take(),
            rows: Bitmap::default(),
            miner: Miner::new(TEMPLATE_BYTES_MAX / threads.max(1)),
            stats: ScanStats::default(),
        }
    }
}

/// Counts as they would be had all blocks been read: times all bytes, divided by those that were.
fn scaled(counts: &Counts, (all, read): (u64, u64)) -> Vec<(i64, u64)> {
    let scale = |count: u64| {
        let scaled = u128::from(count) * u128::from(all) / u128::from(read.max(1));
        u64::try_from(scaled).unwrap_or(u64::MAX)
    };
    counts.iter().map(|(step, count)| (*step, scale(*count))).collect()
}
