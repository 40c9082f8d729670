//! The Python face of `lodur_kernels::scan`.

use std::sync::Arc;

use lodur_kernels::error::{KernelError, Result};
use lodur_kernels::scan::json::{self, SeriesRow};
use lodur_kernels::scan::logs::{LogResult as KernelLogs, run_logs};
use lodur_kernels::scan::matching::Selector;
use lodur_kernels::scan::metadata::{self, StreamQuestion};
use lodur_kernels::scan::metric::{MetricResult as KernelMetric, run_metric};
use lodur_kernels::scan::parallel::Cancel as KernelCancel;
use lodur_kernels::scan::source::Source;
use lodur_kernels::scan::stats::ScanStats as Stats;
use lodur_kernels::scan::{Scan as KernelScan, parallel};
use numpy::{PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::exceptions::{PyIndexError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::errors::to_py;
use crate::head::HeadView;
use crate::segment::Segment;

type Labels = Vec<(String, String)>;

#[pyclass(frozen, module = "lodur.kernels._native")]
pub(crate) struct Cancel {
    pub(crate) flag: Arc<KernelCancel>,
}

#[pymethods]
impl Cancel {
    #[new]
    fn new() -> Self {
        Cancel { flag: Arc::new(parallel::Cancel::default()) }
    }

    fn set(&self) {
        self.flag.set();
    }

    fn check(&self, py: Python<'_>) -> PyResult<()> {
        self.flag.check().map_err(|e| to_py(py, e))
    }
}

#[pyclass(frozen, get_all, module = "lodur.kernels._native")]
pub(crate) struct ScanStats {
    lines: u64,
    bytes: u64,
    stored_bytes: u64,
    lines_kept: u64,
    head_lines: u64,
    head_bytes: u64,
    segments: u64,
    blocks: u64,
    blocks_skipped: u64,
    blocks_read: u64,
    streams: u64,
}

impl From<Stats> for ScanStats {
    fn from(stats: Stats) -> Self {
        ScanStats {
            lines: stats.lines,
            bytes: stats.bytes,
            stored_bytes: stats.stored_bytes,
            lines_kept: stats.lines_kept,
            head_lines: stats.head_lines,
            head_bytes: stats.head_bytes,
            segments: stats.segments,
            blocks: stats.blocks,
            blocks_skipped: stats.blocks_skipped,
            blocks_read: stats.blocks_read,
            streams: stats.streams,
        }
    }
}

#[pyclass(frozen, module = "lodur.kernels._native")]
pub(crate) struct LogResult {
    pub(crate) result: KernelLogs,
    /// Per entry a number into `extra`; empty when no labels are added.
    parts: Vec<(KernelLogs, Labels)>,
}

#[pymethods]
impl LogResult {
    #[getter]
    fn entries(&self) -> usize {
        self.result.entries.len()
    }

    #[getter]
    fn held_bytes(&self) -> usize {
        self.result.held_bytes()
    }

    #[getter]
    fn stats(&self) -> ScanStats {
        self.result.stats.into()
    }

    #[pyo3(signature = (*, categorize, extra_labels = Vec::new()))]
    fn streams_json<'py>(
        &self,
        py: Python<'py>,
        categorize: bool,
        extra_labels: Labels,
    ) -> PyResult<Bound<'py, PyBytes>> {
        self.written(py, &extra_labels, |result, labels| json::streams(result, categorize, labels))
    }

    fn legacy_json<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        self.written(py, &Vec::new(), |result, labels| json::legacy_streams(result, labels))
    }

    #[staticmethod]
    #[pyo3(signature = (results, *, limit, backward))]
    fn merge(py: Python<'_>, results: Vec<(PyRef<'_, LogResult>, Labels)>, limit: usize, backward: bool) -> LogResult {
        let parts: Vec<(KernelLogs, Labels)> =
            results.into_iter().map(|(result, labels)| (result.result.clone(), labels)).collect();
        py.detach(|| merge_tenants(parts, limit, backward))
    }
}

impl LogResult {
    /// The JSON array that `write` makes of the entries, part by part.
    fn written<'py>(
        &self,
        py: Python<'py>,
        extra_labels: &Labels,
        write: impl Fn(&KernelLogs, &Labels) -> Result<Vec<u8>> + Sync + Send,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let whole = || -> Result<Vec<u8>> {
            if self.parts.is_empty() {
                return write(&self.result, extra_labels);
            }
            let mut parts = Vec::new();
            for (result, labels) in &self.parts {
                let own = write(result, labels)?;
                if own.len() > 2 {
                    parts.push(own[1..own.len() - 1].to_vec());
                }
            }
            Ok([b"[".to_vec(), parts.join(&b','), b"]".to_vec()].concat())
        };
        Ok(PyBytes::new(py, &py.detach(whole).map_err(|e| to_py(py, e))?))
    }
}

