//! The label set of a stream and the tests that it must pass.

use super::label_text::LabelPairs;
use super::limits::{LimitValues, PushLimits};
use super::service_name::{SERVICE_NAME, discover};
use super::text;

/// Why a stream is refused, with the metric's name for it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) reason: &'static str,
    pub(super) message: String,
}

fn refusal(reason: &'static str, message: String) -> Refusal {
    Refusal { reason, message }
}

/// Sorts the labels, drops empty values, adds `service_name` and checks number, lengths and duplicates.
pub(super) fn check_labels(mut pairs: LabelPairs, limits: &PushLimits) -> Result<LabelPairs, Refusal> {
    pairs.retain(|(_, value)| !value.is_empty());
    pairs.sort_by(|a, b| a.0.cmp(&b.0));
    discover(&mut pairs, &limits.values.discover_service_name);
    if pairs.is_empty() {
        return Err(refusal("missing_labels", text::MISSING_LABELS.to_owned()));
    }
    check_sizes(&pairs, &limits.values)?;
    Ok(pairs)
}

fn check_sizes(pairs: &LabelPairs, limits: &LimitValues) -> Result<(), Refusal> {
    let counted = pairs.iter().filter(|(name, _)| &**name != SERVICE_NAME).count();
    if counted > limits.max_label_names_per_series {
        let limit = limits.max_label_names_per_series;
        let message = text::too_many_labels(&text::labels_text(pairs), counted, limit);
        return Err(refusal("max_label_names_per_series", message));
    }
    let mut previous: Option<&str> = None;
    for (name, value) in pairs {
        if name.len() > limits.max_label_name_length_bytes {
            let message = text::label_name_too_long(&text::labels_text(pairs), name);
            return Err(refusal("label_name_too_long", message));
        }
        if value.len() > limits.max_label_value_length_bytes {
            let message = text::label_value_too_long(&text::labels_text(pairs), value);
            return Err(refusal("label_value_too_long", message));
        }
        if previous == Some(name) {
            return Err(refusal("duplicate_label_names", text::duplicate_label(&text::labels_text(pairs), name)));
        }
        previous = Some(name);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::push::text::labels_text;

    fn checked(pairs: &[(&str, &str)], values: LimitValues) -> Result<String, Refusal> {
        let pairs = pairs.iter().map(|&(n, v)| (n.into(), v.into())).collect();
        check_labels(pairs, &PushLimits::new(values)).map(|pairs| labels_text(&pairs))
    }

    #[test]
    fn sorts_drops_empty_and_adds_the_service() {
        let text = checked(&[("job", "j"), ("app", "a"), ("gone", "")], LimitValues::default());
        assert_eq!(text, Ok(r#"{app="a", job="j", service_name="a"}"#.to_owned()));
    }

    #[test]
    fn refusals() {
        let small = LimitValues {
            max_label_names_per_series: 2,
            max_label_name_length_bytes: 3,
            max_label_value_length_bytes: 4,
            discover_service_name: Vec::new(),
            ..LimitValues::default()
        };
        type Case<'a> = (&'a [(&'a str, &'a str)], &'a str, &'a str);
        let cases: [Case<'_>; 5] = [
            (&[], "missing_labels", "error at least one label pair is required per stream"),
            (
                &[("a", "1"), ("b", "1"), ("c", "1")],
                "max_label_names_per_series",
                "entry for stream '{a=\"1\", b=\"1\", c=\"1\"}' has 3 label names; limit 2",
            ),
            (&[("abcd", "1")], "label_name_too_long", "stream '{abcd=\"1\"}' has label name too long: 'abcd'"),
            (&[("a", "12345")], "label_value_too_long", "stream '{a=\"12345\"}' has label value too long: '12345'"),
            (
                &[("a", "1"), ("a", "2")],
                "duplicate_label_names",
                "stream '{a=\"1\", a=\"2\"}' has duplicate label name: 'a'",
            ),
        ];
        for (pairs, reason, message) in cases {
            assert_eq!(checked(pairs, small.clone()), Err(refusal(reason, message.to_owned())));
        }
    }

    #[test]
    fn service_name_is_not_counted() {
        let names: Vec<String> = (0..15).map(|n| format!("l{n:02}")).collect();
        let mut pairs: Vec<(&str, &str)> = names.iter().map(|n| (n.as_str(), "v")).collect();
        assert!(checked(&pairs, LimitValues::default()).is_ok());
        pairs.push(("service_name", "s"));
        assert!(checked(&pairs, LimitValues::default()).is_ok());
        pairs.push(("one_more", "v"));
        assert!(checked(&pairs, LimitValues::default()).is_err());
    }
}
