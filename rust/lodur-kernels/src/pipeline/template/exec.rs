//! Running a template over a row: what Go's executor does, with bounds on what a row may cost.
//!
//! Control structures are here, expressions in `eval`.

use std::cell::OnceCell;

use super::functions::{Expressions, truth};
use super::node::{Branch, Control, Invocation, List, Node, NodeRef};
use super::parse::Tree;
use super::print::{Printer, SortedLabels, TooLong};
use super::value::{IntKind, Text, Value};
use super::{Row, Template};

/// Things done for one row: actions, commands, turns of a loop. A page of dashboard text has a few hundred.
pub const STEPS_MAX: usize = 100_000;

/// Levels of lists, parentheses and called templates at one moment: running recurses.
pub const DEPTH_MAX: usize = 200;

/// Bytes of texts that one row may make: the new line and what is made on the way. More for lines that are long
/// themselves.
pub const MADE_BYTES_MAX: usize = 8 << 20;
pub const MADE_BYTES_PER_LINE_BYTE: usize = 4;

/// Bytes of texts that functions may look at for one row.
const WORK_BYTES_MAX: usize = 64 << 20;
const WORK_BYTES_PER_LINE_BYTE: usize = 64;

/// Values that `fromJson` may make for one row: a line of the usual longest size cannot hold more.
pub const VALUES_MAX: usize = 1 << 18;

/// Bytes that cost about as much as a step.
const BYTES_PER_STEP: usize = 1 << 10;

/// What went wrong, as it is shown: place, command, reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure(pub String);

pub type Result<T, E = Failure> = std::result::Result<T, E>;

/// Where to go on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    Next,
    Break,
    Continue,
}

/// One execution.
pub struct Exec<'a> {
    template: &'a Template,
    row: &'a dyn Row,
    /// The tree that runs.
    pub(super) tree: &'a Tree,
    /// The node that an error names.
    pub(super) node: NodeRef<'a>,
    pub(super) variables: Vec<(&'a str, Value<'a>)>,
    /// The function of `call`.
    pub(super) callee: String,
    out: Vec<u8>,
    steps: usize,
    depth: usize,
    made_bytes: usize,
    work_bytes: usize,
    values: usize,
    labels: OnceCell<SortedLabels<'a>>,
}

impl<'a> Exec<'a> {
    /// Run the template and give the text; `out` is empty. Adds to `work` what it cost, in steps.
    pub fn run(template: &'a Template, row: &'a dyn Row, out: Vec<u8>, work: &mut usize) -> Result<Vec<u8>> {
        let tree = &template.trees[0];
        let mut exec = Exec {
            template,
            row,
            tree,
            node: NodeRef::List(&tree.root),
            variables: vec![("$", Value::Labels)],
            callee: String::new(),
            out,
            steps: 0,
            depth: 0,
            made_bytes: 0,
            work_bytes: 0,
            values: 0,
            labels: OnceCell::new(),
        };
        let flow = exec.list(&Value::Labels, &tree.root);
        *work += exec.steps + (exec.made_bytes + exec.work_bytes + exec.out.len()) / BYTES_PER_STEP;
        flow.map(|_| exec.out)
    }

