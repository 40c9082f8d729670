//! From samples to windows: every sample goes to one bucket between window edges, windows are runs of buckets.
//!
//! A sample at time t counts in the steps k0..=k1 whose windows `(end - range, end]` hold it. All samples with the same
//! (k0, k1) share a bucket; buckets are ordered by time, and the buckets of a step are consecutive. So each sample is
//! touched once, however much windows overlap.

use crate::scan::plan::{MetricTask, RangeOp};

/// Steps that samples of one bucket count in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Steps {
    pub first: i32,
    pub last: i32,
}

/// Finds the bucket of a timestamp; remembers the last one, since neighbours mostly share it.
pub struct Bucketer {
    first_ns: i64,
    step_ns: i64,
    range_ns: i64,
    last_step: i64,
    /// Timestamps `after < ts <= until` have `steps`.
    after: i64,
    until: i64,
    steps: Option<Steps>,
}

impl Bucketer {
    pub fn new(task: &MetricTask) -> Self {
        Bucketer {
            first_ns: task.first(),
            step_ns: task.step_ns,
            range_ns: task.range_ns,
            last_step: i64::from(task.steps) - 1,
            after: 0,
            until: 0,
            steps: None,
        }
    }

    /// None for a timestamp in no window.
    pub fn steps_of(&mut self, ts_ns: i64) -> Option<Steps> {
        if !(self.after < ts_ns && ts_ns <= self.until) {
            self.locate(ts_ns);
        }
        self.steps
    }

    /// Last timestamp that shares the bucket of the one asked for last.
    pub fn until(&self) -> i64 {
        self.until
    }

    fn locate(&mut self, ts_ns: i64) {
        let since = ts_ns - self.first_ns;
        // The first step at or after the timestamp, and the last whose window begins before it.
        let first = div_ceil(since, self.step_ns);
        let last = div_ceil(since + self.range_ns, self.step_ns) - 1;
        let end_of = |step: i64| self.first_ns + step * self.step_ns;
        let (after_first, until_first) =
            if first <= 0 { (i64::MIN, self.first_ns) } else { (end_of(first - 1), end_of(first)) };
        let (after_last, until_last) = if last >= self.last_step {
            (end_of(self.last_step) - self.range_ns, i64::MAX)
        } else {
            (end_of(last) - self.range_ns, end_of(last + 1) - self.range_ns)
        };
        self.after = after_first.max(after_last);
        self.until = until_first.min(until_last);
        let (first, last) = (first.max(0), last.min(self.last_step));
        self.steps = (first <= last).then_some(Steps { first: first as i32, last: last as i32 });
    }
}

fn div_ceil(a: i64, b: i64) -> i64 {
    a.div_euclid(b) + i64::from(a.rem_euclid(b) != 0)
}

/// A sample with what orders it among equal timestamps.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    pub ts_ns: i64,
    pub order: u64,
    pub value: f64,
}

/// What a window is worth, built up sample by sample and bucket by bucket.
pub trait Accumulator: Clone + Default + Send {
    fn add(&mut self, sample: Sample);
    fn merge(&mut self, other: &Self);
    fn finish(&self, task: &MetricTask) -> f64;

    /// Bytes held beyond the struct itself.
    fn heap_bytes(&self) -> usize {
        0
    }

    /// Values of all steps from buckets sorted by steps.
    fn slide(buckets: &[(Steps, Self)], task: &MetricTask, out: &mut dyn FnMut(usize, f64)) {
        slide_merging(buckets, task, out);
    }
}

