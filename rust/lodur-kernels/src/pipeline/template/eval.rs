//! Expressions of a template: pipelines, commands, fields, calls and the types of arguments.

use super::call::{Function, Param};
use super::exec::{Exec, Result};
use super::functions::{self, truth};
use super::node::{Command, NodeRef, Number, Operand, OperandKind, Pipe};
use super::time::{call_method, find_method};
use super::value::{IntKind, Text, Value};

/// A function or method with the types of its parameters.
struct Callee<'a> {
    name: &'a str,
    fixed: &'static [Param],
    variadic: Option<Param>,
}

impl Callee<'_> {
    /// The type of the argument at a place; the number of arguments has been checked.
    fn param(&self, at: usize) -> Param {
        self.fixed.get(at).copied().or(self.variadic).unwrap_or(Param::Any)
    }
}

impl<'a> Exec<'a> {
    pub(super) fn pipeline(&mut self, dot: &Value<'a>, pipe: &'a Pipe) -> Result<Value<'a>> {
        self.node = NodeRef::Pipe(pipe);
        let mut value = None;
        for command in &pipe.commands {
            self.step()?;
            value = Some(self.command(dot, command, value)?.concrete());
        }
        let value = value.unwrap_or(Value::Invalid);
        for variable in &pipe.variables {
            if pipe.assigns {
                self.assign(variable, value.clone())?;
            } else {
                self.variables.push((variable, value.clone()));
            }
        }
        Ok(value)
    }

    fn command(&mut self, dot: &Value<'a>, command: &'a Command, last: Option<Value<'a>>) -> Result<Value<'a>> {
        let first = &command.operands[0];
        let arguments = &command.operands[1..];
        match &first.kind {
            OperandKind::Field(names) => self.fields(dot, dot.clone(), names, first, arguments, last),
            OperandKind::Chain(inner, names) => self.chain(dot, inner, names, first, arguments, last),
            OperandKind::Function(function) => {
                self.node = NodeRef::Operand(first);
                self.call(dot, *function, NodeRef::Command(command), arguments, last)
            }
            OperandKind::Pipe(pipe) => {
                self.refuse_arguments(first, arguments, last.is_some())?;
                self.deeper(|exec| exec.pipeline(dot, pipe))
            }
            OperandKind::Variable(names) => self.variable(dot, names, first, arguments, last),
            _ => {
                self.node = NodeRef::Operand(first);
                self.refuse_arguments(first, arguments, last.is_some())?;
                match &first.kind {
                    OperandKind::Dot => Ok(dot.clone()),
                    OperandKind::Nil => self.fail("nil is not a command"),
                    _ => self.constant(first),
                }
            }
        }
    }

    fn refuse_arguments(&self, first: &Operand, arguments: &[Operand], has_last: bool) -> Result<()> {
        if arguments.is_empty() && !has_last {
            return Ok(());
        }
        self.fail(format_args!("can't give argument to non-function {first}"))
    }

    /// A literal where any value is taken.
    fn constant(&mut self, operand: &'a Operand) -> Result<Value<'a>> {
        self.node = NodeRef::Operand(operand);
        match &operand.kind {
            OperandKind::Bool(value) => Ok(Value::Bool(*value)),
            OperandKind::String { text, .. } => Ok(Value::Text(Text::Borrowed(text))),
            OperandKind::Number(number) => self.ideal(number),
            _ => self.fail(format_args!("can't handle assignment of {operand} to empty interface argument")),
        }
    }

    fn ideal(&self, number: &'a Number) -> Result<Value<'a>> {
        if let Some((real, imaginary)) = number.complex {
            return Ok(Value::Complex(real, imaginary));
        }
        let text = &number.text;
        let is_hex = text.len() > 2 && text.starts_with('0') && matches!(text.as_bytes()[1], b'x' | b'X');
        let is_hex_int = is_hex && !text.contains(['p', 'P']);
        match number.float {
            Some(float) if !is_hex_int && !text.starts_with('\'') && text.contains(['.', 'e', 'E', 'p', 'P']) => {
                Ok(Value::Float(float))
            }
            _ => match number.int {
                Some(int) => Ok(Value::int(int)),
                None => self.fail(format_args!("{text} overflows int")),
            },
        }
    }

    fn variable(
        &mut self,
        dot: &Value<'a>,
        names: &'a [Box<str>],
        operand: &'a Operand,
        arguments: &'a [Operand],
        last: Option<Value<'a>>,
    ) -> Result<Value<'a>> {
        self.node = NodeRef::Operand(operand);
        let known = self.variables.iter().rev().find(|(name, _)| *name == &*names[0]).map(|(_, value)| value.clone());
        let Some(value) = known else {
            return self.fail(format_args!("undefined variable: {}", names[0]));
        };
        if names.len() == 1 {
            self.refuse_arguments(operand, arguments, last.is_some())?;
            return Ok(value);
        }
        self.fields(dot, value, &names[1..], operand, arguments, last)
    }

    fn chain(
        &mut self,
        dot: &Value<'a>,
        inner: &'a Operand,
        names: &'a [Box<str>],
        operand: &'a Operand,
        arguments: &'a [Operand],
        last: Option<Value<'a>>,
    ) -> Result<Value<'a>> {
        self.node = NodeRef::Operand(operand);
        let receiver = self.argument(dot, None, inner)?;
        self.fields(dot, receiver, names, operand, arguments, last)
    }

    /// One field after another; arguments belong to the last.
    fn fields(
        &mut self,
        dot: &Value<'a>,
        receiver: Value<'a>,
        names: &'a [Box<str>],
        operand: &'a Operand,
        arguments: &'a [Operand],
        last: Option<Value<'a>>,
    ) -> Result<Value<'a>> {
        if !matches!(operand.kind, OperandKind::Chain(..)) {
            self.node = NodeRef::Operand(operand);
        }
        let Some((final_name, before)) = names.split_last() else { return Ok(receiver) };
        let mut receiver = receiver;
        for name in before {
            receiver = self.field(dot, receiver, name, operand, &[], None)?;
        }
        self.field(dot, receiver, final_name, operand, arguments, last)
    }

    fn field(
        &mut self,
        dot: &Value<'a>,
        receiver: Value<'a>,
        name: &'a str,
        operand: &'a Operand,
        arguments: &'a [Operand],
        last: Option<Value<'a>>,
    ) -> Result<Value<'a>> {
        if receiver.is_nil() {
            if receiver.is_valid() {
                return self.fail(format_args!("nil pointer evaluating interface {{}}.{name}"));
            }
            return Ok(Value::Invalid);
        }
        let type_name = receiver.type_name();
        let inner = receiver.inner();
        if let Some(method) = find_method(inner, name) {
            let callee = Callee { name, fixed: method.params, variadic: None };
            self.check_count(&callee, arguments.len(), last.is_some())?;
            if let Some(why) = method.broken {
                return self.fail(why);
            }
            let values = self.arguments(dot, &callee, arguments, last)?;
            return match call_method(inner, name, &values) {
                Some(value) => Ok(value),
                None => {
                    self.node = NodeRef::Operand(operand);
                    self.fail(format_args!("error calling {name}: time: missing Location in call to Time.In"))
                }
            };
        }
        let has_arguments = !arguments.is_empty() || last.is_some();
        match inner {
            Value::Labels | Value::Map(_) if has_arguments => {
                self.fail(format_args!("{name} is not a method but has arguments"))
            }
            Value::Labels => Ok(Value::Text(Text::Borrowed(self.label(name.as_bytes()).unwrap_or(b"")))),
            Value::Map(map) => Ok(map.get(name.as_bytes()).map_or(Value::Nil, Value::as_member)),
            Value::Time(_) if matches!(name, "wall" | "ext" | "loc") => {
                self.fail(format_args!("{name} is an unexported field of struct type {type_name}"))
            }
            _ => self.fail(format_args!("can't evaluate field {name} in type {type_name}")),
        }
    }

    fn call(
        &mut self,
        dot: &Value<'a>,
        function: Function,
        node: NodeRef<'a>,
        arguments: &'a [Operand],
        last: Option<Value<'a>>,
    ) -> Result<Value<'a>> {
        let signature = function.signature();
        let callee = Callee { name: function.name(), fixed: signature.fixed, variadic: signature.variadic };
        self.check_count(&callee, arguments.len(), last.is_some())?;
        match function {
            Function::And => return self.short_circuit(dot, false, arguments, last),
            Function::Or => return self.short_circuit(dot, true, arguments, last),
            Function::Call => {
                self.callee = match (arguments.first(), &last) {
                    (Some(operand), _) => operand.to_string(),
                    (None, Some(Value::Text(text))) => String::from_utf8_lossy(text).into_owned(),
                    (None, last) => format!("<{} Value>", last.as_ref().map_or("invalid", Value::type_name)),
                };
            }
            _ => {}
        }
        let values = self.arguments(dot, &callee, arguments, last)?;
        let outcome = match function {
            Function::Not => {
                let labels = if matches!(values[0].inner(), Value::Labels) { self.label_count() } else { 0 };
                Ok(Value::Bool(!truth(&values[0], labels)))
            }
            _ => self.counted(function, &values),
        };
        match outcome {
            Ok(value) => Ok(value),
            Err(reason) => {
                self.node = node;
                self.fail(format_args!("error calling {}: {reason}", callee.name))
            }
        }
    }

    /// Call a function, and count what it looks at and makes.
    fn counted(&mut self, function: Function, values: &[Value<'a>]) -> functions::Outcome<'a> {
        let looks_at_all =
            !matches!(function, Function::Len | Function::Index | Function::Slice | Function::Trunc | Function::Line);
        if looks_at_all {
            let bytes = values.iter().map(|value| if let Value::Text(text) = value { text.len() } else { 0 }).sum();
            self.count_work(bytes)?;
        }
        let value = functions::call(function, values, self)?;
        if let Value::Text(Text::Shared(text)) = &value {
            self.count_made(text.len())?;
        }
        Ok(value)
    }

    /// `and` and `or` stop at the first argument that decides.
    fn short_circuit(
        &mut self,
        dot: &Value<'a>,
        stops_at: bool,
        arguments: &'a [Operand],
        last: Option<Value<'a>>,
    ) -> Result<Value<'a>> {
        let mut value = Value::Invalid;
        for argument in arguments {
            value = self.argument(dot, Some(Param::Reflected), argument)?;
            let labels = if matches!(value.inner(), Value::Labels) { self.label_count() } else { 0 };
            if truth(&value, labels) == stops_at {
                return Ok(value);
            }
        }
        Ok(last.unwrap_or(value))
    }

    fn check_count(&self, callee: &Callee<'_>, written: usize, has_last: bool) -> Result<()> {
        let (name, fixed) = (callee.name, callee.fixed.len());
        let given = written + usize::from(has_last);
        if callee.variadic.is_some() {
            if given < fixed {
                return self.fail(format_args!("wrong number of args for {name}: want at least {fixed} got {written}"));
            }
        } else if given != fixed {
            return self.fail(format_args!("wrong number of args for {name}: want {fixed} got {given}"));
        }
        Ok(())
    }

    fn arguments(
        &mut self,
        dot: &Value<'a>,
        callee: &Callee<'_>,
        arguments: &'a [Operand],
        last: Option<Value<'a>>,
    ) -> Result<Vec<Value<'a>>> {
        let mut values = Vec::with_capacity(arguments.len() + 1);
        for (at, argument) in arguments.iter().enumerate() {
            values.push(self.argument(dot, Some(callee.param(at)), argument)?);
        }
        if let Some(last) = last {
            values.push(self.validated(last, Some(callee.param(arguments.len())))?);
        }
        Ok(values)
    }

    /// An argument of a type, or of any without being asked (`None`).
    fn argument(&mut self, dot: &Value<'a>, param: Option<Param>, operand: &'a Operand) -> Result<Value<'a>> {
        self.step()?;
        self.node = NodeRef::Operand(operand);
        let value = match &operand.kind {
            OperandKind::Dot => dot.clone(),
            OperandKind::Nil => match param {
                Some(Param::Reflected) => return Ok(Value::Invalid),
                Some(param) if param.takes_nil() => return Ok(Value::Nil),
                Some(param) => return self.fail(format_args!("cannot assign nil to {}", param.type_name())),
                None => return self.fail(format_args!("indirection through explicit nil in {operand}")),
            },
            OperandKind::Field(names) => self.fields(dot, dot.clone(), names, operand, &[], None)?,
            OperandKind::Variable(names) => self.variable(dot, names, operand, &[], None)?,
            OperandKind::Pipe(pipe) => self.deeper(|exec| exec.pipeline(dot, pipe))?,
            OperandKind::Function(function) => self.call(dot, *function, NodeRef::Operand(operand), &[], None)?,
            OperandKind::Chain(inner, names) => self.chain(dot, inner, names, operand, &[], None)?,
            _ => return self.literal(param.unwrap_or(Param::Any), operand),
        };
        self.validated(value, param)
    }

    fn literal(&mut self, param: Param, operand: &'a Operand) -> Result<Value<'a>> {
        let number = match &operand.kind {
            OperandKind::Number(number) => Some(number),
            _ => None,
        };
        match param {
            Param::Any | Param::Reflected => self.constant(operand),
            Param::String => match &operand.kind {
                OperandKind::String { text, .. } => Ok(Value::Text(Text::Borrowed(text))),
                _ => self.fail(format_args!("expected string; found {operand}")),
            },
            Param::Int | Param::Duration => match number.and_then(|number| number.int) {
                Some(int) if param == Param::Int => Ok(Value::int(int)),
                Some(ns) => Ok(Value::Int(ns, IntKind::Duration)),
                None => self.fail(format_args!("expected integer; found {operand}")),
            },
            Param::Float => match number.and_then(|number| number.float) {
                Some(float) => Ok(Value::Float(float)),
                None => self.fail(format_args!("expected float; found {operand}")),
            },
            Param::Time | Param::Zone => {
                self.fail(format_args!("can't handle {operand} for arg of type {}", param.type_name()))
            }
        }
    }

    /// The value as a parameter of the type takes it.
    fn validated(&self, value: Value<'a>, param: Option<Param>) -> Result<Value<'a>> {
        let Some(param) = param else { return Ok(value) };
        match value {
            Value::Invalid if param == Param::Reflected => Ok(Value::Invalid),
            Value::Invalid if param.takes_nil() => Ok(Value::Nil),
            Value::Invalid => self.fail(format_args!("invalid value; expected {}", param.type_name())),
            Value::Any(inner) if param.takes(&inner) && param != Param::Reflected => Ok(*inner),
            value if param.takes(&value) => Ok(value),
            value => self.fail(format_args!(
                "wrong type for value; expected {}; got {}",
                param.type_name(),
                value.inner().type_name()
            )),
        }
    }
}
