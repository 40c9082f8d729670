//! `| unwrap`: the value of a label as the sample of its row, and the label filters after it.

use super::go_duration::parse_duration_ns;
use super::go_number::parse_float;
use super::humanize_bytes::parse_bytes;
use super::label_filter::LabelFilter;
use super::plan::{Conversion, Unwrap as PlanUnwrap};
use super::row_labels::{ErrorKind, RowLabels, UnwrapResult};
use crate::error::Result;

#[derive(Clone, Debug)]
pub struct Unwrap {
    name: Box<str>,
    conversion: Conversion,
    filters: Vec<LabelFilter>,
}

impl Unwrap {
    pub fn compile(plan: &PlanUnwrap) -> Result<Self> {
        let filters = plan.filters.iter().map(LabelFilter::compile).collect::<Result<_>>()?;
        Ok(Unwrap { name: plan.name.as_str().into(), conversion: plan.conversion, filters })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the row stays: it has the label, and passes the filters.
    pub(super) fn keeps(&self, labels: &mut RowLabels<'_>) -> bool {
        let Some(value) = labels.get(&self.name) else {
            return false;
        };
        let sample = match self.conversion {
            Conversion::Number => parse_float(value),
            Conversion::DurationSeconds => parse_duration_ns(value).map(seconds),
            Conversion::Bytes => parse_bytes(value).map(|bytes| bytes as f64),
        };
        labels.unwrapped = match sample {
            Ok(value) => UnwrapResult::Value(value),
            Err(details) => {
                labels.set_error(ErrorKind::SampleExtraction, details);
                UnwrapResult::Error
            }
        };
        self.filters.iter().all(|filter| filter.keeps(labels))
    }
}

/// Whole seconds and the rest are converted apart, as Go does; their sum keeps the last digits.
fn seconds(ns: i64) -> f64 {
    (ns / 1_000_000_000) as f64 + (ns % 1_000_000_000) as f64 / 1e9
}
