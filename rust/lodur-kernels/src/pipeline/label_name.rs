//! Label names made from keys found in lines, and small sets of them.

use std::borrow::Cow;

/// Appended to an extracted name that a stream label or structured metadata already has.
pub const EXTRACTED_SUFFIX: &str = "_extracted";

/// Whether a byte may stand in a label name.
const NAME_BYTES: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        table[byte] = b.is_ascii_alphanumeric() || b == b'_';
        byte += 1;
    }
    table
};

/// A key as a label name: borrowed when it already is one, empty when nothing is left of it.
pub fn sanitise(key: &[u8]) -> Cow<'_, [u8]> {
    let starts_with_digit = key.first().is_some_and(u8::is_ascii_digit);
    if !starts_with_digit && key.iter().all(|byte| NAME_BYTES[*byte as usize]) {
        return Cow::Borrowed(key);
    }
    let mut name = Vec::with_capacity(key.len() + 1);
    append_sanitised(&mut name, key);
    Cow::Owned(name)
}

/// Append a key to a name: blanks around it trimmed, every other character that may not stand there as `_`, and a
/// leading digit protected by one.
pub fn append_sanitised(name: &mut Vec<u8>, key: &[u8]) {
    let key = trim_blanks(key);
    if name.is_empty() && key.first().is_some_and(u8::is_ascii_digit) {
        name.push(b'_');
    }
    for byte in key {
        if NAME_BYTES[*byte as usize] {
            name.push(*byte);
        } else if (*byte as i8) >= -0x40 {
            // One underscore a character: continuation bytes add none.
            name.push(b'_');
        }
    }
}

/// Without white space (that of Unicode) around it.
fn trim_blanks(key: &[u8]) -> &[u8] {
    std::str::from_utf8(key).map_or(key, |text| text.trim().as_bytes())
}

/// A set of few names, asked for every key of every line.
#[derive(Clone, Debug, Default)]
pub struct NameSet {
    names: Vec<Box<[u8]>>,
    /// Bit n: a name of n bytes (of 63 or more for the last bit) is present.
    lengths: u64,
    firsts: ByteSet,
    lasts: ByteSet,
}

/// A set of bytes.
#[derive(Clone, Copy, Debug, Default)]
struct ByteSet([u64; 4]);

impl ByteSet {
    fn insert(&mut self, byte: u8) {
        self.0[usize::from(byte >> 6)] |= 1 << (byte & 63);
    }

    #[inline]
    fn contains(&self, byte: u8) -> bool {
        self.0[usize::from(byte >> 6)] >> (byte & 63) & 1 == 1
    }
}

impl NameSet {
    pub fn insert(&mut self, name: &[u8]) {
        if !self.contains(name) {
            self.names.push(name.into());
            self.lengths |= length_bit(name.len());
            if let (Some(first), Some(last)) = (name.first(), name.last()) {
                self.firsts.insert(*first);
                self.lasts.insert(*last);
            }
        }
    }

    /// Whether a key may become a name of the set by `sanitise`: quick, and wrong only in saying yes.
    ///
    /// Its first and last bytes stay unless they may not stand in a name; a digit at the start gets an underscore.
    #[inline]
    pub fn may_have_key(&self, key: &[u8]) -> bool {
        let Some(first) = key.first() else { return false };
        let may_begin = !NAME_BYTES[usize::from(*first)]
            || self.firsts.contains(*first)
            || (first.is_ascii_digit() && self.firsts.contains(b'_'));
        may_begin && self.may_have_end(key)
    }

    /// The same for a key that follows a prefix.
    #[inline]
    pub fn may_have_end(&self, key: &[u8]) -> bool {
        key.last().is_none_or(|last| !NAME_BYTES[usize::from(*last)] || self.lasts.contains(*last))
    }

    #[inline]
    pub fn contains(&self, name: &[u8]) -> bool {
        self.lengths & length_bit(name.len()) != 0 && self.names.iter().any(|known| **known == *name)
    }

    /// Whether a name in the set begins with these bytes.
    pub fn has_prefix(&self, prefix: &[u8]) -> bool {
        self.names.iter().any(|known| known.starts_with(prefix))
    }

    pub fn len(&self) -> usize {
        self.names.len()
    }

    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}

fn length_bit(length: usize) -> u64 {
    1 << length.min(63)
}

/// One of 64 bits for a name, to see quickly that a name is new.
#[inline]
pub fn name_bit(name: &[u8]) -> u64 {
    let (first, last) = match name {
        [] => (0, 0),
        [only] => (*only, *only),
        [first, .., last] => (*first, *last),
    };
    let mixed =
        (name.len() as u32).wrapping_mul(7) ^ u32::from(first).wrapping_mul(3) ^ u32::from(last).wrapping_mul(11);
    1 << (mixed & 63)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn makes_label_names() {
        let name = |key: &str| String::from_utf8_lossy(&sanitise(key.as_bytes())).into_owned();
        assert_eq!(name("weird key!"), "weird_key_");
        assert_eq!(name("9start"), "_9start");
        assert_eq!(name("ünï"), "_n_");
        assert_eq!(name("dash-key"), "dash_key");
        assert_eq!(name(" a "), "a");
        assert_eq!(name("\u{2028}ls\u{2029}ps"), "ls_ps");
        assert_eq!(name(""), "");
    }

    #[test]
    fn finds_names() {
        let mut names = NameSet::default();
        names.insert(b"http_status");
        assert!(names.contains(b"http_status") && !names.contains(b"http_statuz"));
        assert!(names.has_prefix(b"http_") && !names.has_prefix(b"user_"));
    }

    proptest::proptest! {
        #[test]
        fn a_key_that_becomes_a_name_is_never_passed_over(key in "[ab_1 \u{e9}\u{2028}-]{0,4}", name in "[ab_1]{1,4}") {
            let mut names = NameSet::default();
            names.insert(name.as_bytes());
            let key = key.as_bytes();
            proptest::prop_assert!(names.may_have_key(key) || !names.contains(&sanitise(key)));
            let mut after_prefix = b"a_".to_vec();
            append_sanitised(&mut after_prefix, key);
            let mut nested = NameSet::default();
            nested.insert(&after_prefix);
            proptest::prop_assert!(nested.may_have_end(key));
        }
    }
}
