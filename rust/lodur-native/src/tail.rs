//! The Python face of `lodur_kernels::scan::tail_json`.

use lodur_kernels::scan::tail_json::{self, TailSizes};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::errors::to_py;
use crate::scan::LogResult;

/// How a client wants to see entries.
#[pyclass(frozen, eq, eq_int, hash, module = "lodur.kernels._native", rename_all = "SCREAMING_SNAKE_CASE")]
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum TailForm {
    Plain,
    Categorized,
    Legacy,
}

impl TailForm {
    fn kernel(self) -> tail_json::TailForm {
        match self {
            TailForm::Plain => tail_json::TailForm::Plain,
            TailForm::Categorized => tail_json::TailForm::Categorized,
            TailForm::Legacy => tail_json::TailForm::Legacy,
        }
    }
}

type Frames<'py> = (Vec<Bound<'py, PyBytes>>, Vec<Bound<'py, PyBytes>>);

#[pyfunction]
#[pyo3(signature = (results, *, form, per_frame, entries_max, dropped_max))]
fn tail_frames<'py>(
    py: Python<'py>,
    results: Vec<PyRef<'py, LogResult>>,
    form: &Bound<'py, TailForm>,
    per_frame: usize,
    entries_max: usize,
    dropped_max: usize,
) -> PyResult<Frames<'py>> {
    let kernel: Vec<_> = results.iter().map(|result| &result.result).collect();
    let (form, sizes) = (form.get().kernel(), TailSizes { per_frame, entries_max, dropped_max });
    let written = py.detach(|| tail_json::tail_frames(&kernel, form, sizes)).map_err(|error| to_py(py, error))?;
    let objects = |parts: Vec<Vec<u8>>| parts.iter().map(|part| PyBytes::new(py, part)).collect();
    Ok((objects(written.frames), objects(written.dropped)))
}

pub(crate) fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<TailForm>()?;
    m.add_function(wrap_pyfunction!(tail_frames, m)?)
}
