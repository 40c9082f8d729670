//! Literals of Go: quoted strings, characters, and numbers with every type that each may have.

use super::super::go_number::parse_float;
use super::super::go_quote::go_quoted;
use super::node::Number;

/// The bytes that a string literal with its quotes stands for (`strconv.Unquote`).
pub fn unquote(quoted: &str) -> Option<Vec<u8>> {
    if let Some(raw) = quoted.strip_prefix('`') {
        let text = raw.strip_suffix('`')?;
        return Some(text.bytes().filter(|byte| *byte != b'\r').collect());
    }
    let mut rest = quoted.strip_prefix('"')?.strip_suffix('"')?;
    let mut text = Vec::with_capacity(rest.len());
    while !rest.is_empty() {
        match unquote_char(&mut rest, '"')? {
            Unquoted::Byte(byte) => text.push(byte),
            Unquoted::Char(c) => text.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    Some(text)
}

enum Unquoted {
    Byte(u8),
    Char(char),
}

/// Take one character or escape sequence (`strconv.UnquoteChar`).
fn unquote_char(rest: &mut &str, quote: char) -> Option<Unquoted> {
    let mut chars = rest.chars();
    let first = chars.next()?;
    if first == quote || first == '\n' {
        return None;
    }
    if first != '\\' {
        *rest = chars.as_str();
        return Some(Unquoted::Char(first));
    }
    let escape = chars.next()?;
    let plain = match escape {
        'a' => '\u{7}',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\u{b}',
        '\\' => '\\',
        '\'' | '"' if escape == quote => escape,
        'x' | 'u' | 'U' | '0'..='7' => {
            *rest = chars.as_str();
            return numeric_escape(rest, escape);
        }
        _ => return None,
    };
    *rest = chars.as_str();
    Some(Unquoted::Char(plain))
}

fn numeric_escape(rest: &mut &str, escape: char) -> Option<Unquoted> {
    let (digits, radix, mut value) = match escape {
        'x' => (2, 16, 0),
        'u' => (4, 16, 0),
        'U' => (8, 16, 0),
        octal => (2, 8, octal.to_digit(8)?),
    };
    let text = rest.get(..digits)?;
    for c in text.chars() {
        value = value.checked_mul(radix)?.checked_add(c.to_digit(radix)?)?;
    }
    *rest = &rest[digits..];
    match escape {
        'u' | 'U' => char::from_u32(value).map(Unquoted::Char),
        _ => u8::try_from(value).ok().map(Unquoted::Byte),
    }
}

/// A character constant with its quotes.
pub fn char_constant(text: &str) -> Result<Number, String> {
    let mut rest = text.get(1..).unwrap_or("");
    let value = match unquote_char(&mut rest, '\'').ok_or("invalid syntax")? {
        Unquoted::Byte(byte) => u32::from(byte),
        Unquoted::Char(c) => c as u32,
    };
    if rest != "'" {
        return Err(format!("malformed character constant: {text}"));
    }
    Ok(Number {
        text: text.into(),
        int: Some(i64::from(value)),
        uint: Some(u64::from(value)),
        float: Some(f64::from(value)),
        complex: None,
    })
}

/// `1+2i`.
pub fn complex_constant(text: &str) -> Result<Number, String> {
    let illegal = || format!("illegal number syntax: {}", go_quoted(text.as_bytes()));
    let body = text.strip_suffix('i').ok_or_else(illegal)?;
    let is_sign =
        |at: usize| matches!(body.as_bytes()[at], b'+' | b'-') && !matches!(body.as_bytes()[at - 1], b'e' | b'E');
    let split = (1..body.len()).rev().find(|at| is_sign(*at)).ok_or_else(illegal)?;
    let read = |part: &str| parse_float(part.as_bytes()).map_err(|_| illegal());
    Ok(simplified(text, (read(&body[..split])?, read(&body[split..])?)))
}

/// Any other number.
pub fn number(text: &str) -> Result<Number, String> {
    if let Some(imaginary) = text.strip_suffix('i')
        && let Ok(value) = parse_float(imaginary.as_bytes())
    {
        return Ok(simplified(text, (0.0, value)));
    }
    let mut number = Number { text: text.into(), uint: parse_uint(text), int: parse_int(text), ..Number::default() };
    if number.int == Some(0) && number.uint.is_none() {
        number.uint = Some(0);
    }
    if let Some(int) = number.int {
        number.float = Some(int as f64);
    } else if let Some(uint) = number.uint {
        number.float = Some(uint as f64);
    } else if let Ok(float) = parse_float(text.as_bytes()) {
        if !text.contains(['.', 'e', 'E', 'p', 'P']) {
            return Err(format!("integer overflow: {}", go_quoted(text.as_bytes())));
        }
        set_float(&mut number, float);
    } else {
        return Err(format!("illegal number syntax: {}", go_quoted(text.as_bytes())));
    }
    Ok(number)
}

fn simplified(text: &str, complex: (f64, f64)) -> Number {
    let mut number = Number { text: text.into(), complex: Some(complex), ..Number::default() };
    if complex.1 == 0.0 {
        set_float(&mut number, complex.0);
    }
    number
}

/// The float, and the integers if it is one.
fn set_float(number: &mut Number, float: f64) {
    number.float = Some(float);
    // Saturating conversions at the edges would compare equal to the float next to them.
    if (float as i64) as f64 == float && (float as i64) != i64::MAX {
        number.int = Some(float as i64);
    }
    if (float as u64) as f64 == float && (float as u64) != u64::MAX {
        number.uint = Some(float as u64);
    }
}

/// `strconv.ParseInt(text, 0, 64)`.
pub fn parse_int(text: &str) -> Option<i64> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let magnitude = parse_uint(digits)?;
    match (negative, i64::try_from(magnitude)) {
        (false, value) => value.ok(),
        (true, Ok(value)) => Some(-value),
        (true, Err(_)) => (magnitude == 1 << 63).then_some(i64::MIN),
    }
}

/// `strconv.ParseUint(text, 0, 64)`.
fn parse_uint(text: &str) -> Option<u64> {
    if !text.is_ascii() {
        return None;
    }
    let prefix = text.get(..2).unwrap_or("").to_ascii_lowercase();
    let (digits, radix) = match prefix.as_str() {
        "0x" => (&text[2..], 16),
        "0o" => (&text[2..], 8),
        "0b" => (&text[2..], 2),
        _ if text.len() > 1 && text.starts_with('0') => (&text[1..], 8),
        _ => (text, 10),
    };
    let has_prefix = digits.len() < text.len();
    let mut value: u64 = 0;
    let mut after_digit = has_prefix;
    for c in digits.chars() {
        if c == '_' {
            // Underscores stand between digits, or after a prefix.
            if !after_digit {
                return None;
            }
            after_digit = false;
            continue;
        }
        value = value.checked_mul(u64::from(radix))?.checked_add(u64::from(c.to_digit(radix)?))?;
        after_digit = true;
    }
    (after_digit && !digits.is_empty()).then_some(value)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn unquotes() {
        assert_eq!(unquote(r#""a\tb\x41\u00e9\101\"""#).unwrap(), "a\tbAéA\"".as_bytes());
        assert_eq!(unquote("`a\\n\r`").unwrap(), b"a\\n");
        assert_eq!(unquote(r#""\xff""#).unwrap(), b"\xff");
        for bad in [r#""\q""#, r#""\x4""#, r#""\'""#, r#""\ud800""#, r#""\400""#] {
            assert_eq!(unquote(bad), None, "{bad}");
        }
    }

    #[test]
    fn reads_numbers() {
        for (text, int) in [("0x1F", 31), ("017", 15), ("0b101", 5), ("0o17", 15), ("1_000", 1000), ("-7", -7)] {
            assert_eq!(number(text).unwrap().int, Some(int), "{text}");
        }
        assert_eq!(number("1e3").unwrap().int, Some(1000));
        assert_eq!(number("1.5").unwrap().int, None);
        assert_eq!(number("-0").unwrap().uint, Some(0));
        assert_eq!(number("1i").unwrap().complex, Some((0.0, 1.0)));
        assert_eq!(complex_constant("1e+2-2i").unwrap().complex, Some((100.0, -2.0)));
        assert_eq!(char_constant("'x'").unwrap().int, Some(120));
        assert_eq!(char_constant("'ab'").unwrap_err(), "malformed character constant: 'ab'");
        assert_eq!(number("99999999999999999999").unwrap_err(), "integer overflow: \"99999999999999999999\"");
        assert_eq!(number("089").unwrap_err(), "integer overflow: \"089\"");
        assert_eq!(number("1__0").unwrap_err(), "illegal number syntax: \"1__0\"");
    }
}
