//! From the words of a template to its trees: one for the text itself, one for each `define` and `block`.
//!
//! Follows Go's parser step by step, so that positions and messages are Go's.

use super::call::Function;
use super::lex::{Kind, Token, lex};
use super::literal;
use super::node::{Action, Branch, Command, Control, Invocation, List, Node, Operand, OperandKind, Pipe, Pos};

/// Levels of control structures and parentheses: reading, running and printing a tree recurse.
pub const NESTING_MAX: usize = 150;

/// A template by name.
#[derive(Clone, Debug)]
pub struct Tree {
    pub name: Box<str>,
    pub root: List,
}

/// The trees of a text; the first is the text itself. The error is Go's.
pub fn parse(name: &str, text: &str) -> Result<Vec<Tree>, String> {
    let mut parser = Parser {
        name,
        tokens: lex(text),
        at: 0,
        trees: Vec::new(),
        variables: vec!["$".to_owned()],
        ranges: 0,
        nesting: 0,
        action_line: 0,
    };
    let root = parser.text()?;
    let main = Tree { name: name.into(), root };
    parser.trees.retain(|tree| *tree.name != *name || !is_empty(&tree.root));
    match parser.trees.iter().position(|tree| *tree.name == *name) {
        // A definition under the template's own name takes its place, unless both say something.
        Some(at) if is_empty(&main.root) => parser.trees.swap(0, at),
        Some(_) => return Err(parser.error(&format!("template: multiple definition of template \"{name}\""))),
        None => parser.trees.insert(0, main),
    }
    Ok(parser.trees)
}

/// Whether a tree holds nothing but white space.
fn is_empty(list: &List) -> bool {
    list.nodes.iter().all(|node| matches!(node, Node::Text { text, .. } if text.trim().is_empty()))
}

type Result<T, E = String> = std::result::Result<T, E>;

/// What ended a list.
enum Ending {
    End,
    /// The control word of `{{else if …}}` follows.
    Else(Option<Control>),
}

enum Item {
    Node(Node),
    Ending(Ending),
}

struct Parser<'t> {
    name: &'t str,
    tokens: Vec<Token>,
    at: usize,
    trees: Vec<Tree>,
    variables: Vec<String>,
    ranges: usize,
    nesting: usize,
    action_line: usize,
}

