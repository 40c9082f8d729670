//! What the WAL asks of a disk, as a trait so that tests can pass one that fails.

use std::fs::{self, File};
use std::io::{self, IoSlice, Write};
use std::path::Path;

/// An append-only file that is being written.
pub trait LogFile: Send {
    /// Append some of the bytes, at least one; how many.
    fn write(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize>;
    /// Return when all that was written survives a loss of power.
    fn sync(&mut self) -> io::Result<()>;
    /// Drop all bytes from `len`; later writes go there.
    fn truncate(&mut self, len: u64) -> io::Result<()>;
}

pub trait Disk: Send + Sync {
    /// A new, empty file; what lies there under the name is replaced.
    fn create(&self, path: &Path) -> io::Result<Box<dyn LogFile>>;
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Make names that were made or removed in the directory durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
}

/// The machine's own file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct DiskFiles;

impl Disk for DiskFiles {
    fn create(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        // A leftover under this name is unlinked, not emptied: a damaged one may be linked under another name.
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        Ok(Box::new(File::options().append(true).create_new(true).open(path)?))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }
}

impl LogFile for File {
    fn write(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.write_vectored(parts)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.set_len(len)
    }
}

/// Write all bytes of all parts.
pub fn write_all(file: &mut dyn LogFile, mut parts: &mut [IoSlice<'_>]) -> io::Result<()> {
    IoSlice::advance_slices(&mut parts, 0);
    while !parts.is_empty() {
        match file.write(parts) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut parts, written),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
