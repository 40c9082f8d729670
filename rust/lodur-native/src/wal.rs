//! The Python face of `lodur_kernels::wal`.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use lodur_kernels::wal::{self, ObjectRecord, Payload, ProblemKind, Record, Replay, WalOptions};
use pyo3::buffer::PyBuffer;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

use crate::errors::to_py;

#[pyclass(frozen, get_all, module = "lodur.kernels._native")]
struct WalRecord {
    seq: u64,
    tenant: String,
    kind: u8,
    accepted_at_ns: i64,
    payload: Py<PyBytes>,
    file: PathBuf,
    offset: u64,
}

#[pyclass(frozen, get_all, module = "lodur.kernels._native")]
struct WalProblem {
    kind: &'static str,
    file: PathBuf,
    offset: u64,
    bytes: u64,
    message: String,
}

#[pyclass(frozen, get_all, module = "lodur.kernels._native")]
struct WalStats {
    files: u64,
    bytes: u64,
    last_seq: u64,
    records: u64,
    groups: u64,
    failed_groups: u64,
    fsyncs: u64,
}

#[pyclass(frozen, module = "lodur.kernels._native")]
struct WalWriter {
    writer: wal::WalWriter,
    replay: Mutex<Replay>,
}

#[pymethods]
impl WalWriter {
    #[staticmethod]
    #[pyo3(signature = (path, *, max_file_bytes, max_group_bytes))]
    fn open(py: Python<'_>, path: PathBuf, max_file_bytes: u64, max_group_bytes: u64) -> PyResult<Self> {
        let options = WalOptions { max_file_bytes, max_group_bytes };
        let (writer, replay) = py.detach(|| wal::WalWriter::open(&path, options)).map_err(|error| to_py(py, error))?;
        Ok(WalWriter { writer, replay: Mutex::new(replay) })
    }

    fn append(
        &self,
        py: Python<'_>,
        tenant: &str,
        kind: u8,
        accepted_at_ns: i64,
        payload: &Bound<'_, PyAny>,
    ) -> PyResult<u64> {
        let payload = payload_of(payload)?;
        py.detach(|| self.writer.append(tenant, kind, accepted_at_ns, payload)).map_err(|error| to_py(py, error))
    }

    fn replay_batch(&self, py: Python<'_>, max_bytes: usize) -> PyResult<Vec<WalRecord>> {
        let records = py.detach(|| {
            let mut replay = self.replay.lock().unwrap_or_else(PoisonError::into_inner);
            take_batch(&mut replay, max_bytes)
        });
        Ok(records.into_iter().map(|record| to_python(py, record)).collect())
    }

    fn replay_problems(&self) -> Vec<WalProblem> {
        let replay = self.replay.lock().unwrap_or_else(PoisonError::into_inner);
        replay.problems().iter().map(problem_to_python).collect()
    }

    fn trim(&self, py: Python<'_>, up_to_seq: u64) -> PyResult<u64> {
        py.detach(|| self.writer.trim(up_to_seq)).map_err(|error| to_py(py, error))
    }

    fn stats(&self, py: Python<'_>) -> WalStats {
        // A group that is being synced holds the lock.
        let stats = py.detach(|| self.writer.stats());
        WalStats {
            files: stats.files,
            bytes: stats.bytes,
            last_seq: stats.last_seq,
            records: stats.records,
            groups: stats.groups,
            failed_groups: stats.failed_groups,
            fsyncs: stats.fsyncs,
        }
    }

    #[getter]
    fn writer_id(&self) -> &str {
        self.writer.writer_id()
    }

    fn close(&self, py: Python<'_>) {
        py.detach(|| self.writer.close());
    }
}

/// `bytes` are borrowed; anything else may change while it is written and is copied.
fn payload_of(payload: &Bound<'_, PyAny>) -> PyResult<Payload> {
    if let Ok(bytes) = payload.cast::<PyBytes>() {
        return Ok(Payload::from_owner(PyBackedBytes::from(bytes.clone())));
    }
    let buffer: PyBuffer<u8> = PyBuffer::get(payload)?;
    Ok(Payload::from(buffer.to_vec(payload.py())?))
}

/// At least one record, until their payloads reach `max_bytes`; none at the end.
fn take_batch(replay: &mut Replay, max_bytes: usize) -> Vec<Record> {
    let mut records = Vec::new();
    let mut bytes = 0;
    while bytes < max_bytes || records.is_empty() {
        let Some(record) = replay.next() else {
            break;
        };
        bytes += record.payload.len();
        records.push(record);
    }
    records
}

fn to_python(py: Python<'_>, record: Record) -> WalRecord {
    WalRecord {
        seq: record.seq,
        tenant: record.tenant,
        kind: record.kind,
        accepted_at_ns: record.accepted_at_ns,
        payload: PyBytes::new(py, &record.payload).unbind(),
        file: record.file.to_path_buf(),
        offset: record.offset,
    }
}

fn problem_to_python(problem: &wal::Problem) -> WalProblem {
    WalProblem {
        kind: kind_name(problem.kind),
        file: problem.file.to_path_buf(),
        offset: problem.offset,
        bytes: problem.bytes,
        message: problem.message.clone(),
    }
}

#[pyfunction]
fn encode_wal_object<'py>(
    py: Python<'py>,
    writer_id: &str,
    first_seq: u64,
    records: Vec<(String, u8, i64, PyBackedBytes)>,
) -> PyResult<Bound<'py, PyBytes>> {
    let encoded = py.detach(|| {
        let borrowed: Vec<ObjectRecord<'_>> = records
            .iter()
            .map(|(tenant, kind, accepted_at_ns, payload)| ObjectRecord {
                tenant,
                kind: *kind,
                accepted_at_ns: *accepted_at_ns,
                payload,
            })
            .collect();
        wal::encode_object(writer_id, first_seq, &borrowed)
    });
    encoded.map(|bytes| PyBytes::new(py, &bytes)).map_err(|error| to_py(py, error))
}

#[pyfunction]
fn decode_wal_object(
    py: Python<'_>,
    data: PyBackedBytes,
    path: PathBuf,
) -> PyResult<(String, Vec<WalRecord>, Vec<WalProblem>)> {
    let object = py.detach(|| wal::decode_object(&data, &path)).map_err(|error| to_py(py, error))?;
    let problems = object.problems.iter().map(problem_to_python).collect();
    let records = object.records.into_iter().map(|record| to_python(py, record)).collect();
    Ok((object.writer_id, records, problems))
}

fn kind_name(kind: ProblemKind) -> &'static str {
    match kind {
        ProblemKind::TornTail => "torn_tail",
        ProblemKind::Damage => "damage",
        ProblemKind::Unreadable => "unreadable",
        ProblemKind::Foreign => "foreign",
    }
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<WalWriter>()?;
    module.add_class::<WalRecord>()?;
    module.add_class::<WalProblem>()?;
    module.add_class::<WalStats>()?;
    module.add_function(wrap_pyfunction!(encode_wal_object, module)?)?;
    module.add_function(wrap_pyfunction!(decode_wal_object, module)?)?;
    Ok(())
}
