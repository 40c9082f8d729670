//! The head: a tenant's rows that are in no segment yet, in memory and queryable at once.
//!
//! Rows come in batches as pushes bring them and stay in arrival order; sorting is left to the flush. An entry equal to one
//! already here, or in the generations flushed last, is taken for a repetition (a client's retry) and dropped. Durability
//! is the WAL's business, the choice of when to flush Python's.

use std::collections::HashMap;
use std::ops::{Deref, Range};
use std::sync::Arc;

use hashbrown::HashSet;
use parking_lot::Mutex;
use xxhash_rust::xxh3::xxh3_64;

use crate::batch::{Batch, MetaPair, Rows, Run};
use crate::labels::LabelSet;

/// Batches smaller than this are appended to while nobody reads them, so that many small pushes scan like few large.
const BATCH_MERGE_BYTES: usize = 1 << 20;

/// Pushes of at least so many bytes of lines are kept as they were decoded instead of being copied.
const BATCH_SHARE_BYTES: usize = 512 << 10;

/// Flushed generations whose rows are remembered (16 bytes a row, twice that where rows came late) to recognise a retry
/// that straddles a flush.
const RECENT_GENERATIONS: usize = 2;

/// Rows of a stream with one and the same time that are compared one by one.
const TIES_MAX: usize = 64;

/// Rows of a head batch: a large push as it was decoded, or smaller ones put together.
#[derive(Clone, Debug)]
pub enum HeadRows {
    Own(Rows),
    Pushed(Arc<Batch>),
}

impl Deref for HeadRows {
    type Target = Rows;

    fn deref(&self) -> &Rows {
        match self {
            HeadRows::Own(rows) => rows,
            HeadRows::Pushed(batch) => &batch.rows,
        }
    }
}

impl Default for HeadRows {
    fn default() -> Self {
        HeadRows::Own(Rows::default())
    }
}

/// Rows of the head in arrival order; `runs[..].stream` are numbers of the generation's stream table.
#[derive(Clone, Debug, Default)]
pub struct HeadBatch {
    pub rows: HeadRows,
    pub runs: Vec<Run>,
    pub min_ts_ns: i64,
    pub max_ts_ns: i64,
}

/// A generation of rows as a query sees it: immutable, shared.
#[derive(Clone, Debug, Default)]
pub struct HeadView {
    /// Grows by the generation; breaks ties between sources in favour of earlier arrival.
    pub generation: u64,
    pub streams: Vec<Arc<LabelSet>>,
    pub batches: Vec<Arc<HeadBatch>>,
}

impl HeadView {
    /// First and last timestamp; None when empty.
    pub fn ts_range(&self) -> Option<(i64, i64)> {
        let min = self.batches.iter().map(|b| b.min_ts_ns).min()?;
        let max = self.batches.iter().map(|b| b.max_ts_ns).max()?;
        Some((min, max))
    }

    pub fn rows(&self) -> usize {
        self.batches.iter().map(|b| b.rows.len()).sum()
    }
}

/// What insertion did with a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Inserted {
    pub rows: usize,
    pub duplicates: usize,
}

/// Sizes for the flush policy and for metrics.
#[derive(Clone, Copy, Debug, Default)]
pub struct HeadStats {
    pub streams: usize,
    pub rows: usize,
    pub bytes: usize,
    pub frozen_bytes: usize,
    pub frozen: usize,
}

#[derive(Default)]
pub struct Head {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    active: Generation,
    frozen: Vec<Arc<HeadView>>,
    recent: Vec<Arc<RecentRows>>,
}

#[derive(Default)]
struct Generation {
    number: u64,
    numbers: HashMap<Arc<LabelSet>, u32>,
    streams: Vec<Arc<LabelSet>>,
    /// By number.
    known: Vec<KnownRows>,
    batches: Vec<Arc<HeadBatch>>,
    bytes: usize,
    rows: usize,
}

/// Timestamp and hash of a row.
type KnownRow = (i64, u64);

/// What tells a stream's new rows from repetitions.
enum KnownRows {
    /// In the order of their times, as they came, and few of each time.
    Ordered(Vec<KnownRow>),
    /// All others; with the latest time.
    Any(HashSet<KnownRow>, i64),
}

