//! Base64 of RFC 4648: written in the standard alphabet with padding, read in either alphabet with or without it.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

pub(in crate::push) fn write(out: &mut Vec<u8>, bytes: &[u8]) {
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0u32, |bits, &b| bits << 8 | u32::from(b)) << (8 * (3 - group.len()));
        for place in 0..4 {
            let symbol = ALPHABET[(bits >> (18 - 6 * place)) as usize & 63];
            out.push(if place <= group.len() { symbol } else { b'=' });
        }
    }
}

/// None where the text is no base64.
pub(in crate::push) fn read(text: &[u8]) -> Option<Vec<u8>> {
    let symbols = match text {
        [rest @ .., b'=', b'='] | [rest @ .., b'='] if text.len().is_multiple_of(4) => rest,
        all => all,
    };
    let mut out = Vec::with_capacity(symbols.len() * 3 / 4);
    for group in symbols.chunks(4) {
        if group.len() == 1 {
            return None;
        }
        let mut bits = 0u32;
        for &symbol in group {
            bits = bits << 6 | value_of(symbol)?;
        }
        bits <<= 6 * (4 - group.len());
        out.extend_from_slice(&bits.to_be_bytes()[1..group.len()]);
    }
    Some(out)
}

fn value_of(symbol: u8) -> Option<u32> {
    let value = match symbol {
        b'A'..=b'Z' => symbol - b'A',
        b'a'..=b'z' => symbol - b'a' + 26,
        b'0'..=b'9' => symbol - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    };
    Some(u32::from(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_texts() {
        let cases = [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")];
        for (bytes, text) in cases {
            let mut out = Vec::new();
            write(&mut out, bytes.as_bytes());
            assert_eq!(out, text.as_bytes());
            assert_eq!(read(text.as_bytes()).as_deref(), Some(bytes.as_bytes()));
        }
        assert_eq!(read(b"-_8"), Some(vec![0xfb, 0xff]));
        for broken in ["A", "AA=", "A===", "AA A", "é"] {
            assert_eq!(read(broken.as_bytes()), None, "{broken}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(bytes: Vec<u8>) {
            let mut out = Vec::new();
            write(&mut out, &bytes);
            prop_assert_eq!(read(&out), Some(bytes));
        }
    }
}