/// A queue of buckets as two stacks, the older one with running merges: each bucket is merged at most twice.
fn slide_merging<A: Accumulator>(buckets: &[(Steps, A)], task: &MetricTask, out: &mut dyn FnMut(usize, f64)) {
    // `older[i]` merges the buckets from i's to the youngest of the stack, oldest on top.
    let mut older: Vec<(i32, A)> = Vec::new();
    let mut younger: Vec<usize> = Vec::new();
    let mut younger_sum = A::default();
    let mut next = 0;
    for step in 0..task.steps as i32 {
        while next < buckets.len() && buckets[next].0.first <= step {
            younger_sum.merge(&buckets[next].1);
            younger.push(next);
            next += 1;
        }
        loop {
            while older.last().is_some_and(|(last, _)| *last < step) {
                older.pop();
            }
            let stale = younger.first().is_some_and(|first| buckets[*first].0.last < step);
            if !older.is_empty() || !stale {
                break;
            }
            let mut sum = A::default();
            while let Some(bucket) = younger.pop() {
                let mut with = buckets[bucket].1.clone();
                with.merge(&sum);
                sum = with.clone();
                older.push((buckets[bucket].0.last, with));
            }
            younger_sum = A::default();
        }
        if older.is_empty() && younger.is_empty() {
            continue;
        }
        let mut total = older.last().map(|(_, sum)| sum.clone()).unwrap_or_default();
        total.merge(&younger_sum);
        out(step as usize, total.finish(task));
    }
}

fn seconds(task: &MetricTask) -> f64 {
    task.range_ns as f64 / 1e9
}

/// Counts, bytes and sums; rates divide by the window.
#[derive(Clone, Copy, Default)]
pub struct Sum(f64);

impl Accumulator for Sum {
    fn add(&mut self, sample: Sample) {
        self.0 += sample.value;
    }
    fn merge(&mut self, other: &Self) {
        self.0 += other.0;
    }
    fn finish(&self, task: &MetricTask) -> f64 {
        match task.op {
            RangeOp::Rate | RangeOp::BytesRate => self.0 / seconds(task),
            _ => self.0,
        }
    }
}

/// The least value; NaN counts only where there is nothing else.
#[derive(Clone, Copy, Default)]
pub struct Least(Option<f64>);

impl Accumulator for Least {
    fn add(&mut self, sample: Sample) {
        self.merge(&Least(Some(sample.value)));
    }
    fn merge(&mut self, other: &Self) {
        if let Some(value) = other.0
            && self.0.is_none_or(|least| value < least || least.is_nan())
        {
            self.0 = Some(value);
        }
    }
    fn finish(&self, _: &MetricTask) -> f64 {
        self.0.unwrap_or(f64::NAN)
    }
}

/// The greatest value; NaN counts only where there is nothing else.
#[derive(Clone, Copy, Default)]
pub struct Greatest(Option<f64>);

impl Accumulator for Greatest {
    fn add(&mut self, sample: Sample) {
        self.merge(&Greatest(Some(sample.value)));
    }
    fn merge(&mut self, other: &Self) {
        if let Some(value) = other.0
            && self.0.is_none_or(|greatest| value > greatest || greatest.is_nan())
        {
            self.0 = Some(value);
        }
    }
    fn finish(&self, _: &MetricTask) -> f64 {
        self.0.unwrap_or(f64::NAN)
    }
}

/// Count, mean and squared distance: average and population variance (Chan's merging).
#[derive(Clone, Copy, Default)]
pub struct Moments {
    count: f64,
    mean: f64,
    distance: f64,
}

impl Accumulator for Moments {
    fn add(&mut self, sample: Sample) {
        self.count += 1.0;
        let delta = sample.value - self.mean;
        self.mean += delta / self.count;
        self.distance += delta * (sample.value - self.mean);
    }
    fn merge(&mut self, other: &Self) {
        if other.count == 0.0 {
            return;
        }
        if self.count == 0.0 {
            *self = *other;
            return;
        }
        let count = self.count + other.count;
        let delta = other.mean - self.mean;
        self.mean += delta * other.count / count;
        self.distance += other.distance + delta * delta * self.count * other.count / count;
        self.count = count;
    }
    fn finish(&self, task: &MetricTask) -> f64 {
        let variance = self.distance / self.count;
        match task.op {
            RangeOp::Stdvar => variance,
            RangeOp::Stddev => variance.sqrt(),
            _ => self.mean,
        }
    }
}

/// Sum and count: the average without the moments' rounding.
#[derive(Clone, Copy, Default)]
pub struct Average {
    sum: f64,
    count: f64,
}

