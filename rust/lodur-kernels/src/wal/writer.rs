//! Append pushes durably: many callers, one write and one sync for all that wait (group commit).
//!
//! There is no committer thread. The first caller that finds nobody writing leads: it takes all that waits, writes and
//! syncs it, and wakes their callers; what arrived meanwhile is the next group, led by one of its own callers. A lone
//! caller so pays for one write and one sync and for no change of threads, and nothing has to be started or joined.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use parking_lot::{Condvar, Mutex, MutexGuard};

use super::chain::{Chain, Closed, Submission, WalStats, WriteFailure};
use super::directory;
use super::disk::{Disk, DiskFiles};
use super::format::{Previous, RecordHeader};
use super::reader::Extent;
use super::replay::{self, Known, Replay};
use crate::error::{KernelError, Result};

#[derive(Clone, Copy, Debug)]
pub struct WalOptions {
    /// A file that would grow beyond it is followed by a new one; one record may exceed it alone.
    pub max_file_bytes: u64,
    /// Bounds how long the first caller of a group waits for the others' bytes.
    pub max_group_bytes: u64,
}

impl Default for WalOptions {
    fn default() -> Self {
        WalOptions { max_file_bytes: 64 << 20, max_group_bytes: 16 << 20 }
    }
}

/// Each opening counts from the next multiple: where the newest records were lost with their file, their numbers,
/// which a manifest may name as flushed, are not given to other records.
const SEQS_PER_OPENING: u64 = 1 << 32;

pub struct WalWriter {
    queue: Mutex<Queue>,
    /// Signalled when nobody leads and nothing waits.
    is_idle: Condvar,
    chain: Mutex<Chain>,
    /// Held by the one trim that may run.
    trimming: Mutex<()>,
    max_group_bytes: u64,
    writer_id: String,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<(Submission, Arc<Ticket>)>,
    is_led: bool,
    is_closed: bool,
}

/// Where a caller waits for its answer, or for its turn to lead.
#[derive(Default)]
struct Ticket {
    outcome: OnceLock<std::result::Result<u64, WriteFailure>>,
    is_changed: Condvar,
}

impl WalWriter {
    /// Take the directory, which is made if missing, and give back what it holds.
    ///
    /// Fails where another process holds it (`Unavailable`) or where a file has an unknown version (`Corrupt`).
    /// Damaged files are no failure: see `Replay::problems`.
    pub fn open(dir: &Path, options: WalOptions) -> Result<(Self, Replay)> {
        Self::open_on(dir, options, Box::new(DiskFiles))
    }

    /// `open` on another disk.
    pub fn open_on(dir: &Path, options: WalOptions, disk: Box<dyn Disk>) -> Result<(Self, Replay)> {
        directory::create(dir, &*disk)?;
        let lock = directory::lock(dir)?;
        let listed = directory::list(dir)?;
        let newest_name = listed.last().map_or(0, |file| file.first_seq);
        let (unborn, files): (Vec<Known>, Vec<Known>) =
            replay::read_headers(listed)?.into_iter().partition(Known::is_unborn);
        let headers = files.iter().filter_map(|file| file.header);
        let (writer, damaged_id) = directory::writer_id(dir, headers, &*disk)?;
        for file in unborn {
            let context = || format!("remove {}", file.listed.path.display());
            disk.remove(&file.listed.path).map_err(|e| KernelError::io(context(), e))?;
        }
        let (extents, mut problems) = replay::plan(&files, writer);
        problems.extend(damaged_id.map(|text| replay::damaged_id(dir, &text, writer)));
        let mut chain = Chain::new(dir.to_owned(), disk.into(), writer, lock, options.max_file_bytes);
        let newest_seq = take_over(&mut chain, &files, &extents).max(newest_name);
        if newest_seq > 0 {
            chain.next_seq = (newest_seq / SEQS_PER_OPENING + 1).checked_mul(SEQS_PER_OPENING).ok_or_else(|| {
                KernelError::corrupt(dir.display().to_string(), 0, format!("no record number follows {newest_seq}"))
            })?;
        }
        chain.begin();
        let wal = WalWriter {
            queue: Mutex::new(Queue::default()),
            is_idle: Condvar::new(),
            chain: Mutex::new(chain),
            trimming: Mutex::new(()),
            max_group_bytes: options.max_group_bytes,
            writer_id: writer.to_string(),
        };
        Ok((wal, Replay::new((extents, problems), true)))
    }

    /// Return the record's number once it is durable. An error means that it is not and that replay will not give it
    /// (but see `Record`); later appends may succeed.
    pub fn append(&self, tenant: &str, kind: u8, accepted_at_ns: i64, payload: Bytes) -> Result<u64> {
        let header = RecordHeader::new(tenant, kind, accepted_at_ns, &payload)?;
        let ticket = Arc::new(Ticket::default());
        let mut queue = self.queue.lock();
        if queue.is_closed {
            return Err(closed());
        }
        queue.waiting.push_back((Submission { header, tenant: tenant.into(), payload }, ticket.clone()));
        loop {
            if let Some(outcome) = ticket.outcome.get() {
                return outcome.clone().map_err(KernelError::from);
            }
            if queue.is_led {
                ticket.is_changed.wait(&mut queue);
            } else {
                self.lead(&mut queue);
            }
        }
    }

