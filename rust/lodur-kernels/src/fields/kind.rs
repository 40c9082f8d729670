//! Types of fields: the narrowest that all values of a field have.

use crate::pipeline::go_duration::parse_duration_ns;
use crate::pipeline::go_number::parse_float;
use crate::pipeline::humanize_bytes::parse_bytes;

/// The types in the order in which they are preferred; what is none of them is a string.
const NAMES: [&str; 5] = ["int", "float", "boolean", "duration", "bytes"];

/// The types that every value seen so far has, as bits in the order of `NAMES`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kinds {
    bits: u8,
    any: bool,
}

impl Default for Kinds {
    fn default() -> Self {
        Kinds { bits: (1 << NAMES.len()) - 1, any: false }
    }
}

impl Kinds {
    /// Narrow down by a value; an empty one says nothing.
    pub fn see(&mut self, value: &[u8]) {
        if !value.is_empty() {
            self.any = true;
            self.bits &= kinds_of(value, self.bits);
        }
    }

    pub fn name(self) -> &'static str {
        if self.any { NAMES.get(self.bits.trailing_zeros() as usize).copied().unwrap_or("string") } else { "string" }
    }
}

/// Which of the types asked about a value has.
fn kinds_of(value: &[u8], asked: u8) -> u8 {
    let tests: [fn(&[u8]) -> bool; NAMES.len()] = [
        |value| std::str::from_utf8(value).is_ok_and(|text| text.parse::<i64>().is_ok()),
        |value| parse_float(value).is_ok(),
        |value| matches!(value, b"true" | b"false" | b"True" | b"False" | b"TRUE" | b"FALSE"),
        |value| parse_duration_ns(value).is_ok(),
        |value| parse_bytes(value).is_ok(),
    ];
    tests
        .iter()
        .enumerate()
        .filter(|(bit, test)| asked >> bit & 1 == 1 && test(value))
        .fold(0, |bits, (bit, _)| bits | 1 << bit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_narrowest_type_of_all_values_counts() {
        let kind = |values: &[&str]| {
            let mut kinds = Kinds::default();
            values.iter().for_each(|value| kinds.see(value.as_bytes()));
            kinds.name()
        };
        for (values, name) in [
            (&["1", "-2", ""][..], "int"),
            (&["1", "2.5"], "float"),
            (&["true", "false"], "boolean"),
            (&["5m", "0", "1.5s"], "duration"),
            (&["4839", "1.2MiB"], "bytes"),
            (&["5m", "10k"], "bytes"),
            (&["1", "x"], "string"),
            (&["10.0.0.1"], "string"),
            (&["true", "1"], "string"),
            (&["99999999999999999999"], "float"),
            (&["", ""], "string"),
            (&[], "string"),
        ] {
            assert_eq!(kind(values), name, "{values:?}");
        }
    }
}
