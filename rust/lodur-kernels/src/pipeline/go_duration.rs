//! Durations in label values as Go's `time.ParseDuration` reads them, with its error texts.

use std::borrow::Cow;

/// 2^63, the first magnitude that no positive duration has.
const MAGNITUDE_END: u64 = 1 << 63;

/// The duration in nanoseconds, or the text of Go's error.
pub fn parse_duration_ns(text: &[u8]) -> Result<i64, Cow<'static, str>> {
    parse(text).map_err(|problem| {
        let quoted = quoted_whole(text);
        Cow::Owned(match problem {
            Problem::Invalid => format!("time: invalid duration {quoted}"),
            Problem::MissingUnit => format!("time: missing unit in duration {quoted}"),
            Problem::UnknownUnit(unit) => format!("time: unknown unit {} in duration {quoted}", quoted_whole(unit)),
        })
    })
}

enum Problem<'a> {
    Invalid,
    MissingUnit,
    UnknownUnit(&'a [u8]),
}

fn parse(text: &[u8]) -> Result<i64, Problem<'_>> {
    let (negative, mut rest) = match text.first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == b"0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(Problem::Invalid);
    }
    let mut total_ns: u64 = 0;
    while !rest.is_empty() {
        let part_ns = take_part(&mut rest)?;
        total_ns = total_ns.checked_add(part_ns).filter(|total| *total <= MAGNITUDE_END).ok_or(Problem::Invalid)?;
    }
    match (negative, i64::try_from(total_ns)) {
        (true, Ok(total_ns)) => Ok(-total_ns),
        (true, Err(_)) => Ok(i64::MIN),
        (false, Ok(total_ns)) => Ok(total_ns),
        (false, Err(_)) => Err(Problem::Invalid),
    }
}

/// One number with its unit.
fn take_part<'a>(rest: &mut &'a [u8]) -> Result<u64, Problem<'a>> {
    let text = *rest;
    let whole_digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut whole: u64 = 0;
    for digit in &text[..whole_digits] {
        whole = whole
            .checked_mul(10)
            .and_then(|value| value.checked_add(u64::from(digit - b'0')))
            .filter(|value| *value <= MAGNITUDE_END)
            .ok_or(Problem::Invalid)?;
    }
    let mut at = whole_digits;
    let (mut fraction, mut scale) = (0u64, 1f64);
    let mut fraction_digits = 0;
    if text.get(at) == Some(&b'.') {
        at += 1;
        fraction_digits = text[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let mut exact = true;
        for digit in &text[at..at + fraction_digits] {
            // Digits beyond what fits change nothing that a nanosecond could show.
            let next = fraction.checked_mul(10).and_then(|value| value.checked_add(u64::from(digit - b'0')));
            match next.filter(|value| exact && *value < MAGNITUDE_END) {
                Some(value) => {
                    fraction = value;
                    scale *= 10.0;
                }
                None => exact = false,
            }
        }
        at += fraction_digits;
    }
    if whole_digits == 0 && fraction_digits == 0 {
        return Err(Problem::Invalid);
    }
    let unit_bytes = text[at..].iter().take_while(|byte| **byte != b'.' && !byte.is_ascii_digit()).count();
    if unit_bytes == 0 {
        return Err(Problem::MissingUnit);
    }
    let unit = &text[at..at + unit_bytes];
    let unit_ns = unit_ns(unit).ok_or(Problem::UnknownUnit(unit))?;
    *rest = &text[at + unit_bytes..];
    let whole_ns = whole.checked_mul(unit_ns).filter(|value| *value <= MAGNITUDE_END).ok_or(Problem::Invalid)?;
    let fraction_ns = (fraction as f64 * (unit_ns as f64 / scale)) as u64;
    whole_ns.checked_add(fraction_ns).filter(|value| *value <= MAGNITUDE_END).ok_or(Problem::Invalid)
}

fn unit_ns(unit: &[u8]) -> Option<u64> {
    Some(match unit {
        b"ns" => 1,
        b"us" => 1_000,
        // The micro sign and the Greek letter.
        b"\xC2\xB5s" | b"\xCE\xBCs" => 1_000,
        b"ms" => 1_000_000,
        b"s" => 1_000_000_000,
        b"m" => 60_000_000_000,
        b"h" => 3_600_000_000_000,
        _ => return None,
    })
}

/// Package `time` quotes by a rule of its own: every byte outside ASCII is written in hexadecimal.
fn quoted_whole(text: &[u8]) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for byte in text {
        match byte {
            b'"' | b'\\' => {
                quoted.push('\\');
                quoted.push(char::from(*byte));
            }
            b' '..=b'~' | 0x7f => quoted.push(char::from(*byte)),
            _ => quoted.push_str(&format!("\\x{byte:02x}")),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn reads_what_go_reads() {
        for (text, ns) in [
            ("0", 0),
            ("1h1m1s1ms1us1ns", 3_661_001_001_001),
            ("1.5h", 5_400_000_000_000),
            ("-3s", -3_000_000_000),
            (".5s", 500_000_000),
            ("1µs", 1_000),
            ("129.45ms", 129_450_000),
            ("0.000943s", 943_000),
            ("-9223372036854775808ns", i64::MIN),
        ] {
            assert_eq!(parse_duration_ns(text.as_bytes()).unwrap(), ns, "{text}");
        }
    }

    #[test]
    fn refuses_what_go_refuses() {
        let error = |text: &str| parse_duration_ns(text.as_bytes()).unwrap_err().into_owned();
        assert_eq!(error("soon"), "time: invalid duration \"soon\"");
        assert_eq!(error("7"), "time: missing unit in duration \"7\"");
        assert_eq!(error("1d"), "time: unknown unit \"d\" in duration \"1d\"");
        for text in ["", "-", ".s", "9223372036854775808ns", "3000000h", "99999999999999999999s"] {
            assert!(error(text).starts_with("time: invalid duration"), "{text}");
        }
    }
}
