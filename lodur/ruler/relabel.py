"""Prometheus' relabelling: rewrite or drop label sets before they are sent.

Rules: https://prometheus.io/docs/prometheus/latest/configuration/configuration/#relabel_config.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import assert_never

from lodur.model.label_set import LabelSet
from lodur.query.evaluate.relabel import replace_values
from lodur.ruler.options import RelabelRule


def relabelled(labels: LabelSet, rules: Iterable[RelabelRule]) -> LabelSet | None:
    """The label set after all rules; None where one drops it. Raises InvalidRequest for a wrong expression."""
    named = dict(labels.pairs)
    for rule in rules:
        kept = _applied(rule, named)
        if kept is None:
            return None
        named = {name: value for name, value in kept.items() if value}
    return LabelSet.of(named)


def _applied(rule: RelabelRule, named: dict[str, str]) -> dict[str, str] | None:
    value = rule.separator.join(named.get(name, "") for name in rule.source_labels)
    match rule.action:
        case "replace":
            return _replaced(rule, named, value)
        case "keep":
            return named if _matches(rule, value) else None
        case "drop":
            return None if _matches(rule, value) else named
        case "keepequal":
            return named if named.get(rule.target_label, "") == value else None
        case "dropequal":
            return None if named.get(rule.target_label, "") == value else named
        case "hashmod":
            digest = hashlib.md5(value.encode("utf-8", "surrogateescape"), usedforsecurity=False).digest()
            number = int.from_bytes(digest[8:], "big") % max(1, rule.modulus)
            return {**named, rule.target_label: str(number)}
        case "lowercase":
            return {**named, rule.target_label: value.lower()}
        case "uppercase":
            return {**named, rule.target_label: value.upper()}
        case "labelmap":
            return {**named, **_mapped(rule, named)}
        case "labeldrop":
            return {name: text for name, text in named.items() if not _matches(rule, name)}
        case "labelkeep":
            return {name: text for name, text in named.items() if _matches(rule, name)}
        case _:
            assert_never(rule.action)


def _replaced(rule: RelabelRule, named: dict[str, str], value: str) -> dict[str, str]:
    (target,) = replace_values([value], rule.regex, rule.target_label)
    (text,) = replace_values([value], rule.regex, rule.replacement)
    if target is None or text is None:
        return named
    return {**named, target: text}


def _mapped(rule: RelabelRule, named: dict[str, str]) -> dict[str, str]:
    names = list(named)
    targets = replace_values(names, rule.regex, rule.replacement)
    return {target: named[name] for name, target in zip(names, targets, strict=True) if target}


def _matches(rule: RelabelRule, value: str) -> bool:
    return replace_values([value], rule.regex, "")[0] is not None
