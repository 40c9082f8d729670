"""What would have to change for a server's rules to be those of some files. Decides only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from lodur.ruler.rule_store import Namespaces
from lodur.ruler.written import WrittenGroup

Kind: TypeAlias = Literal["add", "change", "delete"]


@dataclass(frozen=True, slots=True)
class GroupChange:
    """One group that differs."""

    kind: Kind
    namespace: str
    name: str
    before: WrittenGroup | None
    after: WrittenGroup | None


def changes_between(
    server: Namespaces, files: Mapping[str, tuple[WrittenGroup, ...]], *, prune: bool
) -> list[GroupChange]:
    """The changes, in the order of namespaces and names.

    Namespaces that no file names stay as they are, unless `prune`.
    """
    changes: list[GroupChange] = []
    namespaces = sorted({*files, *(server if prune else ())})
    for namespace in namespaces:
        before = {group.name: comparable(group) for group in server.get(namespace, ())}
        after = {group.name: comparable(group) for group in files.get(namespace, ())}
        for name in sorted({*before, *after}):
            old, new = before.get(name), after.get(name)
            if old == new:
                continue
            kind: Kind = "add" if old is None else ("delete" if new is None else "change")
            changes.append(GroupChange(kind, namespace, name, old, new))
    return changes


def comparable(group: WrittenGroup) -> WrittenGroup:
    """The group as it is compared: wherever it stood, and however its expressions end."""
    rules = tuple(replace(rule, line=0, expr=rule.expr.strip()) for rule in group.rules)
    return replace(group, line=0, rules=rules)
