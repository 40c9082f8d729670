//! `| decolorize`: lines without their ANSI escape sequences.

use std::borrow::Cow;

use regex::bytes::Regex;

use crate::error::{KernelError, Result};

/// Escape or CSI, then either a text ended by BEL or parameters ended by a letter.
const SEQUENCE: &str = concat!(
    r"[\x{1B}\x{9B}][\[\]()#;?]*",
    r"(?:(?:(?:[a-zA-Z0-9]*(?:;[a-zA-Z0-9]*)*)?\x{07})|(?:(?:[0-9]{1,4}(?:;[0-9]{0,4})*)?[0-9A-PRZcf-ntqry=><~]))"
);

/// Bytes with which a sequence may begin: ESC, and the first of CSI in UTF-8.
const FIRST_BYTES: (u8, u8) = (0x1B, 0xC2);

#[derive(Clone, Debug)]
pub struct Decolorizer {
    sequence: Regex,
}

impl Decolorizer {
    pub fn compile() -> Result<Self> {
        let sequence = Regex::new(SEQUENCE).map_err(|error| KernelError::Input(error.to_string()))?;
        Ok(Decolorizer { sequence })
    }

    /// The line without sequences; None if it has none.
    pub fn strip(&self, line: &[u8]) -> Option<Vec<u8>> {
        memchr::memchr2(FIRST_BYTES.0, FIRST_BYTES.1, line)?;
        match self.sequence.replace_all(line, &b""[..]) {
            Cow::Borrowed(_) => None,
            Cow::Owned(stripped) => Some(stripped),
        }
    }
}