impl Accumulator for Average {
    fn add(&mut self, sample: Sample) {
        self.sum += sample.value;
        self.count += 1.0;
    }
    fn merge(&mut self, other: &Self) {
        self.sum += other.sum;
        self.count += other.count;
    }
    fn finish(&self, _: &MetricTask) -> f64 {
        self.sum / self.count
    }
}

/// The earliest or latest sample; arrival decides among equal times.
#[derive(Clone, Copy, Default)]
pub struct Edge<const LATEST: bool>(Option<Sample>);

impl<const LATEST: bool> Accumulator for Edge<LATEST> {
    fn add(&mut self, sample: Sample) {
        self.merge(&Edge(Some(sample)));
    }
    fn merge(&mut self, other: &Self) {
        if let Some(sample) = other.0 {
            let key = |s: &Sample| (s.ts_ns, s.order);
            if self.0.is_none_or(|own| (key(&sample) > key(&own)) == LATEST) {
                self.0 = Some(sample);
            }
        }
    }
    fn finish(&self, _: &MetricTask) -> f64 {
        self.0.map_or(f64::NAN, |sample| sample.value)
    }
}

/// All samples, for quantiles and counters.
#[derive(Clone, Default)]
pub struct Samples(Vec<Sample>);

impl Accumulator for Samples {
    fn add(&mut self, sample: Sample) {
        self.0.push(sample);
    }
    fn merge(&mut self, other: &Self) {
        self.0.extend_from_slice(&other.0);
    }
    fn finish(&self, task: &MetricTask) -> f64 {
        match task.op {
            RangeOp::Quantile => {
                let mut values: Vec<f64> = self.0.iter().map(|sample| sample.value).collect();
                quantile(task.parameter.unwrap_or(f64::NAN), &mut values)
            }
            _ => rate_counter(&self.0, task),
        }
    }
    fn heap_bytes(&self) -> usize {
        self.0.capacity() * size_of::<Sample>()
    }
    fn slide(buckets: &[(Steps, Self)], task: &MetricTask, out: &mut dyn FnMut(usize, f64)) {
        let mut from = 0;
        let mut window = Samples::default();
        for step in 0..task.steps as i32 {
            while from < buckets.len() && buckets[from].0.last < step {
                from += 1;
            }
            window.0.clear();
            for (_, samples) in buckets[from..].iter().take_while(|(steps, _)| steps.first <= step) {
                window.merge(samples);
            }
            if !window.0.is_empty() {
                window.0.sort_by_key(|sample| (sample.ts_ns, sample.order));
                out(step as usize, window.finish(task));
            }
        }
    }
}

/// Linear interpolation between the ranks next to `q`.
pub fn quantile(q: f64, values: &mut [f64]) -> f64 {
    if values.is_empty() || q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    // NaN sorts before everything, as the reference has it.
    values.sort_by(|a, b| b.is_nan().cmp(&a.is_nan()).then(a.total_cmp(b)));
    let rank = q * (values.len() - 1) as f64;
    let lower = rank.floor() as usize;
    let upper = (lower + 1).min(values.len() - 1);
    let weight = rank - rank.floor();
    values[lower] * (1.0 - weight) + values[upper] * weight
}

