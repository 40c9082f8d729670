//! Templates of `line_format` and `label_format`: Go's text/template with the functions of LogQL.
//!
//! A text is cut into words (`lex`), parsed into trees (`parse`, `node`) and run over rows (`exec`, `eval`). Values are
//! in `value`, their printed forms in `print`, functions in `call` (names and types) and `functions`, times in `time`.
//! The language is https://pkg.go.dev/text/template; error texts are Go's. Everything that a row may cost is bounded
//! by constants in `exec`.

mod call;
mod eval;
mod exec;
mod functions;
mod lex;
mod literal;
mod needs;
mod node;
mod parse;
mod print;
#[cfg(test)]
mod tests;
mod time;
mod value;

pub use exec::Failure;
pub use needs::Needs;

use exec::Exec;
use functions::{Expressions, constant_expression};
use node::{List, Node, Operand, OperandKind, Pipe};
use parse::Tree;

/// What a template sees of a row.
pub trait Row {
    fn line(&self) -> &[u8];

    fn ts_ns(&self) -> i64;

    /// The value of a label, if the row has it.
    fn label(&self, name: &[u8]) -> Option<&[u8]>;

    /// Every label once, in any order.
    fn each_label<'s>(&'s self, visit: &mut dyn FnMut(&'s [u8], &'s [u8]));
}

/// A template ready to run; immutable, so one serves all threads.
#[derive(Clone, Debug)]
pub struct Template {
    name: Box<str>,
    text: Box<str>,
    trees: Vec<Tree>,
    expressions: Expressions,
    /// The whole template, where it only puts texts and labels in a row.
    pieces: Option<Vec<Piece>>,
    needs: Needs,
}

#[derive(Clone, Debug)]
enum Piece {
    Text(Box<[u8]>),
    Label(Box<[u8]>),
    Line,
}

impl Template {
    /// Read a template; `name` is the one by which messages call it. The error is Go's text.
    pub fn compile(name: &str, text: &str) -> Result<Template, String> {
        let trees = parse::parse(name, text)?;
        let mut expressions = Expressions::default();
        for tree in &trees {
            add_expressions(&tree.root, &mut expressions);
        }
        Ok(Template {
            name: name.into(),
            text: text.into(),
            pieces: pieces_of(&trees[0].root),
            needs: Needs::of(&trees),
            trees,
            expressions,
        })
    }

    /// The labels that the text may depend on.
    pub fn needs(&self) -> &Needs {
        &self.needs
    }

    /// The text for a row, written to `out`, which is empty. What it costs beyond the usual is added to `work`, in steps.
    pub fn execute(&self, row: &dyn Row, out: Vec<u8>, work: &mut usize) -> Result<Vec<u8>, Failure> {
        let Some(pieces) = &self.pieces else { return Exec::run(self, row, out, work) };
        let mut out = out;
        for piece in pieces {
            out.extend_from_slice(match piece {
                Piece::Text(text) => text,
                Piece::Label(name) => row.label(name).unwrap_or(b""),
                Piece::Line => row.line(),
            });
        }
        // A template that repeats long labels is run again in the way that counts.
        if out.len() > exec::MADE_BYTES_MAX { Exec::run(self, row, Vec::new(), work) } else { Ok(out) }
    }
}

/// Labels and texts one after another, if the template is no more than that.
fn pieces_of(list: &List) -> Option<Vec<Piece>> {
    let piece = |node: &Node| match node {
        Node::Text { text, .. } => Some(Piece::Text(text.as_bytes().into())),
        Node::Action(action) if action.pipe.variables.is_empty() => match action.pipe.commands.as_slice() {
            [command] => match command.operands.as_slice() {
                [Operand { kind: OperandKind::Field(names), .. }] if names.len() == 1 => {
                    Some(Piece::Label(names[0].as_bytes().into()))
                }
                [Operand { kind: OperandKind::Function(call::Function::Line), .. }] => Some(Piece::Line),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    };
    list.nodes.iter().map(piece).collect()
}

fn add_expressions(list: &List, expressions: &mut Expressions) {
    for node in &list.nodes {
        match node {
            Node::Text { .. } | Node::Break(_) | Node::Continue(_) => {}
            Node::Action(action) => add_of_pipe(&action.pipe, expressions),
            Node::Branch(branch) => {
                add_of_pipe(&branch.pipe, expressions);
                add_expressions(&branch.list, expressions);
                branch.else_list.iter().for_each(|list| add_expressions(list, expressions));
            }
            Node::Template(invocation) => invocation.pipe.iter().for_each(|pipe| add_of_pipe(pipe, expressions)),
        }
    }
}

fn add_of_pipe(pipe: &Pipe, expressions: &mut Expressions) {
    for command in &pipe.commands {
        if let Some(expression) = constant_expression(command) {
            expressions.add(expression);
        }
        for operand in &command.operands {
            match &operand.kind {
                OperandKind::Pipe(pipe) => add_of_pipe(pipe, expressions),
                OperandKind::Chain(inner, _) => {
                    if let OperandKind::Pipe(pipe) = &inner.kind {
                        add_of_pipe(pipe, expressions);
                    }
                }
                _ => {}
            }
        }
    }
}
