"""What is asked of each stream: labels that cannot be feigned by values, and policies that selectors give."""

from __future__ import annotations

import json

import pytest

from lodur.ingest.stream_rules import TEXTS_MAX, StreamRules, refusal_text
from lodur.kernels.push_decode import ContentEncoding, PushFormat
from lodur.model.durations import NS_PER_S
from lodur.model.limits import IngestLimits, PolicySelector, PushPolicy
from lodur.model.matcher import Matcher, MatchOp
from lodur.model.tenant import TenantId
from lodur.wire.push_body import DecodedPush, PushForm, PushLimits, decode

TENANT = TenantId("t")

UNTIL_NS = 1_893_456_000 * NS_PER_S
"""The beginning of 2030."""


def push_of(*streams: dict[str, str]) -> DecodedPush:
    bodies = [{"stream": labels, "values": [["1", "line"]]} for labels in streams]
    body = json.dumps({"streams": bodies}).encode()
    return decode(body, PushForm(PushFormat.LOKI_JSON, ContentEncoding.IDENTITY), PushLimits.unchecked(), 1)


def texts(limits: IngestLimits, *streams: dict[str, str], now_ns: int = 1) -> list[str]:
    return [broken.text for broken in StreamRules(TENANT, limits).refused(push_of(*streams), now_ns)]


def policy(name: str, priority: int, **labels: str) -> PushPolicy:
    matchers = tuple(Matcher(label, MatchOp.MATCHES, value) for label, value in labels.items())
    return PushPolicy(name, (PolicySelector(matchers, priority),))


ENV_AND_TEAM = IngestLimits(required_label_names=("env", "team"))


@pytest.mark.parametrize("labels", [{"env": "prod", "team": "a"}, {"app": "x", "env": '"', "team": "{"}])
def test_streams_with_the_labels_pass(labels: dict[str, str]) -> None:
    assert texts(ENV_AND_TEAM, labels) == []


@pytest.mark.parametrize(
    "labels",
    [
        {"app": "x"},
        {"env": "prod"},
        {"not_env": "prod", "team": "a"},
        {"app": ", env=", "team": "a"},
        {"app": '", env="prod', "team": "a"},
        {"app": '\\", env=', "team": "a"},
    ],
)
def test_streams_without_them_do_not(labels: dict[str, str]) -> None:
    (text,) = texts(ENV_AND_TEAM, labels)
    assert text.startswith("missing required labels '")
    assert text.endswith(" (policy: '')")


def test_other_streams_of_the_push_pass() -> None:
    rules = StreamRules(TENANT, ENV_AND_TEAM)
    push = push_of({"env": "p"}, {"env": "p", "team": "a"}, {"app": "x"})
    broken = rules.refused(push, 1)
    assert [(rule.stream, rule.lines, rule.size_bytes, rule.status) for rule in broken] == [
        (0, 1, 4, 400),
        (2, 1, 4, 400),
    ]
    assert refusal_text(push, broken) == (
        "1 errors like: missing required labels 'team' for user 't' for stream '{env=\"p\"}' (policy: ''); "
        "1 errors like: missing required labels 'env,team' for user 't' for stream '{app=\"x\"}' (policy: '')"
    )
    assert refusal_text(push, broken[:1]) == broken[0].text


def test_an_answer_has_so_many_texts_and_counts_all() -> None:
    push = push_of(*({"app": str(number)} for number in range(TEXTS_MAX + 36)))
    parts = refusal_text(push, StreamRules(TENANT, ENV_AND_TEAM).refused(push, 1)).split("; ")
    assert len(parts) == TEXTS_MAX
    assert parts[-1].startswith("37 errors like: ")


def test_the_highest_priority_decides_then_the_name() -> None:
    limits = IngestLimits(
        policies=(policy("b", 1, app=".+"), policy("a", 1, app=".+"), policy("high", 2, app="x|y")),
        policy_required_label_names=(("a", ("of_a",)), ("b", ("of_b",)), ("high", ("of_high",))),
    )
    assert texts(limits, {"app": "x"}) == [
        "missing required labels 'of_high' for user 't' for stream '{app=\"x\"}' (policy: 'high')"
    ]
    assert "'of_a'" in texts(limits, {"app": "z"})[0]
    assert texts(limits, {"pod": "z"}) == []


def test_labels_of_the_tenant_of_the_policy_and_of_all_are_asked_together() -> None:
    limits = IngestLimits(
        required_label_names=("env",),
        policies=(policy("finance", 0, ns="prod"),),
        policy_required_label_names=(("*", ("team", "env")), ("finance", ("cost",))),
    )
    assert "'env,cost,team'" in texts(limits, {"ns": "prod"})[0]
    assert "'env,team'" in texts(limits, {"ns": "dev"})[0]


def test_a_policy_is_blocked_until_its_time() -> None:
    limits = IngestLimits(
        policies=(policy("finance", 0, ns="prod"), policy("free", 0, ns="free")),
        policy_blocked_until_ns=(("*", UNTIL_NS), ("finance", UNTIL_NS + NS_PER_S)),
    )
    streams = ({"ns": "prod"}, {"ns": "free"}, {"ns": "none"})
    assert texts(limits, *streams) == [
        "ingestion blocked for user 't' (policy: 'finance') until '2030-01-01T00:00:01Z' with status code '260'",
        "ingestion blocked for user 't' (policy: '') until '2030-01-01T00:00:00Z' with status code '260'",
    ]
    assert len(texts(limits, *streams, now_ns=UNTIL_NS)) == 1
    assert texts(limits, *streams, now_ns=UNTIL_NS + NS_PER_S) == []
