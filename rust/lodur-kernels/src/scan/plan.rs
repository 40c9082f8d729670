//! The plan message of a scan: a pipeline over the streams of a selector, and what to make of its rows.
//!
//! Closed and versioned, MessagePack; `lodur/kernels/scan_plan.py` mirrors it field by field.

use serde::{Deserialize, Serialize};

use crate::error::{KernelError, Result};
use crate::pipeline::needs::NeedPlan;
use crate::pipeline::plan::{MatchOp, PLAN_BYTES_MAX, PipelinePlan};

/// Raised with every change of meaning or shape.
pub const SCAN_PLAN_VERSION: u32 = 2;

/// Steps of a metric task: 11,000 points a series is Loki's limit, a little more is our slack for aligned edges.
pub const STEPS_MAX: u32 = 20_000;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamMatcher {
    pub name: String,
    pub op: MatchOp,
    pub value: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RangeOp {
    Count,
    Rate,
    Bytes,
    BytesRate,
    Sum,
    Avg,
    Min,
    Max,
    Stdvar,
    Stddev,
    First,
    Last,
    Quantile,
    RateCounter,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupingMode {
    All,
    By,
    Without,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupingPlan {
    pub mode: GroupingMode,
    pub names: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogsTask {
    pub start_ns: i64,
    pub end_ns: i64,
    pub limit: u64,
    pub backward: bool,
    pub interval_ns: i64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetricTask {
    pub op: RangeOp,
    pub grouping: GroupingPlan,
    pub start_ns: i64,
    pub step_ns: i64,
    pub steps: u32,
    pub range_ns: i64,
    pub offset_ns: i64,
    pub series_max: u64,
    pub parameter: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Task {
    Logs(LogsTask),
    Metric(MetricTask),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScanPlan {
    pub matchers: Vec<StreamMatcher>,
    pub pipeline: PipelinePlan,
    pub task: Task,
    /// What rows need that the pipeline lets pass: all of them.
    pub needs: Vec<NeedPlan>,
    pub version: u32,
}

impl ScanPlan {
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        if bytes.len() > PLAN_BYTES_MAX {
            return Err(KernelError::Input(format!("scan plan of {} bytes, at most {PLAN_BYTES_MAX}", bytes.len())));
        }
        let plan: ScanPlan =
            rmp_serde::from_slice(bytes).map_err(|error| KernelError::Input(format!("scan plan: {error}")))?;
        if plan.version != SCAN_PLAN_VERSION {
            let version = plan.version;
            return Err(KernelError::Input(format!(
                "scan plan of version {version}, this build reads {SCAN_PLAN_VERSION}"
            )));
        }
        plan.pipeline.check_version()?;
        if let Task::Metric(task) = &plan.task {
            task.check()?;
        }
        Ok(plan)
    }
}

impl MetricTask {
    fn check(&self) -> Result<()> {
        let fits = self.step_ns > 0 && self.range_ns > 0 && (1..=STEPS_MAX).contains(&self.steps);
        // Far from the edges of i64, so that windows can be computed without overflow.
        let far = |ns: i64| ns.unsigned_abs() < 1 << 62;
        let last = self.step_ns.checked_mul(i64::from(self.steps)).and_then(|span| span.checked_add(self.start_ns));
        if fits && far(self.start_ns) && far(self.range_ns) && far(self.offset_ns) && last.is_some_and(far) {
            return Ok(());
        }
        Err(KernelError::Input("scan plan: steps or windows are out of range".into()))
    }

    /// Time of the first step, shifted by the offset: windows end at `first() + k * step_ns`.
    pub fn first(&self) -> i64 {
        self.start_ns - self.offset_ns
    }

    /// Half-open range of the timestamps that some window holds.
    pub fn ts_range(&self) -> std::ops::Range<i64> {
        let last = self.first() + self.step_ns * i64::from(self.steps - 1);
        self.first() - self.range_ns + 1..last + 1
    }
}
