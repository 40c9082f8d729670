//! Fields that a tenant wants in the metadata of each entry: copied from its stream's labels, its metadata or its text.

use std::borrow::Cow;

use super::label_text::LabelPairs;
use super::level_detect::looks_like_object;
use super::metadata::regular_name;
use crate::fields::json::scalars;
use crate::pipeline::logfmt_scan::Pairs;

/// Longer values are not copied: metadata is for short ones, and one line can have many fields.
pub(super) const VALUE_BYTES_MAX: usize = 16 << 10;

/// What is wanted, prepared once.
#[derive(Clone, Debug)]
pub struct GenericFields {
    fields: Vec<GenericField>,
}

#[derive(Clone, Debug)]
struct GenericField {
    name: String,
    /// Names of labels, of metadata and of fields in the text, dots between nested ones; earlier ones go first.
    sources: Vec<String>,
}

impl GenericFields {
    /// None where nothing is wanted.
    pub(super) fn new(wanted: &[(String, Vec<String>)]) -> Option<Self> {
        let fields: Vec<GenericField> = wanted
            .iter()
            .filter(|(name, sources)| !name.is_empty() && !sources.is_empty())
            .map(|(name, sources)| GenericField { name: regular_name(name.as_bytes()), sources: sources.clone() })
            .collect();
        (!fields.is_empty()).then_some(GenericFields { fields })
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|field| field.name.as_str())
    }

    /// Of each field the first source that `value_of` knows.
    pub(super) fn found<'v>(&self, field: usize, value_of: impl Fn(&str) -> Option<&'v str>) -> Option<&'v str> {
        self.fields[field].sources.iter().find_map(|source| value_of(source))
    }

    /// What the labels of a stream give to all its entries, by field.
    pub(super) fn of_labels(&self, pairs: &LabelPairs) -> Vec<Option<Box<str>>> {
        let value_of = |name: &str| pairs.iter().find(|pair| &*pair.0 == name).map(|pair| &*pair.1);
        (0..self.fields.len()).map(|field| self.found(field, value_of).map(Box::from)).collect()
    }

    /// What the text of an entry gives, by field: an object's scalars, else logfmt pairs.
    pub(super) fn of_line<'l>(&self, line: &'l [u8]) -> Vec<Option<Cow<'l, [u8]>>> {
        let values = if looks_like_object(line) { object_values(line) } else { logfmt_values(line) };
        let value_of = |source: &String| {
            values.iter().find(|(name, _)| **name == *source.as_bytes()).map(|(_, value)| value.clone())
        };
        self.fields
            .iter()
            .map(|field| field.sources.iter().find_map(value_of))
            .map(|value| value.filter(|value| !value.is_empty() && value.len() <= VALUE_BYTES_MAX))
            .collect()
    }
}

type Named<'l> = (Cow<'l, [u8]>, Cow<'l, [u8]>);

fn object_values(line: &[u8]) -> Vec<Named<'_>> {
    let found = scalars(line).unwrap_or_default();
    found.into_iter().map(|scalar| (Cow::Owned(scalar.path.join(&b'.')), scalar.value)).collect()
}

fn logfmt_values(line: &[u8]) -> Vec<Named<'_>> {
    let mut pairs = Pairs::new(line);
    let mut values = Vec::new();
    while let Some(pair) = pairs.next_pair() {
        match pair {
            Ok(pair) => values.push((Cow::Borrowed(pair.key), pair.value)),
            Err(_) => pairs.skip_to_blank(),
        }
    }
    values
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn fields() -> GenericFields {
        let wanted = [("ticket.id", vec!["ticket", "t.id"]), ("user", vec!["uid"]), ("none", vec![])];
        let owned: Vec<(String, Vec<String>)> = wanted
            .into_iter()
            .map(|(name, sources)| (name.to_owned(), sources.into_iter().map(str::to_owned).collect()))
            .collect();
        GenericFields::new(&owned).unwrap()
    }

    fn texts(line: &str) -> Vec<Option<String>> {
        let found = fields().of_line(line.as_bytes());
        found.into_iter().map(|value| value.map(|value| String::from_utf8(value.into_owned()).unwrap())).collect()
    }

    #[test]
    fn names_are_made_regular_and_fields_without_sources_are_left_out() {
        assert_eq!(fields().names().collect::<Vec<_>>(), ["ticket_id", "user"]);
        assert!(GenericFields::new(&[]).is_none());
    }

    #[test]
    fn text_gives_the_first_source_that_it_has() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(texts(r#"{"t":{"id":"a\"b"},"uid":7,"ticket":null}"#), [some("a\"b"), some("7")]);
        assert_eq!(texts(r#" {"t":{"id":"n"},"ticket":"top"} "#), [some("top"), None]);
        assert_eq!(texts(r#"msg=x uid="u 1" =bad t.id=5"#), [some("5"), some("u 1")]);
        assert_eq!(texts(r#"{"uid": broken}"#), [None, None]);
        assert_eq!(texts("uid="), [None, None]);
        assert_eq!(texts(&format!("uid={}", "x".repeat(VALUE_BYTES_MAX + 1))), [None, None]);
    }

    #[test]
    fn labels_give_to_all() {
        let pairs: LabelPairs = vec![("app".into(), "x".into()), ("uid".into(), "7".into())];
        assert_eq!(fields().of_labels(&pairs), [None, Some("7".into())]);
    }
}
