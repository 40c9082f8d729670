//! Run blocks on several threads, in order of their queue, stopping early where a worker says so.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::error::{KernelError, Result};
use crate::scan::source::BlockRef;

/// Blocks of fewer bytes in all are scanned by the calling thread: starting threads would cost more.
const PARALLEL_BYTES_MIN: usize = 2 << 20;

/// Set by the owner of a query to make its scans stop.
#[derive(Default, Debug)]
pub struct Cancel(AtomicBool);

impl Cancel {
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub fn check(&self) -> Result<()> {
        if self.is_set() { Err(KernelError::Cancelled) } else { Ok(()) }
    }
}

/// Whether a worker wants more blocks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    More,
    /// No block after this one can matter, for any worker.
    Done,
}

/// Each worker makes a state and takes blocks in turn; gives the states back.
pub fn run<S: Send>(
    blocks: &[BlockRef],
    threads: usize,
    cancel: &Cancel,
    new: impl Fn() -> S + Sync,
    each: impl Fn(&mut S, &BlockRef) -> Result<Flow> + Sync,
) -> Result<Vec<S>> {
    let next = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    let work = || -> Result<S> {
        let mut state = new();
        while !stop.load(Ordering::Relaxed) {
            let Some(block) = blocks.get(next.fetch_add(1, Ordering::Relaxed)) else { break };
            let flow = cancel.check().and_then(|()| each(&mut state, block));
            if !matches!(flow, Ok(Flow::More)) {
                stop.store(true, Ordering::Relaxed);
            }
            flow?;
        }
        Ok(state)
    };
    let bytes: usize = blocks.iter().map(|block| block.line_bytes).sum();
    let threads = if bytes < PARALLEL_BYTES_MIN { 1 } else { threads.clamp(1, blocks.len().max(1)) };
    if threads == 1 {
        return Ok(vec![work()?]);
    }
    std::thread::scope(|scope| {
        let workers: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut states = vec![work()];
        for worker in workers {
            let joined = worker.join();
            states.push(joined.unwrap_or_else(|_| Err(KernelError::Input("a scan thread panicked".into()))));
        }
        states.into_iter().collect()
    })
}
