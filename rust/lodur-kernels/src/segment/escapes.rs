//! Which ASCII characters the lines of a block write by their numbers, as JSON and logfmt may: `\u0041` for `A`.
//!
//! A value that a parser finds stands in its line as it is unless one of its characters was written so. Few programs do,
//! and those that do write the same few: so most blocks can be skipped by the text of a value.

use memchr::memmem::Finder;
use serde::{Deserialize, Serialize};

const START: &[u8] = b"\\u00";

/// A set of ASCII characters: those below 64, and the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Escapes(u64, u64);

impl Escapes {
    /// Those of lines, end to end.
    pub fn of_lines(lines: &[u8]) -> Self {
        let mut found = Escapes::default();
        let finder = Finder::new(START);
        let mut rest = lines;
        while let Some(at) = finder.find(rest) {
            rest = &rest[at + START.len()..];
            let digits = rest.first_chunk::<2>().map(|digits| digits.map(|digit| char::from(digit).to_digit(16)));
            if let Some([Some(high), Some(low)]) = digits {
                found.insert((high * 16 + low) as u8);
            }
        }
        found
    }

    /// Those of a text.
    pub fn of_text(text: &[u8]) -> Self {
        let mut found = Escapes::default();
        text.iter().for_each(|byte| found.insert(*byte));
        found
    }

    /// Whether they have a character in common.
    pub fn meets(self, other: Escapes) -> bool {
        self.0 & other.0 != 0 || self.1 & other.1 != 0
    }

    fn insert(&mut self, byte: u8) {
        match byte {
            0..64 => self.0 |= 1 << byte,
            64..128 => self.1 |= 1 << (byte - 64),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_characters_written_by_number() {
        let found = Escapes::of_lines(br#"{"a":"\u003ctag\u003e \u004f\u00e9 \u00"#);
        assert_eq!(found, Escapes::of_text(b"<>O"));
        assert!(found.meets(Escapes::of_text(b"cO")) && !found.meets(Escapes::of_text(b"error")));
        assert_eq!(Escapes::of_lines(b"no escapes \\n"), Escapes::default());
    }
}
