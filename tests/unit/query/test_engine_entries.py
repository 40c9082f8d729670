"""Which entries an answer of the engine is made of: those of its windows, each once."""

from __future__ import annotations

import asyncio
import json

from lodur.model.clock import ManualClock
from lodur.model.durations import NS_PER_MINUTE, NS_PER_S
from lodur.model.limits import QueryLimits
from lodur.model.tenant import TenantId
from lodur.query.answers import MatrixAnswer, RangeAnswer, StreamsAnswer
from lodur.query.engine import Engine
from lodur.query.options import QuerierOptions
from lodur.query.requests import RangeRequest
from tests.memory_store import Lines, MemoryStore

T0_NS = 1_700_000_100 * NS_PER_S


def ask(streams: dict[str, Lines], *queries: str, limit: int = 100) -> list[RangeAnswer]:
    """The answers over the minute from T0, in steps of one minute."""
    store = MemoryStore()
    store.add_head("t", streams)
    clock = ManualClock(T0_NS + NS_PER_MINUTE)
    engine = Engine(store, QuerierOptions(threads=1), clock, lambda _: QueryLimits())

    async def main() -> list[RangeAnswer]:
        end_ns = T0_NS + NS_PER_MINUTE
        requests = [RangeRequest(query, T0_NS, end_ns, NS_PER_MINUTE, limit) for query in queries]
        return [await engine.range((TenantId("t"),), request) for request in requests]

    return asyncio.run(main())


def test_errors_between_windows_that_do_not_meet_are_nobodys_affair() -> None:
    lines = [(T0_NS + 20 * NS_PER_S, "no json"), (T0_NS + 60 * NS_PER_S, '{"level":"info"}')]
    (answer,) = ask({"app=x": lines}, 'count_over_time({app="x"} | json [1s])')
    assert isinstance(answer, MatrixAnswer)
    assert [str(labels) for labels in answer.matrix.labels] == ['{app="x", level="info"}']
    assert answer.matrix.present.tolist() == [[False, True]]


def test_entries_that_stages_made_equal_are_one_and_count_once_for_the_limit() -> None:
    same: Lines = [(T0_NS + NS_PER_S, "line")]
    streams: dict[str, Lines] = {"app=x,pod=1": [(T0_NS, "older"), *same], "app=x,pod=2": same, "app=x,pod=3": same}
    listed, counted = ask(streams, '{app="x"} | keep app', 'count_over_time({app="x"} | keep app [1m])', limit=2)
    assert isinstance(listed, StreamsAnswer)
    assert isinstance(counted, MatrixAnswer)
    (stream,) = json.loads(listed.result.streams_json(categorize=False))
    assert stream["stream"] == {"app": "x"}
    assert [line for _, line in stream["values"]] == ["line", "older"]
    assert counted.matrix.values[0, -1] == 3


def test_streams_are_listed_by_their_printed_labels_empty_ones_too() -> None:
    lines = [(T0_NS, "a= b=1"), (T0_NS, "b=1")]
    (answer,) = ask({"app=x": lines}, '{app="x"} | logfmt --keep-empty')
    assert isinstance(answer, StreamsAnswer)
    streams = json.loads(answer.result.streams_json(categorize=False))
    assert [stream["stream"] for stream in streams] == [{"a": "", "app": "x", "b": "1"}, {"app": "x", "b": "1"}]
