//! The plan message of a delete request: a selector, a pipeline and a span of time.
//!
//! Closed and versioned, MessagePack; `lodur/kernels/delete_plan.py` mirrors it field by field.

use serde::{Deserialize, Serialize};

use crate::error::{KernelError, Result};
use crate::pipeline::plan::{PLAN_BYTES_MAX, PipelinePlan};
use crate::scan::plan::StreamMatcher;

/// Raised with every change of meaning or shape.
pub const DELETE_PLAN_VERSION: u32 = 1;

/// Entries of the streams that all matchers accept, with `start_ns <= timestamp < end_ns`, that the pipeline lets pass.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeletePlan {
    pub matchers: Vec<StreamMatcher>,
    pub pipeline: PipelinePlan,
    pub start_ns: i64,
    pub end_ns: i64,
    pub version: u32,
}

impl DeletePlan {
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        if bytes.len() > PLAN_BYTES_MAX {
            return Err(KernelError::Input(format!("delete plan of {} bytes, at most {PLAN_BYTES_MAX}", bytes.len())));
        }
        let plan: DeletePlan =
            rmp_serde::from_slice(bytes).map_err(|error| KernelError::Input(format!("delete plan: {error}")))?;
        if plan.version != DELETE_PLAN_VERSION {
            let version = plan.version;
            return Err(KernelError::Input(format!(
                "delete plan of version {version}, this build reads {DELETE_PLAN_VERSION}"
            )));
        }
        plan.pipeline.check_version()?;
        Ok(plan)
    }
}
