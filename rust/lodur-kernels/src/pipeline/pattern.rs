//! `| pattern "<ip> - <_> [<ts>]"`: labels from text between literals.

use std::borrow::Cow;

use memchr::memmem::Finder;

use super::hints::Hints;
use super::pattern_syntax::{self, Piece};
use super::row_labels::{Lend, RowLabels};
use crate::error::{KernelError, Result};

#[derive(Clone, Debug)]
pub struct PatternParser {
    /// What the line begins with.
    start: Box<[u8]>,
    captures: Vec<Capture>,
    hints: Hints,
}

/// A capture and the literal that ends it (none: the rest of the line).
#[derive(Clone, Debug)]
struct Capture {
    name: Option<Box<[u8]>>,
    until: Option<Finder<'static>>,
}

impl PatternParser {
    pub fn compile(pattern: &str, hints: Hints) -> Result<Self> {
        let pieces = pattern_syntax::split(pattern);
        check(&pieces).map_err(|problem| KernelError::InvalidRequest(format!("invalid pattern parser: {problem}")))?;
        let mut start: Box<[u8]> = Box::default();
        let mut captures: Vec<Capture> = Vec::new();
        for piece in pieces {
            match (piece, captures.last_mut()) {
                (Piece::Literal(text), None) => start = text.into_bytes().into(),
                (Piece::Literal(text), Some(capture)) => {
                    capture.until = Some(Finder::new(text.as_bytes()).into_owned())
                }
                (Piece::Placeholder, _) => captures.push(Capture { name: None, until: None }),
                (Piece::Capture(name), _) => {
                    captures.push(Capture { name: Some(name.into_bytes().into()), until: None });
                }
            }
        }
        Ok(PatternParser { start, captures, hints })
    }

    pub(super) fn parse<'l, 'a, L: Lend<'l, 'a>>(&'a self, line: &'l [u8], labels: &mut RowLabels<'a>) {
        if line.is_empty() || labels.is_satisfied(&self.hints) {
            return;
        }
        let Some(mut rest) = line.strip_prefix(&*self.start) else {
            return;
        };
        for capture in &self.captures {
            let found = capture.until.as_ref().and_then(|literal| Some((literal.find(rest)?, literal.needle().len())));
            let value = found.map_or(rest, |(end, _)| &rest[..end]);
            if let Some(name) = capture.name.as_ref().filter(|name| self.hints.wants_key(name)) {
                let value = L::lend(Cow::Borrowed(value));
                if !labels.extract(Cow::Borrowed(&**name), value, &self.hints) {
                    return;
                }
            }
            match found {
                Some((end, literal_bytes)) => rest = &rest[end + literal_bytes..],
                // The literal is not there: this capture took the rest.
                None => return,
            }
        }
    }
}

fn check(pieces: &[Piece]) -> std::result::Result<(), String> {
    if pieces.is_empty() {
        return Err(
            "parse error at line 1, col 1: syntax error: unexpected $end, expecting IDENTIFIER or LITERAL".to_owned()
        );
    }
    let mut names: Vec<&str> = Vec::new();
    let mut previous: Option<String> = None;
    for piece in pieces {
        let written = match piece {
            Piece::Literal(_) => {
                previous = None;
                continue;
            }
            Piece::Placeholder => "<_>".to_owned(),
            Piece::Capture(name) => {
                if names.contains(&name.as_str()) {
                    return Err(format!("duplicate capture name ({name}): invalid expression"));
                }
                names.push(name);
                format!("<{name}>")
            }
        };
        if let Some(before) = previous {
            return Err(format!("found consecutive capture '{before}{written}': invalid expression"));
        }
        previous = Some(written);
    }
    if names.is_empty() { Err("at least one capture is required".to_owned()) } else { Ok(()) }
}
