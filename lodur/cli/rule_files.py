"""Rule files as the commands of `lodur rules` read and compare them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path

from lodur.logql.parser import parse_query
from lodur.logql.tree import LogQuery
from lodur.model.errors import InvalidRequest, QuerySyntaxError
from lodur.ruler.checks import defects_of, repeated_names
from lodur.ruler.rule_diff import GroupChange
from lodur.ruler.written import Defect, NotRules, WrittenGroup, WrittenRule, decode_file, group_yaml, namespace_in

_SIGNS = {"add": "+", "change": "~", "delete": "-"}


def lint_file(file: Path) -> list[Defect]:
    """All that is wrong in a file, in the order of its lines."""
    try:
        groups = decode_file(_text(file))
    except NotRules as error:
        return sorted(error.defects, key=lambda defect: defect.line)
    defects = repeated_names(groups)
    for number, group in enumerate(groups):
        defects += defects_of(group, number)
        defects += [Defect(rule.line, text) for rule in group.rules for text in _pointless(rule)]
    return sorted(defects, key=lambda defect: defect.line)


def namespaces_of(files: Iterable[Path]) -> dict[str, tuple[WrittenGroup, ...]]:
    """The groups of files by namespace. Raises InvalidRequest where one is wrong."""
    namespaces: dict[str, tuple[WrittenGroup, ...]] = {}
    for file in files:
        if defects := lint_file(file):
            raise InvalidRequest(f"{file}:{defects[0].line}: {defects[0].text}")
        text = _text(file)
        namespace = namespace_in(text) or file.stem
        groups = (*namespaces.get(namespace, ()), *decode_file(text))
        if repeated := repeated_names(groups):
            raise InvalidRequest(f"{file}: namespace {namespace}: {repeated[0].text}")
        namespaces[namespace] = groups
    return namespaces


def shown_change(change: GroupChange) -> str:
    """A change with the lines that differ."""
    before = group_yaml(change.before).splitlines(keepends=True) if change.before else []
    after = group_yaml(change.after).splitlines(keepends=True) if change.after else []
    lines = list(difflib.unified_diff(before, after, n=2))[2:]
    return f"{_SIGNS[change.kind]} {change.namespace}/{change.name}\n" + "".join(f"    {line}" for line in lines)


def _pointless(rule: WrittenRule) -> Iterable[str]:
    """What a server accepts and can never evaluate."""
    try:
        if rule.expr and isinstance(parse_query(rule.expr), LogQuery):
            name = rule.alert or rule.record
            yield f"the expression of '{name}' selects lines, and a rule needs a metric: count them"
    except QuerySyntaxError:
        return


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"{file} cannot be read: {error}") from error
