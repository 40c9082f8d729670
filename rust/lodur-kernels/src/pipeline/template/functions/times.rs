//! Functions of times.

use super::super::super::go_quote::go_quoted;
use super::super::call::Function;
use super::super::exec::Exec;
use super::super::time::{Time, Zone, parse_time};
use super::super::value::{IntKind, Value};
use super::{Outcome, wrong_arguments};

pub fn call<'a>(function: Function, arguments: &[Value<'a>], exec: &Exec<'a>) -> Outcome<'a> {
    use Function as F;
    Ok(match (function, arguments) {
        (F::Timestamp, []) => Value::Time(Time::from_unix_ns(exec.ts_ns())),
        (F::Now, []) => Value::Time(now()),
        (F::Date, [Value::Text(layout), value]) => Value::text(time_of(value).format(layout)),
        (F::ToDate, [Value::Text(layout), Value::Text(text)]) => Value::Time(read(layout, text, &Zone::Utc)),
        (F::ToDateInZone, [Value::Text(layout), Value::Text(zone), Value::Text(text)]) => {
            let zone = std::str::from_utf8(zone).ok().and_then(Zone::named).unwrap_or(Zone::Utc);
            Value::Time(read(layout, text, &zone))
        }
        (F::UnixEpoch, [Value::Time(time)]) => Value::text(time.seconds.to_string()),
        (F::UnixEpochMillis, [Value::Time(time)]) => {
            let ms = i128::from(time.seconds) * 1_000 + i128::from(time.ns / 1_000_000);
            Value::text((ms as i64).to_string())
        }
        (F::UnixEpochNanos, [Value::Time(time)]) => Value::text(time.unix_ns().to_string()),
        (F::UnixToTime, [Value::Text(text)]) => Value::Time(from_digits(text)?),
        _ => return Err(wrong_arguments()),
    })
}

fn now() -> Time {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Time::from_unix(i64::try_from(since.as_secs()).unwrap_or(0), i64::from(since.subsec_nanos()))
}

/// A text that cannot be read gives Go's zero time.
fn read(layout: &[u8], text: &[u8], zone: &Zone) -> Time {
    parse_time(layout, text, zone).unwrap_or_else(Time::zero)
}

/// A time, or seconds since 1970 as an integer; any other value is now. Shown in UTC, the zone of a server.
fn time_of(value: &Value<'_>) -> Time {
    match value.inner() {
        Value::Time(time) => time.in_zone(Zone::Utc),
        Value::Int(seconds, IntKind::Int | IntKind::Int32 | IntKind::Int64) => Time::from_unix(*seconds, 0),
        _ => now(),
    }
}

/// The unit of a number of this many digits since 1970.
fn from_digits(text: &[u8]) -> Result<Time, String> {
    let shown = String::from_utf8_lossy(text);
    let number = parse_decimal(text).map_err(|problem| {
        format!("unable to parse time '{shown}': strconv.ParseInt: parsing {}: {problem}", go_quoted(text))
    })?;
    Ok(match text.len() {
        5 => Time::from_unix(number * 86_400, 0),
        10 => Time::from_unix(number, 0),
        13 => Time::from_unix(number.div_euclid(1_000), number.rem_euclid(1_000) * 1_000_000),
        16 => Time::from_unix(number.div_euclid(1_000_000), number.rem_euclid(1_000_000) * 1_000),
        19 => Time::from_unix_ns(number),
        _ => return Err(format!("unable to parse time '{shown}': %!w(<nil>)")),
    })
}

/// `strconv.ParseInt(text, 10, 64)`.
fn parse_decimal(text: &[u8]) -> Result<i64, &'static str> {
    let digits = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err("invalid syntax");
    }
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or("value out of range")
}
