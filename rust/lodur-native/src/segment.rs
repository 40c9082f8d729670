//! The Python face of `lodur_kernels::segment`.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lodur_kernels::deletes::Deletes;
use lodur_kernels::error::KernelError;
use lodur_kernels::scan::source::Source;
use lodur_kernels::segment::codec::Codec;
use lodur_kernels::segment::directory::PartSizes as Sizes;
use lodur_kernels::segment::read::{PageSource, Segment as KernelSegment, directory_ref, footer_length};
use lodur_kernels::segment::steady::SteadyFile;
use lodur_kernels::segment::write::{Written, write_segment as write};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::deletes::Deletes as PyDeletes;
use crate::errors::to_py;
use crate::head::FrozenHead;

/// Bytes of Parquet's tail: footer length and magic.
const TAIL_BYTES: u64 = 8;

#[pyclass(frozen, get_all, module = "lodur.kernels._native")]
#[derive(Clone)]
struct PartSizes {
    lines: u64,
    timestamps: u64,
    labels: u64,
    metadata: u64,
    grams: u64,
}

impl From<Sizes> for PartSizes {
    fn from(sizes: Sizes) -> Self {
        let Sizes { lines, timestamps, labels, metadata, grams } = sizes;
        PartSizes { lines, timestamps, labels, metadata, grams }
    }
}

#[pyclass(frozen, get_all, module = "lodur.kernels._native")]
pub(crate) struct SegmentWritten {
    rows: u64,
    line_bytes: u64,
    file_bytes: u64,
    min_ts_ns: i64,
    max_ts_ns: i64,
    streams: u64,
    blocks: u64,
    sizes: Py<PartSizes>,
}

impl SegmentWritten {
    pub(crate) fn new(py: Python<'_>, written: Written) -> PyResult<Self> {
        Ok(SegmentWritten {
            rows: written.rows,
            line_bytes: written.line_bytes,
            file_bytes: written.file_bytes,
            min_ts_ns: written.min_ts_ns,
            max_ts_ns: written.max_ts_ns,
            streams: written.streams,
            blocks: written.blocks,
            sizes: Py::new(py, PartSizes::from(written.sizes))?,
        })
    }
}

// One keyword argument each: there is no smaller shape for them.
#[allow(clippy::too_many_arguments)]
#[pyfunction]
#[pyo3(signature = (frozen, path, *, start_ns, end_ns, codec, zstd_level, threads = 1))]
fn write_segment(
    py: Python<'_>,
    frozen: &FrozenHead,
    path: PathBuf,
    start_ns: i64,
    end_ns: i64,
    codec: &str,
    zstd_level: i32,
    threads: usize,
) -> PyResult<Option<SegmentWritten>> {
    let codec = codec_named(codec, zstd_level)?;
    let written =
        py.detach(|| write_file(frozen, &path, start_ns..end_ns, codec, threads)).map_err(|e| to_py(py, e))?;
    written.map(|written| SegmentWritten::new(py, written)).transpose()
}

/// The codec that Python names.
pub(crate) fn codec_named(name: &str, zstd_level: i32) -> PyResult<Codec> {
    match name {
        "none" => Ok(Codec::None),
        "gzip" => Ok(Codec::Gzip),
        "snappy" => Ok(Codec::Snappy),
        "lz4" => Ok(Codec::Lz4),
        "zstd" => Ok(Codec::Zstd { level: zstd_level }),
        other => {
            Err(PyValueError::new_err(format!("codec '{other}' is not known; known are none, gzip, snappy, lz4, zstd")))
        }
    }
}

fn write_file(
    frozen: &FrozenHead,
    path: &Path,
    ts_range: std::ops::Range<i64>,
    codec: Codec,
    threads: usize,
) -> Result<Option<Written>, KernelError> {
    let name = || path.display().to_string();
    let result = File::create_new(path).map_err(|e| KernelError::io(name(), e)).and_then(|file| {
        let views = [&*frozen.view];
        // Several threads are for a server that nobody waits for but its start.
        let written = match threads {
            0 | 1 => write(&views, ts_range, codec, 1, SteadyFile::new(&file)),
            _ => write(&views, ts_range, codec, threads, &file),
        }?;
        file.sync_all().map_err(|e| KernelError::io(name(), e))?;
        Ok(written)
    });
    if !matches!(result, Ok(Some(_))) {
        // Nothing of use is in the file; that it cannot be removed either is told by the next attempt.
        let _ = std::fs::remove_file(path);
    }
    result
}

#[pyclass(frozen, module = "lodur.kernels._native")]
pub(crate) struct Segment {
    pub(crate) segment: Arc<KernelSegment>,
    pub(crate) pages: Arc<PageSource>,
    pub(crate) deletes: Option<Arc<Deletes>>,
}

