//! Pattern line filters: `|> "<_> failed for <_>"`.
//!
//! A pattern covers the whole line. Each literal is taken where it first occurs, and a placeholder stands for at least
//! one byte; so `<_>x` does not match `axax`, as in Loki.

use memchr::memmem::Finder;

use super::pattern_syntax::{self, Piece};
use crate::error::{KernelError, Result};

#[derive(Clone, Debug)]
pub struct PatternFilter {
    pieces: Vec<Option<Finder<'static>>>,
}

impl PatternFilter {
    pub fn compile(pattern: &str) -> Result<Self> {
        let split = pattern_syntax::split(pattern);
        for pair in split.windows(2) {
            if let [Piece::Placeholder | Piece::Capture(_), Piece::Placeholder | Piece::Capture(_)] = pair {
                return Err(KernelError::InvalidRequest(format!(
                    "found consecutive capture '{}{}': invalid expression",
                    written(&pair[0]),
                    written(&pair[1])
                )));
            }
        }
        let mut pieces = Vec::with_capacity(split.len());
        for piece in &split {
            pieces.push(match piece {
                Piece::Literal(text) => Some(Finder::new(text.as_bytes()).into_owned()),
                Piece::Placeholder => None,
                Piece::Capture(name) => {
                    let text = format!("named captures are not allowed: found '<{name}>'");
                    return Err(KernelError::InvalidRequest(text));
                }
            });
        }
        Ok(PatternFilter { pieces })
    }

    pub fn is_match(&self, line: &[u8]) -> bool {
        let mut at = 0;
        for (index, piece) in self.pieces.iter().enumerate() {
            let Some(literal) = piece else { continue };
            let Some(skipped) = literal.find(&line[at..]) else {
                return false;
            };
            if (index == 0) != (skipped == 0) {
                return false;
            }
            at += skipped + literal.needle().len();
        }
        let ends_open = matches!(self.pieces.last(), Some(None));
        ends_open == (at < line.len())
    }

    /// The longest literal: no line without it can match.
    pub fn required_literal(&self) -> Option<&[u8]> {
        self.pieces.iter().flatten().map(|literal| literal.needle()).max_by_key(|literal| literal.len())
    }
}

fn written(piece: &Piece) -> String {
    match piece {
        Piece::Literal(text) => text.clone(),
        Piece::Placeholder => "<_>".to_owned(),
        Piece::Capture(name) => format!("<{name}>"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn covers_the_whole_line() {
        let matches = |pattern: &str, line: &str| PatternFilter::compile(pattern).unwrap().is_match(line.as_bytes());
        assert!(matches("<_> text", "plain text") && !matches("<_> text", " text") && !matches("<_> text", "a text b"));
        assert!(matches("a <_> c", "a b c") && !matches("a <_>", "a ") && !matches("Jan 15", "Jan 15 x"));
        assert!(matches("", "") && !matches("", "x") && !matches("<_>", "") && matches("<_>", "x"));
    }

    #[test]
    fn refuses_captures() {
        let error = |pattern: &str| PatternFilter::compile(pattern).map(|_| ()).unwrap_err().to_string();
        assert_eq!(error("<_><_>"), "found consecutive capture '<_><_>': invalid expression");
        assert_eq!(error("<name> x"), "named captures are not allowed: found '<name>'");
    }
}
