//! Which parsed labels anybody will look at, so that parsers may pass over the rest and stop early.

use super::label_name::{EXTRACTED_SUFFIX, NameSet};
use super::plan::{LabelFilter, PipelinePlan, Stage};
use super::row_labels::{ERROR_DETAILS_NAME, ERROR_NAME};

/// What the caller of a pipeline needs of the labels of the rows that pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LabelNeeds {
    /// Everything: the row is returned, or its series carries all labels.
    All,
    /// Only these names (those of a `by` clause).
    Only(Vec<String>),
    /// No label at all (a `sum` without grouping).
    None,
}

/// What parsers are to extract.
#[derive(Clone, Debug, Default)]
pub struct Hints {
    /// None: everything.
    needed: Option<Needed>,
}

#[derive(Clone, Debug, Default)]
struct Needed {
    /// Label names in their final form.
    names: NameSet,
    /// The names, and those that become one of them by `_extracted`.
    keys: NameSet,
    /// After so many finds nothing else is needed; never reached if errors are asked for, which only a whole parse shows.
    finds: usize,
}

impl Hints {
    pub fn new(plan: &PipelinePlan, needs: &LabelNeeds) -> Hints {
        let mut names: Vec<&str> = match needs {
            LabelNeeds::All => return Hints { needed: None },
            LabelNeeds::Only(names) => names.iter().map(String::as_str).collect(),
            LabelNeeds::None => Vec::new(),
        };
        for stage in &plan.stages {
            if let Stage::LabelFilter { filter } = stage {
                add_names(filter, &mut names);
            }
        }
        if let Some(unwrap) = &plan.unwrap {
            names.push(&unwrap.name);
            unwrap.filters.iter().for_each(|filter| add_names(filter, &mut names));
        }
        let mut needed = Needed::default();
        for name in names {
            needed.names.insert(name.as_bytes());
            needed.keys.insert(name.as_bytes());
            if let Some(stem) = name.strip_suffix(EXTRACTED_SUFFIX) {
                needed.keys.insert(stem.as_bytes());
            }
        }
        let asks_for_errors =
            [ERROR_NAME, ERROR_DETAILS_NAME].iter().any(|name| needed.names.contains(name.as_bytes()));
        needed.finds = if asks_for_errors { usize::MAX } else { needed.names.len() };
        Hints { needed: Some(needed) }
    }

    /// Whether no label is needed, so that parsers need not run (and raise no error, as in Loki).
    pub fn skips_parsers(&self) -> bool {
        self.needed.as_ref().is_some_and(|needed| needed.names.is_empty())
    }

    /// Whether a key found in a line may become a needed label.
    #[inline]
    pub fn wants_key(&self, name: &[u8]) -> bool {
        self.needed.as_ref().is_none_or(|needed| needed.keys.contains(name))
    }

    /// Whether keys below this prefix (with its underscore) may become needed labels.
    pub fn wants_prefix(&self, prefix: &[u8]) -> bool {
        self.needed.as_ref().is_none_or(|needed| needed.keys.has_prefix(prefix))
    }

    /// Whether a label is needed, by its final name.
    #[inline]
    pub fn wants(&self, name: &[u8]) -> bool {
        self.needed.as_ref().is_none_or(|needed| needed.names.contains(name))
    }

    /// Whether everything needed has been found.
    #[inline]
    pub fn satisfied_by(&self, finds: usize) -> bool {
        self.needed.as_ref().is_some_and(|needed| finds >= needed.finds)
    }
}

fn add_names<'p>(filter: &'p LabelFilter, names: &mut Vec<&'p str>) {
    match filter {
        LabelFilter::And { operands } | LabelFilter::Or { operands } => {
            operands.iter().for_each(|operand| add_names(operand, names));
        }
        LabelFilter::Match { name, .. }
        | LabelFilter::Number { name, .. }
        | LabelFilter::Duration { name, .. }
        | LabelFilter::Bytes { name, .. }
        | LabelFilter::Ip { name, .. } => names.push(name),
    }
}
