//! What delete requests do to a segment, from its directory and gram filter: no page is read.

use crate::deletes::{Deletes, Prepared};
use crate::error::Result;
use crate::segment::read::{PageSource, Segment};

/// Rows that are gone for sure, by place of the request, and rows of blocks that must be read to know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effect {
    pub covered: Vec<u64>,
    pub open: u64,
}

impl Deletes {
    /// `pages` must have the ranges of `probe_ranges`.
    pub fn effect(&self, segment: &Segment, pages: &PageSource) -> Result<Effect> {
        let mut effect = Effect { covered: vec![0; self.len()], open: 0 };
        let Some(prepared) = Prepared::of(self, &segment.streams) else { return Ok(effect) };
        for (number, block) in segment.directory.blocks.iter().enumerate() {
            let mut open = false;
            for run in &block.runs {
                match prepared.covering(run.stream, run.first_ts_ns, run.last_ts_ns) {
                    Some(place) => effect.covered[place] += u64::from(run.rows),
                    None => open |= prepared.cuts(run.stream, run.first_ts_ns, run.last_ts_ns),
                }
            }
            let left = block
                .runs
                .iter()
                .filter(|run| prepared.covering(run.stream, run.first_ts_ns, run.last_ts_ns).is_none());
            let runs = left.map(|run| (run.stream, run.first_ts_ns, run.last_ts_ns));
            if open || prepared.reads_content(Some((segment, pages)), number, runs)? {
                effect.open += u64::from(block.rows);
            }
        }
        Ok(effect)
    }
}

impl Prepared {
    /// Whether a request without a pipeline takes a part of a stream's rows between two times.
    fn cuts(&self, stream: u32, first_ts_ns: i64, last_ts_ns: i64) -> bool {
        let mut without = self.rules.iter().filter(|one| one.rule.pipeline.is_none());
        without.any(|one| one.accepts(stream) && one.overlaps(first_ts_ns, last_ts_ns))
    }
}
