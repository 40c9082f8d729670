//! What a template may call on times, durations, months, weekdays and zones.

use super::civil::{MONTHS, WEEKDAYS, days_of_date};
use super::duration::format_duration;
use super::{NS_PER_S, SECONDS_PER_DAY, Time, UNIX_OF_YEAR_ONE, Zone};
use crate::pipeline::template::call::Param;
use crate::pipeline::template::value::{IntKind, Value};

/// A method and its parameters; `broken` is why a template cannot use its results.
#[derive(Clone, Copy, Debug)]
pub struct Method {
    pub name: &'static str,
    pub params: &'static [Param],
    pub broken: Option<&'static str>,
}

const fn method(name: &'static str, params: &'static [Param]) -> Method {
    Method { name, params, broken: None }
}

const fn broken(name: &'static str, why: &'static str) -> Method {
    Method { name, params: &[], broken: Some(why) }
}

const TIME: &[Method] = &[
    method("Add", &[Param::Duration]),
    method("AddDate", &[Param::Int, Param::Int, Param::Int]),
    method("After", &[Param::Time]),
    method("Before", &[Param::Time]),
    broken("Clock", "function Clock has 3 return values; should be 1 or 2"),
    method("Compare", &[Param::Time]),
    broken("Date", "function Date has 3 return values; should be 1 or 2"),
    method("Day", &[]),
    method("Equal", &[Param::Time]),
    method("Format", &[Param::String]),
    method("Hour", &[]),
    broken("ISOWeek", "invalid function signature for ISOWeek: second return value should be error; is int"),
    method("In", &[Param::Zone]),
    method("IsDST", &[]),
    method("IsZero", &[]),
    method("Local", &[]),
    method("Location", &[]),
    method("Minute", &[]),
    method("Month", &[]),
    method("Nanosecond", &[]),
    method("Round", &[Param::Duration]),
    method("Second", &[]),
    method("String", &[]),
    method("Sub", &[Param::Time]),
    method("Truncate", &[Param::Duration]),
    method("UTC", &[]),
    method("Unix", &[]),
    method("UnixMicro", &[]),
    method("UnixMilli", &[]),
    method("UnixNano", &[]),
    method("Weekday", &[]),
    method("Year", &[]),
    method("YearDay", &[]),
    broken("Zone", "invalid function signature for Zone: second return value should be error; is int"),
    broken(
        "ZoneBounds",
        "invalid function signature for ZoneBounds: second return value should be error; is time.Time",
    ),
];

const DURATION: &[Method] = &[
    method("Abs", &[]),
    method("Hours", &[]),
    method("Microseconds", &[]),
    method("Milliseconds", &[]),
    method("Minutes", &[]),
    method("Nanoseconds", &[]),
    method("Round", &[Param::Duration]),
    method("Seconds", &[]),
    method("String", &[]),
    method("Truncate", &[Param::Duration]),
];

const NAMED: &[Method] = &[method("String", &[])];

/// The method of a value's type.
pub fn find_method(receiver: &Value<'_>, name: &str) -> Option<Method> {
    let methods = match receiver {
        Value::Time(_) => TIME,
        Value::Int(_, IntKind::Duration) => DURATION,
        Value::Int(_, IntKind::Month | IntKind::Weekday) | Value::Zone(_) => NAMED,
        _ => return None,
    };
    methods.iter().find(|method| method.name == name).copied()
}

