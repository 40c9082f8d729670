//! A set of rows of one block, one bit each.

use std::ops::Range;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bitmap {
    words: Vec<u64>,
    len: usize,
}

impl Bitmap {
    pub fn empty(len: usize) -> Self {
        Bitmap { words: vec![0; len.div_ceil(64)], len }
    }

    pub fn full(len: usize) -> Self {
        let mut bitmap = Bitmap::empty(len);
        bitmap.set_range(0..len);
        bitmap
    }

    /// Number of rows the bitmap speaks of, set or not.
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Make it `len` rows, none of them set, without giving memory back.
    pub fn reset(&mut self, len: usize) {
        self.words.clear();
        self.words.resize(len.div_ceil(64), 0);
        self.len = len;
    }

    pub fn set(&mut self, row: usize) {
        if row < self.len {
            self.words[row / 64] |= 1 << (row % 64);
        }
    }

    pub fn clear(&mut self, row: usize) {
        if row < self.len {
            self.words[row / 64] &= !(1 << (row % 64));
        }
    }

    pub fn get(&self, row: usize) -> bool {
        row < self.len && self.words[row / 64] >> (row % 64) & 1 == 1
    }

    pub fn set_range(&mut self, rows: Range<usize>) {
        self.for_words(rows, |word, mask| *word |= mask);
    }

    pub fn clear_range(&mut self, rows: Range<usize>) {
        self.for_words(rows, |word, mask| *word &= !mask);
    }

    /// Number of set rows in the range.
    pub fn count(&self, rows: Range<usize>) -> usize {
        let mut total = 0;
        for (word, mask) in masks(rows, self.len) {
            total += (self.words[word] & mask).count_ones() as usize;
        }
        total
    }

    /// First set row at or after `row` and before `end`.
    pub fn next(&self, row: usize, end: usize) -> Option<usize> {
        let end = end.min(self.len);
        if row >= end {
            return None;
        }
        let mut word = row / 64;
        let mut bits = self.words[word] & (!0 << (row % 64));
        loop {
            if bits != 0 {
                let found = word * 64 + bits.trailing_zeros() as usize;
                return (found < end).then_some(found);
            }
            word += 1;
            if word * 64 >= end {
                return None;
            }
            bits = self.words[word];
        }
    }

    /// The set rows of the range, ascending.
    pub fn iter(&self, rows: Range<usize>) -> impl Iterator<Item = usize> + '_ {
        let mut at = rows.start;
        std::iter::from_fn(move || {
            let row = self.next(at, rows.end)?;
            at = row + 1;
            Some(row)
        })
    }

    /// Keep only the rows of the range that are (or, negated, are not) in `other`.
    pub fn keep_within(&mut self, rows: Range<usize>, other: &Bitmap, negated: bool) {
        for (word, mask) in masks(rows, self.len) {
            let bits = other.words.get(word).copied().unwrap_or(0);
            let allowed = if negated { !bits } else { bits };
            self.words[word] &= allowed | !mask;
        }
    }

    fn for_words(&mut self, rows: Range<usize>, mut change: impl FnMut(&mut u64, u64)) {
        for (word, mask) in masks(rows, self.len) {
            change(&mut self.words[word], mask);
        }
    }
}

/// Each word that the range touches with the mask of its bits in it.
fn masks(rows: Range<usize>, len: usize) -> impl Iterator<Item = (usize, u64)> {
    let (start, end) = (rows.start, rows.end.min(len));
    let words = if start < end { start / 64..end.div_ceil(64) } else { 0..0 };
    words.map(move |word| {
        let mut mask = !0u64;
        if word == start / 64 {
            mask &= !0 << (start % 64);
        }
        if word == end / 64 {
            mask &= !(!0 << (end % 64));
        }
        (word, mask)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_counts_and_walks() {
        let mut rows = Bitmap::empty(200);
        rows.set_range(60..130);
        rows.clear(64);
        assert_eq!(rows.count(0..200), 69);
        assert_eq!(rows.count(63..66), 2);
        assert_eq!(rows.iter(62..67).collect::<Vec<_>>(), vec![62, 63, 65, 66]);
        assert_eq!(rows.next(130, 200), None);
        let mut other = Bitmap::empty(200);
        other.set(100);
        let mut kept = rows.clone();
        kept.keep_within(70..128, &other, false);
        assert_eq!(kept.iter(0..200).filter(|row| *row >= 70).collect::<Vec<_>>(), vec![100, 128, 129]);
        rows.keep_within(0..200, &other, true);
        assert!(!rows.get(100) && rows.get(101));
        assert_eq!(Bitmap::full(128).count(0..128), 128);
    }
}
