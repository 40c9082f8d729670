//! RFC 3339 texts and nanoseconds since the epoch.

const SECOND_NS: i64 = 1_000_000_000;
const DAY_S: i64 = 86_400;

/// `2024-01-01T00:00:00Z`: the second that `ts_ns` lies in, in UTC.
pub(super) fn rfc3339_seconds(ts_ns: i64) -> String {
    let seconds = ts_ns.div_euclid(SECOND_NS);
    let (year, month, day) = civil_of_days(seconds.div_euclid(DAY_S));
    let second = seconds.rem_euclid(DAY_S);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60)
}

/// `2024-01-01T00:00:00.00012Z`: all of `ts_ns` in UTC, without the zeros that end its fraction.
pub(crate) fn rfc3339_nanos(ts_ns: i64) -> String {
    let mut text = rfc3339_seconds(ts_ns);
    let rest_ns = ts_ns.rem_euclid(SECOND_NS);
    if rest_ns != 0 {
        text.pop();
        text.push('.');
        text.push_str(format!("{rest_ns:09}").trim_end_matches('0'));
        text.push('Z');
    }
    text
}

/// Nanoseconds of an RFC 3339 text with any number of fraction digits (beyond nine they are dropped). None where the
/// text is no such time or its nanoseconds do not fit.
pub(super) fn parse_rfc3339(text: &[u8]) -> Option<i64> {
    let mut rest = text;
    let year = number(&mut rest, 4)?;
    literal(&mut rest, b"-")?;
    let month = number(&mut rest, 2)?;
    literal(&mut rest, b"-")?;
    let day = number(&mut rest, 2)?;
    literal(&mut rest, b"Tt")?;
    let hour = number(&mut rest, 2)?;
    literal(&mut rest, b":")?;
    let minute = number(&mut rest, 2)?;
    literal(&mut rest, b":")?;
    let second = number(&mut rest, 2)?;
    let fraction_ns = fraction(&mut rest)?;
    let offset_s = offset(&mut rest)?;
    let in_range = (1..=12).contains(&month) && hour < 24 && minute < 60 && second < 60;
    if !rest.is_empty() || !in_range || day < 1 || day > days_in_month(year, month) {
        return None;
    }
    let seconds = days_of_civil(year, month, day) * DAY_S + hour * 3600 + minute * 60 + second - offset_s;
    seconds.checked_mul(SECOND_NS)?.checked_add(fraction_ns)
}

fn number(rest: &mut &[u8], digits: usize) -> Option<i64> {
    let (head, tail) = rest.split_at_checked(digits)?;
    *rest = tail;
    head.iter().try_fold(0, |value, &b| b.is_ascii_digit().then(|| value * 10 + i64::from(b - b'0')))
}

fn literal(rest: &mut &[u8], any_of: &[u8]) -> Option<u8> {
    let (&first, tail) = rest.split_first()?;
    *rest = tail;
    any_of.contains(&first).then_some(first)
}

fn fraction(rest: &mut &[u8]) -> Option<i64> {
    if rest.first() != Some(&b'.') {
        return Some(0);
    }
    let digits = rest[1..].iter().take_while(|b| b.is_ascii_digit()).count();
    if digits == 0 {
        return None;
    }
    let mut ns = 0;
    for place in 0..9 {
        ns = ns * 10 + if place < digits { i64::from(rest[1 + place] - b'0') } else { 0 };
    }
    *rest = &rest[1 + digits..];
    Some(ns)
}

fn offset(rest: &mut &[u8]) -> Option<i64> {
    let sign = match literal(rest, b"Zz+-")? {
        b'+' => 1,
        b'-' => -1,
        _ => return Some(0),
    };
    let hours = number(rest, 2)?;
    literal(rest, b":")?;
    let minutes = number(rest, 2)?;
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days since 1970-01-01 of a date of the Gregorian calendar; years begin in March so that leap days come last.
fn days_of_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn civil_of_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_times() {
        assert_eq!(rfc3339_seconds(1_704_067_200_999_999_999), "2024-01-01T00:00:00Z");
        assert_eq!(rfc3339_seconds(-1), "1969-12-31T23:59:59Z");
        assert_eq!(parse_rfc3339(b"2026-01-15T10:00:24.000000001Z"), Some(1_768_471_224_000_000_001));
        assert_eq!(parse_rfc3339(b"2026-01-15T12:00:25+02:00"), Some(1_768_471_225_000_000_000));
        for bad in [
            "",
            "2026-01-15",
            "2026-02-29T00:00:00Z",
            "2026-01-15T10:00:00",
            "2026-01-15T10:00:00.Z",
            "9999-01-01T00:00:00Z",
        ] {
            assert_eq!(parse_rfc3339(bad.as_bytes()), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn printed_times_are_read_back(ts_ns: i64) {
            let second = ts_ns.div_euclid(SECOND_NS);
            let read = parse_rfc3339(rfc3339_seconds(ts_ns).as_bytes());
            prop_assert_eq!(read, second.checked_mul(SECOND_NS));
        }

        #[test]
        fn any_bytes_are_read_without_panic(text in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = parse_rfc3339(&text);
        }
    }
}
