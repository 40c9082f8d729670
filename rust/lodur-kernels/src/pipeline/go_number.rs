//! Numbers in label values as Go's `strconv.ParseFloat` reads them, with its error texts.

use std::borrow::Cow;

use super::go_quote::go_quoted;

/// Digits of a number without underscores and of plain form fit a buffer of this size.
const PLAIN_BYTES_MAX: usize = 64;

/// The value, or the text of Go's error.
pub fn parse_float(text: &[u8]) -> Result<f64, Cow<'static, str>> {
    parse(text).map_err(|problem| Cow::Owned(format!("strconv.ParseFloat: parsing {}: {problem}", go_quoted(text))))
}

fn parse(text: &[u8]) -> Result<f64, &'static str> {
    const SYNTAX: &str = "invalid syntax";
    let digits = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text);
    let is_plain = |byte: &u8| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-');
    match digits.first() {
        Some(b'0'..=b'9' | b'.') => {}
        Some(b'i' | b'I' | b'n' | b'N') => return special(text).ok_or(SYNTAX),
        _ => return Err(SYNTAX),
    }
    let value = if text.iter().all(is_plain) {
        std::str::from_utf8(text).ok().and_then(|text| text.parse::<f64>().ok())
    } else if digits.len() > 2 && digits[1].eq_ignore_ascii_case(&b'x') && digits[0] == b'0' {
        hexadecimal(digits).map(|value| if text[0] == b'-' { -value } else { value })
    } else {
        without_underscores(text)
    };
    match value {
        None => Err(SYNTAX),
        Some(value) if value.is_infinite() => Err("value out of range"),
        Some(value) => Ok(value),
    }
}

/// `Inf`, `infinity` with a sign and `NaN` without one, in any case.
fn special(text: &[u8]) -> Option<f64> {
    let (sign, name) = match text.first()? {
        b'-' => (-1.0, &text[1..]),
        b'+' => (1.0, &text[1..]),
        _ => (1.0, text),
    };
    if name.eq_ignore_ascii_case(b"inf") || name.eq_ignore_ascii_case(b"infinity") {
        return Some(sign * f64::INFINITY);
    }
    // A signed NaN is a syntax error in Go.
    (text.eq_ignore_ascii_case(b"nan")).then_some(f64::NAN)
}

/// Decimal digits with underscores between them.
fn without_underscores(text: &[u8]) -> Option<f64> {
    if text.len() > PLAIN_BYTES_MAX || !text.contains(&b'_') {
        return None;
    }
    let between_digits = |at: usize| {
        let digit = |index: usize| text.get(index).is_some_and(u8::is_ascii_digit);
        at > 0 && digit(at - 1) && digit(at + 1)
    };
    let separated = text.iter().enumerate().all(|(at, byte)| *byte != b'_' || between_digits(at));
    let digits: Vec<u8> = text.iter().copied().filter(|byte| *byte != b'_').collect();
    let plain = digits.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
    if !separated || !plain {
        return None;
    }
    std::str::from_utf8(&digits).ok()?.parse().ok()
}

/// `0x1.8p3`: the exponent is required.
fn hexadecimal(text: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(&text[2..]).ok()?;
    let (mantissa, exponent) = text.split_once(['p', 'P'])?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = [whole, fraction].concat();
    if digits.is_empty() || digits.len() > 13 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let exponent: i32 = exponent.parse().ok()?;
    let scale = exponent.saturating_sub(4 * i32::try_from(fraction.len()).ok()?);
    Some(u64::from_str_radix(&digits, 16).ok()? as f64 * 2f64.powi(scale))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn reads_what_go_reads() {
        for (text, value) in
            [("1", 1.0), ("1e3", 1000.0), (".5", 0.5), ("-2.5", -2.5), ("+7", 7.0), ("1_000", 1000.0), ("5.", 5.0)]
        {
            assert_eq!(parse_float(text.as_bytes()).unwrap(), value, "{text}");
        }
        assert_eq!(parse_float(b"-Inf").unwrap(), f64::NEG_INFINITY);
        assert_eq!(parse_float(b"0x1p4").unwrap(), 16.0);
        assert!(parse_float(b"NaN").unwrap().is_nan());
    }

    #[test]
    fn refuses_what_go_refuses() {
        let error = |text: &str| parse_float(text.as_bytes()).unwrap_err().into_owned();
        assert_eq!(error("0x10"), "strconv.ParseFloat: parsing \"0x10\": invalid syntax");
        assert_eq!(error("1e400"), "strconv.ParseFloat: parsing \"1e400\": value out of range");
        for text in ["", "abc", "1_", "_1", "1__0", "1,024", "50%", " 1", "--1", "e5", ".", "+NaN", "1e", "é"] {
            assert!(error(text).ends_with(": invalid syntax"), "{text}");
        }
    }
}
