//! The Python face of `lodur_kernels::push`.

use std::collections::BTreeSet;
use std::sync::Arc;

use lodur_kernels::batch::Batch;
use lodur_kernels::level::Level;
use lodur_kernels::push::{self, LimitValues, encode, lines, subset};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::errors::to_py;

const NS_PER_DAY: i64 = 86_400_000_000_000;

/// What a body is, once its Content-Encoding is taken off.
#[pyclass(frozen, eq, eq_int, hash, module = "lodur.kernels._native", rename_all = "SCREAMING_SNAKE_CASE")]
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum PushFormat {
    LokiProtobuf,
    LokiJson,
    LegacyJson,
    OtlpProtobuf,
    OtlpJson,
}

impl PushFormat {
    fn kernel(self) -> push::PushFormat {
        match self {
            PushFormat::LokiProtobuf => push::PushFormat::LokiProtobuf,
            PushFormat::LokiJson => push::PushFormat::LokiJson,
            PushFormat::LegacyJson => push::PushFormat::LegacyJson,
            PushFormat::OtlpProtobuf => push::PushFormat::OtlpProtobuf,
            PushFormat::OtlpJson => push::PushFormat::OtlpJson,
        }
    }
}

/// The Content-Encoding header.
#[pyclass(frozen, eq, eq_int, hash, module = "lodur.kernels._native", rename_all = "SCREAMING_SNAKE_CASE")]
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum ContentEncoding {
    Identity,
    Snappy,
    Gzip,
    Deflate,
    Zstd,
    Lz4,
}

impl ContentEncoding {
    fn kernel(self) -> push::ContentEncoding {
        match self {
            ContentEncoding::Identity => push::ContentEncoding::Identity,
            ContentEncoding::Snappy => push::ContentEncoding::Snappy,
            ContentEncoding::Gzip => push::ContentEncoding::Gzip,
            ContentEncoding::Deflate => push::ContentEncoding::Deflate,
            ContentEncoding::Zstd => push::ContentEncoding::Zstd,
            ContentEncoding::Lz4 => push::ContentEncoding::Lz4,
        }
    }
}

/// A tenant's limits on single bodies, prepared once.
#[pyclass(frozen, module = "lodur.kernels._native")]
pub(crate) struct PushLimits {
    pub(crate) limits: push::PushLimits,
}

#[pymethods]
impl PushLimits {
    // One keyword argument for each key of `limits_config`: there is no smaller shape for them.
    #[allow(clippy::too_many_arguments)]
    #[new]
    #[pyo3(signature = (
        *,
        max_label_names_per_series = None,
        max_label_name_length_bytes = None,
        max_label_value_length_bytes = None,
        max_line_size_bytes = None,
        max_line_size_truncate = None,
        max_line_size_truncate_identifier = None,
        reject_old_samples = None,
        reject_old_samples_max_age_ns = None,
        creation_grace_period_ns = None,
        increment_duplicate_timestamp = None,
        allow_structured_metadata = None,
        max_structured_metadata_size_bytes = None,
        max_structured_metadata_entries_count = None,
        discover_service_name = None,
        discover_log_levels = None,
        log_level_fields = None,
        log_level_from_json_max_depth = None,
        discover_generic_fields = None,
        max_decompressed_size_bytes = None,
        otlp_mapping = None,
    ))]
    fn new(
        py: Python<'_>,
        max_label_names_per_series: Option<usize>,
        max_label_name_length_bytes: Option<usize>,
        max_label_value_length_bytes: Option<usize>,
        max_line_size_bytes: Option<usize>,
        max_line_size_truncate: Option<bool>,
        max_line_size_truncate_identifier: Option<String>,
        reject_old_samples: Option<bool>,
        reject_old_samples_max_age_ns: Option<i64>,
        creation_grace_period_ns: Option<i64>,
        increment_duplicate_timestamp: Option<bool>,
        allow_structured_metadata: Option<bool>,
        max_structured_metadata_size_bytes: Option<usize>,
        max_structured_metadata_entries_count: Option<usize>,
        discover_service_name: Option<Vec<String>>,
        discover_log_levels: Option<bool>,
        log_level_fields: Option<Vec<String>>,
        log_level_from_json_max_depth: Option<usize>,
        discover_generic_fields: Option<Vec<(String, Vec<String>)>>,
        max_decompressed_size_bytes: Option<usize>,
        otlp_mapping: Option<&[u8]>,
    ) -> PyResult<Self> {
        let mut values = LimitValues::default();
        macro_rules! take {
            ($($key:ident),* $(,)?) => { $( if let Some(value) = $key { values.$key = value; } )* };
        }
        take!(
            max_label_names_per_series,
            max_label_name_length_bytes,
            max_label_value_length_bytes,
            max_line_size_bytes,
            max_line_size_truncate,
            max_line_size_truncate_identifier,
            reject_old_samples,
            reject_old_samples_max_age_ns,
            creation_grace_period_ns,
            increment_duplicate_timestamp,
            allow_structured_metadata,
            max_structured_metadata_size_bytes,
            max_structured_metadata_entries_count,
            discover_service_name,
            discover_log_levels,
            log_level_fields,
            log_level_from_json_max_depth,
            discover_generic_fields,
            max_decompressed_size_bytes,
        );
        let mut limits = push::PushLimits::new(values);
        if let Some(message) = otlp_mapping {
            let mapping = push::OtlpMapping::from_message(message).map_err(|error| to_py(py, error))?;
            limits = limits.with_otlp_mapping(mapping);
        }
        Ok(PushLimits { limits })
    }

    #[staticmethod]
    fn unchecked() -> Self {
        PushLimits { limits: push::PushLimits::unchecked() }
    }

    fn for_replay(&self) -> Self {
        PushLimits { limits: self.limits.for_replay() }
    }
}

