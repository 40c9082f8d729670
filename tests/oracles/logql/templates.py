"""The part of Go's templates that generators write: labels, functions of texts, pipes, `if` with `else`.

No template of these can fail. Start at `fill_in`; what a template reads says `names_in`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator

from lodur.logql.stages.label_format import LabelChange, LabelFormat, LabelTemplate
from tests.oracles.logql.row import Row

_ACTION = re.compile(r"\{\{(.*?)\}\}")
_WORD = re.compile(r'"(?:[^"\\]|\\.)*"|[^ ]+')
_LABEL = re.compile(r"\.([A-Za-z_]\w*)")


def _upper(text: str) -> str:
    """Letter by letter: what would become two stays as it is."""
    return "".join(char.upper() if len(char.upper()) == 1 else char for char in text)


_FUNCTIONS: dict[str, Callable[..., str]] = {
    "lower": str.lower,
    "ToLower": str.lower,
    "upper": _upper,
    "ToUpper": _upper,
    "trim": str.strip,
    "TrimSpace": str.strip,
    "trimPrefix": lambda prefix, text: text.removeprefix(prefix),
    "trimSuffix": lambda suffix, text: text.removesuffix(suffix),
    "TrimPrefix": lambda text, prefix: text.removeprefix(prefix),
    "replace": lambda old, new, text: text.replace(old, new),
    "repeat": lambda count, text: text * int(count),
    "default": lambda otherwise, text: text or otherwise,
    "alignLeft": lambda width, text: text[: int(width)].ljust(int(width)),
    "alignRight": lambda width, text: text[max(0, len(text) - int(width)) :].rjust(int(width)),
    "print": lambda text: text,
}


def fill_in(template: str, row: Row) -> str:
    """The text of a template over the labels and the line of a row."""
    out: list[str] = []
    shown: list[bool] = []
    for text, action in _pieces(template):
        if all(shown):
            out.append(text)
        if action.startswith("if "):
            shown.append(_value(action.removeprefix("if "), row) != "")
        elif action == "else":
            shown[-1] = not shown[-1]
        elif action == "end":
            shown.pop()
        elif action and all(shown):
            out.append(_value(action, row))
    return "".join(out)


def _pieces(template: str) -> Iterator[tuple[str, str]]:
    """Texts, each with the action behind it."""
    at = 0
    for found in _ACTION.finditer(template):
        yield template[at : found.start()], found.group(1).strip()
        at = found.end()
    yield template[at:], ""


def _value(pipe: str, row: Row) -> str:
    """The value of `operand | function argument ...`."""
    piped: list[str] = []
    for command in pipe.split("|"):
        head, *rest = _WORD.findall(command)
        arguments = [_operand(word, row) for word in rest]
        value = _FUNCTIONS[head](*arguments, *piped) if head in _FUNCTIONS else _operand(head, row)
        piped = [value]
    return piped[0]


def _operand(word: str, row: Row) -> str:
    if word == "__line__":
        return row.line
    if word.startswith("."):
        return row.get(word[1:]) or ""
    return str(json.loads(word))


def names_in(template: str) -> set[str]:
    """The labels that a template reads."""
    return {name for _, action in _pieces(template) for name in _LABEL.findall(action)}


def format_labels(stage: LabelFormat, row: Row) -> None:
    """Renames before the first template are done first; the templates then all see the same labels."""
    is_template = [isinstance(change, LabelTemplate) for change in stage.changes]
    first = is_template.index(True) if True in is_template else len(is_template)
    for change in stage.changes[:first]:
        _change(change, row, {})
    made = {one.name: fill_in(one.template, row) for one in stage.changes if isinstance(one, LabelTemplate)}
    for change in stage.changes[first:]:
        _change(change, row, made)


def _change(change: LabelChange, row: Row, made: dict[str, str]) -> None:
    if isinstance(change, LabelTemplate):
        row.parsed[change.name] = made[change.name]
        return
    held = [labels[change.source] for labels in (row.parsed, row.metadata, row.stream) if change.source in labels]
    if held:
        row.parsed[change.name] = held[0]
        for labels in (row.parsed, row.metadata, row.stream):
            labels.pop(change.source, None)
