//! How many bytes structured metadata counts for in volumes and index statistics.
//!
//! As in a chunk of Loki (its recorded answers add up so): eight bytes a pair, and each distinct name and value of a
//! stream once.

use hashbrown::HashSet;
use xxhash_rust::xxh3::xxh3_64;

use crate::level::{LEVEL_NAME, Level};

const PAIR_BYTES: u64 = 8;

/// Distinct texts that are remembered; further ones count as new each time. Sixteen MiB, whatever is counted.
const DISTINCT_MAX: usize = 1 << 20;

/// Any odd number with as many ones as zeros: streams are told apart by more than their last bits.
const ODD: u64 = 0x9E37_79B9_7F4A_7C15;

/// The size so far.
#[derive(Default)]
pub struct MetadataSize {
    /// Hashes of texts with their streams.
    seen: HashSet<u64>,
    bytes: u64,
}

impl MetadataSize {
    /// Count a row's pairs; gives what the row added.
    pub fn add<'a>(&mut self, stream: u32, level: u8, pairs: impl Iterator<Item = (&'a str, &'a str)>) -> u64 {
        let before = self.bytes;
        let level = Level::from_code(level);
        let level = (level != Level::None).then(|| (LEVEL_NAME, level.text()));
        for (name, value) in pairs.chain(level) {
            self.bytes += PAIR_BYTES;
            for text in [name, value] {
                if self.is_new(stream, text) {
                    self.bytes += text.len() as u64;
                }
            }
        }
        self.bytes - before
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    fn is_new(&mut self, stream: u32, text: &str) -> bool {
        let hash = xxh3_64(text.as_bytes()) ^ u64::from(stream).wrapping_mul(ODD);
        if self.seen.len() < DISTINCT_MAX { self.seen.insert(hash) } else { !self.seen.contains(&hash) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_pairs_and_distinct_texts() {
        let mut size = MetadataSize::default();
        let pairs = [("trace", "abc"), ("user", "abc")];
        assert_eq!(size.add(0, 3, pairs.into_iter()), 3 * 8 + 5 + 3 + 4 + 14 + 5);
        assert_eq!(size.add(0, 3, pairs.into_iter()), 3 * 8);
        assert_eq!(size.add(1, 0, [("trace", "abc")].into_iter()), 8 + 5 + 3);
        assert_eq!(size.bytes(), 55 + 24 + 16);
    }
}
