//! Labels worth offering: which stream labels there are, how many values each has, and which say something.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use crate::error::Result;
use crate::labels::LabelSet;
use crate::pipeline::go_number::parse_float;
use crate::scan::parallel::Cancel;

/// Labels that are offered whatever their values look like.
const ALWAYS: [&str; 4] = ["cluster", "namespace", "instance", "pod"];

/// A label and its number of distinct values.
#[derive(Debug, PartialEq, Eq)]
pub struct DetectedLabel {
    pub name: String,
    pub cardinality: usize,
}

/// The labels of these streams, by name. Those whose values are all numbers or UUIDs are left out: nobody chooses among
/// them by hand.
pub fn detect(streams: &[Arc<LabelSet>], cancel: &Cancel) -> Result<Vec<DetectedLabel>> {
    let mut values: BTreeMap<&str, HashSet<&str>> = BTreeMap::new();
    for labels in streams {
        cancel.check()?;
        for (name, value) in labels.iter() {
            values.entry(name).or_default().insert(value);
        }
    }
    let mut found = Vec::with_capacity(values.len());
    for (name, values) in values {
        cancel.check()?;
        if ALWAYS.contains(&name) || is_telling(&values) {
            found.push(DetectedLabel { name: name.to_owned(), cardinality: values.len() });
        }
    }
    Ok(found)
}

fn is_telling(values: &HashSet<&str>) -> bool {
    let is_boolean = values.len() <= 2 && values.iter().all(|value| matches!(*value, "0" | "1"));
    is_boolean || !values.iter().all(|value| parse_float(value.as_bytes()).is_ok() || is_uuid(value))
}

/// A UUID with or without its dashes, in braces or after `urn:uuid:`.
fn is_uuid(text: &str) -> bool {
    let bare = text.strip_prefix("urn:uuid:").or_else(|| text.strip_prefix('{')?.strip_suffix('}')).unwrap_or(text);
    let is_dash_place = |at: usize| matches!(at, 8 | 13 | 18 | 23);
    match bare.len() {
        32 => bare.bytes().all(|byte| byte.is_ascii_hexdigit()),
        36 => bare.bytes().enumerate().all(|(at, b)| if is_dash_place(at) { b == b'-' } else { b.is_ascii_hexdigit() }),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn leaves_out_numbers_and_uuids() {
        let uuid = "123e4567-e89b-12d3-a456-426614174000";
        let streams: Vec<Arc<LabelSet>> = [
            [("app", "a"), ("port", "80"), ("id", uuid), ("pod", "1"), ("flag", "0"), ("mixed", "1")],
            [("app", "b"), ("port", "81"), ("id", "1.5"), ("pod", "2"), ("flag", "1"), ("mixed", "x")],
        ]
        .into_iter()
        .map(|pairs| Arc::new(LabelSet::from_pairs(pairs)))
        .collect();
        let found: Vec<(String, usize)> =
            detect(&streams, &Cancel::default()).unwrap().into_iter().map(|one| (one.name, one.cardinality)).collect();
        let expected = [("app", 2), ("flag", 2), ("mixed", 2), ("pod", 2)];
        assert_eq!(found, expected.map(|(name, count)| (name.to_owned(), count)));
        assert!(
            is_uuid(&uuid.replace('-', ""))
                && is_uuid(&format!("{{{uuid}}}"))
                && !is_uuid("é23e4567e89b12d3a45642661417400")
        );
    }
}
