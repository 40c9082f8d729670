"""Groups as they are compared: wherever they stood."""

from __future__ import annotations

from dataclasses import replace

from lodur.ruler.written import WrittenGroup


def without_lines(group: WrittenGroup) -> WrittenGroup:
    return replace(group, line=0, rules=tuple(replace(rule, line=0) for rule in group.rules))
