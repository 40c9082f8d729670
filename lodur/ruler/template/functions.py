"""What templates of alerts can call: Go's own functions, then Prometheus'.

The functions that ask for metrics (`query` and what takes its result apart) are known and fail: a template is filled in
from its alert alone.
"""

from __future__ import annotations

import html as html_escapes
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias
from urllib.parse import quote_plus, urlsplit

from lodur.model.durations import parse_prometheus_duration
from lodur.model.errors import InvalidRequest
from lodur.query.evaluate.relabel import replace_values
from lodur.ruler.template.humanize import (
    humanize,
    humanize_1024,
    humanize_duration,
    humanize_percentage,
    humanize_timestamp,
    moment_of,
)
from lodur.ruler.template.printf import printf
from lodur.ruler.template.values import Duration, TemplateFailure, Value, is_true, kind_of, printed, to_float

EXPRESSION_STEPS = 50
"""What one use of a regular expression costs, which is compiled for it: some of a millisecond."""

Function: TypeAlias = Callable[[Sequence[Value]], Value]

_JS_ESCAPES = {"\\": "\\\\", "'": "\\'", '"': '\\"', "<": "\\u003C", ">": "\\u003E", "&": "\\u0026", "=": "\\u003D"}
_NUMBERED = re.compile(r"\$(?:(\d+)|\{(\d+)\})")


