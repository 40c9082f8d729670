//! `| line_format` and `| label_format`: templates of labels and the line.

use std::borrow::Cow;

use super::plan::LabelChange;
use super::row_labels::{ErrorKind, RowLabels};
use super::template::{Needs, Row, Template};
use crate::error::{KernelError, Result};

/// Steps of a template that cost about as much as a row does without one.
const STEPS_PER_ROW: usize = 32;

/// A new line made of each row.
#[derive(Clone, Debug)]
pub struct LineFormatter {
    template: Template,
}

impl LineFormatter {
    pub fn compile(template: &str) -> Result<Self> {
        let template = Template::compile("line", template)
            .map_err(|problem| KernelError::InvalidRequest(format!("invalid line template: {problem}")))?;
        Ok(LineFormatter { template })
    }

    /// Set the line; where the template fails, the line stays and the row carries the error.
    pub(super) fn format(&self, labels: &mut RowLabels<'_>) {
        let out = std::mem::take(&mut labels.spare);
        let mut work = 0;
        let made = self.template.execute(labels, out, &mut work);
        labels.work += work / STEPS_PER_ROW;
        match made {
            Ok(line) => labels.line = Cow::Owned(line),
            Err(failure) => labels.set_error(ErrorKind::TemplateFormat, failure.0),
        }
    }
}

/// Labels renamed, or made by templates.
#[derive(Clone, Debug)]
pub struct LabelFormatter {
    changes: Vec<Change>,
    /// Renames before this are seen by all templates, other changes by none.
    first_template: usize,
}

#[derive(Clone, Debug)]
enum Change {
    Rename { name: Box<[u8]>, source: Box<[u8]> },
    Template { name: Box<[u8]>, template: Box<Template> },
}

impl LabelFormatter {
    pub fn compile(plan: &[LabelChange]) -> Result<Self> {
        let changes: Vec<Change> = plan.iter().map(compile_change).collect::<Result<_>>()?;
        let is_template = |change: &Change| matches!(change, Change::Template { .. });
        let first_template = changes.iter().position(is_template).unwrap_or(changes.len());
        Ok(LabelFormatter { changes, first_template })
    }

    pub(super) fn format<'a>(&'a self, labels: &mut RowLabels<'a>) {
        let (before, rest) = self.changes.split_at(self.first_template);
        for change in before {
            if let Change::Rename { name, source } = change {
                labels.rename(source, name);
            }
        }
        let mut work = 0;
        let made: Vec<_> = rest
            .iter()
            .map(|change| match change {
                Change::Rename { .. } => None,
                Change::Template { template, .. } => Some(template.execute(labels, Vec::new(), &mut work)),
            })
            .collect();
        labels.work += work / STEPS_PER_ROW;
        for (change, made) in rest.iter().zip(made) {
            match (change, made) {
                (Change::Rename { name, source }, _) => labels.rename(source, name),
                (Change::Template { name, .. }, Some(Ok(text))) => labels.set_label(name, Cow::Owned(text)),
                (Change::Template { .. }, Some(Err(failure))) => {
                    labels.set_error(ErrorKind::TemplateFormat, failure.0);
                }
                (Change::Template { .. }, None) => {}
            }
        }
    }

    pub(super) fn reads_line(&self) -> bool {
        self.changes.iter().any(|change| matches!(change, Change::Template { template, .. } if template.needs().line))
    }
}

fn compile_change(change: &LabelChange) -> Result<Change> {
    Ok(match change {
        LabelChange::Rename { name, source } => {
            Change::Rename { name: name.as_bytes().into(), source: source.as_bytes().into() }
        }
        LabelChange::Template { name, template } => Change::Template {
            name: name.as_bytes().into(),
            template: Box::new(Template::compile("label", template).map_err(|problem| {
                KernelError::InvalidRequest(format!("invalid template for label '{name}': {problem}"))
            })?),
        },
    })
}

/// What a template needs of a row; that of one which cannot be read is nothing.
pub fn needs_of(name: &str, template: &str) -> Needs {
    Template::compile(name, template).map(|template| template.needs().clone()).unwrap_or_default()
}

impl Row for RowLabels<'_> {
    fn line(&self) -> &[u8] {
        self.line()
    }

    fn ts_ns(&self) -> i64 {
        self.ts_ns()
    }

    fn label(&self, name: &[u8]) -> Option<&[u8]> {
        std::str::from_utf8(name).ok().and_then(|name| self.get(name))
    }

    fn each_label<'s>(&'s self, visit: &mut dyn FnMut(&'s [u8], &'s [u8])) {
        self.each(|_, name, value| visit(name, value));
    }
}
