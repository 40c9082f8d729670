//! The Python face of `lodur_kernels::fields`.

use lodur_kernels::fields;
use lodur_kernels::fields::labels;
use lodur_kernels::scan::metadata::list_streams;
use pyo3::prelude::*;

use crate::scan::{Cancel, LogResult, guarded, sources_of, stream_question};

#[pyclass(frozen, get_all, module = "lodur.kernels._native")]
struct DetectedField {
    name: String,
    kind: &'static str,
    cardinality: usize,
    parsers: Vec<String>,
    json_path: Option<Vec<String>>,
}

#[pyfunction]
#[pyo3(signature = (result, *, parsers, limit, cancel))]
fn detect_fields(
    py: Python<'_>,
    result: &LogResult,
    parsers: Vec<String>,
    limit: usize,
    cancel: &Cancel,
) -> PyResult<Vec<DetectedField>> {
    let found = guarded(py, || fields::detect(&result.result.entries, &parsers, limit, &cancel.flag))?;
    Ok(found
        .into_iter()
        .map(|field| DetectedField {
            kind: field.kind(),
            cardinality: field.cardinality(),
            name: field.name,
            parsers: field.parsers,
            json_path: field.json_path,
        })
        .collect())
}

#[pyfunction]
#[pyo3(signature = (result, *, name, parsers, limit, cancel))]
fn field_values(
    py: Python<'_>,
    result: &LogResult,
    name: &str,
    parsers: Vec<String>,
    limit: usize,
    cancel: &Cancel,
) -> PyResult<Vec<String>> {
    guarded(py, || fields::values_of(&result.result.entries, &parsers, name, limit, &cancel.flag))
}

#[pyfunction]
#[pyo3(signature = (sources, selectors, start_ns, end_ns, *, cancel))]
fn detect_labels(
    py: Python<'_>,
    sources: Vec<Bound<'_, PyAny>>,
    selectors: Vec<Vec<u8>>,
    start_ns: i64,
    end_ns: i64,
    cancel: &Cancel,
) -> PyResult<Vec<(String, usize)>> {
    let sources = sources_of(&sources)?;
    guarded(py, || {
        let question = stream_question(&selectors, start_ns, end_ns)?;
        let streams = list_streams(&sources, &question, &cancel.flag)?;
        Ok(labels::detect(&streams, &cancel.flag)?.into_iter().map(|label| (label.name, label.cardinality)).collect())
    })
}

pub(crate) fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<DetectedField>()?;
    m.add_function(wrap_pyfunction!(detect_fields, m)?)?;
    m.add_function(wrap_pyfunction!(field_values, m)?)?;
    m.add_function(wrap_pyfunction!(detect_labels, m)?)
}
