//! Truth and comparisons, of Go's templates.

use std::cmp::Ordering;

use super::super::call::Function;
use super::super::exec::Exec;
use super::super::value::Value;
use super::{Outcome, wrong_arguments};

const BAD_TYPE: &str = "invalid type for comparison";

/// Whether a value is other than the zero of its type.
pub fn truth(value: &Value<'_>, labels: usize) -> bool {
    match value.inner() {
        Value::Invalid | Value::Nil => false,
        Value::Bool(truth) => *truth,
        Value::Int(number, _) => *number != 0,
        Value::Byte(byte) => *byte != 0,
        Value::Float(number) => *number != 0.0,
        Value::Complex(real, imaginary) => *real != 0.0 || *imaginary != 0.0,
        Value::Text(text) => !text.is_empty(),
        Value::Labels => labels > 0,
        Value::Map(map) => !map.is_empty(),
        Value::List(list) => list.len > 0,
        Value::Any(_) | Value::Time(_) | Value::Zone(_) => true,
    }
}

pub fn call<'a>(function: Function, arguments: &[Value<'a>], exec: &Exec<'a>) -> Outcome<'a> {
    let two = || match arguments {
        [a, b] => Ok((a, b)),
        _ => Err(wrong_arguments()),
    };
    let truth = match function {
        Function::Eq => match arguments {
            [_] => return Err("missing argument for comparison".to_owned()),
            [first, others @ ..] => equals_any(first, others, exec)?,
            [] => return Err(wrong_arguments()),
        },
        Function::Ne => !equals(two()?.0, two()?.1, exec)?,
        Function::Lt => less(two()?.0, two()?.1)?,
        Function::Ge => !less(two()?.0, two()?.1)?,
        Function::Le => less_or_equal(two()?.0, two()?.1, exec)?,
        Function::Gt => !less_or_equal(two()?.0, two()?.1, exec)?,
        _ => return Err(wrong_arguments()),
    };
    Ok(Value::Bool(truth))
}

fn less_or_equal<'a>(a: &Value<'a>, b: &Value<'a>, exec: &Exec<'a>) -> Result<bool, String> {
    Ok(less(a, b)? || equals(a, b, exec)?)
}

fn equals_any<'a>(first: &Value<'a>, others: &[Value<'a>], exec: &Exec<'a>) -> Result<bool, String> {
    for other in others {
        if equals(first, other, exec)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Kinds that compare with each other.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Other,
    Bool,
    Complex,
    Int,
    Float,
    Text,
    Uint,
}

fn kind_of(value: &Value<'_>) -> Kind {
    match value {
        Value::Bool(_) => Kind::Bool,
        Value::Int(..) => Kind::Int,
        Value::Byte(_) => Kind::Uint,
        Value::Float(_) => Kind::Float,
        Value::Complex(..) => Kind::Complex,
        Value::Text(_) => Kind::Text,
        _ => Kind::Other,
    }
}

fn incompatible(a: &Value<'_>, b: &Value<'_>) -> String {
    format!("incompatible types for comparison: {} and {}", a.type_name(), b.type_name())
}

fn equals<'a>(a: &Value<'a>, b: &Value<'a>, exec: &Exec<'a>) -> Result<bool, String> {
    let (a, b) = (a.inner(), b.inner());
    Ok(match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Int(a, _), Value::Int(b, _)) => a == b,
        (Value::Byte(a), Value::Byte(b)) => a == b,
        (Value::Int(a, _), Value::Byte(b)) | (Value::Byte(b), Value::Int(a, _)) => *a == i64::from(*b),
        (Value::Float(a), Value::Float(b)) => a == b,
        (Value::Complex(a, ai), Value::Complex(b, bi)) => a == b && ai == bi,
        (Value::Text(a), Value::Text(b)) => **a == **b,
        _ if a.is_nil() || b.is_nil() => a.is_nil() == b.is_nil(),
        _ if kind_of(a) != kind_of(b) => return Err(incompatible(a, b)),
        (Value::Time(a), Value::Time(b)) => (a.seconds, a.ns) == (b.seconds, b.ns) && a.zone.name() == b.zone.name(),
        (Value::Zone(a), Value::Zone(b)) => a.name() == b.name(),
        _ => return Err(non_comparable(a, b, exec)?),
    })
}

/// The complaint that maps and lists have no equality.
fn non_comparable<'a>(a: &Value<'a>, b: &Value<'a>, exec: &Exec<'a>) -> Result<String, String> {
    let shown = |value: &Value<'a>, format: &[u8]| {
        exec.printf(format, std::slice::from_ref(value)).map(|text| String::from_utf8_lossy(&text).into_owned())
    };
    let second = b.type_name();
    if std::mem::discriminant(a) == std::mem::discriminant(b) {
        return Ok(format!("non-comparable type {}: {second}", shown(b, b"%s")?));
    }
    let (first, kind) = (shown(a, b"%s")?, a.type_name());
    Ok(format!("non-comparable types {first}: {kind}, {second}: {}", shown(b, b"%v")?))
}

fn less(a: &Value<'_>, b: &Value<'_>) -> Result<bool, String> {
    let (a, b) = (a.inner(), b.inner());
    if kind_of(a) == Kind::Other || kind_of(b) == Kind::Other {
        return Err(BAD_TYPE.to_owned());
    }
    let order = match (a, b) {
        (Value::Int(a, _), Value::Int(b, _)) => a.cmp(b),
        (Value::Byte(a), Value::Byte(b)) => a.cmp(b),
        (Value::Int(a, _), Value::Byte(b)) => a.cmp(&i64::from(*b)),
        (Value::Byte(a), Value::Int(b, _)) => i64::from(*a).cmp(b),
        (Value::Text(a), Value::Text(b)) => (**a).cmp(&**b),
        (Value::Float(a), Value::Float(b)) => a.partial_cmp(b).unwrap_or(Ordering::Greater),
        _ if kind_of(a) != kind_of(b) => return Err(incompatible(a, b)),
        _ => return Err(BAD_TYPE.to_owned()),
    };
    Ok(order.is_lt())
}
