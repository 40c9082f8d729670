"""What is known of a group's rules since their last evaluation, and how it is kept in the object store.

Format: docs/formats/rules.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import msgspec

from lodur.model.label_set import LabelSet
from lodur.ruler.alerts import Alert
from lodur.store.summed_json import SUMMED_VERSION, DamagedJson, check_summed, with_sum

Health: TypeAlias = Literal["unknown", "ok", "err"]


@dataclass(frozen=True, slots=True)
class RuleState:
    """How a rule has fared."""

    key: str
    """Of `rule_keys`."""
    health: Health = "unknown"
    error: str = ""
    evaluated_at_ns: int = 0
    duration_s: float = 0.0
    alerts: tuple[Alert, ...] = ()

    def essence(self) -> object:
        """What must not be forgotten: all but when it was last looked at and what is told of it."""
        told = tuple(
            replace(alert, value=0.0, annotations=(), sent_at_ns=0)
            for alert in sorted(self.alerts, key=lambda alert: alert.labels)
        )
        return self.key, self.health, self.error, told


@dataclass(frozen=True, slots=True)
class GroupState:
    """How a group has fared."""

    evaluated_at_ns: int = 0
    duration_s: float = 0.0
    rules: tuple[RuleState, ...] = ()

    def essence(self) -> object:
        """What must not be forgotten."""
        return tuple(rule.essence() for rule in self.rules)


@dataclass(frozen=True, slots=True)
class GroupRecord:
    """The object: a group's state, and who evaluates it until when."""

    owner: str
    lease_until_ns: int
    state: GroupState


class _StoredAlert(msgspec.Struct, frozen=True):
    labels: dict[str, str]
    annotations: dict[str, str]
    value: str
    active_at_ns: int
    fired_at_ns: int
    resolved_at_ns: int
    absent_since_ns: int


class _StoredRule(msgspec.Struct, frozen=True):
    key: str
    health: Health
    error: str
    evaluated_at_ns: int
    duration_s: float
    alerts: list[_StoredAlert]


class _StoredRecord(msgspec.Struct, frozen=True):
    version: int
    owner: str
    lease_until_ns: int
    evaluated_at_ns: int
    duration_s: float
    rules: list[_StoredRule]


_DECODER = msgspec.json.Decoder(_StoredRecord)


def encode_record(record: GroupRecord) -> bytes:
    state = record.state
    rules = [
        _StoredRule(
            rule.key,
            rule.health,
            _text(rule.error),
            rule.evaluated_at_ns,
            rule.duration_s,
            [_stored(alert) for alert in rule.alerts],
        )
        for rule in state.rules
    ]
    data = msgspec.json.encode(
        _StoredRecord(
            SUMMED_VERSION, record.owner, record.lease_until_ns, state.evaluated_at_ns, state.duration_s, rules
        )
    )
    return with_sum(data)


def decode_record(data: bytes, path: str) -> GroupRecord:
    """Raises DamagedJson, and CorruptData for versions that this build does not know."""
    check_summed(data, path, "states of rules")
    try:
        stored = _DECODER.decode(data)
        rules = tuple(
            RuleState(
                rule.key,
                rule.health,
                rule.error,
                rule.evaluated_at_ns,
                rule.duration_s,
                tuple(map(_alert, rule.alerts)),
            )
            for rule in stored.rules
        )
    except (msgspec.DecodeError, ValueError) as error:
        raise DamagedJson(path, f"no state of rules: {error}") from error
    return GroupRecord(
        stored.owner, stored.lease_until_ns, GroupState(stored.evaluated_at_ns, stored.duration_s, rules)
    )


def _stored(alert: Alert) -> _StoredAlert:
    return _StoredAlert(
        {_text(name): _text(value) for name, value in alert.labels},
        {_text(name): _text(value) for name, value in alert.annotations},
        # JSON has no infinities.
        repr(alert.value),
        alert.active_at_ns,
        alert.fired_at_ns,
        alert.resolved_at_ns,
        alert.absent_since_ns,
    )


def _alert(stored: _StoredAlert) -> Alert:
    return Alert(
        LabelSet.of(stored.labels),
        tuple(sorted(stored.annotations.items())),
        float(stored.value),
        stored.active_at_ns,
        stored.fired_at_ns,
        stored.resolved_at_ns,
        stored.absent_since_ns,
    )


def _text(text: str) -> str:
    """Text that JSON can hold: bytes that are not UTF-8 become U+FFFD."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