/// Entries refused with one text.
#[pyclass(frozen, get_all, module = "lodur.kernels._native")]
struct PushProblem {
    reason: &'static str,
    status: u16,
    message: String,
    errors: u64,
    lines: u64,
    bytes: u64,
}

/// Accepted rows of a body. Opaque to Python; other kernels take the batch.
#[pyclass(frozen, module = "lodur.kernels._native")]
pub(crate) struct DecodedPush {
    pub(crate) batch: Arc<Batch>,
    /// All but the batch.
    facts: push::DecodedPush,
}

impl DecodedPush {
    /// The same push, of which only these rows are to be kept.
    pub(crate) fn with_rows(&self, batch: Batch) -> Self {
        let facts = push::DecodedPush { accepted_lines: batch.rows.len() as u64, ..self.facts.clone() };
        DecodedPush { batch: Arc::new(batch), facts }
    }
}

#[pymethods]
impl DecodedPush {
    #[getter]
    fn accepted_lines(&self) -> u64 {
        self.facts.accepted_lines
    }

    #[getter]
    fn accepted_bytes(&self) -> u64 {
        self.facts.accepted_bytes
    }

    #[getter]
    fn received_streams(&self) -> u64 {
        self.facts.received_streams
    }

    #[getter]
    fn received_lines(&self) -> u64 {
        self.facts.received_lines
    }

    #[getter]
    fn received_bytes(&self) -> u64 {
        self.facts.received_bytes
    }

    #[getter]
    fn truncated_lines(&self) -> u64 {
        self.facts.truncated_lines
    }

    #[getter]
    fn truncated_bytes(&self) -> u64 {
        self.facts.truncated_bytes
    }

    #[getter]
    fn all_accepted(&self) -> bool {
        self.facts.all_accepted
    }

    #[getter]
    fn problems(&self) -> Vec<PushProblem> {
        let problems = self.facts.problems.iter().map(|problem| PushProblem {
            reason: problem.reason,
            status: problem.status,
            message: problem.message.clone(),
            errors: problem.errors,
            lines: problem.lines,
            bytes: problem.bytes,
        });
        problems.collect()
    }

    #[getter]
    fn refusal_text(&self) -> Option<String> {
        push::response_text(&self.facts.problems)
    }

    #[getter]
    fn streams(&self) -> Vec<(String, u64, u64)> {
        let stats = &self.facts.stream_stats;
        self.batch.streams.iter().zip(stats).map(|(set, stats)| (set.to_string(), stats.lines, stats.bytes)).collect()
    }