impl Default for KnownRows {
    fn default() -> Self {
        KnownRows::Ordered(Vec::new())
    }
}

impl KnownRows {
    /// More rows are coming.
    fn reserve(&mut self, rows: usize) {
        if let KnownRows::Ordered(known) = self {
            known.reserve(rows);
        }
    }

    /// Whether the row is no repetition; if so it is remembered.
    fn insert(&mut self, row: KnownRow) -> bool {
        match self {
            KnownRows::Ordered(known) => {
                let last_ts_ns = known.last().map_or(i64::MIN, |last| last.0);
                let ties = known.iter().rev().take_while(|known| known.0 == row.0);
                if row.0 < last_ts_ns || ties.clone().count() >= TIES_MAX {
                    let mut all: HashSet<KnownRow> = known.iter().copied().collect();
                    let is_new = all.insert(row);
                    *self = KnownRows::Any(all, last_ts_ns);
                    return is_new;
                }
                let is_new = !ties.into_iter().any(|known| *known == row);
                if is_new {
                    known.push(row);
                }
                is_new
            }
            KnownRows::Any(all, last_ts_ns) => {
                *last_ts_ns = row.0.max(*last_ts_ns);
                all.insert(row)
            }
        }
    }

    /// Whether a row of this time is known; its hash is asked for where that may be.
    fn has(&self, ts_ns: i64, hash: impl Fn() -> u64) -> bool {
        match self {
            KnownRows::Ordered(known) => {
                if known.last().is_none_or(|last| ts_ns > last.0) {
                    return false;
                }
                let first = known.partition_point(|known| known.0 < ts_ns);
                let hash = hash();
                known[first..].iter().take_while(|known| known.0 == ts_ns).any(|known| known.1 == hash)
            }
            KnownRows::Any(all, last_ts_ns) => ts_ns <= *last_ts_ns && all.contains(&(ts_ns, hash())),
        }
    }
}

/// A batch being inserted: its streams' numbers in the generation, and which of its rows stay.
struct Arriving<'a> {
    batch: &'a Arc<Batch>,
    numbers: Vec<u32>,
    keep: Vec<bool>,
}

/// The rows of a generation that takes no more.
struct RecentRows {
    numbers: HashMap<Arc<LabelSet>, u32>,
    known: Vec<KnownRows>,
}

impl RecentRows {
    fn of_stream(&self, labels: &Arc<LabelSet>) -> Option<&KnownRows> {
        self.numbers.get(labels).map(|number| &self.known[*number as usize])
    }
}

impl Head {
    /// Add rows; repetitions and rows in one of the time ranges `skip` are left out.
    pub fn insert(&self, batch: &Arc<Batch>, skip: &[Range<i64>]) -> Inserted {
        // Before the lock, and while the lines lie in the processor's caches.
        let known: Vec<KnownRow> = (0..batch.rows.len()).map(|row| known_row(&batch.rows, row)).collect();
        let mut state = self.state.lock();
        let State { active, recent, .. } = &mut *state;
        let numbers: Vec<u32> = batch.streams.iter().map(|labels| active.number_of(labels)).collect();
        let mut arriving = Arriving { batch, numbers, keep: vec![true; batch.rows.len()] };
        let (mut duplicates, mut skipped) = (0, 0);
        for run in &batch.runs {
            let labels = &batch.streams[run.stream as usize];
            let flushed: Vec<&KnownRows> = recent.iter().filter_map(|rows| rows.of_stream(labels)).collect();
            let stream = &mut active.known[arriving.numbers[run.stream as usize] as usize];
            let rows = run.start as usize..run.end as usize;
            stream.reserve(rows.len());
            for row in rows {
                if skip.iter().any(|range| range.contains(&known[row].0)) {
                    arriving.keep[row] = false;
                    skipped += 1;
                } else if was_flushed(&flushed, known[row].0, || known[row].1) || !stream.insert(known[row]) {
                    arriving.keep[row] = false;
                    duplicates += 1;
                }
            }
        }
        let rows = batch.rows.len() - duplicates - skipped;
        if rows > 0 {
            active.append(&arriving, rows < batch.rows.len());
        }
        Inserted { rows, duplicates }
    }

