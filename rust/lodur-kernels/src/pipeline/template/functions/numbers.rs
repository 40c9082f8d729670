//! Any value as a number, and texts of sizes and durations.

use super::super::super::go_duration::parse_duration_ns;
use super::super::super::go_number::parse_float;
use super::super::super::humanize_bytes::parse_bytes;
use super::super::call::Function;
use super::super::literal::parse_int;
use super::super::value::Value;
use super::Outcome;

/// Any value as an integer: texts as they are read, everything else that is no number as zero.
pub fn to_int(value: &Value<'_>) -> i64 {
    match value.inner() {
        Value::Int(number, _) => *number,
        Value::Byte(byte) => i64::from(*byte),
        Value::Float(number) => int_of_float(*number),
        Value::Bool(truth) => i64::from(*truth),
        Value::Text(text) => {
            std::str::from_utf8(text).ok().and_then(|text| parse_int(without_fraction(text))).unwrap_or(0)
        }
        _ => 0,
    }
}

/// Any value as a float.
pub fn to_float(value: &Value<'_>) -> f64 {
    match value.inner() {
        Value::Int(number, _) => *number as f64,
        Value::Byte(byte) => f64::from(*byte),
        Value::Float(number) => *number,
        Value::Bool(truth) => f64::from(u8::from(*truth)),
        Value::Text(text) => parse_float(text).unwrap_or(0.0),
        _ => 0.0,
    }
}

/// What does not fit becomes the smallest integer, as on the reference's machines.
fn int_of_float(number: f64) -> i64 {
    let fits = number >= i64::MIN as f64 && number < -(i64::MIN as f64);
    if fits { number as i64 } else { i64::MIN }
}

/// `7.9` read as `7`; texts of other forms stay.
fn without_fraction(text: &str) -> &str {
    let Some((whole, fraction)) = text.split_once('.') else { return text };
    let digits = whole.strip_prefix(['-', '+']).unwrap_or(whole);
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    match (is_number(digits) && is_number(fraction), digits) {
        (true, "") => "0",
        (true, _) => whole,
        (false, _) => text,
    }
}

/// `bytes`, `duration` and `duration_seconds`.
pub fn measure<'a>(function: Function, text: &[u8]) -> Outcome<'a> {
    let number = match function {
        Function::Bytes => parse_bytes(text).map(|bytes| bytes as f64),
        _ => parse_duration_ns(text).map(seconds),
    };
    number.map(Value::Float).map_err(std::borrow::Cow::into_owned)
}

fn seconds(ns: i64) -> f64 {
    (ns / 1_000_000_000) as f64 + (ns % 1_000_000_000) as f64 / 1e9
}
