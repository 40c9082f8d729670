//! Words of a template, as Go's text/template cuts them.
//!
//! The whole text is cut before it is parsed; a defect becomes the last token, so that the parser meets it where Go's
//! does. Start at `lex`.

const SPACES: &[u8] = b" \t\r\n";
const RIGHT: &str = "}}";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Error,
    Bool,
    Char,
    CharConstant,
    Complex,
    Assign,
    Declare,
    Eof,
    Field,
    Identifier,
    LeftDelim,
    LeftParen,
    Number,
    Pipe,
    RawString,
    RightDelim,
    RightParen,
    Space,
    String,
    Text,
    Variable,
    Dot,
    Nil,
    Block,
    Break,
    Continue,
    Define,
    Else,
    End,
    If,
    Range,
    Template,
    With,
}

impl Kind {
    fn is_keyword(self) -> bool {
        matches!(
            self,
            Kind::Dot
                | Kind::Nil
                | Kind::Block
                | Kind::Break
                | Kind::Continue
                | Kind::Define
                | Kind::Else
                | Kind::End
                | Kind::If
                | Kind::Range
                | Kind::Template
                | Kind::With
        )
    }
}

#[derive(Clone, Debug)]
pub struct Token {
    pub kind: Kind,
    pub pos: usize,
    pub line: usize,
    /// The text, or the message of an error.
    pub text: String,
}

impl Token {
    /// As error messages show it.
    pub fn shown(&self) -> String {
        match self.kind {
            Kind::Eof => "EOF".to_owned(),
            Kind::Error => self.text.clone(),
            kind if kind.is_keyword() => format!("<{}>", self.text),
            _ => {
                let cut: String = self.text.chars().take(10).collect();
                let dots = if self.text.len() > 10 { "..." } else { "" };
                format!("{}{dots}", super::super::go_quote::go_quoted(cut.as_bytes()))
            }
        }
    }
}

/// All tokens; the last is `Eof` or `Error`.
pub fn lex(text: &str) -> Vec<Token> {
    let mut lexer = Lexer { text, at: 0, start: 0, counted: 0, line: 1, depth: 0, tokens: Vec::new() };
    if let Err(message) = lexer.run() {
        let (pos, line) = (lexer.start, lexer.line_at(lexer.start));
        lexer.tokens.push(Token { kind: Kind::Error, pos, line, text: message });
    }
    lexer.tokens
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
    /// Where the token being read begins.
    start: usize,
    /// Up to where `line` has been counted.
    counted: usize,
    line: usize,
    depth: usize,
    tokens: Vec<Token>,
}

