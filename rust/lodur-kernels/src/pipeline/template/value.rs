//! What expressions of a template give: Go's values, as far as templates of LogQL can make them.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::time::{Time, Zone};

/// A string of Go: any bytes.
#[derive(Clone, Debug)]
pub enum Text<'a> {
    Borrowed(&'a [u8]),
    Shared(Rc<Vec<u8>>),
}

impl std::ops::Deref for Text<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Text::Borrowed(bytes) => bytes,
            Text::Shared(bytes) => bytes,
        }
    }
}

impl From<Vec<u8>> for Text<'_> {
    fn from(bytes: Vec<u8>) -> Self {
        Text::Shared(Rc::new(bytes))
    }
}

impl From<String> for Text<'_> {
    fn from(text: String) -> Self {
        text.into_bytes().into()
    }
}

/// The integer types of Go that occur.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IntKind {
    Int,
    Int32,
    Int64,
    Duration,
    Month,
    Weekday,
}

/// A part of a list that values share.
#[derive(Clone, Debug)]
pub struct List<'a> {
    pub items: Rc<Vec<Value<'a>>>,
    pub start: usize,
    pub len: usize,
    pub capacity: usize,
}

impl<'a> List<'a> {
    pub fn new(items: Vec<Value<'a>>) -> Self {
        let len = items.len();
        List { items: Rc::new(items), start: 0, len, capacity: len }
    }

    pub fn items(&self) -> &[Value<'a>] {
        &self.items[self.start..self.start + self.len]
    }
}

/// A value as Go's templates hold it.
#[derive(Clone, Debug)]
pub enum Value<'a> {
    /// No value at all, printed `<no value>`.
    Invalid,
    /// nil where any value may stand.
    Nil,
    /// A value of a member or element whose type is only known to be any.
    Any(Box<Value<'a>>),
    Bool(bool),
    Int(i64, IntKind),
    Byte(u8),
    Float(f64),
    Complex(f64, f64),
    Text(Text<'a>),
    /// The labels of the row.
    Labels,
    Map(Rc<BTreeMap<Vec<u8>, Value<'a>>>),
    List(List<'a>),
    Time(Time),
    Zone(Zone),
}

impl<'a> Value<'a> {
    pub fn int(value: i64) -> Self {
        Value::Int(value, IntKind::Int)
    }

    pub fn int64(value: i64) -> Self {
        Value::Int(value, IntKind::Int64)
    }

    pub fn text(text: impl Into<Text<'a>>) -> Self {
        Value::Text(text.into())
    }

    /// The value inside; nil in it becomes no value.
    pub fn concrete(self) -> Self {
        match self {
            Value::Any(inner) => *inner,
            Value::Nil => Value::Invalid,
            other => other,
        }
    }

    /// The same, borrowed.
    pub fn inner(&self) -> &Value<'a> {
        match self {
            Value::Any(inner) => inner,
            other => other,
        }
    }

    /// As a member of a map or list of any values.
    pub fn as_member(&self) -> Self {
        match self {
            Value::Nil | Value::Invalid => Value::Nil,
            other => Value::Any(Box::new(other.clone())),
        }
    }

    pub fn is_valid(&self) -> bool {
        !matches!(self, Value::Invalid)
    }

    /// Whether nothing, or nil, is there.
    pub fn is_nil(&self) -> bool {
        matches!(self, Value::Invalid | Value::Nil)
    }

    /// Go's name of the type.
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::Invalid => "<nil>",
            Value::Nil | Value::Any(_) => "interface {}",
            Value::Bool(_) => "bool",
            Value::Int(_, IntKind::Int) => "int",
            Value::Int(_, IntKind::Int32) => "int32",
            Value::Int(_, IntKind::Int64) => "int64",
            Value::Int(_, IntKind::Duration) => "time.Duration",
            Value::Int(_, IntKind::Month) => "time.Month",
            Value::Int(_, IntKind::Weekday) => "time.Weekday",
            Value::Byte(_) => "uint8",
            Value::Float(_) => "float64",
            Value::Complex(..) => "complex128",
            Value::Text(_) => "string",
            Value::Labels => "map[string]string",
            Value::Map(_) => "map[string]interface {}",
            Value::List(_) => "[]interface {}",
            Value::Time(_) => "time.Time",
            Value::Zone(_) => "*time.Location",
        }
    }
}
