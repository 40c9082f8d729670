//! The tree of a template, and its text as Go prints it in error messages.

use std::fmt;

use super::call::Function;

/// A place in the template's text, in bytes.
pub type Pos = usize;

#[derive(Clone, Debug)]
pub struct List {
    pub pos: Pos,
    pub nodes: Vec<Node>,
}

#[derive(Clone, Debug)]
pub enum Node {
    Text { pos: Pos, text: Box<str> },
    Action(Action),
    Branch(Branch),
    Template(Invocation),
    Break(Pos),
    Continue(Pos),
}

#[derive(Clone, Debug)]
pub struct Action {
    pub pos: Pos,
    pub pipe: Pipe,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    If,
    Range,
    With,
}

impl Control {
    pub fn word(self) -> &'static str {
        match self {
            Control::If => "if",
            Control::Range => "range",
            Control::With => "with",
        }
    }
}

#[derive(Clone, Debug)]
pub struct Branch {
    pub control: Control,
    pub pos: Pos,
    pub pipe: Pipe,
    pub list: List,
    pub else_list: Option<List>,
}

/// `{{template "name" pipe}}`.
#[derive(Clone, Debug)]
pub struct Invocation {
    pub pos: Pos,
    pub name: Box<str>,
    pub pipe: Option<Pipe>,
}

#[derive(Clone, Debug)]
pub struct Pipe {
    pub pos: Pos,
    pub assigns: bool,
    /// Variables declared or assigned, with their dollar sign.
    pub variables: Vec<Box<str>>,
    pub commands: Vec<Command>,
}

#[derive(Clone, Debug)]
pub struct Command {
    pub pos: Pos,
    /// At least one.
    pub operands: Vec<Operand>,
}

#[derive(Clone, Debug)]
pub struct Operand {
    pub pos: Pos,
    pub kind: OperandKind,
}

#[derive(Clone, Debug)]
pub enum OperandKind {
    Dot,
    Nil,
    Bool(bool),
    Number(Number),
    String {
        quoted: Box<str>,
        text: Box<[u8]>,
    },
    /// `.a.b`
    Field(Vec<Box<str>>),
    /// `$x.a.b`: the name first.
    Variable(Vec<Box<str>>),
    Function(Function),
    /// `(…).a.b`
    Chain(Box<Operand>, Vec<Box<str>>),
    Pipe(Box<Pipe>),
}

/// A number and all the types that it may have.
#[derive(Clone, Debug, Default)]
pub struct Number {
    pub text: Box<str>,
    pub int: Option<i64>,
    pub uint: Option<u64>,
    pub float: Option<f64>,
    pub complex: Option<(f64, f64)>,
}

/// What is being executed, for the text of an error.
#[derive(Clone, Copy, Debug)]
pub enum NodeRef<'t> {
    List(&'t List),
    Node(&'t Node),
    Pipe(&'t Pipe),
    Command(&'t Command),
    Operand(&'t Operand),
}

impl NodeRef<'_> {
    pub fn pos(self) -> Pos {
        match self {
            NodeRef::List(list) => list.pos,
            NodeRef::Node(node) => node.pos(),
            NodeRef::Pipe(pipe) => pipe.pos,
            NodeRef::Command(command) => command.pos,
            NodeRef::Operand(operand) => operand.pos,
        }
    }
}

impl Node {
    pub fn pos(&self) -> Pos {
        match self {
            Node::Text { pos, .. } | Node::Break(pos) | Node::Continue(pos) => *pos,
            Node::Action(action) => action.pos,
            Node::Branch(branch) => branch.pos,
            Node::Template(invocation) => invocation.pos,
        }
    }
}

impl fmt::Display for NodeRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NodeRef::List(list) => list.fmt(f),
            NodeRef::Node(node) => node.fmt(f),
            NodeRef::Pipe(pipe) => pipe.fmt(f),
            NodeRef::Command(command) => command.fmt(f),
            NodeRef::Operand(operand) => operand.fmt(f),
        }
    }
}

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.nodes.iter().try_for_each(|node| node.fmt(f))
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Node::Text { text, .. } => f.write_str(text),
            Node::Action(action) => write!(f, "{{{{{}}}}}", action.pipe),
            Node::Branch(branch) => {
                write!(f, "{{{{{} {}}}}}{}", branch.control.word(), branch.pipe, branch.list)?;
                if let Some(list) = &branch.else_list {
                    write!(f, "{{{{else}}}}{list}")?;
                }
                f.write_str("{{end}}")
            }
            Node::Template(invocation) => {
                f.write_str("{{template ")?;
                crate::labels::write_go_quoted(f, &invocation.name)?;
                if let Some(pipe) = &invocation.pipe {
                    write!(f, " {pipe}")?;
                }
                f.write_str("}}")
            }
            Node::Break(_) => f.write_str("{{break}}"),
            Node::Continue(_) => f.write_str("{{continue}}"),
        }
    }
}

impl fmt::Display for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.variables.is_empty() {
            write!(f, "{} {} ", self.variables.join(", "), if self.assigns { "=" } else { ":=" })?;
        }
        for (at, command) in self.commands.iter().enumerate() {
            write!(f, "{}{command}", if at > 0 { " | " } else { "" })?;
        }
        Ok(())
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, operand) in self.operands.iter().enumerate() {
            let blank = if at > 0 { " " } else { "" };
            match &operand.kind {
                OperandKind::Pipe(pipe) => write!(f, "{blank}({pipe})")?,
                _ => write!(f, "{blank}{operand}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            OperandKind::Dot => f.write_str("."),
            OperandKind::Nil => f.write_str("nil"),
            OperandKind::Bool(value) => write!(f, "{value}"),
            OperandKind::Number(number) => f.write_str(&number.text),
            OperandKind::String { quoted, .. } => f.write_str(quoted),
            OperandKind::Field(names) => names.iter().try_for_each(|name| write!(f, ".{name}")),
            OperandKind::Variable(names) => f.write_str(&names.join(".")),
            OperandKind::Function(function) => f.write_str(function.name()),
            OperandKind::Chain(operand, names) => {
                match &operand.kind {
                    OperandKind::Pipe(pipe) => write!(f, "({pipe})")?,
                    _ => operand.fmt(f)?,
                }
                names.iter().try_for_each(|name| write!(f, ".{name}"))
            }
            OperandKind::Pipe(pipe) => pipe.fmt(f),
        }
    }
}
