//! The plan message of a search for patterns. Closed and versioned, MessagePack; `lodur/kernels/pattern_plan.py` mirrors
//! it field by field.

use serde::Deserialize;

use crate::error::{KernelError, Result};
use crate::pipeline::plan::PLAN_BYTES_MAX;
use crate::scan::plan::StreamMatcher;

/// Raised with every change of meaning or shape.
pub const PATTERN_PLAN_VERSION: u32 = 1;

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PatternPlan {
    pub matchers: Vec<StreamMatcher>,
    pub start_ns: i64,
    pub end_ns: i64,
    pub step_ns: i64,
    /// Of so many blocks one is read.
    pub keep_every: u64,
    pub patterns_max: u64,
    pub version: u32,
}

impl PatternPlan {
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        if bytes.len() > PLAN_BYTES_MAX {
            return Err(KernelError::Input(format!("pattern plan of {} bytes, at most {PLAN_BYTES_MAX}", bytes.len())));
        }
        let plan: PatternPlan =
            rmp_serde::from_slice(bytes).map_err(|error| KernelError::Input(format!("pattern plan: {error}")))?;
        if plan.version != PATTERN_PLAN_VERSION {
            let version = plan.version;
            return Err(KernelError::Input(format!(
                "pattern plan of version {version}, this build reads {PATTERN_PLAN_VERSION}"
            )));
        }
        if plan.step_ns <= 0 || plan.keep_every == 0 {
            return Err(KernelError::Input("pattern plan: steps and blocks are counted from one on".into()));
        }
        Ok(plan)
    }
}
