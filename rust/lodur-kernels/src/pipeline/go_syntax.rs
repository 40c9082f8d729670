//! Go's syntax of regular expressions (RE2), translated for the `regex` crate.
//!
//! The two syntaxes overlap widely, but `\d \w \s \b` are ASCII in Go, classes have no set operators there, `{` may
//! be literal, octal escapes and `\Q…\E` exist, and look-around and the flags `x u R` do not. Translating also
//! finds the errors that Go reports, in Go's words. Start at `translate`.

use crate::error::{KernelError, Result};

/// Go's own bound on `{n,m}`.
const REPEAT_MAX: u32 = 1000;

/// The names that `[:name:]` may hold.
const POSIX_CLASSES: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper", "word",
    "xdigit",
];

/// An expression in the syntax of the `regex` crate.
pub struct Translated<'a> {
    pub text: String,
    /// Names of groups, in order, as they were written.
    pub names: Vec<&'a str>,
}

/// Say the same in the syntax of the `regex` crate.
pub fn translate(expression: &str) -> Result<Translated<'_>> {
    let mut translator = Translator {
        whole: expression,
        rest: expression,
        out: String::with_capacity(expression.len() + 16),
        open_groups: 0,
        has_operand: vec![false],
        names: Vec::new(),
    };
    translator.run()?;
    Ok(Translated { text: translator.out, names: translator.names })
}

/// An error as Go words it.
pub fn go_error(code: &str, part: &str) -> KernelError {
    KernelError::InvalidRequest(format!("error parsing regexp: {code}: `{part}`"))
}

struct Translator<'a> {
    whole: &'a str,
    rest: &'a str,
    out: String,
    open_groups: usize,
    /// Per open group (and the whole): whether there is something before that a repetition could apply to.
    has_operand: Vec<bool>,
    names: Vec<&'a str>,
}