    /// The rows of a batch that no generation frozen before has; None where that is all of them. The others must not be
    /// logged again: when the log is read back after a restart, nobody remembers that they are in segments.
    pub fn without_flushed(&self, batch: &Batch) -> Option<Batch> {
        let recent = self.state.lock().recent.clone();
        let mut known = vec![false; batch.rows.len()];
        for run in &batch.runs {
            let labels = &batch.streams[run.stream as usize];
            let flushed: Vec<&KnownRows> = recent.iter().filter_map(|rows| rows.of_stream(labels)).collect();
            let rows = run.start as usize..run.end as usize;
            for (known, row) in known[rows.clone()].iter_mut().zip(rows) {
                *known = was_flushed(&flushed, batch.rows.ts_ns[row], || row_hash(&batch.rows, row));
            }
        }
        if !known.contains(&true) {
            return None;
        }
        let mut rest = Batch { streams: batch.streams.clone(), ..Batch::default() };
        for run in &batch.runs {
            let start = rest.rows.len() as u32;
            for row in (run.start as usize..run.end as usize).filter(|row| !known[*row]) {
                rest.rows.extend_from(&batch.rows, row..row + 1);
            }
            let end = rest.rows.len() as u32;
            if end > start {
                rest.runs.push(Run { stream: run.stream, start, end });
            }
        }
        Some(rest)
    }

    /// Of these label sets, the places of those that are not active yet.
    pub fn new_streams(&self, streams: &[Arc<LabelSet>]) -> Vec<usize> {
        let state = self.state.lock();
        let is_new = |labels: &Arc<LabelSet>| !state.active.numbers.contains_key(labels);
        streams.iter().enumerate().filter(|(_, labels)| is_new(labels)).map(|(place, _)| place).collect()
    }

    /// What a query reads: frozen generations, oldest first, then the active one.
    pub fn snapshot(&self) -> Vec<Arc<HeadView>> {
        let state = self.state.lock();
        let mut views = state.frozen.clone();
        if state.active.rows > 0 {
            views.push(Arc::new(state.active.view()));
        }
        views
    }

    /// Begin a new generation; the old one stays queryable until `release`. None when there is nothing to flush.
    pub fn freeze(&self) -> Option<Arc<HeadView>> {
        let mut state = self.state.lock();
        if state.active.rows == 0 {
            return None;
        }
        let next = state.active.number + 1;
        let active = std::mem::replace(&mut state.active, Generation { number: next, ..Generation::default() });
        let view = Arc::new(active.view());
        let forgotten = (state.recent.len() >= RECENT_GENERATIONS).then(|| state.recent.remove(0));
        state.recent.push(Arc::new(RecentRows { numbers: active.numbers, known: active.known }));
        state.frozen.push(Arc::clone(&view));
        drop(state);
        // Its memory is given back without the lock.
        drop(forgotten);
        Some(view)
    }

    /// Forget a frozen generation: its rows are in segments now.
    pub fn release(&self, generation: u64) {
        let mut state = self.state.lock();
        let place = state.frozen.iter().position(|view| view.generation == generation);
        let released = place.map(|place| state.frozen.remove(place));
        drop(state);
        // The last hold on its rows may be this one: their memory is given back without the lock.
        drop(released);
    }

    pub fn stats(&self) -> HeadStats {
        let state = self.state.lock();
        let frozen_bytes = state.frozen.iter().flat_map(|view| &view.batches).map(|b| b.rows.lines.len()).sum();
        HeadStats {
            streams: state.active.streams.len(),
            rows: state.active.rows,
            bytes: state.active.bytes,
            frozen_bytes,
            frozen: state.frozen.len(),
        }
    }
}

impl Generation {
    fn number_of(&mut self, labels: &Arc<LabelSet>) -> u32 {
        if let Some(number) = self.numbers.get(labels) {
            return *number;
        }
        let number = self.streams.len() as u32;
        self.numbers.insert(Arc::clone(labels), number);
        self.streams.push(Arc::clone(labels));
        self.known.push(KnownRows::default());
        number
    }

