//! Durations in Go's text form: `1h2m3.5s`.

/// `time.Duration.String`.
pub fn format_duration(ns: i64) -> String {
    if ns == 0 {
        return "0s".to_owned();
    }
    let sign = if ns < 0 { "-" } else { "" };
    let magnitude = ns.unsigned_abs();
    if magnitude < 1_000_000_000 {
        let (unit, digits) = match magnitude {
            0..1_000 => ("ns", 0),
            1_000..1_000_000 => ("µs", 3),
            _ => ("ms", 6),
        };
        return format!("{sign}{}{unit}", with_fraction(magnitude, digits));
    }
    let minutes = magnitude / 60_000_000_000;
    let seconds = with_fraction(magnitude % 60_000_000_000, 9);
    match minutes {
        0 => format!("{sign}{seconds}s"),
        1..60 => format!("{sign}{minutes}m{seconds}s"),
        _ => format!("{sign}{}h{}m{seconds}s", minutes / 60, minutes % 60),
    }
}

/// A number with so many decimal places, without zeros at the end.
fn with_fraction(value: u64, digits: u32) -> String {
    let scale = 10u64.pow(digits);
    let fraction = format!("{:0width$}", value % scale, width = digits as usize);
    let fraction = fraction.trim_end_matches('0');
    if digits == 0 || fraction.is_empty() {
        return (value / scale).to_string();
    }
    format!("{}.{fraction}", value / scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_what_go_writes() {
        for (ns, text) in [
            (0, "0s"),
            (1, "1ns"),
            (1_100, "1.1µs"),
            (2_200_000, "2.2ms"),
            (3_300_000_000, "3.3s"),
            (245_000_000_000, "4m5s"),
            (18_367_001_000_000, "5h6m7.001s"),
            (i64::MIN, "-2562047h47m16.854775808s"),
            (60_000_000_000, "1m0s"),
        ] {
            assert_eq!(format_duration(ns), text);
        }
    }
}
