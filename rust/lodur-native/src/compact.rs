//! The Python face of `lodur_kernels::compact`.

use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lodur_kernels::compact::keep::KeepRules;
use lodur_kernels::compact::merge::{Input, Merged, merge_segments as merge};
use lodur_kernels::compact::verify::verify;
use lodur_kernels::error::KernelError;
use lodur_kernels::scan::parallel::Cancel as KernelCancel;
use lodur_kernels::segment::codec::Codec;
use lodur_kernels::segment::steady::SteadyFile;
use pyo3::prelude::*;

use crate::errors::to_py;
use crate::scan::Cancel;
use crate::segment::{Segment, SegmentWritten, codec_named};

#[pyclass(frozen, get_all, module = "lodur.kernels._native")]
struct SegmentsMerged {
    written: Option<Py<SegmentWritten>>,
    rows_read: u64,
    rows_copied: u64,
    rows_expired: u64,
    rows_repeated: u64,
    rows_deleted: Vec<Vec<u64>>,
}

/// How long rows of which streams are kept, compiled.
#[pyclass(frozen, name = "KeepRules", module = "lodur.kernels._native")]
struct Keep {
    rules: Arc<KeepRules>,
}

#[pymethods]
impl Keep {
    #[new]
    #[pyo3(signature = (rules, *, default_from_ns))]
    #[expect(clippy::needless_pass_by_value, reason = "arguments from Python are owned")]
    fn new(py: Python<'_>, rules: Vec<(Vec<u8>, i64)>, default_from_ns: i64) -> PyResult<Self> {
        let compiled = py.detach(|| {
            let borrowed: Vec<(&[u8], i64)> = rules.iter().map(|(rule, from_ns)| (&**rule, *from_ns)).collect();
            KeepRules::decode(&borrowed, default_from_ns)
        });
        Ok(Keep { rules: Arc::new(compiled.map_err(|e| to_py(py, e))?) })
    }

    fn expired(&self, py: Python<'_>, segment: &Segment) -> (u64, u64) {
        let expired = py.detach(|| self.rules.expired(&segment.segment));
        (expired.rows, expired.streams)
    }
}

#[pyfunction]
#[pyo3(signature = (inputs, path, *, start_ns, end_ns, keep, codec, zstd_level, cancel))]
#[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
#[expect(clippy::needless_pass_by_value, reason = "arguments from Python are owned")]
fn merge_segments(
    py: Python<'_>,
    inputs: Vec<PyRef<'_, Segment>>,
    path: PathBuf,
    start_ns: i64,
    end_ns: i64,
    keep: &Keep,
    codec: &str,
    zstd_level: i32,
    cancel: &Cancel,
) -> PyResult<SegmentsMerged> {
    let codec = codec_named(codec, zstd_level)?;
    let opened: Vec<_> = inputs
        .iter()
        .map(|input| (Arc::clone(&input.segment), Arc::clone(&input.pages), input.deletes.clone()))
        .collect();
    let merged = py.detach(|| {
        let inputs: Vec<Input<'_>> =
            opened.iter().map(|(segment, pages, deletes)| (&**segment, &**pages, deletes.as_deref())).collect();
        merge_file(&inputs, &path, start_ns..end_ns, &keep.rules, codec, &cancel.flag)
    });
    let merged = merged.map_err(|e| to_py(py, e))?;
    let written = merged.written.map(|written| Py::new(py, SegmentWritten::new(py, written)?)).transpose()?;
    Ok(SegmentsMerged {
        written,
        rows_read: merged.rows_read,
        rows_copied: merged.rows_copied,
        rows_expired: merged.rows_expired,
        rows_repeated: merged.rows_repeated,
        rows_deleted: merged.rows_deleted,
    })
}

fn merge_file(
    inputs: &[Input<'_>],
    path: &Path,
    span: Range<i64>,
    keep: &KeepRules,
    codec: Codec,
    cancel: &KernelCancel,
) -> Result<Merged, KernelError> {
    let name = || path.display().to_string();
    let result = File::create_new(path).map_err(|e| KernelError::io(name(), e)).and_then(|file| {
        let merged = merge(inputs, span, keep, codec, cancel, SteadyFile::new(&file))?;
        file.sync_all().map_err(|e| KernelError::io(name(), e))?;
        Ok(merged)
    });
    if !matches!(result, Ok(Merged { written: Some(_), .. })) {
        // Nothing of use is in the file; that it cannot be removed either is told by the next attempt.
        let _ = std::fs::remove_file(path);
    }
    result
}

#[pyfunction]
fn verify_segment(py: Python<'_>, segment: &Segment, cancel: &Cancel) -> PyResult<u64> {
    py.detach(|| verify(&segment.segment, &segment.pages, &cancel.flag)).map_err(|e| to_py(py, e))
}

pub(crate) fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<Keep>()?;
    m.add_class::<SegmentsMerged>()?;
    m.add_function(wrap_pyfunction!(merge_segments, m)?)?;
    m.add_function(wrap_pyfunction!(verify_segment, m)?)
}
