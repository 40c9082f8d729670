//! The Python face of `lodur_kernels::head`.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use lodur_kernels::deletes::Deletes as KernelDeletes;
use lodur_kernels::head::{Head as KernelHead, HeadView as View};
use lodur_kernels::scan::source::Source;
use pyo3::prelude::*;

use crate::deletes::Deletes;
use crate::push::DecodedPush;

const NS_PER_DAY: i64 = 86_400_000_000_000;

#[pyclass(frozen, get_all, module = "lodur.kernels._native")]
struct HeadStats {
    streams: usize,
    rows: usize,
    bytes: usize,
    frozen_bytes: usize,
    frozen: usize,
}

/// A generation that takes no more rows.
#[pyclass(frozen, module = "lodur.kernels._native")]
pub(crate) struct FrozenHead {
    pub(crate) view: Arc<View>,
    range: (i64, i64),
}

#[pymethods]
impl FrozenHead {
    #[getter]
    fn generation(&self) -> u64 {
        self.view.generation
    }

    #[getter]
    fn rows(&self) -> usize {
        self.view.rows()
    }

    #[getter]
    fn min_ts_ns(&self) -> i64 {
        self.range.0
    }

    #[getter]
    fn max_ts_ns(&self) -> i64 {
        self.range.1
    }

    fn days(&self, py: Python<'_>) -> Vec<i64> {
        py.detach(|| {
            let days: BTreeSet<i64> = self
                .view
                .batches
                .iter()
                .flat_map(|batch| {
                    // Most batches lie within a day: their edges say so.
                    let (first, last) =
                        (batch.min_ts_ns.div_euclid(NS_PER_DAY), batch.max_ts_ns.div_euclid(NS_PER_DAY));
                    let rows: &[i64] = if last - first <= 1 { &[] } else { &batch.rows.ts_ns };
                    rows.iter().map(|ts| ts.div_euclid(NS_PER_DAY)).chain([first, last]).collect::<BTreeSet<i64>>()
                })
                .collect();
            days.into_iter().collect()
        })
    }
}

/// All rows of a head at one moment.
#[pyclass(frozen, module = "lodur.kernels._native")]
pub(crate) struct HeadView {
    pub(crate) views: Vec<Arc<View>>,
    deletes: Option<Arc<KernelDeletes>>,
}

#[pymethods]
impl HeadView {
    #[getter]
    fn rows(&self) -> usize {
        self.views.iter().map(|view| view.rows()).sum()
    }

    fn without(&self, deletes: &Deletes) -> HeadView {
        HeadView { views: self.views.clone(), deletes: Some(Arc::clone(&deletes.deletes)) }
    }
}

impl HeadView {
    pub(crate) fn sources(&self) -> impl Iterator<Item = Source> + '_ {
        self.views.iter().map(|view| Source::Head(Arc::clone(view), self.deletes.clone()))
    }
}

#[pyclass(frozen, module = "lodur.kernels._native")]
struct Head {
    head: KernelHead,
}

#[pymethods]
impl Head {
    #[new]
    fn new() -> Self {
        Head { head: KernelHead::default() }
    }

    #[pyo3(signature = (push, *, skip = Vec::new()))]
    fn insert(&self, py: Python<'_>, push: &DecodedPush, skip: Vec<(i64, i64)>) -> (usize, usize) {
        py.detach(|| {
            let skip: Vec<Range<i64>> = skip.into_iter().map(|(start, end)| start..end).collect();
            let inserted = self.head.insert(&push.batch, &skip);
            (inserted.rows, inserted.duplicates)
        })
    }

    fn without_flushed(&self, py: Python<'_>, push: &DecodedPush) -> Option<DecodedPush> {
        py.detach(|| self.head.without_flushed(&push.batch).map(|rest| push.with_rows(rest)))
    }

    fn new_streams(&self, py: Python<'_>, push: &DecodedPush) -> Vec<usize> {
        py.detach(|| self.head.new_streams(&push.batch.streams))
    }

    fn snapshot(&self, py: Python<'_>) -> HeadView {
        py.detach(|| HeadView { views: self.head.snapshot(), deletes: None })
    }

    fn freeze(&self, py: Python<'_>) -> Option<FrozenHead> {
        py.detach(|| {
            let view = self.head.freeze()?;
            let range = view.ts_range()?;
            Some(FrozenHead { view, range })
        })
    }

    fn release(&self, py: Python<'_>, frozen: &FrozenHead) {
        py.detach(|| self.head.release(frozen.view.generation));
    }

    fn stats(&self, py: Python<'_>) -> HeadStats {
        let stats = py.detach(|| self.head.stats());
        HeadStats {
            streams: stats.streams,
            rows: stats.rows,
            bytes: stats.bytes,
            frozen_bytes: stats.frozen_bytes,
            frozen: stats.frozen,
        }
    }
}

pub(crate) fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<Head>()?;
    m.add_class::<HeadStats>()?;
    m.add_class::<HeadView>()?;
    m.add_class::<FrozenHead>()
}