@dataclass(slots=True)
class Budget:
    """Steps that a template may still take."""

    left: int

    def spend(self, steps: int) -> None:
        """Take steps. Raises TemplateFailure where there are none any more."""
        self.left -= steps
        if self.left < 0:
            raise TemplateFailure("more steps than a template may take")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What functions are told besides their arguments."""

    now_ns: int
    external_url: str
    budget: Budget


def functions_of(around: Surroundings) -> Mapping[str, Function]:
    """All functions by name but `and` and `or`, which leave arguments unread, and `call`."""
    return {
        **_OF_GO,
        **_OF_PROMETHEUS,
        "match": _texts(2, partial(_matches, around.budget)),
        "reReplaceAll": _texts(3, partial(_replace_all, around.budget)),
        "now": lambda _: around.now_ns / 1e9,
        "externalURL": lambda _: around.external_url,
        "pathPrefix": lambda _: urlsplit(around.external_url).path,
    }


def _takes(count: int, function: Callable[..., Value]) -> Function:
    def checked(arguments: Sequence[Value]) -> Value:
        if len(arguments) != count:
            raise TemplateFailure(f"wrong number of args: want {count} got {len(arguments)}")
        return function(*arguments)

    return checked


def _texts(count: int, function: Callable[..., Value]) -> Function:
    """A function of texts."""

    def checked(*arguments: Value) -> Value:
        for argument in arguments:
            if not isinstance(argument, str):
                raise TemplateFailure(f"wrong type for value; expected string; got {kind_of(argument)}")
        return function(*arguments)

    return _takes(count, checked)


def _no_query(_: Sequence[Value]) -> Value:
    raise TemplateFailure("there are no queries in templates: put what is needed into the rule's expression")


def _compared(arguments: Sequence[Value]) -> tuple[Value, Value]:
    if len(arguments) != 2:
        raise TemplateFailure(f"wrong number of args: want 2 got {len(arguments)}")
    left, right = arguments
    is_number = [isinstance(value, int | float) and not isinstance(value, bool) for value in (left, right)]
    if is_number == [True, True] and type(left) is not type(right):
        raise TemplateFailure("incompatible types for comparison")
    if is_number[0] != is_number[1] or (not is_number[0] and type(left) is not type(right)):
        raise TemplateFailure("incompatible types for comparison")
    return left, right


def _equal(arguments: Sequence[Value]) -> Value:
    if len(arguments) < 2:
        raise TemplateFailure("missing argument for comparison")
    first = arguments[0]
    return any(left == right for left, right in (_compared((first, other)) for other in arguments[1:]))


def _less(arguments: Sequence[Value]) -> bool:
    match _compared(arguments):
        case (bool(), _):
            raise TemplateFailure("invalid type for comparison")
        case (int() | float() as left, int() | float() as right):
            return left < right
        case (str() as left, str() as right):
            return left < right
        case (Duration(ns=left), Duration(ns=right)):
            return left < right
    raise TemplateFailure("invalid type for comparison")


def _length(value: Value) -> Value:
    if isinstance(value, str):
        return len(value.encode("utf-8", "surrogatepass"))
    if isinstance(value, Mapping | Sequence):
        return len(value)
    raise TemplateFailure(f"len of type {kind_of(value)}")


def _index(arguments: Sequence[Value]) -> Value:
    if not arguments:
        raise TemplateFailure("wrong number of args: want at least 1 got 0")
    value = arguments[0]
    for key in arguments[1:]:
        value = _item(value, key)
    return value


def _item(value: Value, key: Value) -> Value:
    if isinstance(value, Mapping):
        if not isinstance(key, str):
            raise TemplateFailure(f"value has type {kind_of(key)}; should be string")
        return value.get(key, "")
    if not isinstance(key, int) or isinstance(key, bool):
        raise TemplateFailure(f"cannot index slice/array with type {kind_of(key)}")
    if isinstance(value, str):
        raw = value.encode("utf-8", "surrogatepass")
        return raw[_within(key, len(raw))]
    if isinstance(value, Sequence):
        return value[_within(key, len(value))]
    raise TemplateFailure(f"can't index item of type {kind_of(value)}")


def _within(key: int, length: int) -> int:
    if not 0 <= key < length:
        raise TemplateFailure(f"index out of range: {key}")
    return key


def _slice(arguments: Sequence[Value]) -> Value:
    if not arguments or not isinstance(arguments[0], str | list | tuple):
        raise TemplateFailure("can't slice item of this type")
    value = arguments[0]
    raw = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
    bounds = [key for key in arguments[1:3] if isinstance(key, int)]
    first, last = (*bounds, *(0, len(raw))[len(bounds) :])
    if not 0 <= first <= last <= len(raw):
        raise TemplateFailure(f"index out of range: {last}")
    part = raw[first:last]
    return part.decode("utf-8", "replace") if isinstance(part, bytes) else part


def _print(arguments: Sequence[Value]) -> Value:
    """Blanks stand between operands of which neither is text."""
    text = ""
    for number, value in enumerate(arguments):
        if number and not isinstance(value, str) and not isinstance(arguments[number - 1], str):
            text += " "
        text += printed(value)
    return text


def _printf(arguments: Sequence[Value]) -> Value:
    if not arguments or not isinstance(arguments[0], str):
        raise TemplateFailure("wrong type for value; expected string")
    return printf(arguments[0], arguments[1:])


def _joined(arguments: Sequence[Value]) -> str:
    return arguments[0] if len(arguments) == 1 and isinstance(arguments[0], str) else str(_print(arguments))


def _js(arguments: Sequence[Value]) -> Value:
    return "".join(
        _JS_ESCAPES.get(char) or (char if char >= " " else f"\\u{ord(char):04X}") for char in _joined(arguments)
    )


def _matches(budget: Budget, pattern: str, text: str) -> Value:
    return _replaced(budget, [text], f"(?s:.*)(?:{pattern})(?s:.*)", "x")[0] is not None


def _replace_all(budget: Budget, pattern: str, replacement: str, text: str) -> Value:
    """One match after the other: what stands before it is the shortest, so it is the first."""
    # The match as a whole is the second group here, and the pattern's own groups follow.
    shifted = _NUMBERED.sub(lambda found: f"${{{int((found[1] or found[2])[:9]) + 2}}}", replacement)
    whole = f"(?P<lodur_before>(?s:.*?))({pattern})(?P<lodur_after>(?s:.*))"
    done: list[str] = []
    rest = text
    while True:
        (after,) = _replaced(budget, [rest], whole, "${lodur_after}")
        if after is None:
            return "".join(done) + rest
        (before,) = _replaced(budget, [rest], whole, "${lodur_before}")
        (filled,) = _replaced(budget, [rest], whole, shifted)
        done += [before or "", filled or ""]
        if len(before or "") + len(after) == len(rest):
            # An empty match: the character after it stays.
            done.append(after[:1])
            after = after[1:]
        if not after:
            return "".join(done)
        rest = after


def _replaced(budget: Budget, values: list[str], pattern: str, replacement: str) -> list[str | None]:
    budget.spend(EXPRESSION_STEPS)
    try:
        return replace_values(values, pattern, replacement)
    except InvalidRequest as error:
        raise TemplateFailure(str(error)) from error


def _title(text: str) -> Value:
    return re.sub(r"(?:^|(?<=[^\w']))\w", lambda found: found[0].title(), text)


def _strip_port(text: str) -> Value:
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        return host if bracket and (not rest or rest.startswith(":")) else text
    host, colon, port = text.partition(":")
    return host if colon and ":" not in port else text


def _strip_domain(text: str) -> Value:
    host, colon, port = text.partition(":")
    if all(part.isdigit() for part in host.split(".")) or colon + port != text[len(host) :] or ":" in port:
        return text
    return host.partition(".")[0] + colon + port


def _parsed_duration(text: str) -> float:
    try:
        return parse_prometheus_duration(text) / 1e9
    except ValueError as error:
        raise TemplateFailure(str(error)) from error


def _link(kind: int) -> Callable[[str], Value]:
    def link(expression: str) -> Value:
        return f"/graph?g0.expr={quote_plus(expression)}&g0.tab={kind}"

    return link


def _html(arguments: Sequence[Value]) -> Value:
    return html_escapes.escape(_joined(arguments)).replace("&#x27;", "&#39;").replace("&quot;", "&#34;")


_OF_GO: Mapping[str, Function] = {
    "not": _takes(1, lambda value: not is_true(value)),
    "eq": _equal,
    "ne": lambda arguments: not _equal(arguments),
    "lt": _less,
    "le": lambda arguments: _less(arguments) or bool(_equal(arguments)),
    "gt": lambda arguments: not (_less(arguments) or bool(_equal(arguments))),
    "ge": lambda arguments: not _less(arguments),
    "len": _takes(1, _length),
    "index": _index,
    "slice": _slice,
    "print": _print,
    "println": lambda arguments: " ".join(map(printed, arguments)) + "\n",
    "printf": _printf,
    "html": _html,
    "js": _js,
    "urlquery": lambda arguments: quote_plus(_joined(arguments), safe="~"),
}

_OF_PROMETHEUS: Mapping[str, Function] = {
    **dict.fromkeys(("query", "first", "label", "value", "sortByLabel", "strvalue"), _no_query),
    "humanize": _takes(1, humanize),
    "humanize1024": _takes(1, humanize_1024),
    "humanizeDuration": _takes(1, humanize_duration),
    "humanizePercentage": _takes(1, humanize_percentage),
    "humanizeTimestamp": _takes(1, humanize_timestamp),
    "toTime": _takes(1, lambda value: moment_of(to_float(value))),
    "toDuration": _takes(1, lambda value: Duration(int(to_float(value) * 1e9))),
    "title": _texts(1, _title),
    "toUpper": _texts(1, str.upper),
    "toLower": _texts(1, str.lower),
    "stripPort": _texts(1, _strip_port),
    "stripDomain": _texts(1, _strip_domain),
    "urlQueryEscape": _texts(1, lambda text: quote_plus(text, safe="~")),
    "parseDuration": _texts(1, _parsed_duration),
    "safeHtml": _texts(1, lambda text: text),
    "args": lambda arguments: {f"arg{number}": value for number, value in enumerate(arguments)},
    "graphLink": _texts(1, _link(0)),
    "tableLink": _texts(1, _link(1)),
}

FUNCTIONS = frozenset(
    {*_OF_GO, *_OF_PROMETHEUS, "match", "reReplaceAll", "and", "or", "call", "now", "externalURL", "pathPrefix"}
)
"""The names that a template may call."""
