//! Arithmetic, of integers and of floats.

use super::super::call::Function;
use super::super::value::{IntKind, Value};
use super::decimal::Decimal;
use super::numbers::{to_float, to_int};
use super::{Outcome, wrong_arguments};

const DIVIDED_BY_ZERO: &str = "runtime error: integer divide by zero";

pub fn call<'a>(function: Function, arguments: &[Value<'a>]) -> Outcome<'a> {
    use Function as F;
    match function {
        F::Add => return Ok(Value::int64(arguments.iter().map(to_int).fold(0, i64::wrapping_add))),
        F::Addf => return decimals(Some(0.0), arguments, Decimal::add),
        _ => {}
    }
    let Some((first, others)) = arguments.split_first() else { return Err(wrong_arguments()) };
    let ints = || others.iter().map(to_int);
    let floats = || others.iter().map(to_float);
    Ok(match function {
        F::Int => Value::Int(to_int(first), IntKind::Int),
        F::Float64 => Value::Float(to_float(first)),
        F::Sub => Value::int64(ints().fold(to_int(first), i64::wrapping_sub)),
        F::Mul => Value::int64(ints().fold(to_int(first), i64::wrapping_mul)),
        F::Max => Value::int64(ints().fold(to_int(first), i64::max)),
        F::Min => Value::int64(ints().fold(to_int(first), i64::min)),
        F::Div | F::Mod => {
            let divisor = ints().next().unwrap_or(0);
            if divisor == 0 {
                return Err(DIVIDED_BY_ZERO.to_owned());
            }
            let number = to_int(first);
            Value::int64(if function == F::Div { number.wrapping_div(divisor) } else { number.wrapping_rem(divisor) })
        }
        F::Subf => return decimals(None, arguments, Decimal::subtract),
        F::Mulf => return decimals(None, arguments, Decimal::multiply),
        F::Divf => return decimals(None, arguments, Decimal::divide),
        F::Maxf => Value::Float(floats().fold(to_float(first), greater)),
        F::Minf => Value::Float(-floats().fold(-to_float(first), |a, b| greater(a, -b))),
        F::Ceil => Value::Float(to_float(first).ceil()),
        F::Floor => Value::Float(to_float(first).floor()),
        F::Round => {
            let places = others.first().map_or(0, to_int);
            Value::Float(round(to_float(first), places, others.get(1).map_or(0.5, to_float)))
        }
        _ => return Err(wrong_arguments()),
    })
}

fn decimals<'a>(
    start: Option<f64>,
    arguments: &[Value<'a>],
    combine: impl Fn(&Decimal, &Decimal) -> Result<Decimal, String>,
) -> Outcome<'a> {
    let mut numbers = start.into_iter().chain(arguments.iter().map(to_float));
    let mut result = Decimal::from_float(numbers.next().unwrap_or(0.0))?;
    for number in numbers {
        result = combine(&result, &Decimal::from_float(number)?)?;
    }
    Ok(Value::Float(result.to_float()))
}

/// Go's `math.Max`: infinity before NaN, zero before minus zero.
fn greater(a: f64, b: f64) -> f64 {
    if a == f64::INFINITY || b == f64::INFINITY {
        f64::INFINITY
    } else if a.is_nan() || b.is_nan() {
        f64::NAN
    } else if a == 0.0 && b == 0.0 {
        if a.is_sign_negative() { b } else { a }
    } else if a > b {
        a
    } else {
        b
    }
}

/// To so many decimal places; a rest of `round_on` or more goes up, and what is below zero goes down.
fn round(value: f64, places: i64, round_on: f64) -> f64 {
    let scale = power_of_ten(places);
    let scaled = scale * value;
    let rounded = if scaled.fract() >= round_on { scaled.ceil() } else { scaled.floor() };
    rounded / scale
}

/// Go's `math.Pow(10, places)`: by squaring the mantissa, so that it is the same to the last bit.
fn power_of_ten(places: i64) -> f64 {
    /// Binary exponents beyond this are beyond every float.
    const EXPONENT_MAX: i32 = 1 << 12;
    let (mut square, mut square_exponent) = (0.625f64, 4i32);
    let (mut mantissa, mut exponent) = (1.0f64, 0i32);
    let mut rest = places.unsigned_abs();
    while rest != 0 {
        if square_exponent > EXPONENT_MAX {
            exponent += square_exponent;
            break;
        }
        if rest & 1 == 1 {
            mantissa *= square;
            exponent += square_exponent;
        }
        square *= square;
        square_exponent <<= 1;
        if square < 0.5 {
            square += square;
            square_exponent -= 1;
        }
        rest >>= 1;
    }
    if places < 0 {
        mantissa = 1.0 / mantissa;
        exponent = -exponent;
    }
    // In two steps, for a power of two alone may be beyond every float.
    let exponent = exponent.clamp(-EXPONENT_MAX, EXPONENT_MAX);
    mantissa * 2f64.powi(exponent / 2) * 2f64.powi(exponent - exponent / 2)
}
