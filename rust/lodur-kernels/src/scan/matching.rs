//! Which streams a selector accepts.

use std::collections::HashMap;
use std::sync::Arc;

use crate::error::{KernelError, Result};
use crate::labels::LabelSet;
use crate::pipeline::go_regex::{self, Use};
use crate::pipeline::plan::{MatchOp, PLAN_BYTES_MAX};
use crate::scan::plan::StreamMatcher;

/// The matchers of a selector, compiled.
pub struct Selector {
    matchers: Vec<Matcher>,
}

struct Matcher {
    name: String,
    test: Test,
    negated: bool,
}

enum Test {
    Equal(String),
    Regex(Box<regex::bytes::Regex>),
}

impl Selector {
    /// Accepts every stream.
    pub fn everything() -> Self {
        Selector { matchers: Vec::new() }
    }

    pub fn compile(matchers: &[StreamMatcher]) -> Result<Self> {
        let matchers = matchers.iter().map(Matcher::compile).collect::<Result<Vec<_>>>()?;
        Ok(Selector { matchers })
    }

    /// From a MessagePack list of `StreamMatcher`.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        if bytes.len() > PLAN_BYTES_MAX {
            return Err(KernelError::Input("selector is too long".into()));
        }
        let matchers: Vec<StreamMatcher> =
            rmp_serde::from_slice(bytes).map_err(|error| KernelError::Input(format!("selector: {error}")))?;
        Selector::compile(&matchers)
    }

    /// Which of these streams are accepted; each distinct value of a label is tested once.
    pub fn accept(&self, streams: &[Arc<LabelSet>]) -> Vec<bool> {
        let mut accepted = vec![true; streams.len()];
        for matcher in &self.matchers {
            let mut known: HashMap<&str, bool> = HashMap::new();
            for (stream, accepted) in streams.iter().zip(&mut accepted) {
                if *accepted {
                    let value = stream.get(&matcher.name).unwrap_or("");
                    *accepted = *known.entry(value).or_insert_with(|| matcher.is_match(value));
                }
            }
        }
        accepted
    }
}

impl Matcher {
    fn compile(plan: &StreamMatcher) -> Result<Self> {
        let test = match plan.op {
            MatchOp::Equal | MatchOp::NotEqual => Test::Equal(plan.value.clone()),
            MatchOp::Regex | MatchOp::NotRegex => {
                Test::Regex(Box::new(go_regex::compile(&plan.value, Use::WholeValue)?))
            }
        };
        let negated = matches!(plan.op, MatchOp::NotEqual | MatchOp::NotRegex);
        Ok(Matcher { name: plan.name.clone(), test, negated })
    }

    fn is_match(&self, value: &str) -> bool {
        let found = match &self.test {
            Test::Equal(text) => text == value,
            Test::Regex(regex) => regex.is_match(value.as_bytes()),
        };
        found != self.negated
    }
}
