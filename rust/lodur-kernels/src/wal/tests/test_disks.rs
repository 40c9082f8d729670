//! Disks for tests: one that fails on order, and one that never waits, both over the real one.

use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use crate::wal::{Disk, DiskFiles, LogFile};

#[derive(Clone)]
pub struct FlakyDisk(Arc<Orders>);

pub struct Orders {
    /// Bytes that can still be written.
    pub room: AtomicU64,
    /// A single write takes no more.
    pub max_write: AtomicU64,
    pub fails_sync: AtomicBool,
    pub fails_truncate: AtomicBool,
    pub fails_create: AtomicBool,
    pub fails_remove: AtomicBool,
    /// A sync returns only when this is false.
    pub holds_sync: AtomicBool,
}

impl FlakyDisk {
    pub fn new() -> (Self, Arc<Orders>) {
        let orders = Arc::new(Orders {
            room: AtomicU64::new(u64::MAX),
            max_write: AtomicU64::new(u64::MAX),
            fails_sync: AtomicBool::new(false),
            fails_truncate: AtomicBool::new(false),
            fails_create: AtomicBool::new(false),
            fails_remove: AtomicBool::new(false),
            holds_sync: AtomicBool::new(false),
        });
        (FlakyDisk(orders.clone()), orders)
    }
}

fn fail_if(order: &AtomicBool) -> io::Result<()> {
    if order.load(SeqCst) { Err(io::Error::other("ordered to fail")) } else { Ok(()) }
}

impl Disk for FlakyDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        fail_if(&self.0.fails_create)?;
        Ok(Box::new(FlakyFile { file: DiskFiles.create(path)?, orders: self.0.clone() }))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fail_if(&self.0.fails_remove)?;
        DiskFiles.remove(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        DiskFiles.sync_dir(path)
    }
}

/// For tests of many directories, which would otherwise spend their time waiting for syncs.
pub struct UnsyncedDisk;

impl Disk for UnsyncedDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        Ok(Box::new(UnsyncedFile(DiskFiles.create(path)?)))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        DiskFiles.remove(path)
    }

    fn sync_dir(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }
}

struct UnsyncedFile(Box<dyn LogFile>);

impl LogFile for UnsyncedFile {
    fn write(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.write(parts)
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.0.truncate(len)
    }
}

struct FlakyFile {
    file: Box<dyn LogFile>,
    orders: Arc<Orders>,
}

impl LogFile for FlakyFile {
    fn write(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        let room = self.orders.room.load(SeqCst).min(self.orders.max_write.load(SeqCst));
        let all: Vec<u8> = parts.iter().flat_map(|part| part.iter().copied()).collect();
        let fitting = &all[..all.len().min(room as usize)];
        if fitting.is_empty() && !all.is_empty() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let written = self.file.write(&[IoSlice::new(fitting)])?;
        if self.orders.room.load(SeqCst) != u64::MAX {
            self.orders.room.fetch_sub(written as u64, SeqCst);
        }
        Ok(written)
    }

    fn sync(&mut self) -> io::Result<()> {
        while self.orders.holds_sync.load(SeqCst) {
            std::thread::yield_now();
        }
        fail_if(&self.orders.fails_sync)?;
        self.file.sync()
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        fail_if(&self.orders.fails_truncate)?;
        self.file.truncate(len)
    }
}
