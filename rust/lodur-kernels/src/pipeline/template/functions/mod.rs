//! What the functions of templates do, by family. Start at `call`.

mod arithmetic;
mod compare;
mod containers;
mod decimal;
mod encode;
mod expressions;
mod json;
mod letters;
mod numbers;
mod text;
mod times;

pub use compare::truth;
pub use expressions::{Expressions, constant_expression};

use super::call::Function;
use super::exec::Exec;
use super::value::{Text, Value};

/// The result, or the text of an error.
pub type Outcome<'a> = std::result::Result<Value<'a>, String>;

/// Call a function with arguments of its parameters' types.
pub fn call<'a>(function: Function, arguments: &[Value<'a>], exec: &mut Exec<'a>) -> Outcome<'a> {
    use Function as F;
    match function {
        F::And | F::Or | F::Not | F::Eq | F::Ne | F::Lt | F::Le | F::Gt | F::Ge => {
            compare::call(function, arguments, exec)
        }
        F::Len | F::Index | F::Slice | F::Call | F::Default => containers::call(function, arguments, exec),
        F::FromJson => match arguments {
            [Value::Text(text)] => json::decode(text, exec),
            _ => Err(wrong_arguments()),
        },
        F::Print | F::Printf | F::Println | F::Html | F::Js | F::UrlQuery => encode::print(function, arguments, exec),
        F::UrlEncode | F::UrlDecode | F::B64Enc | F::B64Dec => match arguments {
            [Value::Text(text)] => encode::call(function, text),
            _ => Err(wrong_arguments()),
        },
        F::Line => Ok(Value::Text(Text::Borrowed(exec.line()))),
        F::RegexReplaceAll | F::RegexReplaceAllLiteral | F::Count => expressions::call(function, arguments, exec),
        F::Bytes | F::Duration | F::DurationSeconds => match arguments {
            [Value::Text(text)] => numbers::measure(function, text),
            _ => Err(wrong_arguments()),
        },
        F::Timestamp
        | F::Date
        | F::ToDate
        | F::ToDateInZone
        | F::Now
        | F::UnixEpoch
        | F::UnixEpochMillis
        | F::UnixEpochNanos
        | F::UnixToTime => times::call(function, arguments, exec),
        F::Int
        | F::Float64
        | F::Add
        | F::Sub
        | F::Mul
        | F::Div
        | F::Mod
        | F::Max
        | F::Min
        | F::Addf
        | F::Subf
        | F::Mulf
        | F::Divf
        | F::Maxf
        | F::Minf
        | F::Ceil
        | F::Floor
        | F::Round => arithmetic::call(function, arguments),
        _ => text::call(function, arguments, exec),
    }
}

/// Cannot happen: the caller has checked number and types.
fn wrong_arguments() -> String {
    "wrong arguments".to_owned()
}
