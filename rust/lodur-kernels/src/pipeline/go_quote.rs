//! Text quoted as Go quotes it in its error messages.

use crate::labels::write_go_quoted;

/// As `strconv.Quote` does.
pub fn go_quoted(text: &[u8]) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    // Writing to a string does not fail.
    let _ = write_go_quoted(&mut quoted, &String::from_utf8_lossy(text));
    quoted
}
