//! Printing, and texts in the forms of HTML, JavaScript, URLs and Base64.

use super::super::call::Function;
use super::super::exec::Exec;
use super::super::print::{first_rune, is_print};
use super::super::value::{Text, Value};
use super::{Outcome, wrong_arguments};

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// `print` and what prints before it escapes.
pub fn print<'a>(function: Function, arguments: &[Value<'a>], exec: &mut Exec<'a>) -> Outcome<'a> {
    match function {
        Function::Print => exec.print(Vec::new(), arguments).map(Value::text),
        Function::Println => exec.print_line(arguments).map(Value::text),
        Function::Printf => match arguments.split_first() {
            Some((Value::Text(format), values)) => exec.printf(format, values).map(Value::text),
            _ => Err(wrong_arguments()),
        },
        _ => {
            let text = one_text(arguments, exec)?;
            // The longest forms have six bytes for one.
            exec.check_room(text.len().saturating_mul(6))?;
            Ok(match function {
                Function::Html => escaped(&text, html),
                Function::Js => Value::text(js(&text)),
                _ => Value::text(url_encoded(&text)),
            })
        }
    }
}

/// Several values printed as one text; nothing is named as such.
fn one_text<'a>(arguments: &[Value<'a>], exec: &mut Exec<'a>) -> Result<Text<'a>, String> {
    if let [Value::Text(text)] = arguments {
        return Ok(text.clone());
    }
    let shown = |value: &Value<'a>| {
        if value.is_nil() { Value::Text(Text::Borrowed(b"<no value>")) } else { value.clone() }
    };
    let values: Vec<Value<'a>> = arguments.iter().map(shown).collect();
    exec.print(Vec::new(), &values).map(Text::from)
}

pub fn call<'a>(function: Function, text: &Text<'a>) -> Outcome<'a> {
    match function {
        Function::UrlEncode => Ok(Value::text(url_encoded(text))),
        Function::UrlDecode => url_decoded(text).map(Value::text),
        Function::B64Enc => Ok(Value::text(base64(text))),
        Function::B64Dec => Ok(Value::text(match from_base64(text) {
            Ok(bytes) => bytes,
            Err(at) => format!("illegal base64 data at input byte {at}").into_bytes(),
        })),
        _ => Err(wrong_arguments()),
    }
}

fn escaped<'a>(text: &Text<'a>, form: impl Fn(u8) -> Option<&'static [u8]>) -> Value<'a> {
    if text.iter().all(|byte| form(*byte).is_none()) {
        return Value::Text(text.clone());
    }
    let mut out = Vec::with_capacity(text.len() + 16);
    for byte in text.iter() {
        match form(*byte) {
            Some(written) => out.extend_from_slice(written),
            None => out.push(*byte),
        }
    }
    Value::text(out)
}

fn html(byte: u8) -> Option<&'static [u8]> {
    Some(match byte {
        0 => "\u{fffd}".as_bytes(),
        b'"' => b"&#34;",
        b'\'' => b"&#39;",
        b'&' => b"&amp;",
        b'<' => b"&lt;",
        b'>' => b"&gt;",
        _ => return None,
    })
}

fn js(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((c, length)) = first_rune(rest) {
        match c {
            '\\' => out.extend_from_slice(b"\\\\"),
            '\'' => out.extend_from_slice(b"\\'"),
            '"' => out.extend_from_slice(b"\\\""),
            '<' | '>' | '&' | '=' | '\0'..='\u{1f}' => out.extend_from_slice(format!("\\u{:04X}", c as u32).as_bytes()),
            c if c.is_ascii() || is_print(c) => out.extend_from_slice(&rest[..length]),
            c => out.extend_from_slice(format!("\\u{:04X}", c as u32).as_bytes()),
        }
        rest = &rest[length..];
    }
    out
}

