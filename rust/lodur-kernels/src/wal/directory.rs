//! The WAL's directory: whose it is, who holds it, which files lie in it.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::disk::Disk;
use super::format::{FILE_HEADER_BYTES, FileHeader, HeaderFault, WriterId};
use crate::error::{KernelError, Result};

const LOCK_NAME: &str = "lock";
const WRITER_ID_NAME: &str = "writer-id";

/// Longest text that is read from `lock` and `writer-id`: both are written by us and shorter.
const SMALL_FILE_BYTES: u64 = 256;

/// A WAL file by its name.
#[derive(Clone, Debug)]
pub struct Listed {
    pub path: PathBuf,
    pub first_seq: u64,
    pub bytes: u64,
}

pub fn file_path(dir: &Path, first_seq: u64) -> PathBuf {
    dir.join(format!("{first_seq:016x}.wal"))
}

pub fn writer_id_path(dir: &Path) -> PathBuf {
    dir.join(WRITER_ID_NAME)
}

/// The directory's WAL files, oldest first; other names are not ours and stay.
pub fn list(dir: &Path) -> Result<Vec<Listed>> {
    let context = || format!("list the WAL directory {}", dir.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).map_err(|e| KernelError::io(context(), e))? {
        let entry = entry.map_err(|e| KernelError::io(context(), e))?;
        let Some(first_seq) = entry.file_name().to_str().and_then(first_seq_of) else {
            continue;
        };
        let meta = entry.metadata().map_err(|e| KernelError::io(context(), e))?;
        if meta.is_file() {
            files.push(Listed { path: entry.path(), first_seq, bytes: meta.len() });
        }
    }
    files.sort_by_key(|file| file.first_seq);
    Ok(files)
}

fn first_seq_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".wal")?;
    let is_ours = digits.len() == 16 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    u64::from_str_radix(digits, 16).ok().filter(|_| is_ours)
}

/// Make the directory if it is missing, durably.
pub fn create(dir: &Path, disk: &dyn Disk) -> Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    let context = || format!("create the WAL directory {}", dir.display());
    fs::create_dir_all(dir).map_err(|e| KernelError::io(context(), e))?;
    match dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) => disk.sync_dir(parent).map_err(|e| KernelError::io(context(), e)),
        None => Ok(()),
    }
}

/// Hold the directory until the returned file is dropped; the system lets go when the process dies.
pub fn lock(dir: &Path) -> Result<File> {
    let path = dir.join(LOCK_NAME);
    let context = || format!("lock the WAL directory {}", dir.display());
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(|e| KernelError::io(context(), e))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let holder = read_small(&path).unwrap_or_default();
            return Err(KernelError::Unavailable(format!(
                "the WAL directory {} is in use by process {}, stop it or choose another directory",
                dir.display(),
                holder.trim()
            )));
        }
        Err(TryLockError::Error(e)) => return Err(KernelError::io(context(), e)),
    }
    // For the message above alone; the lock holds whether or not the number can be written.
    if file.set_len(0).is_ok() {
        let _ = file.write_all(format!("{}\n", std::process::id()).as_bytes());
    }
    Ok(file)
}

/// The directory's writer, and the text of its `writer-id` where that is damaged, which is then written anew.
///
/// Since the newest file is never deleted, an id that no whole header bears is damage: the newest header is believed.
/// Without headers the text is, and without that the writer is new.
pub fn writer_id(
    dir: &Path,
    headers: impl DoubleEndedIterator<Item = FileHeader> + Clone,
    disk: &dyn Disk,
) -> Result<(WriterId, Option<String>)> {
    let path = writer_id_path(dir);
    let text = match read_small(&path) {
        Ok(text) => Some(text),
        Err(e) if e.kind() == io::ErrorKind::NotFound => None,
        Err(e) => return Err(KernelError::io(format!("read the writer's id {}", path.display()), e)),
    };
    let newest = headers.clone().next_back().map(|header| header.writer);
    let is_known = |id: &WriterId| newest.is_none() || headers.clone().any(|header| header.writer == *id);
    if let Some(id) = text.as_ref().and_then(|text| WriterId::parse(text.trim())).filter(is_known) {
        return Ok((id, None));
    }
    let id = match newest {
        Some(id) => id,
        None => WriterId::from_random(random_bytes().map_err(|e| KernelError::io("read random bytes", e))?),
    };
    store_writer_id(dir, id, disk).map_err(|e| KernelError::io(format!("write {}", path.display()), e))?;
    Ok((id, text))
}

fn store_writer_id(dir: &Path, id: WriterId, disk: &dyn Disk) -> io::Result<()> {
    let draft = dir.join("writer-id.new");
    let mut file = File::create(&draft)?;
    file.write_all(format!("{id}\n").as_bytes())?;
    file.sync_all()?;
    fs::rename(&draft, writer_id_path(dir))?;
    disk.sync_dir(dir)
}

/// None for a file that is too short to have a header.
pub fn read_header(path: &Path) -> io::Result<Option<std::result::Result<FileHeader, HeaderFault>>> {
    let mut bytes = [0; FILE_HEADER_BYTES];
    match File::open(path)?.read_exact(&mut bytes) {
        Ok(()) => Ok(Some(FileHeader::decode(&bytes))),
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(e) => Err(e),
    }
}

/// From the system: markers and ids must not repeat between processes, so no seed of ours would do.
pub fn random_bytes<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn read_small(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(SMALL_FILE_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
