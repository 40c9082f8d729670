//! The Python face of `lodur_kernels::scan::volume`.

use lodur_kernels::scan::matching::Selector;
use lodur_kernels::scan::volume::{self, By, Volume, VolumePlan};
use pyo3::prelude::*;

use crate::scan::{Cancel, guarded, sources_of};

/// The labels of a group, and its bytes by bucket.
type Found = (Vec<(String, String)>, Vec<u64>);

#[pyclass(frozen, get_all, module = "lodur.kernels._native")]
struct IndexStats {
    streams: u64,
    blocks: u64,
    bytes: u64,
    kib_bytes: u64,
    entries: u64,
}

#[pyfunction]
#[pyo3(signature = (sources, selector, start_ns, end_ns, *, cancel))]
fn index_stats(
    py: Python<'_>,
    sources: Vec<Bound<'_, PyAny>>,
    selector: &[u8],
    start_ns: i64,
    end_ns: i64,
    cancel: &Cancel,
) -> PyResult<IndexStats> {
    let sources = sources_of(&sources)?;
    guarded(py, || {
        let stats = volume::index_stats(&sources, &Selector::decode(selector)?, start_ns, end_ns, &cancel.flag)?;
        let volume::IndexStats { streams, blocks, bytes, kib_bytes, entries } = stats;
        Ok(IndexStats { streams, blocks, bytes, kib_bytes, entries })
    })
}

#[pyfunction]
#[pyo3(signature = (sources, selector, *, edges_ns, names, by_name, limit, cancel))]
#[expect(clippy::too_many_arguments, reason = "keywords in Python")]
fn volumes(
    py: Python<'_>,
    sources: Vec<Bound<'_, PyAny>>,
    selector: &[u8],
    edges_ns: Vec<i64>,
    names: Option<Vec<String>>,
    by_name: bool,
    limit: usize,
    cancel: &Cancel,
) -> PyResult<Vec<Found>> {
    let sources = sources_of(&sources)?;
    guarded(py, || {
        let by = if by_name { By::Names } else { By::Series };
        let plan = VolumePlan { edges: edges_ns, names, by, limit };
        let found = volume::volumes(&sources, &Selector::decode(selector)?, &plan, &cancel.flag)?;
        Ok(found.into_iter().map(|Volume { labels, bytes }| (labels, bytes)).collect())
    })
}

pub(crate) fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<IndexStats>()?;
    m.add_function(wrap_pyfunction!(index_stats, m)?)?;
    m.add_function(wrap_pyfunction!(volumes, m)?)
}
