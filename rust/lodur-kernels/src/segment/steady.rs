//! A file whose bytes go to the disk as they are written, not all at its end.
//!
//! A sync of a hundred megabytes keeps the disk for a moment in which the WAL's syncs, that pushes wait for, stand in line.
//! Nor are there syncs in between: each would make the file system commit its journal, and with what else is in it, the WAL's
//! syncs wait for that as well. So pages are only asked to be written, and waited for.
#![cfg_attr(target_os = "linux", allow(unsafe_code))]

use std::fs::File;
use std::io::{self, Write};

/// Bytes after which they are written: some milliseconds of a usual disk, for which a journal's commit may have to wait.
const STEP_BYTES: usize = 1 << 20;

pub struct SteadyFile<'f> {
    file: &'f File,
    unwritten: usize,
}

impl<'f> SteadyFile<'f> {
    pub fn new(file: &'f File) -> Self {
        SteadyFile { file, unwritten: 0 }
    }
}

impl Write for SteadyFile<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.unwritten >= STEP_BYTES {
            write_back(self.file)?;
            self.unwritten = 0;
        }
        let step = bytes.len().min(STEP_BYTES - self.unwritten);
        let written = self.file.write(&bytes[..step])?;
        self.unwritten += written;
        Ok(written)
    }

    /// That all bytes are kept, the caller's own sync must see to.
    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Write what is in memory alone of a file, and wait for it. It may be lost still: where it lies may not be written.
#[cfg(target_os = "linux")]
fn write_back(file: &File) -> io::Result<()> {
    use std::os::fd::AsRawFd;

    let all = libc::SYNC_FILE_RANGE_WAIT_BEFORE | libc::SYNC_FILE_RANGE_WRITE | libc::SYNC_FILE_RANGE_WAIT_AFTER;
    // SAFETY: takes numbers only, of which one is the descriptor of a file that stays open; no memory is touched.
    if unsafe { libc::sync_file_range(file.as_raw_fd(), 0, 0, all) } == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        // The sync at the end does it where a file system or a sandbox knows no such call.
        Some(libc::ENOSYS | libc::EPERM | libc::EINVAL | libc::ESPIPE) => Ok(()),
        _ => Err(error),
    }
}

#[cfg(not(target_os = "linux"))]
fn write_back(_: &File) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn all_bytes_are_written_in_order() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut steady = SteadyFile::new(file.as_file());
        let mut all = Vec::new();
        for size in [1, STEP_BYTES - 1, 1, STEP_BYTES, 3 * STEP_BYTES + 5, 0, 7] {
            let bytes: Vec<u8> = (0..size).map(|i| (i * 31 + size) as u8).collect();
            steady.write_all(&bytes).unwrap();
            all.extend_from_slice(&bytes);
        }
        steady.flush().unwrap();
        assert!(std::fs::read(file.path()).unwrap() == all);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_is_no_file_is_written_without_it() {
        let (_reader, writer) = io::pipe().unwrap();
        write_back(&File::from(std::os::fd::OwnedFd::from(writer))).unwrap();
    }
}