    fn append(&mut self, arriving: &Arriving<'_>, partly: bool) {
        let Arriving { batch, numbers, keep } = arriving;
        if !partly && batch.rows.lines.len() >= BATCH_SHARE_BYTES {
            self.append_shared(batch, numbers);
            return;
        }
        let mut added = match self.batches.last_mut().map(Arc::get_mut) {
            Some(Some(last)) if last.takes_more() => std::mem::take(last),
            _ => {
                self.batches.push(Arc::default());
                HeadBatch { min_ts_ns: i64::MAX, max_ts_ns: i64::MIN, ..HeadBatch::default() }
            }
        };
        let (bytes_before, rows_before) = (added.bytes(), added.rows.len());
        for run in &batch.runs {
            let stream = numbers[run.stream as usize];
            let rows = run.start as usize..run.end as usize;
            if partly {
                for row in rows.filter(|row| keep[*row]) {
                    added.extend(&batch.rows, row..row + 1, stream);
                }
            } else {
                added.extend(&batch.rows, rows, stream);
            }
        }
        self.bytes += added.bytes() - bytes_before;
        self.rows += added.rows.len() - rows_before;
        if let Some(last) = self.batches.last_mut() {
            *last = Arc::new(added);
        }
        self.merge_small();
    }

    /// Take a large push as it is.
    fn append_shared(&mut self, batch: &Arc<Batch>, numbers: &[u32]) {
        let times = &batch.rows.ts_ns;
        let added = HeadBatch {
            runs: batch.runs.iter().map(|run| Run { stream: numbers[run.stream as usize], ..*run }).collect(),
            min_ts_ns: times.iter().copied().min().unwrap_or(i64::MAX),
            max_ts_ns: times.iter().copied().max().unwrap_or(i64::MIN),
            rows: HeadRows::Pushed(Arc::clone(batch)),
        };
        self.bytes += added.bytes();
        self.rows += added.rows.len();
        self.batches.push(Arc::new(added));
    }

    /// Join the last two batches while both are small and nobody reads them.
    fn merge_small(&mut self) {
        while let [.., previous, last] = &mut self.batches[..] {
            let small = previous.rows.lines.len() + last.rows.lines.len() < BATCH_MERGE_BYTES;
            if !small || !previous.takes_more() || previous.rows.len() > 2 * last.rows.len() {
                return;
            }
            let (Some(previous), Some(last)) = (Arc::get_mut(previous), Arc::get_mut(last)) else {
                return;
            };
            let last = std::mem::take(last);
            for run in &last.runs {
                previous.extend(&last.rows, run.start as usize..run.end as usize, run.stream);
            }
            self.batches.pop();
        }
    }

    fn view(&self) -> HeadView {
        HeadView { generation: self.number, streams: self.streams.clone(), batches: self.batches.clone() }
    }
}

impl HeadBatch {
    fn bytes(&self) -> usize {
        self.rows.lines.len() + self.rows.meta.bytes.len()
    }

    fn takes_more(&self) -> bool {
        matches!(self.rows, HeadRows::Own(_)) && self.rows.lines.len() < BATCH_MERGE_BYTES
    }

    fn extend(&mut self, rows: &Rows, range: Range<usize>, stream: u32) {
        let HeadRows::Own(own) = &mut self.rows else { return };
        if range.is_empty() {
            return;
        }
        let at = own.len() as u32;
        match self.runs.last_mut() {
            Some(run) if run.stream == stream => run.end += range.len() as u32,
            _ => self.runs.push(Run { stream, start: at, end: at + range.len() as u32 }),
        }
        for ts_ns in &rows.ts_ns[range.clone()] {
            self.min_ts_ns = self.min_ts_ns.min(*ts_ns);
            self.max_ts_ns = self.max_ts_ns.max(*ts_ns);
        }
        own.extend_from(rows, range);
    }
}

impl Rows {
    /// Append rows `range` of `other`.
    pub fn extend_from(&mut self, other: &Rows, range: Range<usize>) {
        if range.is_empty() {
            return;
        }
        let from = other.line_range(range.start).start;
        let to = other.line_range(range.end - 1).end;
        let base = self.lines.len();
        self.ts_ns.extend_from_slice(&other.ts_ns[range.clone()]);
        self.levels.extend_from_slice(&other.levels[range.clone()]);
        self.lines.extend_from_slice(&other.lines[from..to]);
        self.line_ends.extend(other.line_ends[range.clone()].iter().map(|end| (*end as usize - from + base) as u32));
        self.extend_meta(other, range);
    }

