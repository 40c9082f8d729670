//! The Python face of `lodur_kernels::push`.

use lodur_kernels::push::lines;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::errors::to_py;

/// Entries of one stream as a push body.
#[pyclass(frozen, module = "lodur.kernels._native")]
pub(crate) struct EncodedPush {
    #[pyo3(get)]
    body: Py<PyBytes>,
    #[pyo3(get)]
    lines: usize,
    #[pyo3(get)]
    consumed: usize,
}

#[pyfunction]
#[pyo3(signature = (chunk, *, labels, ts_ns, ts_step_ns, r#final, compress = true))]
fn encode_lines(
    py: Python<'_>,
    chunk: &[u8],
    labels: &str,
    ts_ns: i64,
    ts_step_ns: i64,
    r#final: bool,
    compress: bool,
) -> PyResult<EncodedPush> {
    let push = py
        .detach(|| lines::encode_lines(chunk, labels, ts_ns, ts_step_ns, r#final, compress))
        .map_err(|error| to_py(py, error))?;
    let body = PyBytes::new(py, &push.body).unbind();
    Ok(EncodedPush { body, lines: push.lines, consumed: push.consumed })
}

#[pyfunction]
#[pyo3(signature = (data, /))]
fn snappy_compress<'py>(py: Python<'py>, data: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    let packed = py.detach(|| lines::snappy_compress(data)).map_err(|error| to_py(py, error))?;
    Ok(PyBytes::new(py, &packed))
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<EncodedPush>()?;
    module.add_function(wrap_pyfunction!(encode_lines, module)?)?;
    module.add_function(wrap_pyfunction!(snappy_compress, module)?)?;
    Ok(())
}
