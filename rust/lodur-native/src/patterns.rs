//! The Python face of `lodur_kernels::patterns`.

use std::sync::Arc;

use lodur_kernels::patterns::{FoundPattern, PatternScan as KernelScan};
use pyo3::prelude::*;

use crate::scan::{Cancel, ScanStats, guarded, sources_of};
use crate::segment::Segment;

/// A pattern, its level, and the lines it stands for by step.
type Found = (String, &'static str, Vec<(i64, u64)>);

#[pyclass(frozen, module = "lodur.kernels._native")]
struct PatternScan {
    scan: Arc<KernelScan>,
}

#[pymethods]
impl PatternScan {
    #[staticmethod]
    fn compile(py: Python<'_>, plan: &[u8]) -> PyResult<PatternScan> {
        Ok(PatternScan { scan: Arc::new(guarded(py, || KernelScan::compile(plan))?) })
    }

    fn block_bytes(&self, py: Python<'_>, sources: Vec<Bound<'_, PyAny>>) -> PyResult<u64> {
        let sources = sources_of(&sources)?;
        guarded(py, || self.scan.block_bytes(&sources))
    }

    fn probe_ranges(&self, segment: &Segment) -> Vec<(u64, u64)> {
        self.scan.probe_ranges(&segment.source())
    }

    fn page_ranges(&self, py: Python<'_>, segment: &Segment) -> PyResult<Vec<(u64, u64)>> {
        guarded(py, || self.scan.page_ranges(&segment.source()))
    }

    #[pyo3(signature = (sources, *, cancel, threads))]
    fn run(
        &self,
        py: Python<'_>,
        sources: Vec<Bound<'_, PyAny>>,
        cancel: &Cancel,
        threads: usize,
    ) -> PyResult<(Vec<Found>, ScanStats)> {
        let sources = sources_of(&sources)?;
        let result = guarded(py, || self.scan.run(&sources, &cancel.flag, threads))?;
        let found = result.patterns.into_iter().map(|FoundPattern { text, level, samples }| (text, level, samples));
        Ok((found.collect(), result.stats.into()))
    }
}

pub(crate) fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<PatternScan>()
}