/// Keep the first `limit` entries over all parts; parts with labels stay by themselves, since their streams differ.
fn merge_tenants(mut parts: Vec<(KernelLogs, Labels)>, limit: usize, backward: bool) -> LogResult {
    if parts.iter().all(|(_, labels)| labels.is_empty()) {
        let results = parts.into_iter().map(|(result, _)| result).collect();
        return LogResult { result: KernelLogs::merge(results, limit, backward), parts: Vec::new() };
    }
    let merged = KernelLogs::merge(parts.iter().map(|(result, _)| result.clone()).collect(), limit, backward);
    let mut order: Vec<(i64, usize, usize)> = Vec::new();
    for (part, (result, _)) in parts.iter().enumerate() {
        order.extend(result.entries.iter().enumerate().map(|(i, entry)| (entry.ts_ns, part, i)));
    }
    order.sort_by_key(|(ts_ns, part, i)| (if backward { ts_ns.saturating_neg() } else { *ts_ns }, *part, *i));
    let mut keep = vec![0usize; parts.len()];
    for (_, part, _) in order.into_iter().take(limit) {
        keep[part] += 1;
    }
    for ((result, _), keep) in parts.iter_mut().zip(keep) {
        result.entries.truncate(keep);
    }
    LogResult { result: merged, parts }
}

#[pyclass(frozen, module = "lodur.kernels._native")]
struct MetricResult {
    labels: Vec<Labels>,
    values: Py<PyArray2<f64>>,
    present: Py<PyArray2<bool>>,
    stats: Stats,
}

#[pymethods]
impl MetricResult {
    #[getter]
    fn series(&self) -> usize {
        self.labels.len()
    }

    fn labels(&self, first: usize, end: usize) -> PyResult<Vec<Labels>> {
        let labels = self.labels.get(first..end).map(<[Labels]>::to_vec);
        labels.ok_or_else(|| PyIndexError::new_err("there are not so many series"))
    }

    #[getter]
    fn values(&self, py: Python<'_>) -> Py<PyArray2<f64>> {
        self.values.clone_ref(py)
    }

    #[getter]
    fn present(&self, py: Python<'_>) -> Py<PyArray2<bool>> {
        self.present.clone_ref(py)
    }

    #[getter]
    fn stats(&self) -> ScanStats {
        self.stats.into()
    }
}

impl MetricResult {
    fn new(py: Python<'_>, result: KernelMetric) -> PyResult<Self> {
        let shape = [result.labels.len(), result.steps];
        Ok(MetricResult {
            labels: result.labels,
            values: PyArray1::from_vec(py, result.values).reshape(shape)?.unbind(),
            present: PyArray1::from_vec(py, result.present).reshape(shape)?.unbind(),
            stats: result.stats,
        })
    }
}

