//! Where attributes go: to labels, to structured metadata or nowhere. `limits_config.otlp_config`, prepared once.
//!
//! The message that describes a mapping lies in records of the write-ahead log (docs/formats/wal.md): members may be
//! added, with a default, but none may change its meaning.

use regex::bytes::Regex;
use serde::Deserialize;

use crate::error::{KernelError, Result};
use crate::pipeline::go_regex::{self, Use};

/// Rules of one mapping and names of one rule; more make a lookup slower than anything else that is done for a line.
const ITEMS_MAX: usize = 1000;

/// Attributes of resources that become labels where nothing else is said.
pub const DEFAULT_INDEX_LABELS: [&str; 18] = [
    "service.name",
    "service.namespace",
    "service.instance.id",
    "deployment.environment",
    "deployment.environment.name",
    "cloud.region",
    "cloud.availability_zone",
    "k8s.cluster.name",
    "k8s.namespace.name",
    "k8s.pod.name",
    "k8s.container.name",
    "container.name",
    "k8s.replicaset.name",
    "k8s.deployment.name",
    "k8s.statefulset.name",
    "k8s.daemonset.name",
    "k8s.cronjob.name",
    "k8s.job.name",
];

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    IndexLabel,
    StructuredMetadata,
    Drop,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleMessage {
    action: Action,
    attributes: Vec<String>,
    regex: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MappingMessage {
    resource: Vec<RuleMessage>,
    scope: Vec<RuleMessage>,
    log: Vec<RuleMessage>,
    severity_text_as_label: bool,
}

#[derive(Clone, Debug)]
struct Rule {
    action: Action,
    attributes: Box<[Box<[u8]>]>,
    /// Matches whole names.
    regex: Option<Regex>,
}

/// Rules for the attributes of one kind of owner; the first that names an attribute decides.
#[derive(Clone, Debug, Default)]
pub(super) struct Rules(Box<[Rule]>);

impl Rules {
    /// What is done with an attribute, by its name as it came.
    pub(super) fn action(&self, name: &[u8]) -> Action {
        let decides = |rule: &&Rule| {
            rule.attributes.iter().any(|attribute| **attribute == *name)
                || rule.regex.as_ref().is_some_and(|regex| regex.is_match(name))
        };
        self.0.iter().find(decides).map_or(Action::StructuredMetadata, |rule| rule.action)
    }

    fn new(messages: Vec<RuleMessage>) -> Result<Self> {
        if messages.len() > ITEMS_MAX || messages.iter().any(|rule| rule.attributes.len() > ITEMS_MAX) {
            return Err(invalid(&format!("more than {ITEMS_MAX} rules or names in a rule")));
        }
        let rules = messages.into_iter().map(|message| {
            let regex = match message.regex.as_str() {
                "" => None,
                expression => Some(go_regex::compile(expression, Use::WholeValue)?),
            };
            let attributes = message.attributes.into_iter().map(|name| name.into_bytes().into()).collect();
            Ok(Rule { action: message.action, attributes, regex })
        });
        Ok(Rules(rules.collect::<Result<_>>()?))
    }
}

/// A tenant's mapping.
#[derive(Clone, Debug)]
pub struct OtlpMapping {
    pub(super) resource: Rules,
    pub(super) scope: Rules,
    pub(super) log: Rules,
    /// The severity's text is a label, so that each severity has a stream.
    pub(super) severity_text_as_label: bool,
}

impl OtlpMapping {
    /// Reads a mapping's message (MessagePack).
    pub fn from_message(message: &[u8]) -> Result<Self> {
        let read: MappingMessage = rmp_serde::from_slice(message).map_err(|error| invalid(&error.to_string()))?;
        Ok(OtlpMapping {
            resource: Rules::new(read.resource)?,
            scope: Rules::new(read.scope)?,
            log: Rules::new(read.log)?,
            severity_text_as_label: read.severity_text_as_label,
        })
    }
}

impl Default for OtlpMapping {
    fn default() -> Self {
        let attributes = DEFAULT_INDEX_LABELS.iter().map(|name| name.as_bytes().into()).collect();
        let rule = Rule { action: Action::IndexLabel, attributes, regex: None };
        OtlpMapping {
            resource: Rules(Box::new([rule])),
            scope: Rules::default(),
            log: Rules::default(),
            severity_text_as_label: false,
        }
    }
}

fn invalid(reason: &str) -> KernelError {
    KernelError::InvalidRequest(format!("mapping of OTLP attributes: {reason}"))
}
