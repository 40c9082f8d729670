//! Upper, lower and title case, letter by letter as Go changes them.
//!
//! Letters whose other case is several letters stay as they are (`ß`), but for those that Unicode also gives one.

use super::super::print::first_rune;

/// `strings.ToUpper`.
pub fn upper(text: &[u8]) -> Vec<u8> {
    if text.is_ascii() {
        return text.to_ascii_uppercase();
    }
    mapped(text, |c, _| upper_char(c))
}

/// `strings.ToLower`.
pub fn lower(text: &[u8]) -> Vec<u8> {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    mapped(text, |c, _| lower_char(c))
}

/// `strings.Title`: the first letter of every word.
pub fn title(text: &[u8]) -> Vec<u8> {
    mapped(text, |c, before| if is_separator(before) { title_char(c) } else { c })
}

/// Every character through a function that also sees the one before; broken bytes become U+FFFD.
fn mapped(text: &[u8], map: impl Fn(char, char) -> char) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    let mut before = ' ';
    while let Some((c, length)) = first_rune(rest) {
        out.extend_from_slice(map(c, before).encode_utf8(&mut [0; 4]).as_bytes());
        before = c;
        rest = &rest[length..];
    }
    out
}

fn upper_char(c: char) -> char {
    // Greek letters with iota below: their capitals are one letter, Unicode's full mapping gives two.
    if let '\u{1f80}'..='\u{1f87}' | '\u{1f90}'..='\u{1f97}' | '\u{1fa0}'..='\u{1fa7}' = c {
        return char::from_u32(c as u32 + 8).unwrap_or(c);
    }
    if let '\u{1fb3}' | '\u{1fc3}' | '\u{1ff3}' = c {
        return char::from_u32(c as u32 + 9).unwrap_or(c);
    }
    only(c.to_uppercase()).unwrap_or(c)
}

fn lower_char(c: char) -> char {
    match c {
        '\u{130}' => 'i',
        c => only(c.to_lowercase()).unwrap_or(c),
    }
}

fn title_char(c: char) -> char {
    match c {
        '\u{1c4}'..='\u{1c6}' => '\u{1c5}',
        '\u{1c7}'..='\u{1c9}' => '\u{1c8}',
        '\u{1ca}'..='\u{1cc}' => '\u{1cb}',
        '\u{1f1}'..='\u{1f3}' => '\u{1f2}',
        // Georgian letters have capitals, but no title case.
        '\u{10d0}'..='\u{10ff}' => c,
        c => upper_char(c),
    }
}

fn only(mut letters: impl Iterator<Item = char>) -> Option<char> {
    let first = letters.next()?;
    letters.next().is_none().then_some(first)
}

fn is_separator(c: char) -> bool {
    if c.is_ascii() {
        return !(c.is_ascii_alphanumeric() || c == '_');
    }
    !c.is_alphanumeric() && c.is_whitespace()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_case_as_go_does() {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        assert_eq!(text(upper("straße ĳ ﬁ ᾳ".as_bytes())), "STRAßE Ĳ ﬁ ᾼ");
        assert_eq!(text(lower("ÀÉ İ Σ".as_bytes())), "àé i σ");
        assert_eq!(text(title("ünïcödé it's o_k 3rd ǆ".as_bytes())), "Ünïcödé It'S O_k 3rd ǅ");
        assert_eq!(text(upper(b"a\xffb")), "A\u{fffd}B");
    }
}
