//! Label sets in text form, `{a="b", c="d"}`: what the protobuf and the legacy format carry.
//!
//! Values are quoted as Go quotes them; single quotes and raw back quotes are read too. Error texts begin with
//! `line:column`.

use super::text::shown;

/// Names and values in the order of the text, nothing dropped.
pub type LabelPairs = Vec<(Box<str>, Box<str>)>;

pub fn parse_labels(text: &str) -> Result<LabelPairs, String> {
    Parser { text, at: 0 }.label_set()
}

/// `[a-zA-Z_][a-zA-Z0-9_]*`
pub fn is_label_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    bytes.first().is_some_and(|&b| is_name_start(b)) && bytes.iter().all(|&b| is_name_byte(b))
}

fn is_name_start(b: u8) -> bool {
    b.is_ascii_alphabetic() || b == b'_'
}

fn is_name_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_'
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

#[derive(Debug)]
enum Token<'a> {
    Name(&'a str),
    /// The quoted text as it stands and its meaning.
    Text(&'a str, String),
    Operator(&'static str),
    End,
}

impl Token<'_> {
    fn described(&self) -> String {
        match self {
            Token::Name(name) => format!("identifier \"{}\"", shown(name)),
            Token::Text(quoted, _) => format!("string {}", shown(quoted)),
            Token::Operator(text) => format!("\"{text}\""),
            Token::End => "end of input".to_owned(),
        }
    }
}

const OPERATORS: [&str; 7] = ["=~", "!=", "!~", "=", ",", "{", "}"];

impl<'a> Parser<'a> {
    fn label_set(mut self) -> Result<LabelPairs, String> {
        let (start, token) = self.token()?;
        if !matches!(token, Token::Operator("{")) {
            return Err(self.error(start, &format!("unexpected {}, expected \"{{\"", token.described())));
        }
        let mut pairs = LabelPairs::new();
        loop {
            let (at, token) = self.token()?;
            let name = match token {
                Token::Name(name) => name,
                Token::Operator("}") => break,
                other => return Err(self.unexpected(at, &other, "identifier or \"}\"")),
            };
            let (at, token) = self.token()?;
            if !matches!(token, Token::Operator("=")) {
                return Err(self.unexpected(at, &token, "\"=\""));
            }
            let (at, token) = self.token()?;
            match token {
                Token::Text(_, value) => pairs.push((name.into(), value.into_boxed_str())),
                other => return Err(self.unexpected(at, &other, "string")),
            }
            match self.token()? {
                (_, Token::Operator(",")) => {}
                (_, Token::Operator("}")) => break,
                (at, other) => return Err(self.unexpected(at, &other, "\",\" or \"}\"")),
            }
        }
        self.nothing_more()?;
        Ok(pairs)
    }

    fn nothing_more(&mut self) -> Result<(), String> {
        match self.token()? {
            (_, Token::End) => Ok(()),
            (at, other) => Err(self.error(at, &format!("unexpected {} after label set", other.described()))),
        }
    }

    fn token(&mut self) -> Result<(usize, Token<'a>), String> {
        let rest = &self.text.as_bytes()[self.at..];
        self.at += rest.iter().take_while(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r')).count();
        let start = self.at;
        let rest = &self.text[start..];
        let Some(first) = rest.chars().next() else {
            return Ok((start, Token::End));
        };
        if let Some(operator) = OPERATORS.iter().find(|operator| rest.starts_with(**operator)) {
            self.at += operator.len();
            return Ok((start, Token::Operator(operator)));
        }
        if matches!(first, '"' | '\'' | '`') {
            let (end, value) = self.quoted(start, first as u8)?;
            self.at = end;
            return Ok((start, Token::Text(&self.text[start..end], value)));
        }
        let length = rest.bytes().take_while(|&b| is_name_byte(b)).count();
        if length == 0 || first.is_ascii_digit() {
            return Err(self.error(start, &format!("unexpected character inside braces: '{first}'")));
        }
        self.at += length;
        Ok((start, Token::Name(&rest[..length])))
    }

    /// End and meaning of the quoted text that starts at `start`.
    fn quoted(&self, start: usize, quote: u8) -> Result<(usize, String), String> {
        let bytes = self.text.as_bytes();
        if quote == b'`' {
            let length = memchr::memchr(b'`', &bytes[start + 1..])
                .ok_or_else(|| self.error(start, "unterminated raw string"))?;
            let end = start + 1 + length;
            return Ok((end + 1, self.text[start + 1..end].to_owned()));
        }
        let mut value = Vec::new();
        let mut at = start + 1;
        loop {
            let rest = &bytes[at..];
            let stop = memchr::memchr3(quote, b'\\', b'\n', rest)
                .ok_or_else(|| self.error(start, "unterminated quoted string"))?;
            value.extend_from_slice(&rest[..stop]);
            at += stop;
            match bytes[at] {
                b'\\' => {
                    at = unescape(bytes, at, &mut value).ok_or_else(|| self.error(at, "unknown escape sequence"))?
                }
                b'\n' => return Err(self.error(start, "unterminated quoted string")),
                _ => break,
            }
        }
        let value = String::from_utf8(value).map_err(|_| self.error(start, "label value is not valid UTF-8"))?;
        Ok((at + 1, value))
    }

    fn unexpected(&self, at: usize, token: &Token<'_>, expected: &str) -> String {
        self.error(at, &format!("unexpected {} in label set, expected {expected}", token.described()))
    }

    fn error(&self, at: usize, what: &str) -> String {
        let before = &self.text.as_bytes()[..at];
        let line = 1 + memchr::memchr_iter(b'\n', before).count();
        let column = 1 + at - memchr::memrchr(b'\n', before).map_or(0, |newline| newline + 1);
        format!("{line}:{column}: parse error: {what}")
    }
}

/// Appends what the escape at `at` (a backslash) means and gives the place behind it; None where it means nothing.
fn unescape(bytes: &[u8], at: usize, out: &mut Vec<u8>) -> Option<usize> {
    let kind = *bytes.get(at + 1)?;
    let simple = match kind {
        b'a' => 7,
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 11,
        b'\\' | b'"' | b'\'' => kind,
        _ => return unescape_number(bytes, at, kind, out),
    };
    out.push(simple);
    Some(at + 2)
}

fn unescape_number(bytes: &[u8], at: usize, kind: u8, out: &mut Vec<u8>) -> Option<usize> {
    let (digits_at, digits, radix) = match kind {
        b'x' => (at + 2, 2, 16),
        b'u' => (at + 2, 4, 16),
        b'U' => (at + 2, 8, 16),
        b'0'..=b'7' => (at + 1, 3, 8),
        _ => return None,
    };
    let end = digits_at + digits;
    let mut value = 0u32;
    for &b in bytes.get(digits_at..end)? {
        value = value.checked_mul(radix)?.checked_add((b as char).to_digit(radix)?)?;
    }
    if matches!(kind, b'u' | b'U') {
        let mut utf8 = [0; 4];
        out.extend_from_slice(char::from_u32(value)?.encode_utf8(&mut utf8).as_bytes());
    } else {
        out.push(u8::try_from(value).ok()?);
    }
    Some(end)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::labels::LabelSet;
    use proptest::prelude::*;

    #[test]
    fn forms_that_are_read() {
        let pairs = parse_labels("{ b='2', a=\"x\\\"\\u00e9\\x41\\101\\n\" , c=`\\n`,}").unwrap();
        let read: Vec<_> = pairs.iter().map(|(n, v)| (&**n, &**v)).collect();
        assert_eq!(read, [("b", "2"), ("a", "x\"éAA\n"), ("c", "\\n")]);
        assert_eq!(parse_labels("{}").unwrap(), []);
        assert_eq!(parse_labels("{a=\"1\",a=\"2\"}").unwrap().len(), 2);
    }

    #[test]
    fn errors_name_the_place() {
        let cases = [
            ("{1app=\"x\"}", "1:2: parse error: unexpected character inside braces: '1'"),
            ("{app-x=\"x\"}", "1:5: parse error: unexpected character inside braces: '-'"),
            ("{ünï=\"x\"}", "1:2: parse error: unexpected character inside braces: 'ü'"),
            ("{=\"x\"}", "1:2: parse error: unexpected \"=\" in label set, expected identifier or \"}\""),
            ("{a b=\"x\"}", "1:4: parse error: unexpected identifier \"b\" in label set, expected \"=\""),
            ("{app=ok}", "1:6: parse error: unexpected identifier \"ok\" in label set, expected string"),
            ("{a=\"b\"", "1:7: parse error: unexpected end of input in label set, expected \",\" or \"}\""),
            ("{a=\n\"b}", "2:1: parse error: unterminated quoted string"),
            ("a=1", "1:1: parse error: unexpected identifier \"a\", expected \"{\""),
            ("{} x", "1:4: parse error: unexpected identifier \"x\" after label set"),
            ("", "1:1: parse error: unexpected end of input, expected \"{\""),
            ("{a=\"\\q\"}", "1:5: parse error: unknown escape sequence"),
            ("{a=\"\\xff\"}", "1:4: parse error: label value is not valid UTF-8"),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_labels(text), Err(expected.to_owned()), "{text}");
        }
    }

    proptest! {
        #[test]
        fn printed_sets_are_read_back(pairs in proptest::collection::vec(("[a-z_][a-z0-9_]{0,3}", ".{0,8}"), 0..5)) {
            let set = LabelSet::from_pairs(pairs);
            let read = LabelSet::from_pairs(parse_labels(&set.to_string()).unwrap());
            prop_assert_eq!(read, set);
        }

        #[test]
        fn any_text_is_read_without_panic(text in "[{}=,\"'`a-c\\\\x0-9\nü ]{0,24}") {
            let _ = parse_labels(&text);
        }
    }
}
