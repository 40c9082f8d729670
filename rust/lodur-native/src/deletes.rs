//! The Python face of `lodur_kernels::deletes`.

use std::sync::Arc;

use lodur_kernels::deletes::{DeleteRule as KernelRule, Deletes as KernelDeletes};
use pyo3::prelude::*;

use crate::scan::guarded;
use crate::segment::Segment;

#[pyclass(frozen, module = "lodur.kernels._native")]
struct DeleteRule {
    rule: Arc<KernelRule>,
}

#[pymethods]
impl DeleteRule {
    #[staticmethod]
    fn compile(py: Python<'_>, plan: &[u8]) -> PyResult<DeleteRule> {
        Ok(DeleteRule { rule: Arc::new(guarded(py, || KernelRule::compile(plan))?) })
    }
}

#[pyclass(frozen, module = "lodur.kernels._native")]
pub(crate) struct Deletes {
    pub(crate) deletes: Arc<KernelDeletes>,
}

#[pymethods]
impl Deletes {
    #[new]
    #[expect(clippy::needless_pass_by_value, reason = "arguments from Python are owned")]
    fn new(rules: Vec<PyRef<'_, DeleteRule>>) -> Deletes {
        let rules = rules.iter().map(|rule| Arc::clone(&rule.rule)).collect();
        Deletes { deletes: Arc::new(KernelDeletes::new(rules)) }
    }

    fn probe_ranges(&self, segment: &Segment) -> Vec<(u64, u64)> {
        self.deletes.probe_ranges(&segment.segment)
    }

    fn effect(&self, py: Python<'_>, segment: &Segment) -> PyResult<(Vec<u64>, u64)> {
        let effect = guarded(py, || self.deletes.effect(&segment.segment, &segment.pages))?;
        Ok((effect.covered, effect.open))
    }
}

pub(crate) fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<DeleteRule>()?;
    m.add_class::<Deletes>()
}