/// Head views and segments as the kernels take them.
pub(crate) fn sources_of(sources: &[Bound<'_, PyAny>]) -> PyResult<Vec<Source>> {
    let mut all = Vec::with_capacity(sources.len());
    for source in sources {
        if let Ok(view) = source.cast::<HeadView>() {
            all.extend(view.get().sources());
        } else if let Ok(segment) = source.cast::<Segment>() {
            all.push(segment.get().source());
        } else {
            return Err(PyTypeError::new_err("sources are HeadView or Segment"));
        }
    }
    Ok(all)
}

/// A panic in a scan is our bug: it ends the query, not the process.
pub(crate) fn guarded<T>(py: Python<'_>, work: impl FnOnce() -> Result<T> + Send) -> PyResult<T>
where
    T: Send,
{
    let outcome = py.detach(|| {
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(work))
            .unwrap_or_else(|_| Err(KernelError::Input("a scan panicked".into())))
    });
    outcome.map_err(|e| to_py(py, e))
}

#[pyclass(frozen, module = "lodur.kernels._native")]
struct Scan {
    scan: Arc<KernelScan>,
}

#[pymethods]
impl Scan {
    #[staticmethod]
    fn compile(py: Python<'_>, plan: &[u8]) -> PyResult<Scan> {
        Ok(Scan { scan: Arc::new(guarded(py, || KernelScan::compile(plan))?) })
    }

    fn probe_ranges(&self, segment: &Segment) -> Vec<(u64, u64)> {
        self.scan.probe_ranges(&segment.source())
    }

    fn page_ranges(&self, py: Python<'_>, segment: &Segment) -> PyResult<Vec<(u64, u64)>> {
        guarded(py, || self.scan.page_ranges(&segment.source()))
    }

    #[pyo3(signature = (sources, *, cancel, threads, bytes_max))]
    fn run_logs(
        &self,
        py: Python<'_>,
        sources: Vec<Bound<'_, PyAny>>,
        cancel: &Cancel,
        threads: usize,
        bytes_max: usize,
    ) -> PyResult<LogResult> {
        let sources = sources_of(&sources)?;
        let result = guarded(py, || run_logs(&self.scan, &sources, &cancel.flag, threads, bytes_max))?;
        Ok(LogResult { result, parts: Vec::new() })
    }

    #[pyo3(signature = (sources, *, cancel, threads, bytes_max))]
    fn run_metric(
        &self,
        py: Python<'_>,
        sources: Vec<Bound<'_, PyAny>>,
        cancel: &Cancel,
        threads: usize,
        bytes_max: usize,
    ) -> PyResult<MetricResult> {
        let sources = sources_of(&sources)?;
        let result = guarded(py, || run_metric(&self.scan, &sources, &cancel.flag, threads, bytes_max))?;
        MetricResult::new(py, result)
    }
}

pub(crate) fn stream_question(selectors: &[Vec<u8>], start_ns: i64, end_ns: i64) -> Result<StreamQuestion> {
    let selectors = selectors.iter().map(|bytes| Selector::decode(bytes)).collect::<Result<Vec<_>>>()?;
    Ok(StreamQuestion { selectors, start_ns, end_ns })
}

#[pyfunction]
#[pyo3(signature = (sources, selectors, start_ns, end_ns, *, extra_label, cancel))]
fn streams_json<'py>(
    py: Python<'py>,
    sources: Vec<Bound<'py, PyAny>>,
    selectors: Vec<Vec<u8>>,
    start_ns: i64,
    end_ns: i64,
    extra_label: Option<(String, String)>,
    cancel: &Cancel,
) -> PyResult<Bound<'py, PyBytes>> {
    let sources = sources_of(&sources)?;
    let bytes = guarded(py, || {
        let question = stream_question(&selectors, start_ns, end_ns)?;
        let streams = metadata::list_streams(&sources, &question, &cancel.flag)?;
        json::label_sets(&streams, extra_label.as_ref(), &cancel.flag)
    })?;
    Ok(PyBytes::new(py, &bytes))
}

#[pyfunction]
#[pyo3(signature = (sources, selectors, start_ns, end_ns, *, cancel))]
fn label_names(
    py: Python<'_>,
    sources: Vec<Bound<'_, PyAny>>,
    selectors: Vec<Vec<u8>>,
    start_ns: i64,
    end_ns: i64,
    cancel: &Cancel,
) -> PyResult<Vec<String>> {
    let sources = sources_of(&sources)?;
    guarded(py, || metadata::label_names(&sources, &stream_question(&selectors, start_ns, end_ns)?, &cancel.flag))
}

#[pyfunction]
#[pyo3(signature = (sources, selectors, start_ns, end_ns, *, name, cancel))]
fn label_values(
    py: Python<'_>,
    sources: Vec<Bound<'_, PyAny>>,
    selectors: Vec<Vec<u8>>,
    start_ns: i64,
    end_ns: i64,
    name: &str,
    cancel: &Cancel,
) -> PyResult<Vec<String>> {
    let sources = sources_of(&sources)?;
    guarded(py, || {
        metadata::label_values(&sources, &stream_question(&selectors, start_ns, end_ns)?, name, &cancel.flag)
    })
}

#[pyfunction]
fn encode_matrix<'py>(
    py: Python<'py>,
    labels: Vec<Labels>,
    times_ms: Vec<i64>,
    values: PyReadonlyArray2<'py, f64>,
    present: PyReadonlyArray2<'py, bool>,
) -> PyResult<Bound<'py, PyBytes>> {
    let (count, steps) = (labels.len(), times_ms.len());
    if values.shape() != [count, steps] || present.shape() != [count, steps] {
        return Err(PyValueError::new_err("values and present must have a row a series and a column a step"));
    }
    let contiguous = |_| PyValueError::new_err("values and present must be contiguous");
    let (values, present) = (values.as_slice().map_err(contiguous)?, present.as_slice().map_err(contiguous)?);
    let bytes = py.detach(|| {
        let series = labels.iter().enumerate().map(|(i, labels)| {
            let row = i * steps..(i + 1) * steps;
            SeriesRow { labels, values: &values[row.clone()], present: &present[row] }
        });
        json::matrix(&times_ms, series)
    });
    Ok(PyBytes::new(py, &bytes))
}

pub(crate) fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<Cancel>()?;
    m.add_class::<ScanStats>()?;
    m.add_class::<LogResult>()?;
    m.add_class::<MetricResult>()?;
    m.add_class::<Scan>()?;
    m.add_function(wrap_pyfunction!(streams_json, m)?)?;
    m.add_function(wrap_pyfunction!(label_names, m)?)?;
    m.add_function(wrap_pyfunction!(label_values, m)?)?;
    m.add_function(wrap_pyfunction!(encode_matrix, m)?)
}