impl Parser<'_> {
    fn text(&mut self) -> Result<List> {
        let mut list = List { pos: self.peek().pos, nodes: Vec::new() };
        while self.peek().kind != Kind::Eof {
            if self.peek().kind == Kind::LeftDelim && self.after_blanks(1).kind == Kind::Define {
                self.next();
                self.next_non_space();
                self.definition()?;
                continue;
            }
            match self.item()? {
                Item::Node(node) => list.nodes.push(node),
                Item::Ending(ending) => return Err(self.error(&format!("unexpected {}", shown(&ending)))),
            }
        }
        Ok(list)
    }

    fn definition(&mut self) -> Result<()> {
        let token = self.next_non_space();
        let name = self.template_name(&token, "define clause")?;
        self.expect(Kind::RightDelim, "define clause")?;
        self.body(name, "define clause")
    }

    /// The rest of a definition up to its end: variables and loops around it are unknown there.
    fn body(&mut self, name: String, context: &str) -> Result<()> {
        let variables = std::mem::replace(&mut self.variables, vec!["$".to_owned()]);
        let ranges = std::mem::take(&mut self.ranges);
        let (root, ending) = self.nested(Self::list)?;
        if let Ending::Else(_) = ending {
            return Err(self.error(&format!("unexpected {{{{else}}}} in {context}")));
        }
        (self.variables, self.ranges) = (variables, ranges);
        let tree = Tree { name: name.into(), root };
        match self.trees.iter_mut().find(|known| known.name == tree.name) {
            None => self.trees.push(tree),
            Some(known) if is_empty(&known.root) => *known = tree,
            Some(_) if is_empty(&tree.root) => {}
            Some(_) => {
                return Err(self.error(&format!("template: multiple definition of template {:?}", tree.name)));
            }
        }
        Ok(())
    }

    fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.nesting >= NESTING_MAX {
            return Err(self.error(&format!("nested too deeply: at most {NESTING_MAX} levels are read")));
        }
        self.nesting += 1;
        let read = read(self);
        self.nesting -= 1;
        read
    }

    fn list(&mut self) -> Result<(List, Ending)> {
        let mut list = List { pos: self.peek_non_space().pos, nodes: Vec::new() };
        while self.peek_non_space().kind != Kind::Eof {
            match self.item()? {
                Item::Node(node) => list.nodes.push(node),
                Item::Ending(ending) => return Ok((list, ending)),
            }
        }
        Err(self.error("unexpected EOF"))
    }

    fn item(&mut self) -> Result<Item> {
        let token = self.next_non_space();
        match token.kind {
            Kind::Text => Ok(Item::Node(Node::Text { pos: token.pos, text: token.text.into() })),
            Kind::LeftDelim => {
                self.action_line = token.line;
                let item = self.action();
                if item.is_ok() {
                    self.action_line = 0;
                }
                item
            }
            _ => Err(self.unexpected(&token, "input")),
        }
    }

    fn action(&mut self) -> Result<Item> {
        let token = self.peek_non_space();
        let node = match token.kind {
            Kind::Block | Kind::Template => {
                self.next_non_space();
                Node::Template(if token.kind == Kind::Block { self.block()? } else { self.invocation()? })
            }
            Kind::Break | Kind::Continue => {
                self.next_non_space();
                self.leave_range(&token)?
            }
            Kind::Else => {
                self.next_non_space();
                return Ok(Item::Ending(Ending::Else(self.else_control()?)));
            }
            Kind::End => {
                self.next_non_space();
                self.expect(Kind::RightDelim, "end")?;
                return Ok(Item::Ending(Ending::End));
            }
            Kind::If => self.control(Control::If)?,
            Kind::Range => self.control(Control::Range)?,
            Kind::With => self.control(Control::With)?,
            _ => Node::Action(Action { pos: token.pos, pipe: self.pipeline("command", Kind::RightDelim)? }),
        };
        Ok(Item::Node(node))
    }

    fn control(&mut self, control: Control) -> Result<Node> {
        self.next_non_space();
        Ok(Node::Branch(self.nested(|parser| parser.branch(control))?))
    }

    fn leave_range(&mut self, token: &Token) -> Result<Node> {
        let word = format!("{{{{{}}}}}", token.text);
        self.expect(Kind::RightDelim, &word)?;
        if self.ranges == 0 {
            return Err(self.error(&format!("{word} outside {{{{range}}}}")));
        }
        Ok(if token.kind == Kind::Break { Node::Break(token.pos) } else { Node::Continue(token.pos) })
    }

    fn else_control(&mut self) -> Result<Option<Control>> {
        match self.peek_non_space().kind {
            Kind::If => Ok(Some(Control::If)),
            Kind::With => Ok(Some(Control::With)),
            _ => {
                self.expect(Kind::RightDelim, "else")?;
                Ok(None)
            }
        }
    }

    fn branch(&mut self, control: Control) -> Result<Branch> {
        let known = self.variables.len();
        let pipe = self.pipeline(control.word(), Kind::RightDelim)?;
        let looped = usize::from(control == Control::Range);
        self.ranges += looped;
        let (list, ending) = self.list()?;
        self.ranges -= looped;
        let else_list = match ending {
            Ending::End => None,
            Ending::Else(Some(following)) if following == control => {
                let pos = self.peek_non_space().pos;
                let inner = self.control(control)?;
                Some(List { pos, nodes: vec![inner] })
            }
            Ending::Else(_) => {
                let (list, ending) = self.list()?;
                if let Ending::Else(_) = ending {
                    return Err(self.error("expected end; found {{else}}"));
                }
                Some(list)
            }
        };
        self.variables.truncate(known);
        Ok(Branch { control, pos: pipe.pos, pipe, list, else_list })
    }

    fn block(&mut self) -> Result<Invocation> {
        let token = self.next_non_space();
        let name = self.template_name(&token, "block clause")?;
        let pipe = self.pipeline("block clause", Kind::RightDelim)?;
        self.body(name.clone(), "block clause")?;
        Ok(Invocation { pos: token.pos, name: name.into(), pipe: Some(pipe) })
    }

    fn invocation(&mut self) -> Result<Invocation> {
        let token = self.next_non_space();
        let name = self.template_name(&token, "template clause")?;
        let pipe = if self.peek_non_space().kind == Kind::RightDelim {
            self.next_non_space();
            None
        } else {
            Some(self.pipeline("template clause", Kind::RightDelim)?)
        };
        Ok(Invocation { pos: token.pos, name: name.into(), pipe })
    }

    fn template_name(&mut self, token: &Token, context: &str) -> Result<String> {
        if !matches!(token.kind, Kind::String | Kind::RawString) {
            return Err(self.unexpected(token, context));
        }
        let bytes = literal::unquote(&token.text).ok_or_else(|| self.error("invalid syntax"))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn pipeline(&mut self, context: &str, end: Kind) -> Result<Pipe> {
        let pos = self.peek_non_space().pos;
        let mut pipe = Pipe { pos, assigns: false, variables: Vec::new(), commands: Vec::new() };
        self.declarations(&mut pipe, context)?;
        loop {
            let token = self.peek_non_space();
            match token.kind {
                kind if kind == end => {
                    self.next_non_space();
                    return self.checked(pipe, context);
                }
                Kind::Bool
                | Kind::CharConstant
                | Kind::Complex
                | Kind::Dot
                | Kind::Field
                | Kind::Identifier
                | Kind::Number
                | Kind::Nil
                | Kind::RawString
                | Kind::String
                | Kind::Variable
                | Kind::LeftParen => {
                    let command = self.command()?;
                    pipe.commands.push(command);
                }
                _ => {
                    self.next_non_space();
                    return Err(self.unexpected(&token, context));
                }
            }
        }
    }

    fn declarations(&mut self, pipe: &mut Pipe, context: &str) -> Result<()> {
        loop {
            let variable = self.peek_non_space();
            if variable.kind != Kind::Variable {
                return Ok(());
            }
            let before = self.at;
            self.next_non_space();
            let next = self.peek_non_space();
            let is_comma = next.kind == Kind::Char && next.text == ",";
            if !is_comma && !matches!(next.kind, Kind::Assign | Kind::Declare) {
                self.at = before;
                return Ok(());
            }
            self.next_non_space();
            pipe.variables.push(variable.text.as_str().into());
            self.variables.push(variable.text);
            if !is_comma {
                pipe.assigns = next.kind == Kind::Assign;
                return Ok(());
            }
            if context != "range" || pipe.variables.len() >= 2 {
                return Err(self.error(&format!("too many declarations in {context}")));
            }
            if !matches!(self.peek_non_space().kind, Kind::Variable | Kind::RightDelim | Kind::RightParen) {
                return Err(self.error("range can only initialize variables"));
            }
        }
    }

    fn checked(&mut self, pipe: Pipe, context: &str) -> Result<Pipe> {
        if pipe.commands.is_empty() {
            return Err(self.error(&format!("missing value for {context}")));
        }
        let is_value = |command: &Command| {
            matches!(
                command.operands[0].kind,
                OperandKind::Bool(_)
                    | OperandKind::Dot
                    | OperandKind::Nil
                    | OperandKind::Number(_)
                    | OperandKind::String { .. }
            )
        };
        match pipe.commands.iter().skip(1).position(is_value) {
            Some(at) => Err(self.error(&format!("non executable command in pipeline stage {}", at + 2))),
            None => Ok(pipe),
        }
    }

    fn command(&mut self) -> Result<Command> {
        let mut command = Command { pos: self.peek_non_space().pos, operands: Vec::new() };
        loop {
            self.skip_space();
            if let Some(operand) = self.operand()? {
                command.operands.push(operand);
            }
            match self.peek().kind {
                Kind::Space => continue,
                Kind::RightDelim | Kind::RightParen => break,
                Kind::Pipe => {
                    self.next();
                    break;
                }
                _ => {
                    let token = self.next();
                    return Err(self.unexpected(&token, "operand"));
                }
            }
        }
        if command.operands.is_empty() {
            return Err(self.error("empty command"));
        }
        Ok(command)
    }

    fn operand(&mut self) -> Result<Option<Operand>> {
        let Some(mut operand) = self.term()? else { return Ok(None) };
        if self.peek().kind != Kind::Field {
            return Ok(Some(operand));
        }
        let pos = self.peek().pos;
        let mut names: Vec<Box<str>> = Vec::new();
        while self.peek().kind == Kind::Field {
            names.push(self.next().text[1..].into());
        }
        match &mut operand.kind {
            OperandKind::Field(known) | OperandKind::Variable(known) => {
                known.append(&mut names);
                operand.pos = pos;
            }
            OperandKind::Bool(_)
            | OperandKind::String { .. }
            | OperandKind::Number(_)
            | OperandKind::Nil
            | OperandKind::Dot => {
                let quoted = super::super::go_quote::go_quoted(operand.to_string().as_bytes());
                return Err(self.error(&format!("unexpected . after term {quoted}")));
            }
            _ => operand = Operand { pos, kind: OperandKind::Chain(Box::new(operand), names) },
        }
        Ok(Some(operand))
    }

    fn term(&mut self) -> Result<Option<Operand>> {
        let token = self.peek_non_space();
        let wrong = |parser: &Self, reason: String| parser.error(&reason);
        self.next_non_space();
        let kind = match token.kind {
            Kind::Identifier => match Function::named(&token.text) {
                Some(function) => OperandKind::Function(function),
                None => return Err(self.error(&format!("function {:?} not defined", token.text))),
            },
            Kind::Dot => OperandKind::Dot,
            Kind::Nil => OperandKind::Nil,
            Kind::Variable if self.variables.contains(&token.text) => OperandKind::Variable(vec![token.text.into()]),
            Kind::Variable => return Err(self.error(&format!("undefined variable {:?}", token.text))),
            Kind::Field => OperandKind::Field(vec![token.text[1..].into()]),
            Kind::Bool => OperandKind::Bool(token.text == "true"),
            Kind::CharConstant => {
                OperandKind::Number(literal::char_constant(&token.text).map_err(|reason| wrong(self, reason))?)
            }
            Kind::Complex => {
                OperandKind::Number(literal::complex_constant(&token.text).map_err(|reason| wrong(self, reason))?)
            }
            Kind::Number => OperandKind::Number(literal::number(&token.text).map_err(|reason| wrong(self, reason))?),
            Kind::LeftParen => {
                let pipe = self.nested(|parser| parser.pipeline("parenthesized pipeline", Kind::RightParen))?;
                return Ok(Some(Operand { pos: pipe.pos, kind: OperandKind::Pipe(Box::new(pipe)) }));
            }
            Kind::String | Kind::RawString => {
                let text = literal::unquote(&token.text).ok_or_else(|| self.error("invalid syntax"))?;
                OperandKind::String { quoted: token.text.into(), text: text.into() }
            }
            _ => {
                self.at -= 1;
                return Ok(None);
            }
        };
        Ok(Some(Operand { pos: token.pos, kind }))
    }

    fn peek(&self) -> &Token {
        // The last token stays for ever: the end, or a defect.
        &self.tokens[self.at.min(self.tokens.len() - 1)]
    }

    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    fn skip_space(&mut self) {
        while self.peek().kind == Kind::Space {
            self.at += 1;
        }
    }

    fn peek_non_space(&mut self) -> Token {
        self.skip_space();
        self.peek().clone()
    }

    fn next_non_space(&mut self) -> Token {
        self.skip_space();
        self.next()
    }

    /// The token so many places on, or the first after it that is no blank.
    fn after_blanks(&self, offset: usize) -> &Token {
        let rest = self.tokens.iter().skip(self.at + offset);
        rest.clone().find(|token| token.kind != Kind::Space).unwrap_or(&self.tokens[self.tokens.len() - 1])
    }

    fn expect(&mut self, kind: Kind, context: &str) -> Result<Token> {
        let token = self.next_non_space();
        if token.kind == kind { Ok(token) } else { Err(self.unexpected(&token, context)) }
    }

    fn unexpected(&self, token: &Token, context: &str) -> String {
        if token.kind != Kind::Error {
            return self.error(&format!("unexpected {} in {context}", token.shown()));
        }
        let started = if self.action_line == 0 || self.action_line == token.line {
            String::new()
        } else {
            let inside = if token.text.ends_with(" action") { "" } else { " in action" };
            format!("{inside} started at {}:{}", self.name, self.action_line)
        };
        self.error(&format!("{}{started}", token.text))
    }

    fn error(&self, reason: &str) -> String {
        let last = self.at.saturating_sub(1).min(self.tokens.len() - 1);
        format!("template: {}:{}: {reason}", self.name, self.tokens[last].line)
    }
}

fn shown(ending: &Ending) -> &'static str {
    match ending {
        Ending::End => "{{end}}",
        Ending::Else(_) => "{{else}}",
    }
}

/// Row of the text (from 1) and byte in it (from 0).
pub fn line_and_byte(text: &str, pos: Pos) -> (usize, usize) {
    let before = &text.as_bytes()[..pos.min(text.len())];
    let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
    let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    (line, before.len() - start)
}
