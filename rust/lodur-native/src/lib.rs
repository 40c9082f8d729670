//! `lodur.kernels._native`: one file per kernel family, each with a `register`.

use pyo3::prelude::*;

mod errors;
mod head;
mod push;
mod relabel;
mod scan;
mod segment;
mod wal;

/// Pushes and pages are buffers of a megabyte and more: the C library gives each back to the kernel and takes it anew, at a
/// page fault every 4 KiB.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[pymodule]
fn _native(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add("__version__", env!("CARGO_PKG_VERSION"))?;
    push::register(m)?;
    wal::register(m)?;
    head::register(m)?;
    segment::register(m)?;
    scan::register(m)?;
    relabel::register(m)?;
    Ok(())
}
