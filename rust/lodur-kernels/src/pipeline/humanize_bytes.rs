//! Byte sizes in label values, as `12kB`, `1.5GiB` or `1,024`, with the error texts of Loki's reader.

use std::borrow::Cow;

use super::go_number::parse_float;

/// The size in bytes, or an error text.
pub fn parse_bytes(text: &[u8]) -> Result<u64, Cow<'static, str>> {
    let number_bytes = text.iter().take_while(|byte| matches!(byte, b'0'..=b'9' | b'.' | b',')).count();
    let (number, unit) = text.split_at(number_bytes);
    let value = if number.contains(&b',') {
        let digits: Vec<u8> = number.iter().copied().filter(|byte| *byte != b',').collect();
        parse_float(&digits)?
    } else {
        parse_float(number)?
    };
    let unit = String::from_utf8_lossy(unit).trim().to_lowercase();
    let factor = factor_of(&unit).ok_or_else(|| Cow::Owned(format!("unhandled size name: {unit}")))?;
    let bytes = value * factor as f64;
    if bytes >= u64::MAX as f64 {
        return Err(Cow::Owned(format!("too large: {}", String::from_utf8_lossy(text))));
    }
    Ok(bytes as u64)
}

fn factor_of(unit: &str) -> Option<u64> {
    Some(match unit {
        "" | "b" => 1,
        "k" | "kb" => 1_000,
        "m" | "mb" => 1_000_000,
        "g" | "gb" => 1_000_000_000,
        "t" | "tb" => 1_000_000_000_000,
        "p" | "pb" => 1_000_000_000_000_000,
        "e" | "eb" => 1_000_000_000_000_000_000,
        "ki" | "kib" => 1 << 10,
        "mi" | "mib" => 1 << 20,
        "gi" | "gib" => 1 << 30,
        "ti" | "tib" => 1 << 40,
        "pi" | "pib" => 1 << 50,
        "ei" | "eib" => 1 << 60,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn reads_sizes() {
        for (text, bytes) in [
            ("500", 500),
            ("0.7KB", 700),
            (".5MB", 500_000),
            ("1KiB", 1024),
            ("12b", 12),
            ("1,024", 1024),
            ("3TB", 3_000_000_000_000),
            ("2 MiB", 2 << 20),
            ("1.9B", 1),
        ] {
            assert_eq!(parse_bytes(text.as_bytes()).unwrap(), bytes, "{text}");
        }
    }

    #[test]
    fn refuses_the_rest() {
        let error = |text: &str| parse_bytes(text.as_bytes()).unwrap_err().into_owned();
        assert_eq!(error("big"), "strconv.ParseFloat: parsing \"\": invalid syntax");
        assert_eq!(error("5 parsecs"), "unhandled size name: parsecs");
        assert_eq!(error("99EB"), "too large: 99EB");
        assert!(error("-5").starts_with("strconv.ParseFloat"));
    }
}