    fn extend_meta(&mut self, other: &Rows, range: Range<usize>) {
        let meta = &mut self.meta;
        if other.meta.ends.is_empty() && meta.ends.is_empty() {
            return;
        }
        let before = self.ts_ns.len() - range.len();
        let mut end = meta.ends.last().copied().unwrap_or(0);
        meta.ends.resize(before, end);
        if other.meta.ends.is_empty() {
            meta.ends.resize(before + range.len(), end);
            return;
        }
        let names: Vec<u32> = other
            .meta
            .names
            .iter()
            .map(|name| match meta.names.iter().position(|known| known == name) {
                Some(number) => number as u32,
                None => {
                    meta.names.push(name.clone());
                    meta.names.len() as u32 - 1
                }
            })
            .collect();
        for row in range {
            for pair in other.meta.pairs_of(row) {
                let start = meta.bytes.len() as u32;
                meta.bytes.extend_from_slice(&other.meta.bytes[pair.start as usize..pair.end as usize]);
                let name = names[pair.name as usize];
                meta.pairs.push(MetaPair { name, start, end: meta.bytes.len() as u32 });
                end += 1;
            }
            meta.ends.push(end);
        }
    }
}

/// Any odd number with as many ones as zeros.
const ODD: u64 = 0x9E37_79B9_7F4A_7C15;

/// Identity of a row within its stream and timestamp.
///
/// The level is no seed of the line's hash: of short texts, other seeds with other texts give the same hashes.
fn row_hash(rows: &Rows, row: usize) -> u64 {
    let mut hash = (xxh3_64(rows.line(row)) ^ u64::from(rows.levels[row])).wrapping_mul(ODD);
    for (name, value) in rows.meta.of(row) {
        hash = hash.rotate_left(5) ^ xxh3_64(name.as_bytes()).wrapping_mul(3) ^ xxh3_64(value.as_bytes());
    }
    hash
}

fn known_row(rows: &Rows, row: usize) -> KnownRow {
    (rows.ts_ns[row], row_hash(rows, row))
}

