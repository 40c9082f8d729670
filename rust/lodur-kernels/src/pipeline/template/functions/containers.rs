//! Lengths, members and parts of texts, maps and lists.

use super::super::call::Function;
use super::super::exec::Exec;
use super::super::value::{List, Text, Value};
use super::{Outcome, truth, wrong_arguments};

pub fn call<'a>(function: Function, arguments: &[Value<'a>], exec: &Exec<'a>) -> Outcome<'a> {
    let Some((first, others)) = arguments.split_first() else { return Err(wrong_arguments()) };
    match function {
        Function::Len => length(first, exec),
        Function::Index => index(first, others, exec),
        Function::Slice => slice(first, others),
        Function::Default => Ok(match others.first() {
            Some(given) if truth(given, exec.label_count()) => given.clone(),
            _ => first.clone(),
        }),
        _ => Err(match first.inner() {
            Value::Invalid | Value::Nil => "call of nil".to_owned(),
            other => format!("non-function {} of type {}", exec.callee(), other.type_name()),
        }),
    }
}

fn length<'a>(item: &Value<'a>, exec: &Exec<'a>) -> Outcome<'a> {
    let length = match item.inner() {
        Value::Text(text) => text.len(),
        Value::Labels => exec.label_count(),
        Value::Map(map) => map.len(),
        Value::List(list) => list.len,
        Value::Nil => return Err("len of nil pointer".to_owned()),
        // Asking the missing value for its type is an error of its own in Go.
        Value::Invalid => return Err("reflect: call of reflect.Value.Type on zero Value".to_owned()),
        other => return Err(format!("len of type {}", other.type_name())),
    };
    Ok(Value::int(i64::try_from(length).unwrap_or(i64::MAX)))
}

fn index<'a>(item: &Value<'a>, keys: &[Value<'a>], exec: &Exec<'a>) -> Outcome<'a> {
    let mut item = item.inner().clone();
    if item.is_nil() {
        return Err("index of untyped nil".to_owned());
    }
    for key in keys {
        item = match item.inner() {
            Value::Nil | Value::Invalid => return Err("index of nil pointer".to_owned()),
            Value::Text(text) => Value::Byte(*element(text, key, "string")?),
            Value::List(list) => element(list.items(), key, "slice")?.as_member(),
            Value::Labels => Value::Text(Text::Borrowed(exec.label(name(key)?).unwrap_or(b""))),
            Value::Map(map) => map.get(name(key)?).map_or(Value::Nil, Value::as_member),
            other => return Err(format!("can't index item of type {}", other.type_name())),
        };
    }
    Ok(item)
}

fn element<'i, T>(items: &'i [T], key: &Value<'_>, kind: &str) -> Result<&'i T, String> {
    let at = position(key, items.len())?;
    items.get(at).ok_or_else(|| format!("reflect: {kind} index out of range"))
}

fn position(key: &Value<'_>, capacity: usize) -> Result<usize, String> {
    let number = match key.inner() {
        Value::Int(number, _) => *number,
        Value::Byte(byte) => i64::from(*byte),
        Value::Invalid | Value::Nil => return Err("cannot index slice/array with nil".to_owned()),
        other => return Err(format!("cannot index slice/array with type {}", other.type_name())),
    };
    let at = usize::try_from(number).ok().filter(|at| *at <= capacity);
    at.ok_or_else(|| format!("index out of range: {number}"))
}

fn name<'k>(key: &'k Value<'_>) -> Result<&'k [u8], String> {
    match key.inner() {
        Value::Text(text) => Ok(text),
        Value::Invalid | Value::Nil => Err("value is nil; should be of type string".to_owned()),
        other => Err(format!("value has type {}; should be string", other.type_name())),
    }
}

fn slice<'a>(item: &Value<'a>, places: &[Value<'a>]) -> Outcome<'a> {
    let item = item.inner();
    if item.is_nil() {
        return Err("slice of untyped nil".to_owned());
    }
    if places.len() > 3 {
        return Err(format!("too many slice indexes: {}", places.len()));
    }
    let (length, capacity) = match item {
        Value::Text(_) if places.len() == 3 => return Err("cannot 3-index slice a string".to_owned()),
        Value::Text(text) => (text.len(), text.len()),
        Value::List(list) => (list.len, list.capacity),
        other => return Err(format!("can't slice item of type {}", other.type_name())),
    };
    let mut at = [0, length, capacity];
    for (known, place) in at.iter_mut().zip(places) {
        *known = position(place, capacity)?;
    }
    let [start, end, limit] = at;
    if start > end {
        return Err(format!("invalid slice index: {start} > {end}"));
    }
    if end > limit {
        return Err(format!("invalid slice index: {end} > {limit}"));
    }
    Ok(match item {
        Value::Text(Text::Borrowed(bytes)) => Value::Text(Text::Borrowed(&bytes[start..end])),
        Value::Text(text) => Value::text(text[start..end].to_vec()),
        Value::List(list) => Value::List(List {
            items: std::rc::Rc::clone(&list.items),
            start: list.start + start,
            len: end - start,
            capacity: limit - start,
        }),
        _ => return Err(wrong_arguments()),
    })
}
