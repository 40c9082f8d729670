//! Keys under which rows are grouped: label sets as bytes, unambiguous and readable without the pipeline.

use super::go_quote::shown;
use super::label_name::NameSet;
use super::row_labels::{Category, RowLabels};
use crate::error::{KernelError, Result};
use crate::labels::LabelSet;

/// Which labels identify a series.
#[derive(Clone, Debug)]
pub enum Grouping {
    /// Only these, sorted.
    By(Vec<String>),
    /// All but these.
    Without(NameSet),
}

impl Grouping {
    pub fn by<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Self {
        let mut names: Vec<String> = names.into_iter().map(Into::into).collect();
        names.sort_unstable();
        names.dedup();
        Grouping::By(names)
    }

    pub fn without<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> Self {
        let mut set = NameSet::default();
        names.into_iter().for_each(|name| set.insert(name.as_ref().as_bytes()));
        Grouping::Without(set)
    }

    /// Every label.
    pub fn all() -> Self {
        Grouping::Without(NameSet::default())
    }
}

impl RowLabels<'_> {
    /// Append the key of the row's series: for each label, by name, the lengths and bytes of name and value.
    ///
    /// A missing label is left out; an empty value is a part of the key, and a series of its own, as in Loki.
    pub fn write_group_key(&self, grouping: &Grouping, key: &mut Vec<u8>) {
        match grouping {
            Grouping::By(names) => {
                for name in names {
                    if let Some(value) = self.get(name) {
                        write_pair(key, name.as_bytes(), value);
                    }
                }
            }
            Grouping::Without(names) => {
                self.write_sorted(key, |_, name| names.is_empty() || !names.contains(name));
            }
        }
    }

    /// Append the labels of one category in the same form; empty values included.
    pub fn write_category(&self, wanted: Category, key: &mut Vec<u8>) {
        self.write_sorted(key, |category, _| category == wanted);
    }

    fn write_sorted(&self, key: &mut Vec<u8>, keep: impl Fn(Category, &[u8]) -> bool) {
        let mut labels: Vec<(&[u8], &[u8])> = Vec::with_capacity(32);
        self.each(|category, name, value| {
            if keep(category, name) {
                labels.push((name, value));
            }
        });
        labels.sort_unstable_by(|a, b| a.0.cmp(b.0));
        for (name, value) in labels {
            write_pair(key, name, value);
        }
    }

    /// The error that a metric query answers when this row reaches it; None if the row carries none.
    ///
    /// A query that groups by errors `counts` those of stages. A field of the line that is named like them is one where
    /// the series `shows` it.
    pub fn metric_error(&self, counts: bool, shows: bool) -> Option<String> {
        let error = match self.error() {
            Some(_) if counts => return None,
            Some(error) => error.text().into(),
            None if shows => String::from_utf8_lossy(self.error_field()?),
            None => return None,
        };
        let mut key = Vec::new();
        self.write_sorted(&mut key, |_, _| true);
        let labels = decode_group_key(&key).unwrap_or_default();
        Some(format!(
            "pipeline error: '{error}' for series: '{labels}'.\n\
             Use a label filter to intentionally skip this error. (e.g | __error__!=\"{error}\").\n\
             To skip all potential errors you can match empty errors.(e.g __error__=\"\")\n\
             The label filter can also be specified after unwrap. (e.g | unwrap latency | __error__=\"\" )\n"
        ))
    }
}

fn write_pair(key: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    for text in [name, value] {
        // A line is below 4 GiB, so each text in it is.
        key.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
        key.extend_from_slice(text);
    }
}

/// The label set of a key; labels with empty values are none.
pub fn decode_group_key(key: &[u8]) -> Result<LabelSet> {
    Ok(LabelSet::from_pairs(decode_pairs(key)?))
}

/// The labels of a key in its order, empty values included.
pub fn decode_pairs(key: &[u8]) -> Result<Vec<(String, String)>> {
    let mut pairs = Vec::new();
    let mut rest = key;
    while !rest.is_empty() {
        let name = take_text(&mut rest)?;
        let value = take_text(&mut rest)?;
        pairs.push((name, value));
    }
    Ok(pairs)
}

fn take_text(rest: &mut &[u8]) -> Result<String> {
    let cut = || KernelError::Input("group key is cut short".to_owned());
    let (length, tail) = rest.split_first_chunk::<4>().ok_or_else(cut)?;
    let (text, tail) = tail.split_at_checked(u32::from_le_bytes(*length) as usize).ok_or_else(cut)?;
    *rest = tail;
    Ok(shown(text).into_owned())
}
