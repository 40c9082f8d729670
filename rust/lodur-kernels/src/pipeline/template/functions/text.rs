//! Functions of texts: case, trimming, cutting, replacing, padding.

use std::borrow::Cow;

use memchr::memmem;

use super::super::super::go_quote::shown;
use super::super::call::Function;
use super::super::exec::Exec;
use super::super::print::{first_rune, prefix_of_runes, rune_count};
use super::super::value::{Text, Value};
use super::{Outcome, letters, wrong_arguments};

pub fn call<'a>(function: Function, arguments: &[Value<'a>], exec: &mut Exec<'a>) -> Outcome<'a> {
    match arguments {
        [Value::Text(text)] => of_text(function, text),
        [Value::Text(a), Value::Text(b)] => of_two_texts(function, a, b),
        [Value::Text(old), Value::Text(new), Value::Text(text)] if function == Function::Replace => {
            replace(text, old, new, -1, exec)
        }
        [Value::Text(text), Value::Text(old), Value::Text(new), Value::Int(count, _)] => {
            replace(text, old, new, *count, exec)
        }
        [Value::Int(number, _), Value::Text(text)] => of_number_and_text(function, *number, text, exec),
        [Value::Int(start, _), Value::Int(end, _), Value::Text(text)] => substr(*start, *end, text),
        _ => Err(wrong_arguments()),
    }
}

/// A part of a text that shares its bytes where it can.
fn part<'a>(text: &Text<'a>, range: std::ops::Range<usize>) -> Value<'a> {
    match text {
        Text::Borrowed(bytes) => Value::Text(Text::Borrowed(&bytes[range])),
        Text::Shared(_) if range == (0..text.len()) => Value::Text(text.clone()),
        Text::Shared(bytes) => Value::text(bytes[range].to_vec()),
    }
}

fn of_text<'a>(function: Function, text: &Text<'a>) -> Outcome<'a> {
    Ok(match function {
        Function::Lower | Function::ToLower => Value::text(letters::lower(text)),
        Function::Upper | Function::ToUpper => Value::text(letters::upper(text)),
        Function::Title => Value::text(letters::title(text)),
        Function::TrimBlanks | Function::LegacyTrimSpace => trimmed(text, char::is_whitespace, true, true),
        _ => return Err(wrong_arguments()),
    })
}

fn of_two_texts<'a>(function: Function, a: &Text<'a>, b: &Text<'a>) -> Outcome<'a> {
    use Function as F;
    // Functions with a capital letter take the text first.
    let without_prefix = |text: &Text<'a>, prefix: &[u8]| {
        let start = if text.starts_with(prefix) { prefix.len() } else { 0 };
        part(text, start..text.len())
    };
    let without_suffix = |text: &Text<'a>, suffix: &[u8]| {
        let end = if text.ends_with(suffix) { text.len() - suffix.len() } else { text.len() };
        part(text, 0..end)
    };
    Ok(match function {
        F::Contains => Value::Bool(memmem::find(b, a).is_some()),
        F::HasPrefix => Value::Bool(b.starts_with(a)),
        F::HasSuffix => Value::Bool(b.ends_with(a)),
        F::TrimAll => trimmed_of(b, a, true, true),
        F::TrimPrefix => without_prefix(b, a),
        F::TrimSuffix => without_suffix(b, a),
        F::LegacyTrim => trimmed_of(a, b, true, true),
        F::LegacyTrimLeft => trimmed_of(a, b, true, false),
        F::LegacyTrimRight => trimmed_of(a, b, false, true),
        F::LegacyTrimPrefix => without_prefix(a, b),
        F::LegacyTrimSuffix => without_suffix(a, b),
        _ => return Err(wrong_arguments()),
    })
}

fn trimmed_of<'a>(text: &Text<'a>, cutset: &[u8], left: bool, right: bool) -> Value<'a> {
    let cutset = String::from_utf8_lossy(cutset);
    trimmed(text, |c| cutset.contains(c), left, right)
}

fn trimmed<'a>(text: &Text<'a>, goes: impl Fn(char) -> bool, left: bool, right: bool) -> Value<'a> {
    let (mut start, mut end) = (0, text.len());
    while left && start < end {
        match first_rune(&text[start..end]) {
            Some((c, length)) if goes(c) => start += length,
            _ => break,
        }
    }
    while right && start < end {
        let (c, length) = last_rune(&text[start..end]);
        if !goes(c) {
            break;
        }
        end -= length;
    }
    part(text, start..end)
}

fn last_rune(text: &[u8]) -> (char, usize) {
    for length in 1..=text.len().min(4) {
        if let Some((c, bytes)) = first_rune(&text[text.len() - length..])
            && bytes == length
            && (length > 1 || c.is_ascii())
        {
            return (c, length);
        }
    }
    (char::REPLACEMENT_CHARACTER, 1)
}

