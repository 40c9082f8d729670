//! Decimal arithmetic: `addf` and its kin compute without the rounding of binary floats, as Loki's do.

use num_bigint::BigInt;

/// Decimal places of a quotient.
const PLACES: i64 = 16;

/// Bits of a number's digits: products of very many factors would grow without end.
const BITS_MAX: u64 = 1 << 16;

/// `digits * 10^exponent`.
#[derive(Clone, Debug)]
pub struct Decimal {
    digits: BigInt,
    exponent: i64,
}

impl Decimal {
    /// The shortest decimal that reads back as the float.
    pub fn from_float(value: f64) -> Result<Decimal, String> {
        if !value.is_finite() {
            let text = super::super::print::format_number(value);
            return Err(format!("Cannot create a Decimal from {text}"));
        }
        let text = format!("{value:e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let places = mantissa.split_once('.').map_or(0, |(_, fraction)| fraction.len());
        let digits: String = mantissa.chars().filter(|c| *c != '.').collect();
        Ok(Decimal {
            digits: digits.parse().unwrap_or_default(),
            exponent: exponent.parse::<i64>().unwrap_or(0) - i64::try_from(places).unwrap_or(0),
        })
    }

    /// The nearest float.
    pub fn to_float(&self) -> f64 {
        format!("{}e{}", self.digits, self.exponent).parse().unwrap_or(f64::NAN)
    }

    pub fn add(&self, other: &Decimal) -> Result<Decimal, String> {
        let exponent = self.exponent.min(other.exponent);
        Decimal { digits: self.scaled(exponent) + other.scaled(exponent), exponent }.checked()
    }

    pub fn subtract(&self, other: &Decimal) -> Result<Decimal, String> {
        let exponent = self.exponent.min(other.exponent);
        Decimal { digits: self.scaled(exponent) - other.scaled(exponent), exponent }.checked()
    }

    pub fn multiply(&self, other: &Decimal) -> Result<Decimal, String> {
        Decimal { digits: &self.digits * &other.digits, exponent: self.exponent + other.exponent }.checked()
    }

    pub fn divide(&self, other: &Decimal) -> Result<Decimal, String> {
        let zero = BigInt::default();
        if other.digits == zero {
            return Err("decimal division by 0".to_owned());
        }
        // The quotient in units of the last place is numerator / denominator.
        let shift = self.exponent - other.exponent + PLACES;
        let (numerator, denominator) = if shift < 0 {
            (self.digits.clone(), &other.digits * power_of_ten(-shift))
        } else {
            (&self.digits * power_of_ten(shift), other.digits.clone())
        };
        let mut quotient = &numerator / &denominator;
        let rest = &numerator - &quotient * &denominator;
        let twice = (rest.magnitude() << 1u32).cmp(denominator.magnitude());
        if twice.is_ge() {
            let negative = (numerator < zero) != (denominator < zero);
            quotient += if negative { -1 } else { 1 };
        }
        Decimal { digits: quotient, exponent: -PLACES }.checked()
    }

    fn scaled(&self, exponent: i64) -> BigInt {
        &self.digits * power_of_ten(self.exponent - exponent)
    }

    fn checked(self) -> Result<Decimal, String> {
        if self.digits.bits() > BITS_MAX || self.exponent.abs() > BITS_MAX as i64 {
            return Err(format!("number with more than {BITS_MAX} bits"));
        }
        Ok(self)
    }
}

/// The exponents of two decimals that are checked lie near enough together.
fn power_of_ten(exponent: i64) -> BigInt {
    BigInt::from(10).pow(u32::try_from(exponent.max(0)).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn of(value: f64) -> Decimal {
        Decimal::from_float(value).unwrap()
    }

    #[test]
    fn computes_in_decimals() {
        assert_eq!(of(0.1).add(&of(0.2)).unwrap().to_float(), 0.3);
        assert_eq!(of(113.98).multiply(&of(100.0)).unwrap().to_float(), 11398.0);
        assert_eq!(of(1.0).subtract(&of(0.9)).unwrap().to_float(), 0.1);
        assert_eq!(of(2.0).divide(&of(3.0)).unwrap().to_float(), 0.6666666666666667);
        assert_eq!(of(-2.0).divide(&of(3.0)).unwrap().to_float(), -0.6666666666666667);
        assert_eq!(of(1e308).add(&of(1e-308)).unwrap().to_float(), 1e308);
        assert_eq!(of(1e-300).divide(&of(1e300)).unwrap().to_float(), 0.0);
        assert_eq!(of(1.0).divide(&of(0.0)).unwrap_err(), "decimal division by 0");
        let mut grown = of(1.234567890123456e300);
        let error = loop {
            match grown.multiply(&grown.clone()) {
                Ok(next) => grown = next,
                Err(error) => break error,
            }
        };
        assert_eq!(error, "number with more than 65536 bits");
    }
}