    /// Commit one group. Whoever is first in what arrived meanwhile leads the next.
    fn lead(&self, queue: &mut MutexGuard<'_, Queue>) {
        queue.is_led = true;
        let (mut group, tickets) = queue.take_group(self.max_group_bytes);
        let outcome = MutexGuard::unlocked(queue, || self.chain.lock().append(&mut group));
        queue.is_led = false;
        for (submission, ticket) in group.iter().zip(&tickets) {
            let answer = outcome.as_ref().map(|()| submission.header.seq).map_err(Clone::clone);
            // Each ticket is in one group only, so it is not answered twice.
            let _ = ticket.outcome.set(answer);
            ticket.is_changed.notify_one();
        }
        match queue.waiting.front() {
            Some((_, next)) => {
                next.is_changed.notify_one();
            }
            None => {
                self.is_idle.notify_all();
            }
        }
    }

    /// Delete the files of which every record has a number up to `up_to_seq`; how many. The file that is being
    /// written is followed by a new one if it has only such records.
    ///
    /// The caller answers for every acknowledged record up to there, also for those that it has not yet put anywhere.
    pub fn trim(&self, up_to_seq: u64) -> Result<u64> {
        let _alone = self.trimming.lock();
        let (released, disk, dir) = {
            let mut chain = self.chain.lock();
            if chain.lock.is_none() {
                return Err(closed());
            }
            (chain.release(up_to_seq), chain.disk.clone(), chain.dir.clone())
        };
        if released.is_empty() {
            return Ok(0);
        }
        let count = released.len() as u64;
        let mut released = released.into_iter();
        // Deleting large files takes a while, and appends need not wait for it.
        while let Some(file) = released.next() {
            match disk.remove(&file.path) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                    let context = format!("remove {}", file.path.display());
                    self.chain.lock().keep(std::iter::once(file).chain(released));
                    return Err(KernelError::io(context, e));
                }
                _ => {}
            }
        }
        disk.sync_dir(&dir).map_err(|e| KernelError::io(format!("sync the WAL directory {}", dir.display()), e))?;
        Ok(count)
    }

    /// How many appends wait for the next group, and whether `close` was called.
    #[cfg(test)]
    pub(super) fn queue_state(&self) -> (usize, bool) {
        let queue = self.queue.lock();
        (queue.waiting.len(), queue.is_closed)
    }

    pub fn stats(&self) -> WalStats {
        self.chain.lock().stats()
    }

    /// The directory's writer as a UUID: with it a record's number is unique among all writers.
    pub fn writer_id(&self) -> &str {
        &self.writer_id
    }

    /// Wait for the appends and the trim under way, then let the directory go. Later appends are refused; closing twice is no
    /// error.
    pub fn close(&self) {
        let mut queue = self.queue.lock();
        queue.is_closed = true;
        while queue.is_led || !queue.waiting.is_empty() {
            self.is_idle.wait(&mut queue);
        }
        drop(queue);
        let _alone = self.trimming.lock();
        self.chain.lock().close();
    }
}

impl Queue {
    /// From the front, at least one, as many as fit.
    fn take_group(&mut self, max_bytes: u64) -> (Vec<Submission>, Vec<Arc<Ticket>>) {
        let mut bytes = 0;
        let fits = |(submission, _): &&(Submission, Arc<Ticket>)| {
            bytes += submission.header.record_bytes();
            bytes <= max_bytes
        };
        let count = self.waiting.iter().take_while(fits).count().max(1).min(self.waiting.len());
        self.waiting.drain(..count).unzip()
    }
}

fn closed() -> KernelError {
    KernelError::Unavailable("the WAL is closed".to_owned())
}

/// Make the files of earlier openings the chain's closed ones; the greatest number in them.
fn take_over(chain: &mut Chain, files: &[Known], extents: &[Extent]) -> u64 {
    let tail = extents.last().map(replay::read_tail);
    let own: Vec<&Known> = files.iter().filter(|file| file.header.is_none_or(|h| h.writer == chain.writer)).collect();
    for (i, file) in own.iter().enumerate() {
        let (first_seq, bytes) = (file.listed.first_seq, file.listed.bytes);
        let last_seq = match own.get(i + 1) {
            Some(next) => match next.header.and_then(|header| header.previous) {
                Some(previous) if previous.first_seq == first_seq => previous.last_seq,
                _ => next.listed.first_seq - 1,
            },
            None => {
                let (end, last_seq) = tail.as_ref().map_or((bytes, 0), |tail| (tail.end, tail.last_seq));
                chain.previous = Some(Previous { first_seq, end, last_seq });
                last_seq
            }
        };
        chain.closed.push_back(Closed { path: file.listed.path.clone(), last_seq, bytes });
    }
    let newest = chain.closed.iter().map(|file| file.last_seq).max().unwrap_or(0);
    chain.set_last_seq(newest);
    newest
}