/// `strings.Replace`; an empty old text stands before every rune and at the end.
fn replace<'a>(text: &Text<'a>, old: &[u8], new: &[u8], count: i64, exec: &mut Exec<'a>) -> Outcome<'a> {
    let limit = usize::try_from(count).unwrap_or(usize::MAX);
    let found = if old.is_empty() { rune_count(text) + 1 } else { memmem::find_iter(text, old).take(limit).count() };
    let found = found.min(limit);
    if found == 0 || old == new {
        return Ok(Value::Text(text.clone()));
    }
    exec.check_room((text.len() + found.saturating_mul(new.len())).saturating_sub(found.saturating_mul(old.len())))?;
    let mut out = Vec::with_capacity(text.len());
    let mut done = 0;
    if old.is_empty() {
        for _ in 0..found {
            out.extend_from_slice(new);
            let length = first_rune(&text[done..]).map_or(0, |(_, length)| length);
            out.extend_from_slice(&text[done..done + length]);
            done += length;
        }
    } else {
        for at in memmem::find_iter(text, old).take(found) {
            out.extend_from_slice(&text[done..at]);
            out.extend_from_slice(new);
            done = at + old.len();
        }
    }
    out.extend_from_slice(&text[done..]);
    Ok(Value::text(out))
}

fn of_number_and_text<'a>(function: Function, number: i64, text: &Text<'a>, exec: &mut Exec<'a>) -> Outcome<'a> {
    match function {
        Function::Trunc => Ok(trunc(number, text)),
        Function::Repeat => {
            let count = usize::try_from(number).map_err(|_| "strings: negative Repeat count".to_owned())?;
            exec.check_room(text.len().saturating_mul(count))?;
            Ok(Value::text(text.repeat(count)))
        }
        Function::Indent | Function::Nindent => indent(number, text, function == Function::Nindent, exec),
        Function::AlignLeft | Function::AlignRight => align(number, text, function == Function::AlignRight, exec),
        _ => Err(wrong_arguments()),
    }
}

fn trunc<'a>(count: i64, text: &Text<'a>) -> Value<'a> {
    let bytes = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    if bytes >= text.len() {
        part(text, 0..text.len())
    } else if count < 0 {
        part(text, text.len() - bytes..text.len())
    } else {
        part(text, 0..bytes)
    }
}

fn substr<'a>(start: i64, end: i64, text: &Text<'a>) -> Outcome<'a> {
    let length = text.len();
    let stop = usize::try_from(end).ok();
    if start < 0 {
        return match stop {
            Some(stop) if stop <= length => Ok(part(text, 0..stop)),
            Some(_) => Err(format!("runtime error: slice bounds out of range [:{end}] with length {length}")),
            None => Err(format!("runtime error: slice bounds out of range [:{end}]")),
        };
    }
    let begin = usize::try_from(start).unwrap_or(usize::MAX);
    match stop.filter(|stop| *stop <= length) {
        None if begin > length => Err(format!("runtime error: slice bounds out of range [{start}:{length}]")),
        None => Ok(part(text, begin..length)),
        Some(stop) if begin > stop => Err(format!("runtime error: slice bounds out of range [{start}:{stop}]")),
        Some(stop) => Ok(part(text, begin..stop)),
    }
}

/// Every line, also an empty one, moved to the right.
fn indent<'a>(count: i64, text: &Text<'a>, newline_first: bool, exec: &mut Exec<'a>) -> Outcome<'a> {
    let count = usize::try_from(count).map_err(|_| "strings: negative Repeat count".to_owned())?;
    let lines = 1 + memchr::memchr_iter(b'\n', text).count();
    exec.check_room(text.len().saturating_add(lines.saturating_mul(count)))?;
    let padding = vec![b' '; count];
    let mut out = Vec::with_capacity(text.len() + lines * count + 1);
    if newline_first {
        out.push(b'\n');
    }
    for (at, line) in text.split(|byte| *byte == b'\n').enumerate() {
        if at > 0 {
            out.push(b'\n');
        }
        out.extend_from_slice(&padding);
        out.extend_from_slice(line);
    }
    Ok(Value::text(out))
}

/// Cut or padded to a width in runes.
fn align<'a>(width: i64, text: &Text<'a>, right: bool, exec: &mut Exec<'a>) -> Outcome<'a> {
    let Ok(width) = usize::try_from(width) else { return Ok(Value::Text(text.clone())) };
    let runes = rune_count(text);
    if runes >= width {
        let range = if right {
            prefix_of_runes(text, runes - width).len()..text.len()
        } else {
            0..prefix_of_runes(text, width).len()
        };
        // What is cut has gone through runes, which leaves no broken byte as it was.
        return Ok(match (runes == width, shown(&text[range.clone()])) {
            (false, Cow::Owned(shown)) => Value::text(shown),
            _ => part(text, range),
        });
    }
    let missing = width - runes;
    exec.check_room(text.len().saturating_add(missing))?;
    let padding = vec![b' '; missing];
    Ok(Value::text(if right { [padding.as_slice(), text].concat() } else { [text, padding.as_slice()].concat() }))
}
