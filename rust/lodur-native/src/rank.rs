//! The Python face of `lodur_kernels::rank`.

use lodur_kernels::rank::{self, Cells};
use numpy::{PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::errors::to_py;
use crate::scan::Cancel;

#[pyfunction]
#[pyo3(signature = (values, present, *, groups, group_count, k, largest, cancel))]
#[allow(clippy::too_many_arguments)]
fn choose_extremes<'py>(
    py: Python<'py>,
    values: PyReadonlyArray2<'py, f64>,
    present: PyReadonlyArray2<'py, bool>,
    groups: PyReadonlyArray1<'py, u32>,
    group_count: usize,
    k: usize,
    largest: bool,
    cancel: &Cancel,
) -> PyResult<Bound<'py, PyArray2<bool>>> {
    let shape = [values.shape()[0], values.shape()[1]];
    let contiguous = |_| PyValueError::new_err("arrays must be contiguous");
    let (values, present) = (values.as_slice().map_err(contiguous)?, present.as_slice().map_err(contiguous)?);
    let groups = groups.as_slice().map_err(contiguous)?;
    let cells = Cells { values, present, steps: shape[1] };
    let chosen = py
        .detach(|| rank::choose_extremes(cells, groups, group_count, k, largest, &cancel.flag))
        .map_err(|e| to_py(py, e))?;
    PyArray1::from_vec(py, chosen).reshape(shape)
}

pub(crate) fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_function(wrap_pyfunction!(choose_extremes, m)?)
}
