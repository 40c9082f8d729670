//! `KernelError` to the classes of `lodur.model.errors`: the only place where the two meet.

use lodur_kernels::error::KernelError;
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyType};

const ERRORS_MODULE: &str = "lodur.model.errors";

/// The Python classes, imported at the first error.
struct Classes {
    invalid_request: PyOnceLock<Py<PyType>>,
    limit_exceeded: PyOnceLock<Py<PyType>>,
    unavailable: PyOnceLock<Py<PyType>>,
    deadline_exceeded: PyOnceLock<Py<PyType>>,
    corrupt_data: PyOnceLock<Py<PyType>>,
}

static CLASSES: Classes = Classes {
    invalid_request: PyOnceLock::new(),
    limit_exceeded: PyOnceLock::new(),
    unavailable: PyOnceLock::new(),
    deadline_exceeded: PyOnceLock::new(),
    corrupt_data: PyOnceLock::new(),
};

/// The exception to raise for `error`. An argument that our own Python should not have passed is a `ValueError`, an
/// operating system's refusal an `OSError` with its number: both stand outside the tree of Lodur's errors.
pub(crate) fn to_py(py: Python<'_>, error: KernelError) -> PyErr {
    // A class that cannot be imported is reported in place of the error that wanted it.
    build(py, error).unwrap_or_else(|import_error| import_error)
}

fn build(py: Python<'_>, error: KernelError) -> PyResult<PyErr> {
    let message = error.to_string();
    let members = PyDict::new(py);
    let (class, name) = match error {
        KernelError::InvalidRequest(_) => (&CLASSES.invalid_request, "InvalidRequest"),
        KernelError::LimitExceeded { limit, .. } => {
            members.set_item("limit", limit)?;
            (&CLASSES.limit_exceeded, "LimitExceeded")
        }
        KernelError::Corrupt { path, offset, .. } => {
            members.set_item("path", path)?;
            members.set_item("offset", offset)?;
            (&CLASSES.corrupt_data, "CorruptData")
        }
        KernelError::Unavailable(_) => (&CLASSES.unavailable, "Unavailable"),
        KernelError::Cancelled => (&CLASSES.deadline_exceeded, "DeadlineExceeded"),
        KernelError::Input(_) => return Ok(PyValueError::new_err(message)),
        KernelError::Io { source, .. } => {
            return Ok(match source.raw_os_error() {
                Some(number) => PyOSError::new_err((number, message)),
                None => PyOSError::new_err(message),
            });
        }
    };
    let class = class.import(py, ERRORS_MODULE, name)?;
    Ok(PyErr::from_value(class.call((message,), Some(&members))?))
}
