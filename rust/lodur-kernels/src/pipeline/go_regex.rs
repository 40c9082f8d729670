//! Regular expressions as Go writes them (RE2 syntax), compiled with the `regex` crate.
//!
//! `go_syntax` translates between the two syntaxes and reports errors in Go's words. Start at `compile`.

use regex::bytes::{Regex, RegexBuilder};
use regex_syntax::hir::Hir;

use super::go_syntax::{go_error, translate};
use crate::error::Result;

/// Bytes of one compiled regex. The `regex` crate's default is 10 MiB; a query may hold many filters.
pub const COMPILED_BYTES_MAX: usize = 4 << 20;

/// Bytes of one lazy DFA cache; each thread that scans has its own.
const DFA_BYTES_MAX: usize = 4 << 20;

/// Nested groups and classes: the parser and compiler recurse, and no written expression comes near.
const NEST_MAX: u32 = 200;

/// How a translated expression is used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Use {
    /// Line filters and the `regexp` parser: found anywhere, `.` stops at a newline.
    Anywhere,
    /// Label filters and matchers: the whole value, `.` matches a newline.
    WholeValue,
}

/// Compile a Go expression. The error text is Go's, `error parsing regexp: …`.
pub fn compile(expression: &str, usage: Use) -> Result<Regex> {
    compile_any(&[expression], usage)
}

/// Compile the alternation of several Go expressions.
pub fn compile_any(expressions: &[&str], usage: Use) -> Result<Regex> {
    let text = alternation(expressions)?;
    let text = if usage == Use::WholeValue { format!("^(?:{text})$") } else { text };
    RegexBuilder::new(&text)
        .dot_matches_new_line(usage == Use::WholeValue)
        .size_limit(COMPILED_BYTES_MAX)
        .dfa_size_limit(DFA_BYTES_MAX)
        .nest_limit(NEST_MAX)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => go_error("expression too large", &expressions.join("|")),
            _ => go_error("invalid or unsupported syntax", &expressions.join("|")),
        })
}

/// Parse a Go expression to the form on which required literals are computed.
pub fn parse(expression: &str) -> Result<Hir> {
    parse_any(&[expression])
}

/// Parse the alternation of several Go expressions.
pub fn parse_any(expressions: &[&str]) -> Result<Hir> {
    regex_syntax::ParserBuilder::new()
        .nest_limit(NEST_MAX)
        .build()
        .parse(&alternation(expressions)?)
        .map_err(|_| go_error("invalid or unsupported syntax", &expressions.join("|")))
}

/// The names of the groups, in order, as they are written.
pub fn group_names(expression: &str) -> Result<Vec<&str>> {
    Ok(translate(expression)?.names)
}

fn alternation(expressions: &[&str]) -> Result<String> {
    if let [only] = expressions {
        return Ok(translate(only)?.text);
    }
    let branches = expressions.iter().map(|expression| Ok(format!("(?:{})", translate(expression)?.text)));
    Ok(branches.collect::<Result<Vec<String>>>()?.join("|"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn error(expression: &str) -> String {
        match compile(expression, Use::Anywhere) {
            Err(error) => error.to_string().replace("error parsing regexp: ", ""),
            Ok(_) => "accepted".to_owned(),
        }
    }

    #[test]
    fn reports_what_go_reports() {
        assert_eq!(error("("), "missing closing ): `(`");
        assert_eq!(error("*"), "missing argument to repetition operator: `*`");
        assert_eq!(error("a{1001}"), "invalid repeat count: `{1001}`");
        assert_eq!(error("[z-a]"), "invalid character class range: `z-a`");
        assert_eq!(error("[a"), "missing closing ]: `[a`");
        assert_eq!(error("(?P<x"), "invalid named capture: `(?P<x`");
        assert_eq!(error("(?P<a-b>.)"), "invalid named capture: `(?P<a-b>`");
        assert_eq!(error("a**"), "invalid nested repetition operator: `**`");
        assert_eq!(error("a)"), "unexpected ): `a)`");
        assert_eq!(error("\\C"), "invalid escape sequence: `\\C`");
        assert_eq!(error("\\8"), "invalid escape sequence: `\\8`");
        assert_eq!(error("x\\"), "trailing backslash at end of expression: ``");
        assert_eq!(error("(?=a)"), "invalid or unsupported Perl syntax: `(?=`");
        assert_eq!(error("(?x)a"), "invalid or unsupported Perl syntax: `(?x`");
        assert_eq!(error("[[:nope:]]"), "invalid character class range: `[:nope:]`");
        assert_eq!(error("\\pX"), "invalid character class range: `\\pX`");
        assert_eq!(error("(((a{100}){100}){100}){100}"), "expression too large: `(((a{100}){100}){100}){100}`");
    }

    #[test]
    fn keeps_the_meaning_of_go() {
        let matches =
            |expression: &str, text: &str| compile(expression, Use::Anywhere).unwrap().is_match(text.as_bytes());
        assert!(matches("a{,5}", "a{,5}") && matches("x{", "x{") && matches("{", "{"));
        assert!(matches("\\Qa.b*\\E+", "a.b**") && !matches("\\Qa.b\\E", "axb"));
        assert!(matches("\\141\\x62\\x{63}", "abc"));
        assert!(!matches("\\d", "٣") && matches("\\w", "_") && !matches("\\w", "é"));
        assert!(matches("[\\w-]", "-") && matches("[a&&b]", "&") && matches("[[a]", "[") && matches("[]a]", "]"));
        assert!(matches("[^a]", "\n") && !matches("a.b", "a\nb") && matches("(?s)a.b", "a\nb"));
        assert!(matches("(?i)straße", "STRAßE") && matches("\\pL", "é") && !matches("\\p{^L}", "é"));
        assert!(matches("\\bfoo\\b", "éfoo") && matches("[[:alpha:]]", "x") && matches("(?<n>a)", "a"));
        assert!(matches("(?P<n>a)(?<n>b)|(?P<n>c)", "ab") && !matches("^(?P<n>a)(?<n>b)$", "a"));
        assert!(compile("a.b", Use::WholeValue).unwrap().is_match(b"a\nb"));
        assert!(!compile("a|b", Use::WholeValue).unwrap().is_match(b"ab"));
    }
}
