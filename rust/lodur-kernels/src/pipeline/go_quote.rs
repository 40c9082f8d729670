//! Text quoted as Go quotes it in its error messages.

use std::borrow::Cow;

use crate::labels::write_go_quoted;

/// As `strconv.Quote` does.
pub fn go_quoted(text: &[u8]) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    // Writing to a string does not fail.
    let _ = write_go_quoted(&mut quoted, &String::from_utf8_lossy(text));
    quoted
}

/// Bytes as text, each that is no part of a character as one U+FFFD (standard Rust puts one for several).
pub fn shown(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len() + 16);
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    Cow::Owned(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_broken_bytes_one_by_one() {
        assert_eq!(shown("日本".as_bytes()), "日本");
        assert_eq!(shown(&"日本".as_bytes()[..5]), "日\u{fffd}\u{fffd}");
        assert_eq!(shown(b"a\xff\xfeb"), "a\u{fffd}\u{fffd}b");
    }
}
