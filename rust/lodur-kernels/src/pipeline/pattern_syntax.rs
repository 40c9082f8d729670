//! The syntax of LogQL patterns: literals with `<name>` and `<_>` between them.
//!
//! Shared by the `pattern` parser and the pattern line filters, which each add their own rules.

/// A piece of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    Literal(String),
    /// `<_>`
    Placeholder,
    /// `<name>`
    Capture(String),
}

/// Split a pattern into its pieces; what only looks like a capture (`< a>`, `<1>`, `<`) is literal text.
pub fn split(pattern: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut rest = pattern;
    while let Some(open) = rest.find('<') {
        let (before, tail) = rest.split_at(open);
        literal.push_str(before);
        match capture_name(tail) {
            Some(name) => {
                if !literal.is_empty() {
                    pieces.push(Piece::Literal(std::mem::take(&mut literal)));
                }
                pieces.push(if name == "_" { Piece::Placeholder } else { Piece::Capture(name.to_owned()) });
                rest = &tail[name.len() + 2..];
            }
            None => {
                literal.push('<');
                rest = &tail[1..];
            }
        }
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        pieces.push(Piece::Literal(literal));
    }
    pieces
}

/// The name when `text` begins with `<name>`.
fn capture_name(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('<')?;
    let name = &inner[..inner.find('>')?];
    let bytes = name.as_bytes();
    let starts_well = bytes.first().is_some_and(|b| b.is_ascii_alphabetic() || *b == b'_');
    (starts_well && bytes.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_')).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_captures_from_text() {
        let capture = |name: &str| Piece::Capture(name.to_owned());
        let literal = |text: &str| Piece::Literal(text.to_owned());
        assert_eq!(
            split("<ip> - <_> [<ts>]"),
            vec![capture("ip"), literal(" - "), Piece::Placeholder, literal(" ["), capture("ts"), literal("]"),]
        );
        assert_eq!(split("a < b <1> <é> <"), vec![literal("a < b <1> <é> <")]);
        assert_eq!(split("<<a>>"), vec![literal("<"), capture("a"), literal(">")]);
        assert_eq!(split(""), vec![]);
    }
}
