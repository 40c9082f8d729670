//! Which labels, and whether the line, a template may look at.

use super::call::Function;
use super::node::{Control, List, Node, Operand, OperandKind, Pipe};
use super::parse::Tree;

/// What the text of a template may depend on; never less than it does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Labels by name.
    pub names: Vec<Box<str>>,
    /// All labels: they are listed, counted or looked up by names that are computed.
    pub all: bool,
    pub line: bool,
}

/// Whether the dot, or the dollar sign, stands for the labels of the row.
#[derive(Clone, Copy)]
struct Scope {
    dot: bool,
    dollar: bool,
}

impl Needs {
    pub fn of(trees: &[Tree]) -> Needs {
        let mut needs = Needs::default();
        for (at, tree) in trees.iter().enumerate() {
            // A definition is given its values where it is called, and what is written there counts.
            needs.add_list(&tree.root, Scope { dot: at == 0, dollar: at == 0 });
        }
        needs
    }

    fn add_list(&mut self, list: &List, scope: Scope) {
        for node in &list.nodes {
            match node {
                Node::Text { .. } | Node::Break(_) | Node::Continue(_) => {}
                Node::Action(action) => self.add_pipe(&action.pipe, scope),
                Node::Branch(branch) => {
                    self.add_pipe(&branch.pipe, scope);
                    let inner = Scope { dot: scope.dot && branch.control == Control::If, ..scope };
                    self.add_list(&branch.list, inner);
                    branch.else_list.iter().for_each(|list| self.add_list(list, scope));
                }
                Node::Template(invocation) => invocation.pipe.iter().for_each(|pipe| self.add_pipe(pipe, scope)),
            }
        }
    }

    fn add_pipe(&mut self, pipe: &Pipe, scope: Scope) {
        for command in &pipe.commands {
            command.operands.iter().for_each(|operand| self.add_operand(operand, scope));
        }
    }

    fn add_operand(&mut self, operand: &Operand, scope: Scope) {
        match &operand.kind {
            OperandKind::Dot => self.all |= scope.dot,
            OperandKind::Field(names) => self.add_name(&names[0]),
            OperandKind::Variable(names) if *names[0] == *"$" => match names.get(1) {
                Some(name) => self.add_name(name),
                None => self.all |= scope.dollar,
            },
            OperandKind::Function(Function::Line) => self.line = true,
            OperandKind::Chain(inner, _) => self.add_operand(inner, scope),
            OperandKind::Pipe(pipe) => self.add_pipe(pipe, scope),
            _ => {}
        }
    }

    fn add_name(&mut self, name: &str) {
        if !self.names.iter().any(|known| **known == *name) {
            self.names.push(name.into());
        }
    }
}