    fn days(&self, py: Python<'_>) -> Vec<i64> {
        py.detach(|| {
            let mut days = BTreeSet::new();
            let mut last = None;
            for ts_ns in &self.batch.rows.ts_ns {
                let day = ts_ns.div_euclid(NS_PER_DAY);
                // Neighbours nearly always share their day.
                if last.replace(day) != Some(day) {
                    days.insert(day);
                }
            }
            days.into_iter().collect()
        })
    }

    fn times_of(&self, stream: usize, most: usize) -> Vec<i64> {
        let runs = self.batch.runs.iter().filter(|run| run.stream as usize == stream);
        let rows = runs.flat_map(|run| run.start as usize..run.end as usize);
        rows.take(most).map(|row| self.batch.rows.ts_ns[row]).collect()
    }

    fn without_streams(&self, py: Python<'_>, streams: Vec<usize>) -> Self {
        py.detach(|| {
            let mut keep = vec![true; self.batch.streams.len()];
            for stream in streams {
                if let Some(keep) = keep.get_mut(stream) {
                    *keep = false;
                }
            }
            let stats = self.facts.stream_stats.iter().zip(&keep).filter(|(_, keep)| **keep);
            let stream_stats: Vec<_> = stats.map(|(stats, _)| *stats).collect();
            let facts = push::DecodedPush {
                all_accepted: false,
                accepted_lines: stream_stats.iter().map(|stats| stats.lines).sum(),
                accepted_bytes: stream_stats.iter().map(|stats| stats.bytes).sum(),
                stream_stats,
                ..self.facts.clone()
            };
            DecodedPush { batch: Arc::new(subset::keep_streams(&self.batch, &keep)), facts }
        })
    }

    fn to_body<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let body = py.detach(|| encode::encode_batch(&self.batch)).map_err(|error| to_py(py, error))?;
        Ok(PyBytes::new(py, &body))
    }

    fn entries(&self) -> Vec<PyEntry> {
        let rows = &self.batch.rows;
        let mut entries = Vec::with_capacity(rows.len());
        for run in &self.batch.runs {
            let labels = self.batch.streams[run.stream as usize].to_string();
            for row in run.start as usize..run.end as usize {
                let line = String::from_utf8_lossy(rows.line(row)).into_owned();
                let pairs = rows.meta.of(row).map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
                let level = Level::from_code(rows.levels[row]).text();
                entries.push((labels.clone(), rows.ts_ns[row], line, pairs, level));
            }
        }
        entries
    }
}

/// Labels, time, line, metadata and level.
type PyEntry = (String, i64, String, Vec<(String, String)>, &'static str);

#[pyfunction]
#[pyo3(signature = (body, *, format, encoding, limits, now_ns))]
fn decode_push(
    py: Python<'_>,
    body: &[u8],
    format: PyRef<'_, PushFormat>,
    encoding: PyRef<'_, ContentEncoding>,
    limits: PyRef<'_, PushLimits>,
    now_ns: i64,
) -> PyResult<DecodedPush> {
    let (format, encoding, limits) = (format.kernel(), encoding.kernel(), &limits.limits);
    let mut facts =
        py.detach(|| push::decode_push(body, format, encoding, limits, now_ns)).map_err(|error| to_py(py, error))?;
    let batch = Arc::new(std::mem::take(&mut facts.batch));
    Ok(DecodedPush { batch, facts })
}

#[pyfunction]
fn body_hash(py: Python<'_>, body: &[u8]) -> u64 {
    py.detach(|| push::body_hash::body_hash(body))
}

/// Entries of one stream as a push body.
#[pyclass(frozen, get_all, module = "lodur.kernels._native")]
struct EncodedPush {
    body: Py<PyBytes>,
    lines: usize,
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
    module.add_class::<PushFormat>()?;
    module.add_class::<ContentEncoding>()?;
    module.add_class::<PushLimits>()?;
    module.add_class::<PushProblem>()?;
    module.add_class::<DecodedPush>()?;
    module.add_class::<EncodedPush>()?;
    module.add_function(wrap_pyfunction!(decode_push, module)?)?;
    module.add_function(wrap_pyfunction!(body_hash, module)?)?;
    module.add_function(wrap_pyfunction!(encode_lines, module)?)?;
    module.add_function(wrap_pyfunction!(snappy_compress, module)?)?;
    Ok(())
}
