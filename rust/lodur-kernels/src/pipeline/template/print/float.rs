//! Floating-point numbers as Go's `strconv.AppendFloat` writes them.

/// More digits than a float has: what is asked for beyond them is zeros.
const DIGITS_MAX: usize = 1_100;

/// A float in form `e`, `E`, `f`, `g`, `G`, `b`, `x` or `X`; without a precision the shortest text that reads back.
pub fn format_float(value: f64, form: u8, precision: Option<usize>) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    let sign = if value.is_sign_negative() { "-" } else { "" };
    let magnitude = value.abs();
    if magnitude.is_infinite() {
        return if sign.is_empty() { "+Inf".to_owned() } else { "-Inf".to_owned() };
    }
    let text = match form {
        b'e' | b'E' => exponential(magnitude, precision, form),
        b'f' => plain(magnitude, precision),
        b'b' => binary(magnitude),
        b'x' | b'X' => hexadecimal(magnitude, precision, form),
        _ => general(magnitude, precision, form - b'g' + b'e'),
    };
    format!("{sign}{text}")
}

/// Significant digits without zeros at the end, and the exponent of the first.
fn digits_of(magnitude: f64, count: Option<usize>) -> (String, i32) {
    let text = match count {
        Some(count) => format!("{:.*e}", count.clamp(1, DIGITS_MAX) - 1, magnitude),
        None => format!("{magnitude:e}"),
    };
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let trimmed = digits.trim_end_matches('0');
    (trimmed.to_owned(), exponent.parse().unwrap_or(0))
}

fn exponential(magnitude: f64, precision: Option<usize>, e: u8) -> String {
    let (digits, exponent) = digits_of(magnitude, precision.map(|precision| precision.saturating_add(1)));
    let places = precision.unwrap_or(digits.len().saturating_sub(1));
    with_exponent(&digits, exponent, places, e)
}

fn with_exponent(digits: &str, exponent: i32, places: usize, e: u8) -> String {
    let mut text = digits.get(..1).unwrap_or("0").to_owned();
    if places > 0 {
        text.push('.');
        let fraction = digits.get(1..).unwrap_or("");
        let fraction = &fraction[..fraction.len().min(places)];
        text.push_str(fraction);
        text.extend(std::iter::repeat_n('0', places - fraction.len()));
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    text + &format!("{}{sign}{:02}", char::from(e), exponent.unsigned_abs())
}

fn plain(magnitude: f64, precision: Option<usize>) -> String {
    let Some(precision) = precision else { return format!("{magnitude}") };
    let exact = precision.min(DIGITS_MAX);
    let mut text = format!("{magnitude:.exact$}");
    text.extend(std::iter::repeat_n('0', precision - exact));
    text
}

fn general(magnitude: f64, precision: Option<usize>, e: u8) -> String {
    let precision = precision.map(|precision| precision.max(1));
    let (digits, exponent) = digits_of(magnitude, precision);
    let point = exponent + 1;
    let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    let limit = match precision {
        None => 6,
        Some(precision) => match i32::try_from(precision).unwrap_or(i32::MAX) {
            precision if precision > count && count >= point => count,
            precision => precision,
        },
    };
    // Zero has no digits and is written plainly.
    if !digits.is_empty() && (exponent < -4 || exponent >= limit) {
        // Without a precision, the plain form is left at 21 digits before the point.
        return with_exponent(&digits, exponent, digits.len() - 1, e);
    }
    let places = usize::try_from(count - point).unwrap_or(0);
    fixed(&digits, point, if digits.is_empty() { 0 } else { places })
}

/// Digits with the decimal point after so many of them.
fn fixed(digits: &str, point: i32, places: usize) -> String {
    let digit =
        |at: i32| usize::try_from(at).ok().and_then(|at| digits.as_bytes().get(at)).map_or('0', |b| char::from(*b));
    let mut text: String = if point > 0 { (0..point).map(digit).collect() } else { "0".to_owned() };
    if digits.is_empty() {
        return "0".to_owned();
    }
    if places > 0 {
        text.push('.');
        text.extend((0..i32::try_from(places).unwrap_or(0)).map(|at| digit(point + at)));
    }
    text
}

/// Mantissa and binary exponent: the value is `mantissa * 2^exponent`.
fn parts(magnitude: f64) -> (u64, i32) {
    let bits = magnitude.to_bits();
    let mantissa = bits & ((1 << 52) - 1);
    match i32::try_from(bits >> 52).unwrap_or(0) {
        0 => (mantissa, 1 - 1075),
        exponent => (mantissa | 1 << 52, exponent - 1075),
    }
}

fn binary(magnitude: f64) -> String {
    let (mantissa, exponent) = parts(magnitude);
    format!("{mantissa}p{exponent:+}")
}

fn hexadecimal(magnitude: f64, precision: Option<usize>, form: u8) -> String {
    let (mut mantissa, mut exponent) = parts(magnitude);
    exponent += 52;
    if mantissa == 0 {
        exponent = 0;
    }
    // The first bit stands before the point, with 60 bits after it.
    mantissa <<= 8;
    while mantissa != 0 && mantissa & (1 << 60) == 0 {
        mantissa <<= 1;
        exponent -= 1;
    }
    if let Some(precision) = precision
        && precision < 15
    {
        let shift = precision * 4;
        let extra = (mantissa << shift) & ((1 << 60) - 1);
        mantissa >>= 60 - shift;
        if extra | (mantissa & 1) > 1 << 59 {
            mantissa += 1;
        }
        mantissa <<= 60 - shift;
        if mantissa & (1 << 61) != 0 {
            mantissa >>= 1;
            exponent += 1;
        }
    }
    let fraction = format!("{:015x}", mantissa & ((1 << 60) - 1));
    let fraction = match precision {
        None => fraction.trim_end_matches('0').to_owned(),
        Some(places) => fraction.chars().chain(std::iter::repeat('0')).take(places).collect(),
    };
    let point = if fraction.is_empty() { "" } else { "." };
    let sign = if exponent < 0 { '-' } else { '+' };
    let text = format!("0x{}{point}{fraction}p{sign}{:02}", mantissa >> 60, exponent.unsigned_abs());
    if form == b'X' { text.to_ascii_uppercase() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_what_go_writes() {
        for (value, form, precision, text) in [
            (1.0, b'g', None, "1"),
            (1e6, b'g', None, "1e+06"),
            (123_456.0, b'g', None, "123456"),
            (1_551_892.0, b'g', None, "1.551892e+06"),
            (1e-5, b'g', None, "1e-05"),
            (0.000_123, b'g', None, "0.000123"),
            (0.0, b'g', None, "0"),
            (-0.0, b'g', None, "-0"),
            (100_000.0, b'g', Some(3), "1e+05"),
            (123.456, b'g', Some(4), "123.5"),
            (100.0, b'g', Some(10), "100"),
            (0.0, b'e', Some(2), "0.00e+00"),
            (1234.5678, b'e', Some(3), "1.235e+03"),
            (2.5, b'f', Some(0), "2"),
            (1.0, b'x', None, "0x1p+00"),
            (0.1, b'x', Some(3), "0x1.99ap-04"),
            (1.0, b'b', None, "4503599627370496p-52"),
        ] {
            assert_eq!(format_float(value, form, precision), text);
        }
        assert_eq!(format_float(1.0, b'f', Some(5_000)).len(), 5_002);
    }
}
