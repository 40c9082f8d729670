//! Quoted strings and characters, as Go's `strconv` writes them.

use std::sync::LazyLock;

use regex_syntax::hir::{Class, ClassUnicode, HirKind};

/// Letters, marks, numbers, punctuation and symbols: what Go prints as it is, beside the blank.
static GRAPHIC: LazyLock<Option<ClassUnicode>> = LazyLock::new(|| {
    let hir = regex_syntax::parse(r"[\p{L}\p{M}\p{N}\p{P}\p{S}]").ok()?;
    match hir.kind() {
        HirKind::Class(Class::Unicode(class)) => Some(class.clone()),
        _ => None,
    }
});

/// `unicode.IsPrint`.
pub fn is_print(c: char) -> bool {
    if c.is_ascii() {
        return c == ' ' || c.is_ascii_graphic();
    }
    GRAPHIC.as_ref().is_some_and(|class| {
        let ranges = class.ranges();
        let at = ranges.partition_point(|range| range.end() < c);
        ranges.get(at).is_some_and(|range| range.start() <= c)
    })
}

/// `strconv.AppendQuote`, or `…ToASCII`.
pub fn quote(text: &[u8], quote: char, ascii_only: bool) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push(quote);
    for chunk in text.utf8_chunks() {
        chunk.valid().chars().for_each(|c| escape(&mut quoted, c, quote, ascii_only));
        chunk.invalid().iter().for_each(|byte| quoted.push_str(&format!("\\x{byte:02x}")));
    }
    quoted.push(quote);
    quoted
}

fn escape(out: &mut String, c: char, quote: char, ascii_only: bool) {
    match c {
        c if c == quote || c == '\\' => out.extend(['\\', c]),
        c if is_print(c) && (c.is_ascii() || !ascii_only) => out.push(c),
        '\u{7}' => out.push_str("\\a"),
        '\u{8}' => out.push_str("\\b"),
        '\u{c}' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\u{b}' => out.push_str("\\v"),
        c if c < ' ' || c == '\u{7f}' => out.push_str(&format!("\\x{:02x}", c as u32)),
        c if (c as u32) < 0x10000 => out.push_str(&format!("\\u{:04x}", c as u32)),
        c => out.push_str(&format!("\\U{:08x}", c as u32)),
    }
}

/// Whether a text can stand between back quotes on one line.
pub fn can_backquote(text: &[u8]) -> bool {
    std::str::from_utf8(text)
        .is_ok_and(|text| text.chars().all(|c| c != '`' && c != '\u{feff}' && c != '\u{7f}' && (c >= ' ' || c == '\t')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_as_go_does() {
        assert_eq!(quote("a\"b\n\u{e9}\u{200b}".as_bytes(), '"', false), "\"a\\\"b\\né\\u200b\"");
        assert_eq!(quote("é😀".as_bytes(), '"', true), "\"\\u00e9\\U0001f600\"");
        assert_eq!(quote(b"\xff\x01", '"', false), "\"\\xff\\x01\"");
        assert_eq!(quote("e\u{301}".as_bytes(), '"', false), "\"e\u{301}\"");
        assert!(can_backquote(b"a\tb") && !can_backquote(b"a`b") && !can_backquote(b"\xff"));
    }
}