/// Increase of a counter over the window (loki.md 2.10), samples sorted by time.
fn rate_counter(samples: &[Sample], task: &MetricTask) -> f64 {
    let (Some(first), Some(last)) = (samples.first(), samples.last()) else {
        return f64::NAN;
    };
    if samples.len() < 2 {
        return 0.0;
    }
    let resets: f64 = samples.windows(2).filter(|pair| pair[1].value < pair[0].value).map(|pair| pair[0].value).sum();
    let increase = last.value - first.value + resets;
    let span_ns = (last.ts_ns - first.ts_ns) as f64;
    // The bracket mixes milliseconds and nanoseconds, as the reference does; it is 1 but for a few millionths.
    let mut reach = task.range_ns as f64 / 1e6;
    if increase > 0.0 && first.value >= 0.0 {
        reach = reach.min(span_ns * (first.value / increase));
    }
    increase * ((span_ns + reach) / span_ns) / seconds(task)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::scan::plan::{GroupingMode, GroupingPlan};

    fn task(op: RangeOp, steps: u32, step_ns: i64, range_ns: i64) -> MetricTask {
        let grouping = GroupingPlan { mode: GroupingMode::All, names: Vec::new() };
        let (start_ns, offset_ns, series_max) = (50, 0, 0);
        MetricTask { op, grouping, start_ns, step_ns, steps, range_ns, offset_ns, series_max, parameter: Some(0.5) }
    }

    fn run<A: Accumulator>(task: &MetricTask, samples: &[(i64, f64)]) -> Vec<Option<f64>> {
        let mut buckets: std::collections::BTreeMap<Steps, A> = Default::default();
        let mut bucketer = Bucketer::new(task);
        for (order, (ts_ns, value)) in samples.iter().enumerate() {
            if let Some(steps) = bucketer.steps_of(*ts_ns) {
                let sample = Sample { ts_ns: *ts_ns, order: order as u64, value: *value };
                buckets.entry(steps).or_default().add(sample);
            }
        }
        let buckets: Vec<(Steps, A)> = buckets.into_iter().collect();
        let mut values = vec![None; task.steps as usize];
        A::slide(&buckets, task, &mut |step, value| values[step] = Some(value));
        values
    }

    fn twin(task: &MetricTask, samples: &[(i64, f64)], f: impl Fn(&[f64]) -> f64) -> Vec<Option<f64>> {
        (0..i64::from(task.steps))
            .map(|k| {
                let end = task.first() + k * task.step_ns;
                let mut inside: Vec<(i64, f64)> =
                    samples.iter().copied().filter(|(ts, _)| end - task.range_ns < *ts && *ts <= end).collect();
                inside.sort_by_key(|(ts, _)| *ts);
                let values: Vec<f64> = inside.into_iter().map(|(_, value)| value).collect();
                (!values.is_empty()).then(|| f(&values))
            })
            .collect()
    }

    fn close(a: &[Option<f64>], b: &[Option<f64>]) -> bool {
        a.len() == b.len()
            && a.iter().zip(b).all(|(a, b)| match (a, b) {
                (Some(a), Some(b)) => (a - b).abs() < 1e-6,
                (None, None) => true,
                _ => false,
            })
    }

    proptest! {
        #[test]
        fn windows_equal_the_obvious(
            steps in 1u32..30, step_ns in 1i64..40, range_ns in 1i64..120,
            samples in proptest::collection::vec((-100i64..1200, 0i32..50), 0..120),
        ) {
            let samples: Vec<(i64, f64)> = samples.into_iter().map(|(ts, v)| (ts, f64::from(v))).collect();
            let t = |op| task(op, steps, step_ns, range_ns);
            let sum = |v: &[f64]| v.iter().sum::<f64>();
            let variance = |v: &[f64]| {
                let mean = sum(v) / v.len() as f64;
                v.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / v.len() as f64
            };
            let pairs = [
                (run::<Sum>(&t(RangeOp::Sum), &samples), twin(&t(RangeOp::Sum), &samples, sum)),
                (run::<Least>(&t(RangeOp::Min), &samples), twin(&t(RangeOp::Min), &samples, |v| v.iter().copied().fold(f64::INFINITY, f64::min))),
                (run::<Average>(&t(RangeOp::Avg), &samples), twin(&t(RangeOp::Avg), &samples, |v| sum(v) / v.len() as f64)),
                (run::<Edge<true>>(&t(RangeOp::Last), &samples), twin(&t(RangeOp::Last), &samples, |v| v[v.len() - 1])),
                (run::<Edge<false>>(&t(RangeOp::First), &samples), twin(&t(RangeOp::First), &samples, |v| v[0])),
                (run::<Samples>(&t(RangeOp::Quantile), &samples), twin(&t(RangeOp::Quantile), &samples, |v| quantile(0.5, &mut v.to_vec()))),
                (run::<Moments>(&t(RangeOp::Stdvar), &samples), twin(&t(RangeOp::Stdvar), &samples, variance)),
            ];
            for (got, want) in pairs {
                prop_assert!(close(&got, &want), "{:?} {:?}", got, want);
            }
        }
    }
}
