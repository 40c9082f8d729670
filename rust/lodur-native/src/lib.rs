//! `lodur.kernels._native`: one file per kernel family, each with a `register`.

use pyo3::prelude::*;

mod compact;
mod deletes;
mod errors;
mod fields;
mod head;
mod patterns;
mod push;
mod rank;
mod relabel;
mod scan;
mod segment;
mod tail;
mod volume;
mod wal;

#[pymodule]
fn _native(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add("__version__", env!("CARGO_PKG_VERSION"))?;
    push::register(m)?;
    wal::register(m)?;
    head::register(m)?;
    segment::register(m)?;
    scan::register(m)?;
    rank::register(m)?;
    tail::register(m)?;
    volume::register(m)?;
    fields::register(m)?;
    patterns::register(m)?;
    compact::register(m)?;
    deletes::register(m)?;
    relabel::register(m)?;
    Ok(())
}
