//! `| drop` and `| keep`: labels removed by name, perhaps only where their value matches.

use super::label_filter::ValueMatcher;
use super::plan::LabelTarget;
use super::row_labels::{ERROR_DETAILS_NAME, ERROR_NAME, RowLabels};
use crate::error::Result;

#[derive(Clone, Debug)]
pub struct LabelTargets {
    targets: Vec<(Box<[u8]>, Option<ValueMatcher>)>,
}

impl LabelTargets {
    pub fn compile(plan: &[LabelTarget]) -> Result<Self> {
        let mut targets = Vec::with_capacity(plan.len());
        for target in plan {
            let matcher = match &target.matcher {
                Some(matcher) => Some(ValueMatcher::compile(matcher.op, &matcher.value)?),
                None => None,
            };
            targets.push((target.name.as_bytes().into(), matcher));
        }
        Ok(LabelTargets { targets })
    }

    fn names(&self, name: &[u8], value: &[u8]) -> bool {
        self.targets.iter().any(|(wanted, matcher)| {
            **wanted == *name && matcher.as_ref().is_none_or(|matcher| matcher.is_match(value))
        })
    }

    pub(super) fn drop_from(&self, labels: &mut RowLabels<'_>) {
        labels.drop_labels(|name, value| self.names(name, value));
    }

    /// Drop all other labels; never errors.
    pub(super) fn keep_in(&self, labels: &mut RowLabels<'_>) {
        let is_error = |name: &[u8]| name == ERROR_NAME.as_bytes() || name == ERROR_DETAILS_NAME.as_bytes();
        labels.drop_labels(|name, value| !is_error(name) && !self.names(name, value));
    }
}
