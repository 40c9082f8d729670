"""Groups of rules that have been checked: what is evaluated."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TypeAlias

from lodur.model.go_strings import quote
from lodur.model.tenant import TenantId

Labels: TypeAlias = tuple[tuple[str, str], ...]
"""Names with values, which may be templates; sorted by name."""


@dataclass(frozen=True, slots=True)
class AlertingRule:
    """Alerts for each series of the result."""

    name: str
    expr: str
    for_ns: int = 0
    """How long a series must be there before its alert fires."""
    keep_firing_for_ns: int = 0
    """How long it fires on when the series is gone."""
    labels: Labels = ()
    annotations: Labels = ()


@dataclass(frozen=True, slots=True)
class RecordingRule:
    """Records the result as series of another name."""

    name: str
    expr: str
    labels: Labels = ()


Rule: TypeAlias = AlertingRule | RecordingRule


@dataclass(frozen=True, slots=True)
class GroupId:
    """Which group it is."""

    tenant: TenantId
    namespace: str
    name: str

    @property
    def key(self) -> str:
        """The namespace and name as others' metrics write them."""
        return f"{self.namespace};{self.name}"

    def fingerprint(self) -> bytes:
        """A hash by which groups are told apart and spread."""
        return hashlib.sha256(f"{self.tenant}\0{self.namespace}\0{self.name}".encode("utf-8", "surrogatepass")).digest()


@dataclass(frozen=True, slots=True)
class RuleGroup:
    """Rules that are evaluated one after the other, at the same times."""

    id: GroupId
    interval_ns: int
    limit: int
    """Most series, or alerts, that a rule may give; 0 for any number."""
    rules: tuple[Rule, ...]


def rule_keys(rules: tuple[Rule, ...]) -> tuple[str, ...]:
    """A name for each rule by which its state is found again after the group has been changed: its own name, kind and
    labels, and a number where these are the same for several."""
    seen: dict[str, int] = {}
    keys: list[str] = []
    for rule in rules:
        kind = "alert" if isinstance(rule, AlertingRule) else "record"
        labels = ",".join(f"{name}={quote(value)}" for name, value in rule.labels)
        base = f"{kind} {rule.name} {{{labels}}}"
        seen[base] = seen.get(base, 0) + 1
        keys.append(f"{base} {seen[base]}")
    return tuple(keys)