impl<'a> Translator<'a> {
    fn run(&mut self) -> Result<()> {
        let mut last_repeat: Option<&'a str> = None;
        while let Some(c) = self.rest.chars().next() {
            let before = self.rest;
            let mut repeat = None;
            match c {
                '(' => self.group()?,
                ')' => self.close()?,
                '|' => {
                    self.take(1);
                    self.out.push('|');
                    self.set_operand(false);
                }
                '^' | '$' | '.' => {
                    self.take(1);
                    self.out.push(c);
                    self.set_operand(true);
                }
                '[' => {
                    self.class()?;
                    self.set_operand(true);
                }
                '*' | '+' | '?' => {
                    self.take(1);
                    self.repeat(before, last_repeat)?;
                    repeat = Some(last_repeat.unwrap_or(before));
                }
                '{' => match counted(self.rest) {
                    Some((length, min, max)) => {
                        self.take(length);
                        if min > REPEAT_MAX || max.is_some_and(|max| max > REPEAT_MAX || min > max) {
                            return Err(go_error("invalid repeat count", &before[..length]));
                        }
                        self.repeat(before, last_repeat)?;
                        repeat = Some(last_repeat.unwrap_or(before));
                    }
                    None => self.literal(c),
                },
                '\\' => self.escape()?,
                c => self.literal(c),
            }
            last_repeat = repeat;
        }
        if self.open_groups > 0 {
            return Err(go_error("missing closing )", self.whole));
        }
        Ok(())
    }

    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(bytes);
        self.rest = rest;
        taken
    }

    fn set_operand(&mut self, present: bool) {
        if let Some(top) = self.has_operand.last_mut() {
            *top = present;
        }
    }

    fn literal(&mut self, c: char) {
        self.take(c.len_utf8());
        push_char(&mut self.out, c);
        self.set_operand(true);
    }

    /// After the operator itself has been taken; `before` starts with it.
    fn repeat(&mut self, before: &'a str, last_repeat: Option<&'a str>) -> Result<()> {
        if self.rest.starts_with('?') {
            self.take(1);
        }
        let operator = &before[..before.len() - self.rest.len()];
        if let Some(last) = last_repeat {
            return Err(go_error("invalid nested repetition operator", &last[..last.len() - self.rest.len()]));
        }
        if !self.has_operand.last().copied().unwrap_or(false) {
            return Err(go_error("missing argument to repetition operator", operator));
        }
        self.out.push_str(operator);
        Ok(())
    }

    fn close(&mut self) -> Result<()> {
        if self.open_groups == 0 {
            return Err(go_error("unexpected )", self.whole));
        }
        self.take(1);
        self.out.push(')');
        self.open_groups -= 1;
        self.has_operand.pop();
        self.set_operand(true);
        Ok(())
    }

    fn open(&mut self, text: &str) {
        self.out.push_str(text);
        self.open_groups += 1;
        self.has_operand.push(false);
    }

    fn group(&mut self) -> Result<()> {
        if !self.rest.starts_with("(?") {
            self.take(1);
            self.open("(");
            return Ok(());
        }
        if self.rest.starts_with("(?P<") || self.rest.starts_with("(?<") {
            return self.named_group();
        }
        let mut saw_flag = false;
        let mut negated = false;
        for (at, c) in self.rest.char_indices().skip(2) {
            match c {
                'i' | 'm' | 's' | 'U' => saw_flag = true,
                '-' if !negated => {
                    negated = true;
                    saw_flag = false;
                }
                ':' | ')' if saw_flag || !negated => {
                    let text = self.take(at + 1);
                    match c {
                        ':' => self.open(text),
                        _ if at > 2 => self.out.push_str(text),
                        _ => {}
                    }
                    return Ok(());
                }
                _ => {
                    let end = at + c.len_utf8();
                    return Err(go_error("invalid or unsupported Perl syntax", &self.rest[..end]));
                }
            }
        }
        Err(go_error("missing closing )", self.whole))
    }

    fn named_group(&mut self) -> Result<()> {
        let start = if self.rest.starts_with("(?P<") { 4 } else { 3 };
        let Some(end) = self.rest.find('>') else {
            return Err(go_error("invalid named capture", self.rest));
        };
        let name: &'a str = self.rest.get(start..end).unwrap_or("");
        let is_word = |c: char| c == '_' || c.is_ascii_alphanumeric();
        if name.is_empty() || !name.chars().all(is_word) {
            return Err(go_error("invalid named capture", &self.rest[..=end]));
        }
        self.take(end + 1);
        // Go lets groups share a name, and finds the first by it; here each later one is a group without a name.
        if self.names.contains(&name) {
            self.names.push(name);
            self.open("(");
            return Ok(());
        }
        self.names.push(name);
        // The `regex` crate wants names that do not begin with a digit; Go does not mind.
        let safe = if name.starts_with(|c: char| c.is_ascii_digit()) { format!("_{name}") } else { name.to_owned() };
        self.open(&format!("(?P<{safe}>"));
        Ok(())
    }

    fn escape(&mut self) -> Result<()> {
        let after = self.rest[1..].chars().next();
        let same_meaning = match after {
            Some('A') => Some("\\A"),
            Some('z') => Some("\\z"),
            Some('b') => Some("(?-u:\\b)"),
            Some('B') => Some("(?-u:\\B)"),
            _ => None,
        };
        if let Some(text) = same_meaning {
            self.take(2);
            self.out.push_str(text);
            self.set_operand(true);
            return Ok(());
        }
        match after {
            Some('C') => Err(go_error("invalid escape sequence", "\\C")),
            Some('Q') => {
                self.take(2);
                let end = self.rest.find("\\E").unwrap_or(self.rest.len());
                let quoted = self.take(end);
                self.take(self.rest.len().min(2));
                for c in quoted.chars() {
                    push_char(&mut self.out, c);
                }
                if !quoted.is_empty() {
                    self.set_operand(true);
                }
                Ok(())
            }
            _ => {
                if !self.class_escape()? {
                    let c = self.char_escape()?;
                    push_char(&mut self.out, c);
                }
                self.set_operand(true);
                Ok(())
            }
        }
    }

    /// `\d`, `\pL` and their kin; false if the escape at hand is of another kind.
    fn class_escape(&mut self) -> Result<bool> {
        let Some(kind) = self.rest[1..].chars().next() else {
            return Ok(false);
        };
        let perl = match kind {
            'd' => "[0-9]",
            'D' => "[^0-9]",
            's' => "[\\t\\n\\x0C\\r ]",
            'S' => "[^\\t\\n\\x0C\\r ]",
            'w' => "[0-9A-Za-z_]",
            'W' => "[^0-9A-Za-z_]",
            'p' | 'P' => return self.unicode_class().map(|()| true),
            _ => return Ok(false),
        };
        self.take(2);
        self.out.push_str(perl);
        Ok(true)
    }

    fn unicode_class(&mut self) -> Result<()> {
        let length = match self.rest[2..].chars().next() {
            Some('{') => match self.rest.find('}') {
                Some(end) => end + 1,
                None => return Err(go_error("invalid character class range", self.rest)),
            },
            Some(c) => 2 + c.len_utf8(),
            None => return Err(go_error("invalid escape sequence", self.rest)),
        };
        let text = self.take(length);
        let (mut negated, name) = (text.starts_with("\\P"), text[2..].trim_matches(['{', '}']));
        let name = match name.strip_prefix('^') {
            Some(inner) => {
                negated = !negated;
                inner
            }
            None => name,
        };
        let class = format!("\\{}{{{name}}}", if negated { 'P' } else { 'p' });
        if name != "Any" && regex_syntax::Parser::new().parse(&class).is_err() {
            return Err(go_error("invalid character class range", text));
        }
        self.out.push_str(&class);
        Ok(())
    }

    /// An escaped single character, in a class or outside.
    fn char_escape(&mut self) -> Result<char> {
        let text = self.rest;
        let mut chars = text[1..].chars();
        let Some(c) = chars.next() else {
            return Err(go_error("trailing backslash at end of expression", ""));
        };
        let digits = &text[2.min(text.len())..];
        match c {
            '0'..='7' => {
                let more = digits.bytes().take(2).take_while(|b| (b'0'..=b'7').contains(b)).count();
                if c != '0' && more == 0 {
                    return Err(go_error("invalid escape sequence", &text[..2]));
                }
                let octal = &self.take(2 + more)[1..];
                Ok(u32::from_str_radix(octal, 8).ok().and_then(char::from_u32).unwrap_or('\0'))
            }
            'x' => self.hex_escape(),
            'a' => self.simple_escape('\u{7}'),
            'f' => self.simple_escape('\u{c}'),
            'n' => self.simple_escape('\n'),
            'r' => self.simple_escape('\r'),
            't' => self.simple_escape('\t'),
            'v' => self.simple_escape('\u{b}'),
            c if c.is_ascii() && !c.is_ascii_alphanumeric() => self.simple_escape(c),
            c => Err(go_error("invalid escape sequence", &text[..1 + c.len_utf8()])),
        }
    }

    fn simple_escape(&mut self, meaning: char) -> Result<char> {
        self.take(2);
        Ok(meaning)
    }

    fn hex_escape(&mut self) -> Result<char> {
        let text = self.rest;
        let (digits, length) = match text[2..].strip_prefix('{') {
            Some(braced) => match braced.find('}') {
                Some(end) => (&braced[..end], end + 4),
                None => return Err(go_error("invalid escape sequence", text)),
            },
            None => (text.get(2..4).unwrap_or(""), 4),
        };
        let valid = !digits.is_empty() && digits.len() <= 8 && digits.bytes().all(|b| b.is_ascii_hexdigit());
        let value = if valid { u32::from_str_radix(digits, 16).ok().and_then(char::from_u32) } else { None };
        let Some(value) = value else {
            let end = (0..=length.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            return Err(go_error("invalid escape sequence", &text[..end]));
        };
        self.take(length);
        Ok(value)
    }

    /// A bracketed class. Written anew with every character escaped, since Rust knows set operators where Go does not.
    fn class(&mut self) -> Result<()> {
        let whole = self.rest;
        self.take(1);
        self.out.push('[');
        if self.rest.starts_with('^') {
            self.take(1);
            self.out.push('^');
        }
        let mut first = true;
        loop {
            if self.rest.starts_with(']') && !first {
                self.take(1);
                self.out.push(']');
                return Ok(());
            }
            if self.rest.is_empty() {
                return Err(go_error("missing closing ]", whole));
            }
            first = false;
            if self.posix_class()? || (self.rest.starts_with('\\') && self.class_escape()?) {
                continue;
            }
            self.class_range(whole)?;
        }
    }

    fn posix_class(&mut self) -> Result<bool> {
        if !self.rest.starts_with("[:") {
            return Ok(false);
        }
        let Some(end) = self.rest.find(":]") else {
            return Ok(false);
        };
        // `[:]` closes its own colon; Go reads it as a class without a name.
        let text = self.take((end + 2).max(3));
        let name = text.get(2..end).unwrap_or("");
        if !POSIX_CLASSES.contains(&name.strip_prefix('^').unwrap_or(name)) {
            return Err(go_error("invalid character class range", text));
        }
        self.out.push_str(text);
        Ok(true)
    }

    fn class_range(&mut self, whole: &str) -> Result<()> {
        let start = self.rest;
        let low = self.class_char(whole)?;
        push_class_char(&mut self.out, low);
        if !self.rest.starts_with('-') || self.rest[1..].starts_with(']') || self.rest.len() < 2 {
            return Ok(());
        }
        self.take(1);
        let high = self.class_char(whole)?;
        if high < low {
            return Err(go_error("invalid character class range", &start[..start.len() - self.rest.len()]));
        }
        self.out.push('-');
        push_class_char(&mut self.out, high);
        Ok(())
    }

    fn class_char(&mut self, whole: &str) -> Result<char> {
        match self.rest.chars().next() {
            None => Err(go_error("missing closing ]", whole)),
            Some('\\') => self.char_escape(),
            Some(c) => {
                self.take(c.len_utf8());
                Ok(c)
            }
        }
    }
}

/// Length, minimum and maximum of `{n}`, `{n,}`, `{n,m}` at the start of `text`; None if the brace is literal.
fn counted(text: &str) -> Option<(usize, u32, Option<u32>)> {
    let end = text.find('}')?;
    let inner = &text[1..end];
    let number = |digits: &str| -> Option<u32> {
        let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        let canonical = plain && (digits.len() == 1 || !digits.starts_with('0'));
        canonical.then(|| digits.parse().unwrap_or(u32::MAX))
    };
    let (min, max) = match inner.split_once(',') {
        None => {
            let exact = number(inner)?;
            (exact, Some(exact))
        }
        Some((min, "")) => (number(min)?, None),
        Some((min, max)) => (number(min)?, Some(number(max)?)),
    };
    Some((end + 1, min, max))
}

fn push_char(out: &mut String, c: char) {
    if regex_syntax::is_meta_character(c) {
        out.push('\\');
    }
    out.push(c);
}

fn push_class_char(out: &mut String, c: char) {
    if c.is_ascii() && !c.is_ascii_alphanumeric() {
        out.push_str(&format!("\\x{:02X}", c as u32));
    } else {
        out.push(c);
    }
}
