"""Fill a template in. Start at `run_template`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import assert_never

from lodur.ruler.template.functions import Budget, Function
from lodur.ruler.template.tree import (
    Body,
    Call,
    Command,
    Constant,
    Dot,
    If,
    Invocation,
    LeaveLoop,
    Operand,
    Output,
    Path,
    Pipeline,
    Range,
    Template,
    Text,
    Variable,
    With,
)
from lodur.ruler.template.values import Duration, Moment, TemplateFailure, Value, is_true, kind_of, printed

STEPS_MAX = 20_000
"""Items and commands of one template: thousands of times what alerts say, some ten milliseconds."""

OUTPUT_CHARS_MAX = 256 * 1024
"""Alertmanager takes no alert of such a size."""

CALLS_DEPTH_MAX = 50
"""Templates within templates: each level costs Python some frames."""


class _Left(Exception):
    """A `break`, or a `continue`, on its way to its loop."""

    def __init__(self, is_continue: bool) -> None:
        super().__init__()
        self.is_continue = is_continue


def run_template(template: Template, data: Value, functions: Mapping[str, Function], budget: Budget) -> str:
    """The text that a template gives for these data. Raises TemplateFailure."""
    run = _Run(template.defined, functions, budget)
    run.body(template.body, _Scope(data, [("$", data)]))
    return "".join(run.parts)


@dataclass(slots=True)
class _Scope:
    """The dot, and the variables by name, the innermost last."""

    dot: Value
    variables: list[tuple[str, Value]]

    def get(self, name: str) -> Value:
        for known, value in reversed(self.variables):
            if known == name:
                return value
        raise TemplateFailure(f"undefined variable: {name}")

    def assign(self, name: str, value: Value) -> None:
        for number in range(len(self.variables) - 1, -1, -1):
            if self.variables[number][0] == name:
                self.variables[number] = (name, value)
                return

    def at(self, dot: Value) -> _Scope:
        return _Scope(dot, self.variables)


@dataclass(slots=True)
class _Run:
    defined: Mapping[str, Body]
    functions: Mapping[str, Function]
    budget: Budget
    parts: list[str] = field(default_factory=list)
    chars: int = 0
    depth: int = 0

    def body(self, body: Body, scope: _Scope) -> None:
        """Fill items in; the variables that they declare end with them."""
        known = len(scope.variables)
        try:
            for item in body:
                self.budget.spend(1)
                match item:
                    case Text(text=text):
                        self._write(text)
                    case Output(pipeline=pipeline):
                        value = self._pipeline(pipeline, scope)
                        if not pipeline.variables:
                            self._write("<no value>" if value is None else printed(value))
                    case If(pipeline=pipeline):
                        self._branch(item, scope, keeps_dot=True)
                    case With():
                        self._branch(item, scope, keeps_dot=False)
                    case Range():
                        self._range(item, scope)
                    case Invocation():
                        self._invoke(item, scope)
                    case LeaveLoop(is_continue=is_continue):
                        raise _Left(is_continue)
                    case _:
                        assert_never(item)
        finally:
            del scope.variables[known:]

    def _branch(self, item: If | With, scope: _Scope, *, keeps_dot: bool) -> None:
        known = len(scope.variables)
        value = self._pipeline(item.pipeline, scope)
        if is_true(value):
            self.body(item.body, scope if keeps_dot else scope.at(value))
        else:
            self.body(item.otherwise, scope)
        del scope.variables[known:]

    def _range(self, item: Range, scope: _Scope) -> None:
        known = len(scope.variables)
        declared = item.pipeline.variables
        value = self._pipeline(Pipeline(item.pipeline.commands), scope)
        pairs = _pairs(value)
        for key, one in pairs:
            values = (key, one) if len(declared) > 1 else (one,)
            for name, held in zip(declared, values, strict=False):
                if item.pipeline.declares:
                    scope.variables.append((name, held))
                else:
                    scope.assign(name, held)
            try:
                self.body(item.body, scope.at(one))
            except _Left as left:
                if not left.is_continue:
                    break
            finally:
                del scope.variables[known:]
        if not pairs:
            self.body(item.otherwise, scope)

    def _invoke(self, item: Invocation, scope: _Scope) -> None:
        if item.name not in self.defined:
            raise TemplateFailure(f'template "{item.name}" not defined')
        if self.depth >= CALLS_DEPTH_MAX:
            raise TemplateFailure("exceeded maximum template depth")
        data = self._pipeline(item.pipeline, scope) if item.pipeline else None
        self.depth += 1
        self.body(self.defined[item.name], _Scope(data, [("$", data)]))
        self.depth -= 1

    def _pipeline(self, pipeline: Pipeline, scope: _Scope) -> Value:
        value: Value = None
        for number, command in enumerate(pipeline.commands):
            value = self._command(command, scope, (value,) if number else ())
        for name in pipeline.variables:
            if pipeline.declares:
                scope.variables.append((name, value))
            else:
                scope.assign(name, value)
        return value

    def _command(self, command: Command, scope: _Scope, final: tuple[Value, ...]) -> Value:
        self.budget.spend(1)
        first = command.operands[0]
        if isinstance(first, Call):
            return self._call(first.name, command.operands[1:], scope, final)
        if len(command.operands) > 1 or final:
            raise TemplateFailure("can't give argument to non-function")
        return self._operand(first, scope)

    def _call(self, name: str, operands: Sequence[Operand], scope: _Scope, final: tuple[Value, ...]) -> Value:
        if name in ("and", "or"):
            return self._choice(name == "or", operands, scope, final)
        arguments = [*(self._operand(operand, scope) for operand in operands), *final]
        if name == "call":
            raise TemplateFailure("error calling call: there are no functions among the values")
        function: Callable[[Sequence[Value]], Value] = self.functions[name]
        try:
            return function(arguments)
        except TemplateFailure as failure:
            raise TemplateFailure(f"error calling {name}: {failure}") from failure

    def _choice(self, ends_with: bool, operands: Sequence[Operand], scope: _Scope, final: tuple[Value, ...]) -> Value:
        """The first argument that decides, or the last."""
        value: Value = None
        for operand in operands:
            value = self._operand(operand, scope)
            if is_true(value) is ends_with:
                return value
        if not operands and not final:
            raise TemplateFailure(f"wrong number of args for {'or' if ends_with else 'and'}: want at least 1 got 0")
        return final[0] if final else value

    def _operand(self, operand: Operand, scope: _Scope) -> Value:
        match operand:
            case Constant(value=value):
                return value
            case Dot():
                return scope.dot
            case Variable(name=name):
                return scope.get(name)
            case Call(name=name):
                return self._call(name, (), scope, ())
            case Pipeline():
                return self._pipeline(operand, scope)
            case Path(of=of, names=names):
                found = self._operand(of, scope)
                for name in names:
                    found = _field(found, name)
                return found
            case _:
                assert_never(operand)

    def _write(self, text: str) -> None:
        self.chars += len(text)
        if self.chars > OUTPUT_CHARS_MAX:
            raise TemplateFailure(f"more than {OUTPUT_CHARS_MAX} characters")
        self.parts.append(text)


def _field(value: Value, name: str) -> Value:
    if isinstance(value, Mapping):
        # A map of texts has the empty one for what it does not have.
        return value.get(name, "")
    raise TemplateFailure(f"can't evaluate field {name} in type {kind_of(value)}")


def _pairs(value: Value) -> list[tuple[Value, Value]]:
    if isinstance(value, Mapping):
        return [(name, value[name]) for name in sorted(value)]
    if isinstance(value, Sequence) and not isinstance(value, str):
        return list(enumerate(value))
    if isinstance(value, int) and not isinstance(value, bool):
        if value > STEPS_MAX:
            raise TemplateFailure("more steps than a template may take")
        return [(number, number) for number in range(value)]
    if value is None:
        return []
    shown = "nil" if isinstance(value, Duration | Moment) else printed(value)
    raise TemplateFailure(f"range can't iterate over {shown}")