fn was_flushed(flushed: &[&KnownRows], ts_ns: i64, hash: impl Fn() -> u64) -> bool {
    flushed.iter().any(|known| known.has(ts_ns, &hash))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn batch(app: &str, entries: &[(i64, &str)]) -> Arc<Batch> {
        let mut rows = Rows::default();
        for (ts_ns, line) in entries {
            rows.ts_ns.push(*ts_ns);
            rows.lines.extend_from_slice(line.as_bytes());
            rows.line_ends.push(rows.lines.len() as u32);
            rows.levels.push(0);
        }
        Arc::new(Batch {
            streams: vec![Arc::new(LabelSet::from_pairs([("app", app)]))],
            runs: vec![Run { stream: 0, start: 0, end: entries.len() as u32 }],
            rows,
        })
    }

    fn lines(head: &Head) -> Vec<String> {
        head.snapshot()
            .iter()
            .flat_map(|view| view.batches.clone())
            .flat_map(|b| {
                (0..b.rows.len()).map(|r| String::from_utf8_lossy(b.rows.line(r)).into_owned()).collect::<Vec<_>>()
            })
            .collect()
    }

    #[test]
    fn repetitions_are_dropped_in_order_late_and_across_a_flush() {
        let head = Head::default();
        head.insert(&batch("a", &[(1, "x"), (2, "y"), (2, "z")]), &[]);
        assert_eq!(head.insert(&batch("a", &[(2, "z"), (2, "w"), (1, "x"), (1, "v")]), &[]).duplicates, 2);
        assert_eq!(lines(&head), ["x", "y", "z", "w", "v"]);
        let frozen = head.freeze().unwrap();
        assert_eq!(head.insert(&batch("a", &[(2, "w"), (3, "n"), (1, "v"), (0, "o")]), &[]).duplicates, 2);
        head.release(frozen.generation);
        assert_eq!(head.insert(&batch("a", &[(1, "x"), (3, "n")]), &[]).duplicates, 2);
        assert_eq!(head.insert(&batch("b", &[(1, "x")]), &[]).duplicates, 0);
        assert_eq!(lines(&head), ["n", "o", "x"]);
    }

    #[test]
    fn short_lines_of_other_levels_are_other_rows() {
        let mut rows = Rows::default();
        for first in b'a'..=b'p' {
            for second in b'a'..=b'p' {
                for level in 0..9 {
                    rows.ts_ns.push(1);
                    rows.lines.extend_from_slice(&[first, b' ', second]);
                    rows.line_ends.push(rows.lines.len() as u32);
                    rows.levels.push(level);
                }
            }
        }
        let hashes: HashSet<u64> = (0..rows.len()).map(|row| row_hash(&rows, row)).collect();
        assert_eq!(hashes.len(), rows.len());
    }

    #[test]
    fn rows_that_were_flushed_are_told_from_the_rest() {
        let head = Head::default();
        head.insert(&batch("a", &[(1, "x"), (2, "y")]), &[]);
        let again = batch("a", &[(1, "x"), (1, "z"), (2, "y"), (3, "n")]);
        assert!(head.without_flushed(&again).is_none());
        let frozen = head.freeze().unwrap();
        for _ in 0..2 {
            let rest = head.without_flushed(&again).unwrap();
            assert_eq!(
                (rest.rows.ts_ns.as_slice(), rest.rows.line(0), rest.rows.line(1)),
                (&[1, 3][..], &b"z"[..], &b"n"[..])
            );
            assert_eq!(rest.runs, [Run { stream: 0, start: 0, end: 2 }]);
            head.release(frozen.generation);
        }
        assert!(head.without_flushed(&batch("b", &[(1, "x")])).is_none());
        assert_eq!(head.without_flushed(&batch("a", &[(2, "y")])).unwrap().rows.len(), 0);
    }

    #[test]
    fn repetitions_within_one_batch_are_dropped_however_they_lie() {
        let head = Head::default();
        let inserted =
            head.insert(&batch("a", &[(1, "x"), (5, "y"), (1, "x"), (5, "y"), (3, "z"), (3, "z"), (6, "x")]), &[]);
        assert_eq!(inserted, Inserted { rows: 4, duplicates: 3 });
        assert_eq!(lines(&head), ["x", "y", "z", "x"]);
        let skipped = [Range { start: 6, end: 7 }];
        assert_eq!(head.insert(&batch("a", &[(6, "x"), (6, "w")]), &skipped).rows, 0);
        assert_eq!(head.insert(&batch("a", &[(6, "x"), (6, "w")]), &[]).rows, 1);
    }

    #[test]
    fn many_rows_of_one_time_are_told_apart_before_and_after_a_flush() {
        let head = Head::default();
        let texts: Vec<String> = (0..4 * TIES_MAX).map(|i| format!("line {i}")).collect();
        let entries: Vec<(i64, &str)> = texts.iter().map(|text| (7, text.as_str())).collect();
        let repeated = |rows: usize| Inserted { rows: 0, duplicates: rows };
        for split in [TIES_MAX / 2, TIES_MAX, TIES_MAX + 1, entries.len()] {
            assert_eq!(head.insert(&batch(&format!("a{split}"), &entries[..split]), &[]).rows, split);
            assert_eq!(head.insert(&batch(&format!("a{split}"), &entries[..split]), &[]), repeated(split));
        }
        assert!(head.freeze().is_some());
        for split in [TIES_MAX / 2, TIES_MAX, TIES_MAX + 1, entries.len()] {
            assert_eq!(head.insert(&batch(&format!("a{split}"), &entries[..split]), &[]), repeated(split));
        }
    }

    #[test]
    fn small_batches_are_merged_and_a_reader_keeps_its_view() {
        let head = Head::default();
        for i in 0..100 {
            head.insert(&batch("a", &[(i, "line")]), &[]);
        }
        let view = head.snapshot();
        assert_eq!(view[0].batches.len(), 1);
        head.insert(&batch("a", &[(1000, "later")]), &[]);
        assert_eq!((view[0].rows(), head.stats().rows), (100, 101));
    }
}
