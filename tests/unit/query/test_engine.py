"""The engine over a store in memory: answers, limits, turns, cancellation."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest

from lodur.model.clock import ManualClock
from lodur.model.durations import NS_PER_MINUTE, NS_PER_S
from lodur.model.errors import DeadlineExceeded, InvalidRequest, LimitExceeded, NotFound, Unavailable
from lodur.model.limits import BlockedQuery, QueryLimits
from lodur.model.tenant import TenantId
from lodur.query.answers import InstantAnswer, MatrixAnswer, RangeAnswer, ScalarAnswer, StreamsAnswer, VectorAnswer
from lodur.query.engine import Engine
from lodur.query.limit_checks import FeatureDisabled
from lodur.query.options import QuerierOptions
from lodur.query.requests import InstantRequest, RangeRequest
from lodur.query.sources import Source
from lodur.query.workplace import TIMEOUT_TEXT
from tests.memory_store import FileAsRemote, MemoryStore, segment_file

T0_NS = 1_700_000_100 * NS_PER_S
"""A multiple of a minute, so that steps of a minute fall on it."""

TENANT = TenantId("t")
OTHER = TenantId("u")
OPTIONS = QuerierOptions(threads=1, concurrent_queries_max=1, queued_queries_max=1)
NO_LIMITS = QueryLimits()
T = TypeVar("T")


def lines(count: int, every_s: int = 10) -> list[tuple[int, str]]:
    return [(T0_NS + k * every_s * NS_PER_S, f"line {k}") for k in range(count)]


def filled() -> MemoryStore:
    store = MemoryStore()
    store.add_head("t", {"app=x,pod=1": lines(6), "app=x,pod=2": lines(3)})
    store.add_head("u", {"app=x,pod=3": lines(2)})
    return store


def engine(store: MemoryStore, limits: QueryLimits = NO_LIMITS, options: QuerierOptions = OPTIONS) -> Engine:
    return Engine(store, options, ManualClock(T0_NS + NS_PER_MINUTE), lambda _: limits)


def ask(
    text: str, limits: QueryLimits = NO_LIMITS, tenants: tuple[TenantId, ...] = (TENANT,), **span: int
) -> RangeAnswer:
    request = RangeRequest(
        text=text,
        start_ns=span.get("start_ns", T0_NS),
        end_ns=span.get("end_ns", T0_NS + NS_PER_MINUTE),
        step_ns=30 * NS_PER_S,
        limit=span.get("limit", 100),
        backward=bool(span.get("backward", True)),
    )
    return run(engine(filled(), limits).range(tenants, request))


def ask_now(text: str, limits: QueryLimits = NO_LIMITS, tenants: tuple[TenantId, ...] = (TENANT,)) -> InstantAnswer:
    request = InstantRequest(text, T0_NS + NS_PER_MINUTE)
    return run(engine(filled(), limits).instant(tenants, request))


def run(work: Awaitable[T]) -> T:
    async def main() -> T:
        return await work

    return asyncio.run(main())


def entries(answer: RangeAnswer) -> dict[str, list[str]]:
    assert isinstance(answer, StreamsAnswer)
    streams = json.loads(answer.result.streams_json(categorize=False))
    return {
        ",".join(f"{k}={v}" for k, v in sorted(one["stream"].items())): [line for _, line in one["values"]]
        for one in streams
    }


def vector(answer: InstantAnswer) -> dict[str, float]:
    assert isinstance(answer, VectorAnswer)
    return {str(labels): float(row[0]) for labels, row in zip(answer.matrix.labels, answer.matrix.values, strict=True)}


def test_entries_newest_first_up_to_the_limit() -> None:
    assert entries(ask('{pod="1"}', limit=2)) == {"app=x,pod=1": ["line 5", "line 4"]}
    assert entries(ask('{pod="1"}', limit=2, backward=0)) == {"app=x,pod=1": ["line 0", "line 1"]}


def test_spans_of_logs_are_half_open() -> None:
    found = ask('{pod="1"}', start_ns=T0_NS + 10 * NS_PER_S, end_ns=T0_NS + 30 * NS_PER_S)
    assert entries(found) == {"app=x,pod=1": ["line 2", "line 1"]}


def test_statistics_tell_what_was_read() -> None:
    answer = ask('{app="x"} |= "line"')
    assert answer.statistics.counts.lines == 9
    assert answer.statistics.entries == 9


def test_instant_vectors_and_scalars() -> None:
    assert vector(ask_now('sum by (pod) (count_over_time({app="x"}[1m]))')) == {'{pod="1"}': 5.0, '{pod="2"}': 2.0}
    assert vector(ask_now("vector(1) + vector(1)")) == {"{}": 2.0}
    scalar = ask_now("1 + 1")
    assert isinstance(scalar, ScalarAnswer)
    assert scalar.value == 2.0


def test_log_queries_have_no_instant() -> None:
    with pytest.raises(InvalidRequest, match="log queries are not supported as an instant query type"):
        ask_now('{app="x"}')


@pytest.mark.parametrize(("aligned", "first_s", "count"), [(True, 0, 4), (False, 10, 2)])
def test_steps_are_aligned_unless_queries_are_never_split(aligned: bool, first_s: int, count: int) -> None:
    limits = replace(NO_LIMITS, steps_aligned=aligned)
    answer = ask('count_over_time({pod="1"}[1m])', limits, start_ns=T0_NS + 10 * NS_PER_S, end_ns=T0_NS + 65 * NS_PER_S)
    assert isinstance(answer, MatrixAnswer)
    assert (answer.steps.start_ns, answer.steps.count) == (T0_NS + first_s * NS_PER_S, count)


def test_a_sum_over_several_tenants_adds_their_series_up() -> None:
    tenants = (TENANT, OTHER)
    assert vector(ask_now('sum by (app) (count_over_time({app="x"}[2m]))', tenants=tenants)) == {'{app="x"}': 11.0}
    by_tenant = vector(ask_now('sum by (__tenant_id__) (count_over_time({app="x"}[2m]))', tenants=tenants))
    assert by_tenant == {'{__tenant_id__="t"}': 9.0, '{__tenant_id__="u"}': 2.0}
    found = entries(ask('{app="x", __tenant_id__=~"u|w"}', tenants=tenants))
    assert found == {"__tenant_id__=u,app=x,pod=3": ["line 1", "line 0"]}


def test_what_only_aggregation_makes_many_is_not_limited() -> None:
    limits = replace(NO_LIMITS, series_max=1)
    assert vector(ask_now('sum(count_over_time({app="x"}[2m])) + sum(rate({app="x"}[2m]))', limits))
    assert vector(ask_now('topk(1, count_over_time({app="x"}[2m]))', limits)) == {'{app="x", pod="1"}': 6.0}
    with pytest.raises(LimitExceeded, match=r"maximum number of series \(1\) reached"):
        ask_now('count_over_time({app="x"}[2m])', limits)


@pytest.mark.parametrize(
    ("limits", "query", "text"),
    [
        (QueryLimits(entries_max=10), '{app="x"}', "limit > max_entries_limit_per_query (100 > 10)"),
        (QueryLimits(length_max_ns=5 * NS_PER_S), '{app="x"}', "(query length: 1m0s, limit: 5s)"),
        (QueryLimits(length_max_ns=5 * NS_PER_S), 'rate({app="x"}[1m])', "(query length: 1m0s, limit: 5s)"),
        (QueryLimits(window_max_ns=5 * NS_PER_S), 'rate({app="x"}[1m])', "[interval] value exceeds limit: [1m] > [5s]"),
        (
            QueryLimits(required_label_names=("env",)),
            '{pod="1", app="x"}',
            "missing required matchers [env], labels present in the query were [app, pod]",
        ),
        (QueryLimits(matchers_min=2), 'rate({app="x"}[1m])', "number_present: 1, required_number_label_matchers: 2"),
    ],
)
def test_limits(limits: QueryLimits, query: str, text: str) -> None:
    with pytest.raises(LimitExceeded) as refused:
        ask(query, limits)
    assert text in str(refused.value)


def test_a_request_is_held_to_its_own_limits_where_that_is_allowed() -> None:
    request = RangeRequest(
        '{app="x"}', T0_NS, T0_NS + NS_PER_MINUTE, NS_PER_S, 100, own_limits='{"maxQueryLength":"5s"}'
    )
    assert isinstance(run(engine(filled()).range((TENANT,), request)), StreamsAnswer)
    strict = engine(filled(), options=replace(OPTIONS, request_limits_enabled=True))
    with pytest.raises(LimitExceeded, match="query length: 1m0s, limit: 5s"):
        run(strict.range((TENANT,), request))
    with pytest.raises(InvalidRequest, match="X-Loki-Query-Limits"):
        run(strict.range((TENANT,), replace(request, own_limits="none")))


@pytest.mark.parametrize(
    "rule",
    [
        BlockedQuery(pattern='{app="x"}'),
        BlockedQuery(pattern=".*app.*", regex=True),
        BlockedQuery(types=frozenset({"limited"})),
        BlockedQuery(hash=0xE8C1A937),
    ],
)
def test_blocked_queries(rule: BlockedQuery) -> None:
    limits = replace(NO_LIMITS, blocked=(rule,))
    with pytest.raises(InvalidRequest, match="query blocked by policy"):
        ask('{app="x"}', limits)
    assert entries(ask('{pod=~".+"} |= "line 5"', limits))


def test_nothing_is_seen_beyond_the_look_back() -> None:
    limits = replace(NO_LIMITS, lookback_max_ns=35 * NS_PER_S)
    assert entries(ask('{pod="1"}', limits)) == {"app=x,pod=1": ["line 5", "line 4", "line 3"]}
    assert entries(ask('{pod="1"}', replace(NO_LIMITS, lookback_max_ns=1), end_ns=T0_NS + NS_PER_S)) == {}


def test_approx_topk_must_be_allowed() -> None:
    query = 'approx_topk(1, sum by (pod) (count_over_time({app="x"}[2m])))'
    with pytest.raises(FeatureDisabled, match="approx_topk is not enabled"):
        ask_now(query)
    assert vector(ask_now(query, replace(NO_LIMITS, approx_topk_enabled=True))) == {'{pod="1"}': 6.0}


def test_sizes_are_compared_as_they_are_printed() -> None:
    store = MemoryStore()
    store.add_head("t", {"app=x": [(T0_NS, "size=1KB"), (T0_NS + 1, "size=999B"), (T0_NS + 2, "size=1KiB")]})
    request = RangeRequest('{app="x"} | logfmt | size >= 1KiB', T0_NS, T0_NS + NS_PER_S, NS_PER_S, 10)
    found = run(engine(store).range((TENANT,), request))
    assert sorted(entries(found)) == ["app=x,size=1KB", "app=x,size=1KiB"]


def test_a_field_named_like_errors_is_one_even_where_errors_are_counted() -> None:
    store = MemoryStore()
    store.add_head("t", {"app=x": [(T0_NS, '{"__error__": "fake"}'), (T0_NS, "no json")]})
    queries = engine(store)
    counted = 'sum by (__error__) (count_over_time({app="x"} |~ "%s" | json [5m]))'
    answer = run(queries.instant((TENANT,), InstantRequest(counted % "no", T0_NS)))
    assert vector(answer) == {'{__error__="JSONParserErr"}': 1.0}
    for text in (counted % "fake", 'count_over_time({app="x"} |= "fake" | json [5m])'):
        with pytest.raises(InvalidRequest, match="pipeline error: 'fake' for series"):
            run(queries.instant((TENANT,), InstantRequest(text, T0_NS)))
    unread = 'sum by (app) (count_over_time({app="x"} |= "fake" | json [5m]))'
    assert vector(run(queries.instant((TENANT,), InstantRequest(unread, T0_NS)))) == {'{app="x"}': 1.0}


def test_unpack_is_left_out_where_nobody_needs_labels() -> None:
    store = MemoryStore()
    store.add_head("t", {"app=x": [(T0_NS, "not packed"), (T0_NS + 1, '{"_entry": "x", "a": "b"}')]})
    queries = engine(store)
    request = InstantRequest('sum(count_over_time({app="x"} | unpack [5m]))', T0_NS + 1)
    assert vector(run(queries.instant((TENANT,), request))) == {"{}": 2.0}
    with pytest.raises(InvalidRequest, match="JSONParserErr"):
        run(queries.instant((TENANT,), InstantRequest('count_over_time({app="x"} | unpack [5m])', T0_NS + 1)))


def test_groups_of_a_matcher_may_share_a_name() -> None:
    assert entries(ask('{pod=~"(?P<n>1)|(?P<n>3)"} |~ "(?P<d>5)|(?P<d>4)"')) == {"app=x,pod=1": ["line 5", "line 4"]}


def test_variants_must_be_allowed() -> None:
    query = 'variants(sum(rate({app="x"}[2m])), count_over_time({app="x"}[2m])) of ({pod="1"}[2m])'
    with pytest.raises(InvalidRequest, match="multi variant queries are disabled for this instance"):
        ask_now(query)
    allowed = replace(NO_LIMITS, multi_variant_enabled=True)
    assert vector(ask_now(query, allowed)) == {
        '{__variant__="0"}': 0.05,
        '{__variant__="1", app="x", pod="1"}': 6.0,
    }
    hidden = 'variants(approx_topk(1, rate({app="x"}[1m]))) of ({pod="1"}[2m])'
    with pytest.raises(FeatureDisabled, match="approx_topk is not enabled"):
        ask_now(hidden, allowed)


def test_many_variants_are_no_deep_plan() -> None:
    many = ", ".join('count_over_time({app="x"}[1m])' for _ in range(600))
    limits = replace(NO_LIMITS, multi_variant_enabled=True, series_max=0)
    assert len(vector(ask_now(f'variants({many}) of ({{pod="1"}}[1m])', limits))) == 600


def test_a_query_that_takes_too_long_is_stopped() -> None:
    async def main() -> None:
        slow = engine(MemoryStore(asyncio.Event()), replace(NO_LIMITS, timeout_ns=NS_PER_S // 100))
        with pytest.raises(DeadlineExceeded) as stopped:
            await slow.instant((TENANT,), InstantRequest('rate({app="x"}[1m])', T0_NS))
        assert str(stopped.value) == TIMEOUT_TEXT

    asyncio.run(main())


def test_queries_wait_for_their_turn_and_not_too_many_of_them() -> None:
    async def main() -> None:
        gate = asyncio.Event()
        store = MemoryStore(gate)
        queries = engine(store)
        request = InstantRequest('rate({app="x"}[1m])', T0_NS)
        running = asyncio.create_task(queries.instant((TENANT,), request))
        await store.waiting.wait()
        waiting = asyncio.create_task(queries.instant((TENANT,), request))
        await asyncio.sleep(0)
        with pytest.raises(LimitExceeded, match="too many outstanding requests") as refused:
            await queries.instant((TENANT,), request)
        assert refused.value.retryable
        running.cancel()
        gate.set()
        assert isinstance(await waiting, VectorAnswer)

    asyncio.run(main())


class VanishingSegment:
    """A remote segment whose object is gone."""

    def __init__(self, path: Path) -> None:
        self.segment = FileAsRemote(path).segment

    async def read_ranges(self, ranges: Sequence[tuple[int, int]]) -> list[tuple[int, bytes]]:
        raise NotFound("there is no such object")

    def discard(self) -> None:
        """Nothing is cached."""


class CompactedStore(MemoryStore):
    """Gives segments that were replaced, and when asked again those in their place."""

    def __init__(self, *answers: Sequence[Source]) -> None:
        super().__init__()
        self.answers = list(answers)

    async def sources(self, tenant: TenantId, start_ns: int, end_ns: int) -> Sequence[Source]:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.mark.parametrize("text", ['{app="x"} |= "line"', 'sum(count_over_time({app="x"} |= "line" [1m]))'])
def test_a_segment_that_vanishes_under_a_query_is_no_matter(tmp_path: Path, text: str) -> None:
    path = segment_file(tmp_path / "s.parquet", {"app=x": lines(3)})
    store = CompactedStore([VanishingSegment(path)], [FileAsRemote(path)])
    request = RangeRequest(
        text=text, start_ns=T0_NS, end_ns=T0_NS + NS_PER_MINUTE, step_ns=NS_PER_MINUTE, limit=100, backward=False
    )
    answer = run(engine(store).range((TENANT,), request))
    if isinstance(answer, MatrixAnswer):
        assert float(answer.matrix.values.sum()) == 3.0
    else:
        assert entries(answer) == {"app=x": ["line 0", "line 1", "line 2"]}
    gone = CompactedStore([VanishingSegment(path)])
    with pytest.raises(Unavailable, match="segments were replaced"):
        run(engine(gone).range((TENANT,), request))
