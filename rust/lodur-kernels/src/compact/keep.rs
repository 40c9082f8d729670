//! How long rows are kept: per stream the timestamp from which on they are, from selectors in order of precedence.

use std::sync::Arc;

use crate::error::Result;
use crate::labels::LabelSet;
use crate::scan::matching::Selector;
use crate::segment::read::Segment;

/// The first selector that accepts a stream decides; `default_from_ns` where none does. `i64::MIN` keeps everything.
pub struct KeepRules {
    rules: Vec<(Selector, i64)>,
    default_from_ns: i64,
}

/// What the rules say of a segment, from its directory alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expired {
    /// Rows of streams none of whose rows are kept.
    pub rows: u64,
    pub streams: u64,
}

impl KeepRules {
    pub fn everything() -> Self {
        KeepRules { rules: Vec::new(), default_from_ns: i64::MIN }
    }

    /// From MessagePack lists of `StreamMatcher`, each with the time from which rows are kept.
    pub fn decode(rules: &[(&[u8], i64)], default_from_ns: i64) -> Result<Self> {
        let compiled = rules.iter().map(|(matchers, from_ns)| Ok((Selector::decode(matchers)?, *from_ns)));
        Ok(KeepRules { rules: compiled.collect::<Result<_>>()?, default_from_ns })
    }

    /// For each stream the first timestamp that is kept.
    pub fn from_ns(&self, streams: &[Arc<LabelSet>]) -> Vec<i64> {
        let mut from_ns: Vec<Option<i64>> = vec![None; streams.len()];
        for (selector, since_ns) in &self.rules {
            for (from_ns, accepted) in from_ns.iter_mut().zip(selector.accept(streams)) {
                if accepted {
                    from_ns.get_or_insert(*since_ns);
                }
            }
        }
        from_ns.into_iter().map(|from_ns| from_ns.unwrap_or(self.default_from_ns)).collect()
    }

    /// Streams of a segment that have expired as a whole.
    pub fn expired(&self, segment: &Segment) -> Expired {
        let from_ns = self.from_ns(&segment.streams);
        let mut last_ts_ns = vec![i64::MIN; segment.streams.len()];
        let mut rows = vec![0u64; segment.streams.len()];
        for run in segment.directory.blocks.iter().flat_map(|block| &block.runs) {
            let stream = run.stream as usize;
            last_ts_ns[stream] = last_ts_ns[stream].max(run.last_ts_ns);
            rows[stream] += u64::from(run.rows);
        }
        let gone = (0..rows.len()).filter(|&stream| rows[stream] > 0 && last_ts_ns[stream] < from_ns[stream]);
        gone.fold(Expired::default(), |sum, stream| Expired { rows: sum.rows + rows[stream], streams: sum.streams + 1 })
    }
}
