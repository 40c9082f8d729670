//! The k largest or smallest samples of each group at each step.
//!
//! Samples lie row by row (`values[row * steps + step]`) and count where `present` says so. NaN is chosen last; of equal
//! values the earlier row is.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use crate::error::{KernelError, Result};
use crate::scan::parallel::Cancel;

/// Steps that are ranked together: their heaps stay in the cache while the rows of a group pass by.
const TILE_STEPS: usize = 256;

/// Beyond so many chosen samples they are parted from the rest at once rather than kept in a heap.
const HEAP_MAX: usize = 32;

/// Cells after which the cancel flag is looked at.
const CHECK_CELLS: usize = 1 << 20;

/// Rows by steps.
#[derive(Clone, Copy)]
pub struct Cells<'a> {
    pub values: &'a [f64],
    pub present: &'a [bool],
    pub steps: usize,
}

/// A sample in a heap whose top is the one to go next: the worst, and of equal ones the latest row.
struct Ranked {
    /// Greater is better.
    key: f64,
    row: u32,
}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        let better = match (self.key.is_nan(), other.key.is_nan()) {
            (false, false) => self.key.partial_cmp(&other.key).unwrap_or(Ordering::Equal),
            (one, two) => two.cmp(&one),
        };
        better.reverse().then(self.row.cmp(&other.row))
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Ranked {}

/// Which samples are chosen; `groups` holds a number below `group_count` for each row.
pub fn choose_extremes(
    cells: Cells<'_>,
    groups: &[u32],
    group_count: usize,
    k: usize,
    largest: bool,
    cancel: &Cancel,
) -> Result<Vec<bool>> {
    let size = groups.len().checked_mul(cells.steps);
    let fits = size == Some(cells.values.len())
        && size == Some(cells.present.len())
        && u32::try_from(groups.len()).is_ok()
        && groups.iter().all(|group| (*group as usize) < group_count);
    if !fits {
        return Err(KernelError::Input("samples, rows and groups do not fit together".to_owned()));
    }
    let mut chosen = vec![false; cells.values.len()];
    let mut candidates = Vec::new();
    let mut checked = 0;
    for rows in rows_of_groups(groups, group_count) {
        for first in (0..cells.steps).step_by(TILE_STEPS) {
            let steps = first..(first + TILE_STEPS).min(cells.steps);
            checked += steps.len() * rows.len();
            if checked >= CHECK_CELLS {
                checked = 0;
                cancel.check()?;
            }
            if rows.len() <= k {
                for row in &rows {
                    let at = *row as usize * cells.steps;
                    let tile = at + steps.start..at + steps.end;
                    chosen[tile.clone()].copy_from_slice(&cells.present[tile]);
                }
            } else if k <= HEAP_MAX {
                choose_in_tile(cells, &rows, steps, k, largest, &mut chosen);
            } else {
                steps.for_each(|step| choose_at(cells, &rows, step, k, largest, &mut candidates, &mut chosen));
            }
        }
    }
    Ok(chosen)
}

fn rows_of_groups(groups: &[u32], group_count: usize) -> Vec<Vec<u32>> {
    let mut rows = vec![Vec::new(); group_count];
    for (row, group) in groups.iter().enumerate() {
        rows[*group as usize].push(row as u32);
    }
    rows
}

fn choose_in_tile(
    cells: Cells<'_>,
    rows: &[u32],
    steps: std::ops::Range<usize>,
    k: usize,
    largest: bool,
    chosen: &mut [bool],
) {
    let mut heaps: Vec<BinaryHeap<Ranked>> = (0..steps.len()).map(|_| BinaryHeap::with_capacity(k.min(16))).collect();
    for row in rows {
        let at = *row as usize * cells.steps + steps.start;
        for (offset, heap) in heaps.iter_mut().enumerate() {
            if !cells.present[at + offset] {
                continue;
            }
            let value = cells.values[at + offset];
            let ranked = Ranked { key: if largest { value } else { -value }, row: *row };
            if heap.len() < k {
                heap.push(ranked);
            } else if heap.peek().is_some_and(|worst| ranked < *worst) {
                heap.pop();
                heap.push(ranked);
            }
        }
    }
    for (offset, heap) in heaps.into_iter().enumerate() {
        for ranked in heap {
            chosen[ranked.row as usize * cells.steps + steps.start + offset] = true;
        }
    }
}

/// One step, by parting its samples at the k-th; `candidates` is memory to use.
fn choose_at(
    cells: Cells<'_>,
    rows: &[u32],
    step: usize,
    k: usize,
    largest: bool,
    candidates: &mut Vec<Ranked>,
    chosen: &mut [bool],
) {
    candidates.clear();
    for row in rows {
        let at = *row as usize * cells.steps + step;
        if cells.present[at] {
            let value = cells.values[at];
            candidates.push(Ranked { key: if largest { value } else { -value }, row: *row });
        }
    }
    if candidates.len() > k {
        candidates.select_nth_unstable(k - 1);
    }
    for ranked in candidates.iter().take(k) {
        chosen[ranked.row as usize * cells.steps + step] = true;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn choose(values: &[f64], groups: &[u32], k: usize, largest: bool) -> Vec<usize> {
        let present = vec![true; values.len()];
        let cells = Cells { values, present: &present, steps: 1 };
        let count = groups.iter().max().map_or(0, |group| *group as usize + 1);
        let chosen = choose_extremes(cells, groups, count, k, largest, &Cancel::default()).unwrap();
        (0..values.len()).filter(|row| chosen[*row]).collect()
    }

    #[test]
    fn nan_is_last_and_the_earlier_row_wins() {
        let nan = f64::NAN;
        assert_eq!(choose(&[nan, 1.0, 3.0, 3.0, 2.0], &[0; 5], 1, true), vec![2]);
        assert_eq!(choose(&[nan, 1.0, 3.0, 1.0, 2.0], &[0; 5], 1, false), vec![1]);
        assert_eq!(choose(&[nan, 1.0, nan], &[0; 3], 2, true), vec![0, 1]);
        assert_eq!(choose(&[f64::NEG_INFINITY, nan, 0.0, -0.0], &[0; 4], 2, true), vec![2, 3]);
        assert_eq!(choose(&[1.0, 2.0, 3.0, 4.0], &[0, 1, 0, 1], 1, true), vec![2, 3]);
        let many: Vec<f64> = (0..200).map(|i| f64::from(i % 7)).collect();
        let mut sorted: Vec<usize> = (0..200).collect();
        sorted.sort_by(|a, b| many[*b].total_cmp(&many[*a]).then(a.cmp(b)));
        for k in [HEAP_MAX - 1, HEAP_MAX, HEAP_MAX + 1, 100, 199] {
            let mut expected = sorted[..k].to_vec();
            expected.sort_unstable();
            assert_eq!(choose(&many, &[0; 200], k, true), expected, "{k}");
        }
    }

    #[test]
    fn stops_when_cancelled() {
        let (values, present) = (vec![1.0; CHECK_CELLS * 2], vec![true; CHECK_CELLS * 2]);
        let cells = Cells { values: &values, present: &present, steps: CHECK_CELLS / 512 };
        let cancel = Cancel::default();
        cancel.set();
        let stopped = choose_extremes(cells, &[0; 1024], 1, 3, true, &cancel);
        assert!(matches!(stopped, Err(KernelError::Cancelled)));
    }
}
