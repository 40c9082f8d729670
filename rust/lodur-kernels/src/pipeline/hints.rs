//! Which parsed labels anybody will look at, so that parsers may pass over the rest and stop early.

use super::format::needs_of;
use super::label_filter::FilterMatcher;
use super::label_name::{EXTRACTED_SUFFIX, NameSet};
use super::plan::{LabelChange, LabelFilter, PipelinePlan, Stage};
use super::row_labels::{ERROR_DETAILS_NAME, ERROR_NAME};
use super::template::Needs;
use crate::error::Result;

/// Gates of one pipeline: each is asked about every label found, and the filters come after them anyway.
const GATES_MAX: usize = 8;

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

/// What a parser is to extract.
#[derive(Clone, Debug, Default)]
pub struct Hints {
    /// None: everything.
    needed: Option<Needed>,
    gates: Vec<Gate>,
}

/// A string comparison of a later stage that every row must pass: asked as soon as the label is found.
///
/// Loki does so too, even where a stage between changes or drops the label.
#[derive(Clone, Debug)]
pub struct Gate {
    name: Box<[u8]>,
    matcher: FilterMatcher,
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
            LabelNeeds::All => return Hints::default(),
            LabelNeeds::Only(names) => names.iter().map(String::as_str).collect(),
            LabelNeeds::None => Vec::new(),
        };
        let templates: Vec<Needs> = plan.stages.iter().flat_map(templates_of).collect();
        if templates.iter().any(|needs| needs.all) {
            return Hints::default();
        }
        names.extend(templates.iter().flat_map(|needs| &needs.names).map(|name| &**name));
        let mut renames = false;
        for stage in &plan.stages {
            match stage {
                Stage::LabelFilter { filter } => add_names(filter, &mut names),
                Stage::LabelFormat { changes } => {
                    let sources = changes.iter().filter_map(|change| match change {
                        LabelChange::Rename { source, .. } => Some(source.as_str()),
                        LabelChange::Template { .. } => None,
                    });
                    let known = names.len();
                    names.extend(sources);
                    renames |= names.len() > known;
                }
                _ => {}
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
        // A label that was renamed away may be found again, so that finds cannot be counted.
        needed.finds = if asks_for_errors || renames { usize::MAX } else { needed.names.len() };
        Hints { needed: Some(needed), gates: Vec::new() }
    }

    /// The hints of the parser at this position of the ordered stages.
    pub fn at(&self, position: usize, gates: &[(usize, Gate)]) -> Hints {
        let later = gates.iter().filter(|(stage, _)| *stage > position).map(|(_, gate)| gate.clone());
        Hints { needed: self.needed.clone(), gates: later.collect() }
    }

    /// Whether a row with this label can still pass.
    #[inline]
    pub fn admits(&self, name: &[u8], value: &[u8]) -> bool {
        self.gates.iter().all(|gate| *gate.name != *name || gate.matcher.is_match(value))
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

    /// Whether a key, not yet made a name, may become a needed label; quicker than making the name.
    #[inline]
    pub fn may_want(&self, key: &[u8]) -> bool {
        self.needed.as_ref().is_none_or(|needed| needed.keys.may_have_key(key))
    }

    /// The same for a key that follows a prefix.
    #[inline]
    pub fn may_want_end(&self, key: &[u8]) -> bool {
        self.needed.as_ref().is_none_or(|needed| needed.keys.may_have_end(key))
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

/// What the templates of a stage look at.
fn templates_of(stage: &Stage) -> Vec<Needs> {
    match stage {
        Stage::LineFormat { template } => vec![needs_of("line", template)],
        Stage::LabelFormat { changes } => changes
            .iter()
            .filter_map(|change| match change {
                LabelChange::Template { template, .. } => Some(needs_of("label", template)),
                LabelChange::Rename { .. } => None,
            })
            .collect(),
        _ => Vec::new(),
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

/// The gates of ordered stages, each with the position of its label filter.
pub fn gates_of(stages: &[&Stage]) -> Result<Vec<(usize, Gate)>> {
    let mut gates = Vec::new();
    for (position, stage) in stages.iter().enumerate() {
        if let Stage::LabelFilter { filter } = stage {
            add_gates(filter, position, &mut gates)?;
        }
    }
    Ok(gates)
}

fn add_gates(filter: &LabelFilter, position: usize, gates: &mut Vec<(usize, Gate)>) -> Result<()> {
    match filter {
        LabelFilter::And { operands } => operands.iter().try_for_each(|operand| add_gates(operand, position, gates)),
        LabelFilter::Match { name, op, value }
            if name != ERROR_NAME && name != ERROR_DETAILS_NAME && gates.len() < GATES_MAX =>
        {
            let matcher = FilterMatcher::compile(*op, value)?;
            gates.push((position, Gate { name: name.as_bytes().into(), matcher }));
            Ok(())
        }
        _ => Ok(()),
    }
}