    pub fn line(&self) -> &'a [u8] {
        self.row.line()
    }

    pub fn ts_ns(&self) -> i64 {
        self.row.ts_ns()
    }

    pub fn label(&self, name: &[u8]) -> Option<&'a [u8]> {
        self.row.label(name)
    }

    pub fn callee(&self) -> &str {
        &self.callee
    }

    pub fn expressions(&self) -> &'a Expressions {
        &self.template.expressions
    }

    pub fn sorted_labels(&self) -> &SortedLabels<'a> {
        self.labels.get_or_init(|| {
            let mut labels: SortedLabels<'a> = Vec::new();
            self.row.each_label(&mut |name, value| labels.push((name, value)));
            labels.sort_unstable();
            labels
        })
    }

    pub fn label_count(&self) -> usize {
        self.sorted_labels().len()
    }

    /// The error at the current node.
    pub fn fail<T>(&self, reason: impl std::fmt::Display) -> Result<T> {
        let (line, byte) = super::parse::line_and_byte(&self.template.text, self.node.pos());
        let name = &self.template.name;
        let tree = crate::pipeline::go_quote::go_quoted(self.tree.name.as_bytes());
        Err(Failure(format!("template: {name}:{line}:{byte}: executing {tree} at <{}>: {reason}", self.node)))
    }

    pub(super) fn step(&mut self) -> Result<()> {
        self.steps += 1;
        if self.steps > STEPS_MAX {
            return self.fail(format_args!("more than {STEPS_MAX} steps for one row"));
        }
        Ok(())
    }

    pub(super) fn deeper<T>(&mut self, run: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth >= DEPTH_MAX {
            return self.fail(format_args!("exceeded maximum template depth ({DEPTH_MAX})"));
        }
        self.depth += 1;
        let result = run(self);
        self.depth -= 1;
        result
    }

    fn room(&self) -> usize {
        let max = MADE_BYTES_MAX.saturating_add(self.line().len().saturating_mul(MADE_BYTES_PER_LINE_BYTE));
        max.saturating_sub(self.made_bytes + self.out.len())
    }

    /// Refuse a text of this size before it is made.
    pub fn check_room(&self, bytes: usize) -> std::result::Result<(), String> {
        if bytes <= self.room() { Ok(()) } else { Err(too_long()) }
    }

    /// Count a text that was made.
    pub(super) fn count_made(&mut self, bytes: usize) -> std::result::Result<(), String> {
        self.check_room(bytes)?;
        self.made_bytes += bytes;
        Ok(())
    }

    /// Count bytes that a function will look at.
    pub fn count_work(&mut self, bytes: usize) -> std::result::Result<(), String> {
        self.work_bytes = self.work_bytes.saturating_add(bytes);
        let max = WORK_BYTES_MAX.saturating_add(self.line().len().saturating_mul(WORK_BYTES_PER_LINE_BYTE));
        if self.work_bytes > max {
            Err(format!("more than {max} bytes of text to look at for one row"))
        } else {
            Ok(())
        }
    }

    pub fn count_values(&mut self, values: usize) -> std::result::Result<(), String> {
        self.values += values;
        if self.values > VALUES_MAX { Err(format!("more than {VALUES_MAX} JSON values for one row")) } else { Ok(()) }
    }

    fn printed(
        &self,
        out: Vec<u8>,
        print: impl FnOnce(&mut Printer<'_, 'a>) -> std::result::Result<(), TooLong>,
    ) -> std::result::Result<Vec<u8>, String> {
        let labels = || self.sorted_labels().clone();
        let max = out.len().saturating_add(self.room());
        let mut printer = Printer::new(out, &labels, max);
        print(&mut printer).map_err(|TooLong| too_long())?;
        Ok(printer.out)
    }

    pub fn print(&self, out: Vec<u8>, values: &[Value<'a>]) -> std::result::Result<Vec<u8>, String> {
        self.printed(out, |printer| printer.print(values))
    }

    pub fn print_line(&self, values: &[Value<'a>]) -> std::result::Result<Vec<u8>, String> {
        self.printed(Vec::new(), |printer| printer.print_line(values))
    }

    pub fn printf(&self, format: &[u8], values: &[Value<'a>]) -> std::result::Result<Vec<u8>, String> {
        self.printed(Vec::new(), |printer| printer.printf(format, values))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        if bytes.len() > self.room() {
            return self.fail(too_long());
        }
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    fn write_value(&mut self, value: &Value<'a>) -> Result<()> {
        match value {
            Value::Text(text) => self.write(text),
            Value::Invalid | Value::Nil => self.write(b"<no value>"),
            other => {
                let out = std::mem::take(&mut self.out);
                match self.print(out, std::slice::from_ref(other)) {
                    Ok(out) => self.out = out,
                    Err(reason) => return self.fail(reason),
                }
                Ok(())
            }
        }
    }

    fn list(&mut self, dot: &Value<'a>, list: &'a List) -> Result<Flow> {
        self.node = NodeRef::List(list);
        self.deeper(|exec| {
            for node in &list.nodes {
                match exec.walk(dot, node)? {
                    Flow::Next => {}
                    leaving => return Ok(leaving),
                }
            }
            Ok(Flow::Next)
        })
    }

    fn walk(&mut self, dot: &Value<'a>, node: &'a Node) -> Result<Flow> {
        self.node = NodeRef::Node(node);
        self.step()?;
        match node {
            Node::Text { text, .. } => self.write(text.as_bytes())?,
            Node::Action(action) => {
                let value = self.pipeline(dot, &action.pipe)?;
                if action.pipe.variables.is_empty() {
                    self.node = NodeRef::Node(node);
                    self.write_value(&value)?;
                }
            }
            Node::Branch(branch) => {
                let known = self.variables.len();
                let flow = match branch.control {
                    Control::Range => self.range(dot, branch),
                    Control::If | Control::With => self.branch(dot, branch),
                };
                self.variables.truncate(known);
                return flow;
            }
            Node::Template(invocation) => self.invoke(dot, invocation)?,
            Node::Break(_) => return Ok(Flow::Break),
            Node::Continue(_) => return Ok(Flow::Continue),
        }
        Ok(Flow::Next)
    }

    fn branch(&mut self, dot: &Value<'a>, branch: &'a Branch) -> Result<Flow> {
        let value = self.pipeline(dot, &branch.pipe)?;
        let labels = if matches!(value, Value::Labels) { self.label_count() } else { 0 };
        if truth(&value, labels) {
            let dot = if branch.control == Control::With { &value } else { dot };
            return self.list(dot, &branch.list);
        }
        match &branch.else_list {
            Some(list) => self.list(dot, list),
            None => Ok(Flow::Next),
        }
    }

    fn range(&mut self, dot: &Value<'a>, branch: &'a Branch) -> Result<Flow> {
        let value = self.pipeline(dot, &branch.pipe)?;
        let ran = match &value {
            Value::Int(..) | Value::Byte(_) => self.range_number(&value, branch)?,
            Value::List(list) => {
                let items = list.items().iter().enumerate();
                self.turns(items.map(|(at, item)| (index(at), item.as_member())), branch)?
            }
            Value::Map(map) => {
                let members = map.iter().map(|(name, value)| (Value::text(name.clone()), value.as_member()));
                self.turns(members, branch)?
            }
            Value::Labels => {
                let labels = self.sorted_labels().clone();
                let text = |bytes| Value::Text(Text::Borrowed(bytes));
                self.turns(labels.into_iter().map(|(name, value)| (text(name), text(value))), branch)?
            }
            Value::Invalid | Value::Nil => false,
            other => {
                let shown = self.print(Vec::new(), std::slice::from_ref(other)).unwrap_or_default();
                return self.fail(format_args!("range can't iterate over {}", String::from_utf8_lossy(&shown)));
            }
        };
        match &branch.else_list {
            Some(list) if !ran => self.list(dot, list),
            _ => Ok(Flow::Next),
        }
    }

    fn range_number(&mut self, value: &Value<'a>, branch: &'a Branch) -> Result<bool> {
        if branch.pipe.variables.len() > 1 {
            let shown = self.print(Vec::new(), std::slice::from_ref(value)).unwrap_or_default();
            let shown = String::from_utf8_lossy(&shown);
            return self.fail(format_args!("can't use {shown} to iterate over more than one variable"));
        }
        match *value {
            Value::Byte(count) => self.turns((0..count).map(|at| (Value::Invalid, Value::Byte(at))), branch),
            Value::Int(count, kind) => self.turns((0..count).map(|at| (Value::Invalid, Value::Int(at, kind))), branch),
            _ => Ok(false),
        }
    }

    /// Run the body once for each key and value; false if there is none.
    fn turns(&mut self, items: impl Iterator<Item = (Value<'a>, Value<'a>)>, branch: &'a Branch) -> Result<bool> {
        let pipe = &branch.pipe;
        let known = self.variables.len();
        let mut ran = false;
        for (key, value) in items {
            ran = true;
            self.step()?;
            match (pipe.variables.as_slice(), pipe.assigns) {
                ([], _) => {}
                ([only], true) => self.assign(only, value.clone())?,
                ([first, second, ..], true) => {
                    self.assign(first, key)?;
                    self.assign(second, value.clone())?;
                }
                ([_], false) => self.variables[known - 1].1 = value.clone(),
                ([_, _, ..], false) => {
                    self.variables[known - 1].1 = value.clone();
                    self.variables[known - 2].1 = key;
                }
            }
            let flow = self.list(&value, &branch.list)?;
            self.variables.truncate(known);
            if flow == Flow::Break {
                break;
            }
        }
        Ok(ran)
    }

    pub(super) fn assign(&mut self, name: &str, value: Value<'a>) -> Result<()> {
        match self.variables.iter_mut().rev().find(|(known, _)| *known == name) {
            Some((_, known)) => {
                *known = value;
                Ok(())
            }
            None => self.fail(format_args!("undefined variable: {name}")),
        }
    }

    fn invoke(&mut self, dot: &Value<'a>, invocation: &'a Invocation) -> Result<()> {
        let Some(tree) = self.template.trees.iter().find(|tree| tree.name == invocation.name) else {
            let name = crate::pipeline::go_quote::go_quoted(invocation.name.as_bytes());
            return self.fail(format_args!("template {name} not defined"));
        };
        let dot = match &invocation.pipe {
            Some(pipe) => self.pipeline(dot, pipe)?,
            None => Value::Invalid,
        };
        let variables = std::mem::replace(&mut self.variables, vec![("$", dot.clone())]);
        let caller = std::mem::replace(&mut self.tree, tree);
        self.list(&dot, &tree.root)?;
        self.variables = variables;
        self.tree = caller;
        Ok(())
    }
}

fn index<'a>(at: usize) -> Value<'a> {
    Value::Int(i64::try_from(at).unwrap_or(i64::MAX), IntKind::Int)
}

fn too_long() -> String {
    format!("more than {MADE_BYTES_MAX} bytes of text for one row")
}
