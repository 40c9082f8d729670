//! Regular expressions in templates. Those that are written out are compiled with the template.

use std::collections::HashMap;
use std::ops::Range;

use regex::bytes::{Captures, Regex};

use super::super::super::go_regex::{self, Use};
use super::super::call::Function;
use super::super::exec::Exec;
use super::super::node::{Command, OperandKind};
use super::super::print::first_rune;
use super::super::value::Value;
use super::{Outcome, wrong_arguments};

/// Longest expression that is made while a row is formatted: it is compiled for that row alone.
const MADE_BYTES_MAX: usize = 1 << 10;

/// Work that compiling such an expression counts as, in bytes looked at.
const COMPILE_WORK_BYTES: usize = 1 << 20;

/// Expressions by their text, or what is wrong with them.
#[derive(Clone, Debug, Default)]
pub struct Expressions {
    compiled: HashMap<Box<[u8]>, Result<Regex, String>>,
}

impl Expressions {
    pub fn add(&mut self, expression: &[u8]) {
        self.compiled.entry(expression.into()).or_insert_with(|| compile(expression));
    }
}

/// The expression of a command, if it is written out.
pub fn constant_expression(command: &Command) -> Option<&[u8]> {
    let [first, second, ..] = command.operands.as_slice() else { return None };
    match (&first.kind, &second.kind) {
        (
            OperandKind::Function(Function::RegexReplaceAll | Function::RegexReplaceAllLiteral | Function::Count),
            OperandKind::String { text, .. },
        ) => Some(text),
        _ => None,
    }
}

fn compile(expression: &[u8]) -> Result<Regex, String> {
    let text = std::str::from_utf8(expression).map_err(|_| "error parsing regexp: invalid UTF-8".to_owned())?;
    go_regex::compile(text, Use::Anywhere).map_err(|error| error.to_string())
}

pub fn call<'a>(function: Function, arguments: &[Value<'a>], exec: &mut Exec<'a>) -> Outcome<'a> {
    let [Value::Text(expression), Value::Text(text), others @ ..] = arguments else { return Err(wrong_arguments()) };
    let known = exec.expressions().compiled.get(&**expression);
    let made;
    let regex = match known {
        Some(Ok(regex)) => regex,
        Some(Err(problem)) => return Err(problem.clone()),
        None => {
            if expression.len() > MADE_BYTES_MAX {
                let length = expression.len();
                return Err(format!("made expression of {length} bytes, at most {MADE_BYTES_MAX} are compiled"));
            }
            exec.count_work(COMPILE_WORK_BYTES)?;
            made = compile(expression)?;
            &made
        }
    };
    match (function, others) {
        (Function::Count, []) => {
            let found = regex.find_iter(text).filter(|found| is_whole(text, found.range())).count();
            Ok(Value::int(i64::try_from(found).unwrap_or(i64::MAX)))
        }
        (Function::RegexReplaceAll, [Value::Text(new)]) if new.contains(&b'$') => {
            let matches = regex.captures_iter(text).filter_map(|captures| Some((captures.get(0)?.range(), captures)));
            replace(text, matches, exec, |captures, out| expand(new, captures, out))
        }
        (Function::RegexReplaceAll | Function::RegexReplaceAllLiteral, [Value::Text(new)]) => {
            let matches = regex.find_iter(text).map(|found| (found.range(), ()));
            replace(text, matches, exec, |_, out| out.extend_from_slice(new))
        }
        _ => Err(wrong_arguments()),
    }
}

/// Whether a match is none that is empty within a character.
fn is_whole(text: &[u8], range: Range<usize>) -> bool {
    let at = range.start;
    let reaches_over = |back: usize| first_rune(&text[at - back..]).is_some_and(|(_, length)| length > back);
    !range.is_empty() || !(1..=at.min(3)).any(reaches_over)
}

/// The text with each match replaced by what is written for it.
fn replace<'a, M>(
    text: &[u8],
    matches: impl Iterator<Item = (Range<usize>, M)>,
    exec: &Exec<'a>,
    write: impl Fn(&M, &mut Vec<u8>),
) -> Outcome<'a> {
    let mut out = Vec::with_capacity(text.len());
    let mut done = 0;
    for (range, found) in matches.filter(|(range, _)| is_whole(text, range.clone())) {
        out.extend_from_slice(&text[done..range.start]);
        write(&found, &mut out);
        exec.check_room(out.len())?;
        done = range.end;
    }
    out.extend_from_slice(&text[done..]);
    Ok(Value::text(out))
}

/// Write a replacement: `$1`, `${name}`, `$$`; a dollar sign before anything else stands for itself.
fn expand(template: &[u8], captures: &Captures<'_>, out: &mut Vec<u8>) {
    let mut rest = template;
    while let Some(at) = memchr::memchr(b'$', rest) {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix(b"$") {
            out.push(b'$');
            rest = after;
            continue;
        }
        match reference(rest) {
            None => out.push(b'$'),
            Some((name, length)) => {
                let group = match name.parse::<usize>() {
                    Ok(number) => captures.get(number),
                    Err(_) => captures.name(name),
                };
                out.extend_from_slice(group.map_or(b"", |group| group.as_bytes()));
                rest = &rest[length..];
            }
        }
    }
    out.extend_from_slice(rest);
}

/// The name behind a dollar sign, and its length with braces.
fn reference(rest: &[u8]) -> Option<(&str, usize)> {
    let braced = rest.first() == Some(&b'{');
    let start = usize::from(braced);
    let is_name = |c: char| c == '_' || c.is_alphanumeric();
    let text = rest[start..].utf8_chunks().next().map_or("", |chunk| chunk.valid());
    let end = text.find(|c| !is_name(c)).unwrap_or(text.len());
    if end == 0 || (braced && rest.get(start + end) != Some(&b'}')) {
        return None;
    }
    Some((&text[..end], start + end + start))
}
