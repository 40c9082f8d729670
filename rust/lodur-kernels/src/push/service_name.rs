//! `service_name`: the label that every stream has, found among its other labels if the sender did not name it.

use super::label_text::LabelPairs;

pub(super) const SERVICE_NAME: &str = "service_name";
const UNKNOWN: &str = "unknown_service";

/// Adds `service_name` at its place among the sorted `pairs`: the value of the first of `candidates` that is present.
/// Nothing is added where the label is there already or `candidates` is empty.
pub(super) fn discover(pairs: &mut LabelPairs, candidates: &[String]) {
    if candidates.is_empty() || pairs.iter().any(|(name, _)| &**name == SERVICE_NAME) {
        return;
    }
    let value = candidates
        .iter()
        .find_map(|candidate| pairs.iter().find(|(name, _)| **name == **candidate))
        .map_or_else(|| UNKNOWN.into(), |(_, value)| value.clone());
    let place = pairs.partition_point(|(name, _)| &**name < SERVICE_NAME);
    pairs.insert(place, (SERVICE_NAME.into(), value));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::push::limits::LimitValues;
    use crate::push::text::labels_text;

    fn discovered(pairs: &[(&str, &str)], candidates: &[String]) -> String {
        let mut pairs: LabelPairs = pairs.iter().map(|&(n, v)| (n.into(), v.into())).collect();
        discover(&mut pairs, candidates);
        labels_text(&pairs)
    }

    #[test]
    fn the_first_present_candidate_wins() {
        let candidates = LimitValues::default().discover_service_name;
        let cases: [(&[(&str, &str)], &str); 4] = [
            (&[("job", "j"), ("name", "n"), ("zone", "z")], r#"{job="j", name="n", service_name="n", zone="z"}"#),
            (&[("app", "a"), ("service_name", "s")], r#"{app="a", service_name="s"}"#),
            (&[("zone", "z")], r#"{service_name="unknown_service", zone="z"}"#),
            (&[], r#"{service_name="unknown_service"}"#),
        ];
        for (pairs, expected) in cases {
            assert_eq!(discovered(pairs, &candidates), expected);
        }
        assert_eq!(discovered(&[("app", "a")], &[]), r#"{app="a"}"#);
    }
}