/// `url.QueryEscape`.
fn url_encoded(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for byte in text {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(*byte),
            b' ' => out.push(b'+'),
            _ => out.extend_from_slice(&[b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]),
        }
    }
    out
}

/// `url.QueryUnescape`.
fn url_decoded(text: &[u8]) -> Result<Vec<u8>, String> {
    let hex = |byte: &u8| char::from(*byte).to_digit(16);
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        match text[at] {
            b'%' => {
                let digits = text.get(at + 1..at + 3).and_then(|pair| Some(hex(&pair[0])? * 16 + hex(&pair[1])?));
                let Some(byte) = digits.and_then(|value| u8::try_from(value).ok()) else {
                    let shown = &text[at..text.len().min(at + 3)];
                    let quoted = super::super::print::quote(shown, '"', false);
                    return Err(format!("invalid URL escape {quoted}"));
                };
                out.push(byte);
                at += 3;
            }
            b'+' => {
                out.push(b' ');
                at += 1;
            }
            byte => {
                out.push(byte);
                at += 1;
            }
        }
    }
    Ok(out)
}

fn base64(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len().div_ceil(3) * 4);
    for chunk in text.chunks(3) {
        let [a, b, c] = [0, 1, 2].map(|at| u32::from(chunk.get(at).copied().unwrap_or(0)));
        let bits = a << 16 | b << 8 | c;
        for place in 0..4 {
            let sextet = BASE64[(bits >> (18 - 6 * place) & 63) as usize];
            out.push(if place > chunk.len() { b'=' } else { sextet });
        }
    }
    out
}

/// The bytes, or the place of the first byte that is wrong, as Go counts it.
fn from_base64(text: &[u8]) -> Result<Vec<u8>, usize> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let mut at = 0;
    loop {
        let mut sextets = [0u32; 4];
        let mut count = 0;
        while count < 4 {
            let Some(byte) = text.get(at).copied() else {
                return if count == 0 { Ok(out) } else { Err(at - count) };
            };
            at += 1;
            if byte == b'\n' || byte == b'\r' {
                continue;
            }
            if let Some(value) = BASE64.iter().position(|known| *known == byte) {
                sextets[count] = value as u32;
                count += 1;
                continue;
            }
            if byte != b'=' || count < 2 {
                return Err(at - 1);
            }
            check_padding(text, at, count)?;
            push_bytes(&mut out, sextets, count);
            return Ok(out);
        }
        push_bytes(&mut out, sextets, count);
    }
}

fn push_bytes(out: &mut Vec<u8>, sextets: [u32; 4], count: usize) {
    let bits = sextets.iter().fold(0, |bits, sextet| bits << 6 | sextet);
    out.extend_from_slice(&bits.to_be_bytes()[1..count]);
}

/// Whether the padding is whole, and nothing stands behind it.
fn check_padding(text: &[u8], at: usize, count: usize) -> Result<(), usize> {
    let skip = |mut at: usize| {
        while matches!(text.get(at), Some(b'\n' | b'\r')) {
            at += 1;
        }
        at
    };
    let mut at = at;
    if count == 2 {
        at = skip(at);
        if at == text.len() {
            return Err(text.len());
        }
        if text[at] != b'=' {
            return Err(at - 1);
        }
        at += 1;
    }
    at = skip(at);
    if at < text.len() { Err(at) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn base64_there_and_back() {
        for (text, encoded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")] {
            assert_eq!(base64(text.as_bytes()), encoded.as_bytes());
            assert_eq!(from_base64(encoded.as_bytes()).unwrap(), text.as_bytes());
        }
        assert_eq!(from_base64(b"not base64!"), Err(3));
        assert_eq!(from_base64(b"Zm9"), Err(0));
        assert_eq!(from_base64(b"Zg="), Err(3));
        assert_eq!(from_base64(b"Zg==x"), Err(4));
        assert_eq!(from_base64(b"Zm\n9v").unwrap(), b"foo");
    }
}
