//! The Python face of `lodur_kernels::scan::tail_json`.

use lodur_kernels::error::Result;
use lodur_kernels::scan::logs::LogResult as KernelLogs;
use lodur_kernels::scan::tail_json::{self, Place};
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

/// Entries of some results, oldest first, to be written once for all clients that want the same.
#[pyclass(frozen, module = "lodur.kernels._native")]
struct TailRows {
    results: Vec<Py<LogResult>>,
    places: Vec<Place>,
    form: TailForm,
}

#[pymethods]
impl TailRows {
    #[new]
    #[pyo3(signature = (results, *, form))]
    fn new(py: Python<'_>, results: Vec<Py<LogResult>>, form: &Bound<'_, TailForm>) -> Self {
        let kernel: Vec<_> = results.iter().map(|result| &result.get().result).collect();
        let places = py.detach(|| tail_json::in_order(&kernel));
        TailRows { results, places, form: *form.get() }
    }

    #[getter]
    fn entries(&self) -> usize {
        self.places.len()
    }

    fn frames<'py>(&self, py: Python<'py>, frames_max: usize, per_frame: usize) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        self.written(py, |results, form| {
            let chunks = self.places.chunks(per_frame.max(1)).take(frames_max);
            chunks.map(|places| tail_json::frame(results, places, form)).collect()
        })
    }

    fn dropped<'py>(&self, py: Python<'py>, first: usize, count: usize) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        self.written(py, |results, form| {
            let places = self.places.iter().skip(first).take(count);
            places.map(|place| tail_json::dropped(results, *place, form)).collect()
        })
    }
}

impl TailRows {
    fn written<'py>(
        &self,
        py: Python<'py>,
        write: impl Fn(&[&KernelLogs], tail_json::TailForm) -> Result<Vec<Vec<u8>>> + Send + Sync,
    ) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        let kernel: Vec<_> = self.results.iter().map(|result| &result.get().result).collect();
        let parts = py.detach(|| write(&kernel, self.form.kernel())).map_err(|error| to_py(py, error))?;
        Ok(parts.iter().map(|part| PyBytes::new(py, part)).collect())
    }
}

pub(crate) fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<TailForm>()?;
    m.add_class::<TailRows>()
}