impl Lexer<'_> {
    fn run(&mut self) -> Result<(), String> {
        loop {
            let rest = &self.text[self.at..];
            let Some(found) = rest.find("{{") else {
                if !rest.is_empty() {
                    self.at = self.text.len();
                    self.emit(Kind::Text);
                }
                self.emit(Kind::Eof);
                return Ok(());
            };
            let open = self.at + found;
            let trims = is_trim_marker_left(&self.text.as_bytes()[open + 2..]);
            let before = &self.text[self.at..open];
            self.at += if trims { before.trim_end_matches(is_space).len() } else { before.len() };
            if self.at > self.start {
                self.emit(Kind::Text);
            }
            self.start = open;
            self.at = open + 2;
            let after = self.at + if trims { 2 } else { 0 };
            if self.text[after..].starts_with("/*") {
                self.at = after;
                self.start = after;
                self.comment()?;
            } else {
                self.emit(Kind::LeftDelim);
                self.at = after;
                self.start = after;
                self.depth = 0;
                while !self.action_token()? {}
            }
        }
    }

    fn comment(&mut self) -> Result<(), String> {
        let body = self.at + 2;
        let Some(found) = self.text[body..].find("*/") else {
            return Err("unclosed comment".to_owned());
        };
        self.at = body + found + 2;
        match self.right_delim() {
            Some(trims) => self.skip_right_delim(trims),
            None => return Err("comment ends before closing delimiter".to_owned()),
        }
        Ok(())
    }

    /// Whether a closing delimiter stands here, and then whether it trims.
    fn right_delim(&self) -> Option<bool> {
        let rest = &self.text[self.at..];
        if is_trim_marker_right(rest.as_bytes()) && rest[2..].starts_with(RIGHT) {
            return Some(true);
        }
        rest.starts_with(RIGHT).then_some(false)
    }

    fn skip_right_delim(&mut self, trims: bool) {
        self.at += if trims { 4 } else { 2 };
        if trims {
            self.at = self.text.len() - self.text[self.at..].trim_start_matches(is_space).len();
        }
        self.start = self.at;
    }

    /// Read one token of an action; true after the closing delimiter.
    fn action_token(&mut self) -> Result<bool, String> {
        if let Some(trims) = self.right_delim() {
            if self.depth > 0 {
                return Err("unclosed left paren".to_owned());
            }
            if trims {
                self.start += 2;
            }
            let end = self.at + if trims { 4 } else { 2 };
            let at = std::mem::replace(&mut self.at, end);
            self.emit(Kind::RightDelim);
            self.at = at;
            self.skip_right_delim(trims);
            return Ok(true);
        }
        let Some(c) = self.next() else {
            return Err("unclosed action".to_owned());
        };
        match c {
            c if is_space(c) => self.spaces(),
            '=' => self.emit(Kind::Assign),
            ':' if self.peek() == Some('=') => {
                self.next();
                self.emit(Kind::Declare);
            }
            ':' => return Err("expected :=".to_owned()),
            '|' => self.emit(Kind::Pipe),
            '"' => self.quoted('"', "unterminated quoted string", Kind::String)?,
            '\'' => self.quoted('\'', "unterminated character constant", Kind::CharConstant)?,
            '`' => self.raw()?,
            '$' => self.name(Kind::Variable)?,
            '.' if self.peek().is_some_and(|c| !c.is_ascii_digit()) => self.name(Kind::Field)?,
            '.' | '+' | '-' | '0'..='9' => self.number(c)?,
            '(' => {
                self.depth += 1;
                self.emit(Kind::LeftParen);
            }
            ')' if self.depth == 0 => return Err("unexpected right paren".to_owned()),
            ')' => {
                self.depth -= 1;
                self.emit(Kind::RightParen);
            }
            c if is_alphanumeric(c) => self.word()?,
            c if c.is_ascii_graphic() => self.emit(Kind::Char),
            c => return Err(format!("unrecognized character in action: {}", unicode(c))),
        }
        Ok(false)
    }

    fn spaces(&mut self) {
        while self.peek().is_some_and(is_space) {
            self.next();
        }
        // The last blank may belong to a closing delimiter that trims.
        if is_trim_marker_right(&self.text.as_bytes()[self.at - 1..]) && self.text[self.at + 1..].starts_with(RIGHT) {
            self.at -= 1;
            if self.at == self.start {
                return;
            }
        }
        self.emit(Kind::Space);
    }

    fn quoted(&mut self, quote: char, problem: &str, kind: Kind) -> Result<(), String> {
        loop {
            match self.next() {
                Some('\\') if self.peek().is_some_and(|c| c != '\n') => {
                    self.next();
                }
                Some('\\' | '\n') | None => return Err(problem.to_owned()),
                Some(c) if c == quote => break,
                Some(_) => {}
            }
        }
        self.emit(kind);
        Ok(())
    }

    fn raw(&mut self) -> Result<(), String> {
        match self.text[self.at..].find('`') {
            Some(found) => {
                self.at += found + 1;
                self.emit(Kind::RawString);
                Ok(())
            }
            None => Err("unterminated raw quoted string".to_owned()),
        }
    }

    /// `.name`, `$name`, or the sign alone.
    fn name(&mut self, kind: Kind) -> Result<(), String> {
        if self.at_terminator() {
            self.emit(if kind == Kind::Field { Kind::Dot } else { kind });
            return Ok(());
        }
        self.alphanumerics()?;
        self.emit(kind);
        Ok(())
    }

    fn word(&mut self) -> Result<(), String> {
        self.alphanumerics()?;
        let kind = match &self.text[self.start..self.at] {
            "block" => Kind::Block,
            "break" => Kind::Break,
            "continue" => Kind::Continue,
            "define" => Kind::Define,
            "else" => Kind::Else,
            "end" => Kind::End,
            "if" => Kind::If,
            "range" => Kind::Range,
            "nil" => Kind::Nil,
            "template" => Kind::Template,
            "with" => Kind::With,
            "true" | "false" => Kind::Bool,
            _ => Kind::Identifier,
        };
        self.emit(kind);
        Ok(())
    }

    fn alphanumerics(&mut self) -> Result<(), String> {
        while self.peek().is_some_and(is_alphanumeric) {
            self.next();
        }
        if self.at_terminator() {
            return Ok(());
        }
        Err(format!("bad character {}", self.peek().map_or_else(|| "EOF".to_owned(), unicode)))
    }

    fn at_terminator(&self) -> bool {
        match self.peek() {
            None | Some('.' | ',' | '|' | ':' | ')' | '(') => true,
            Some(c) => is_space(c) || self.text[self.at..].starts_with(RIGHT),
        }
    }

    fn number(&mut self, first: char) -> Result<(), String> {
        self.at -= first.len_utf8();
        if !self.scan_number() {
            return Err(self.bad_number());
        }
        if !matches!(self.peek(), Some('+' | '-')) {
            self.emit(Kind::Number);
            return Ok(());
        }
        if !self.scan_number() || !self.text[..self.at].ends_with('i') {
            return Err(self.bad_number());
        }
        self.emit(Kind::Complex);
        Ok(())
    }

    fn bad_number(&self) -> String {
        let text = &self.text[self.start..self.at];
        format!("bad number syntax: {}", super::super::go_quote::go_quoted(text.as_bytes()))
    }

    fn scan_number(&mut self) -> bool {
        self.accept("+-");
        let mut digits = "0123456789_";
        if self.accept("0") {
            if self.accept("xX") {
                digits = "0123456789abcdefABCDEF_";
            } else if self.accept("oO") {
                digits = "01234567_";
            } else if self.accept("bB") {
                digits = "01_";
            }
        }
        self.accept_run(digits);
        if self.accept(".") {
            self.accept_run(digits);
        }
        let exponent = match digits.len() {
            11 => "eE",
            23 => "pP",
            _ => "",
        };
        if self.accept(exponent) {
            self.accept("+-");
            self.accept_run("0123456789_");
        }
        self.accept("i");
        if self.peek().is_some_and(is_alphanumeric) {
            self.next();
            return false;
        }
        true
    }

    fn accept(&mut self, valid: &str) -> bool {
        let found = self.peek().is_some_and(|c| valid.contains(c));
        if found {
            self.next();
        }
        found
    }

    fn accept_run(&mut self, valid: &str) {
        while self.accept(valid) {}
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn emit(&mut self, kind: Kind) {
        let line = self.line_at(self.start);
        let text = self.text[self.start..self.at].to_owned();
        self.tokens.push(Token { kind, pos: self.start, line, text });
        self.start = self.at;
    }

    fn line_at(&mut self, at: usize) -> usize {
        let newlines = self.text.as_bytes()[self.counted..at].iter().filter(|byte| **byte == b'\n').count();
        self.line += newlines;
        self.counted = at;
        self.line
    }
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

fn is_alphanumeric(c: char) -> bool {
    c == '_' || c.is_alphabetic() || c.is_numeric()
}

fn is_trim_marker_left(rest: &[u8]) -> bool {
    rest.len() >= 2 && rest[0] == b'-' && SPACES.contains(&rest[1])
}

fn is_trim_marker_right(rest: &[u8]) -> bool {
    rest.len() >= 2 && SPACES.contains(&rest[0]) && rest[1] == b'-'
}

/// `U+0041 'A'`.
fn unicode(c: char) -> String {
    if c.is_control() { format!("U+{:04X}", c as u32) } else { format!("U+{:04X} '{c}'", c as u32) }
}
