"""What a tenant asks of each of its streams: labels that it must have, and that nobody has blocked it.

Streams are told apart by policies: names that selectors give them. Of several the highest priority decides, then the
name. What is asked under the name `*` is asked of streams with any policy or none. Start at `StreamRules.refused`.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime

from lodur.model.durations import NS_PER_S
from lodur.model.limits import GLOBAL_POLICY, IngestLimits
from lodur.model.tenant import TenantId
from lodur.store.label_matching import accepts_all
from lodur.wire.push_body import DecodedPush
from lodur.wire.stream_text import parse_stream

JUDGED_MAX = 20_000
"""Streams whose judgement is remembered, the latest: some hundred bytes each."""

TEXTS_MAX = 64
"""Texts in one answer; further refusals are counted with the last."""

SHOWN_CHARS_MAX = 16_384
"""Of a stream in an answer: labels can be long, and there can be many streams."""

BLOCKED, BLOCKED_POLICY, NO_LABEL = "blocked_ingestion", "blocked_ingestion_policy", "missing_enforced_labels"

_SILENT = 200
_WRONG = 400


@dataclass(frozen=True, slots=True)
class BrokenRule:
    """A stream of a push that is refused, whenever it comes again."""

    stream: int
    """Its place in `DecodedPush.streams`."""
    lines: int
    size_bytes: int
    reason: str
    status: int
    text: str

    @property
    def is_silent(self) -> bool:
        """Refused without a word, as the operator wants it."""
        return self.status == _SILENT


@dataclass(frozen=True, slots=True)
class _Judgement:
    policy: str
    missing: tuple[str, ...]
    blocked_until_ns: int


class StreamRules:
    """The rules of one tenant, by limits that never change. Any thread may ask."""

    def __init__(self, tenant: TenantId, limits: IngestLimits) -> None:
        self._tenant = tenant
        self._limits = limits
        self._required = dict(limits.policy_required_label_names)
        self._blocked = dict(limits.policy_blocked_until_ns)
        self._is_idle = not (limits.required_label_names or self._required or self._blocked)
        self._lock = threading.Lock()
        self._judged: OrderedDict[str, _Judgement] = OrderedDict()

    def refused(self, push: DecodedPush, now_ns: int) -> list[BrokenRule]:
        """The streams that the tenant does not want."""
        if self._is_idle:
            return []
        found = [self._broken(place, *stream, now_ns) for place, stream in enumerate(push.streams)]
        return [broken for broken in found if broken is not None]

    def _broken(self, place: int, stream: str, lines: int, size_bytes: int, now_ns: int) -> BrokenRule | None:
        judged = self._judgement(stream)
        if judged.missing:
            text = (
                f"missing required labels '{','.join(judged.missing)}' for user '{self._tenant}' for stream "
                f"'{stream[:SHOWN_CHARS_MAX]}' (policy: '{judged.policy}')"
            )
            return BrokenRule(place, lines, size_bytes, NO_LABEL, _WRONG, text)
        if judged.blocked_until_ns > now_ns:
            status = self._limits.blocked_status
            text = (
                f"ingestion blocked for user '{self._tenant}' (policy: '{judged.policy}') until "
                f"'{rfc3339(judged.blocked_until_ns)}' with status code '{status}'"
            )
            return BrokenRule(place, lines, size_bytes, BLOCKED_POLICY, status, text)
        return None

    def _judgement(self, stream: str) -> _Judgement:
        with self._lock:
            known = self._judged.get(stream)
            if known is not None:
                self._judged.move_to_end(stream)
                return known
        made = self._judged_anew(stream)
        with self._lock:
            self._judged[stream] = made
            if len(self._judged) > JUDGED_MAX:
                self._judged.popitem(last=False)
        return made

    def _judged_anew(self, stream: str) -> _Judgement:
        labels = parse_stream(stream)
        matching = [
            (-selector.priority, policy.name)
            for policy in self._limits.policies
            for selector in policy.selectors
            if accepts_all(selector.matchers, labels)
        ]
        policy = min(matching)[1] if matching else ""
        wanted = dict.fromkeys(
            (
                *self._limits.required_label_names,
                *self._required.get(policy, ()),
                *self._required.get(GLOBAL_POLICY, ()),
            )
        )
        missing = tuple(name for name in wanted if name not in labels)
        return _Judgement(policy, missing, self._blocked.get(policy or GLOBAL_POLICY, 0))


def refusal_text(push: DecodedPush, broken: list[BrokenRule]) -> str:
    """The answer to a push with entries and streams that are refused: one text as it is, several with their numbers."""
    counts: dict[str, int] = {}
    for text, errors in ((problem.message, problem.errors) for problem in push.problems):
        counts[text] = counts.get(text, 0) + errors
    for rule in broken:
        text = rule.text if rule.text in counts or len(counts) < TEXTS_MAX else next(reversed(counts))
        counts[text] = counts.get(text, 0) + 1
    if list(counts.values()) == [1]:
        return next(iter(counts))
    return "; ".join(f"{errors} errors like: {text}" for text, errors in counts.items())


def blocked_text(tenant: TenantId, limits: IngestLimits, now_ns: int) -> str | None:
    """The text of the answer while all of the tenant's pushes are blocked; None when they are not."""
    if limits.blocked_until_ns <= now_ns:
        return None
    until = rfc3339(limits.blocked_until_ns)
    return f"ingestion blocked for user '{tenant}' until '{until}' with status code '{limits.blocked_status}'"


def rfc3339(time_ns: int) -> str:
    """A time in whole seconds."""
    return datetime.fromtimestamp(time_ns // NS_PER_S, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