impl Segment {
    pub(crate) fn source(&self) -> Source {
        Source::Segment(Arc::clone(&self.segment), Arc::clone(&self.pages), self.deletes.clone())
    }
}

#[pymethods]
impl Segment {
    #[staticmethod]
    fn open_file(py: Python<'_>, path: PathBuf) -> PyResult<Segment> {
        let (segment, pages) = py.detach(|| KernelSegment::open(&path)).map_err(|e| to_py(py, e))?;
        Ok(Segment { segment: Arc::new(segment), pages: Arc::new(pages), deletes: None })
    }

    #[staticmethod]
    fn footer_range(py: Python<'_>, tail: &[u8], file_size: u64) -> PyResult<(u64, u64)> {
        let length = footer_length(tail, file_size).map_err(|e| to_py(py, e))?;
        Ok((file_size - TAIL_BYTES - length, length))
    }

    #[staticmethod]
    fn directory_range(py: Python<'_>, footer: &[u8], file_size: u64) -> PyResult<(u64, u64)> {
        let place = py.detach(|| directory_ref(footer, file_size)).map_err(|e| to_py(py, e))?;
        Ok((place.offset, place.length))
    }

    #[staticmethod]
    fn from_parts(py: Python<'_>, path: &str, footer: &[u8], directory: &[u8], file_size: u64) -> PyResult<Segment> {
        let open = || {
            let place = directory_ref(footer, file_size).map_err(|e| e.in_file(path))?;
            KernelSegment::from_directory(path, directory, place)
        };
        let segment = py.detach(open).map_err(|e| to_py(py, e))?;
        Ok(Segment { segment: Arc::new(segment), pages: Arc::new(PageSource::Ranges(BTreeMap::new())), deletes: None })
    }

    fn with_ranges(&self, ranges: Vec<(u64, Bound<'_, PyBytes>)>) -> Segment {
        let ranges = ranges.into_iter().map(|(offset, bytes)| (offset, bytes.as_bytes().to_vec().into())).collect();
        let pages = Arc::new(PageSource::Ranges(ranges));
        Segment { segment: Arc::clone(&self.segment), pages, deletes: self.deletes.clone() }
    }

    fn without(&self, deletes: &PyDeletes) -> Segment {
        let (segment, pages) = (Arc::clone(&self.segment), Arc::clone(&self.pages));
        Segment { segment, pages, deletes: Some(Arc::clone(&deletes.deletes)) }
    }

    #[getter]
    fn path(&self) -> &str {
        &self.segment.path
    }

    #[getter]
    fn rows(&self) -> u64 {
        self.segment.directory.rows
    }

    #[getter]
    fn min_ts_ns(&self) -> i64 {
        self.segment.directory.min_ts_ns
    }

    #[getter]
    fn max_ts_ns(&self) -> i64 {
        self.segment.directory.max_ts_ns
    }

    #[getter]
    fn line_bytes(&self) -> u64 {
        self.segment.directory.line_bytes
    }

    #[getter]
    fn blocks(&self) -> usize {
        self.segment.directory.blocks.len()
    }

    #[getter]
    fn codec(&self) -> String {
        match self.segment.directory.codec {
            Codec::None => "none".to_string(),
            Codec::Gzip => "gzip".to_string(),
            Codec::Snappy => "snappy".to_string(),
            Codec::Lz4 => "lz4".to_string(),
            Codec::Zstd { level } => format!("zstd-{level}"),
        }
    }

    #[getter]
    fn sizes(&self, py: Python<'_>) -> PyResult<Py<PartSizes>> {
        Py::new(py, PartSizes::from(self.segment.directory.sizes))
    }

    fn streams(&self, py: Python<'_>) -> Vec<(String, u64)> {
        py.detach(|| {
            let mut rows = vec![0; self.segment.streams.len()];
            for run in self.segment.directory.blocks.iter().flat_map(|block| &block.runs) {
                rows[run.stream as usize] += u64::from(run.rows);
            }
            self.segment.streams.iter().map(ToString::to_string).zip(rows).collect()
        })
    }

    fn metadata_columns(&self) -> Vec<(String, Option<usize>)> {
        let columns = self.segment.directory.meta_columns.iter();
        columns.map(|column| (column.name.clone(), column.dictionary.as_ref().map(Vec::len))).collect()
    }
}

pub(crate) fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<PartSizes>()?;
    m.add_class::<SegmentWritten>()?;
    m.add_class::<Segment>()?;
    m.add_function(wrap_pyfunction!(write_segment, m)?)
}
