//! The Python face of `lodur_kernels::relabel`.

use lodur_kernels::relabel;
use pyo3::prelude::*;

use crate::errors::to_py;

#[pyfunction]
fn replace_values(
    py: Python<'_>,
    values: Vec<String>,
    expression: &str,
    replacement: &str,
) -> PyResult<Vec<Option<String>>> {
    py.detach(|| relabel::replace_values(&values, expression, replacement)).map_err(|e| to_py(py, e))
}

pub(crate) fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_function(wrap_pyfunction!(replace_values, m)?)
}