/// Call it; the arguments are of the types that it takes.
pub fn call_method<'a>(receiver: &Value<'a>, name: &str, arguments: &[Value<'a>]) -> Option<Value<'a>> {
    match (receiver, arguments) {
        (Value::Time(time), []) => of_time(time, name),
        (Value::Time(time), [argument]) => of_time_and_argument(time, name, argument),
        (Value::Time(time), [Value::Int(years, _), Value::Int(months, _), Value::Int(days, _)]) => {
            Some(Value::Time(add_date(time, *years, *months, *days)))
        }
        (Value::Int(ns, IntKind::Duration), []) => of_duration(*ns, name),
        (Value::Int(ns, IntKind::Duration), [Value::Int(unit, IntKind::Duration)]) => {
            Some(duration(if name == "Round" { round_duration(*ns, *unit) } else { truncate_duration(*ns, *unit) }))
        }
        (Value::Int(number, IntKind::Month), []) => Some(Value::text(named(&MONTHS, *number, 1, "Month"))),
        (Value::Int(number, IntKind::Weekday), []) => Some(Value::text(named(&WEEKDAYS, *number, 0, "Weekday"))),
        (Value::Zone(zone), []) => Some(Value::text(zone.name().to_owned())),
        _ => None,
    }
}

/// The name of a month or weekday, as its `String` gives it.
pub fn named(names: &[&str], number: i64, first: i64, kind: &str) -> String {
    let at = number.checked_sub(first).and_then(|at| usize::try_from(at).ok());
    match at.and_then(|at| names.get(at)) {
        Some(name) => (*name).to_owned(),
        None => format!("%!{kind}({})", number as u64),
    }
}

fn duration<'a>(ns: i64) -> Value<'a> {
    Value::Int(ns, IntKind::Duration)
}

fn of_time<'a>(time: &Time, name: &str) -> Option<Value<'a>> {
    let date = time.date();
    let clock = time.clock();
    Some(match name {
        "Year" => Value::int(date.year),
        "Month" => Value::Int(date.month, IntKind::Month),
        "Day" => Value::int(date.day),
        "YearDay" => Value::int(date.year_day),
        "Weekday" => Value::Int(time.weekday(), IntKind::Weekday),
        "Hour" => Value::int(clock.0),
        "Minute" => Value::int(clock.1),
        "Second" => Value::int(clock.2),
        "Nanosecond" => Value::int(i64::from(time.ns)),
        "Unix" => Value::int64(time.seconds),
        "UnixMilli" => Value::int64(time.seconds.wrapping_mul(1_000).wrapping_add(i64::from(time.ns / 1_000_000))),
        "UnixMicro" => Value::int64(time.seconds.wrapping_mul(1_000_000).wrapping_add(i64::from(time.ns / 1_000))),
        "UnixNano" => Value::int64(time.unix_ns()),
        "String" => Value::text(time.printed()),
        "UTC" | "Local" => Value::Time(time.in_zone(Zone::Utc)),
        "Location" => Value::Zone(time.zone.clone()),
        "IsZero" => Value::Bool(time.is_zero()),
        "IsDST" => Value::Bool(time.zone.is_dst(time.seconds)),
        _ => return None,
    })
}

fn of_time_and_argument<'a>(time: &Time, name: &str, argument: &Value<'a>) -> Option<Value<'a>> {
    Some(match (name, argument) {
        ("Add", Value::Int(ns, _)) => Value::Time(time.add(*ns)),
        ("After", Value::Time(other)) => Value::Bool(time.order(other).is_gt()),
        ("Before", Value::Time(other)) => Value::Bool(time.order(other).is_lt()),
        ("Equal", Value::Time(other)) => Value::Bool(time.order(other).is_eq()),
        ("Compare", Value::Time(other)) => Value::int(time.order(other) as i64),
        ("Sub", Value::Time(other)) => duration(time.since(other)),
        ("Format", Value::Text(layout)) => Value::text(time.format(layout)),
        ("In", Value::Zone(zone)) => Value::Time(time.in_zone(zone.clone())),
        ("Truncate", Value::Int(unit, _)) => Value::Time(time.add(-since_year_one(time, *unit))),
        ("Round", Value::Int(unit, _)) => {
            let over = since_year_one(time, *unit);
            Value::Time(time.add(if over < *unit - over { -over } else { (*unit).max(over) - over }))
        }
        _ => return None,
    })
}

/// Nanoseconds of a time beyond the last multiple of a unit, counted from year 1.
fn since_year_one(time: &Time, unit: i64) -> i64 {
    if unit <= 0 {
        return 0;
    }
    let seconds = i128::from(time.seconds) - i128::from(UNIX_OF_YEAR_ONE);
    let ns = seconds * i128::from(NS_PER_S) + i128::from(time.ns);
    i64::try_from(ns.rem_euclid(i128::from(unit))).unwrap_or(0)
}

fn add_date(time: &Time, years: i64, months: i64, days: i64) -> Time {
    let date = time.date();
    let (hour, minute, second) = time.clock();
    let day = days_of_date(date.year.saturating_add(years), date.month.saturating_add(months), 1)
        .saturating_add(date.day - 1)
        .saturating_add(days)
        // Far beyond any year that can be written, and seconds still fit.
        .clamp(-i64::MAX / SECONDS_PER_DAY / 4, i64::MAX / SECONDS_PER_DAY / 4);
    Time::from_clock(day, (hour * 60 + minute) * 60 + second, time.ns, time.zone.clone())
}

fn of_duration<'a>(ns: i64, name: &str) -> Option<Value<'a>> {
    let parts = |unit: i64| (ns / unit) as f64 + (ns % unit) as f64 / unit as f64;
    Some(match name {
        "Abs" => duration(ns.checked_abs().unwrap_or(i64::MAX)),
        "Hours" => Value::Float(parts(3_600 * NS_PER_S)),
        "Minutes" => Value::Float(parts(60 * NS_PER_S)),
        "Seconds" => Value::Float(parts(NS_PER_S)),
        "Milliseconds" => Value::int64(ns / 1_000_000),
        "Microseconds" => Value::int64(ns / 1_000),
        "Nanoseconds" => Value::int64(ns),
        "String" => Value::text(format_duration(ns)),
        _ => return None,
    })
}

fn truncate_duration(ns: i64, unit: i64) -> i64 {
    if unit <= 0 { ns } else { ns - ns % unit }
}

/// Half of a unit is rounded away from zero; what does not fit becomes the longest duration.
fn round_duration(ns: i64, unit: i64) -> i64 {
    if unit <= 0 {
        return ns;
    }
    let over = (ns % unit).unsigned_abs();
    let towards_zero = ns - ns % unit;
    if over < unit.unsigned_abs() - over {
        return towards_zero;
    }
    if ns < 0 {
        towards_zero.checked_sub(unit).unwrap_or(i64::MIN)
    } else {
        towards_zero.checked_add(unit).unwrap_or(i64::MAX)
    }
}
