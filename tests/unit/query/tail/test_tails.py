"""One tail without a server: what is queued, what is dropped and told, and what a delay holds back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest
from prometheus_client import CollectorRegistry

from lodur.kernels.head import Head, HeadView
from lodur.kernels.push_decode import ContentEncoding, DecodedPush, PushFormat, PushLimits, decode_push
from lodur.logql.parser import parse_query
from lodur.model.clock import ManualClock
from lodur.model.durations import NS_PER_S
from lodur.model.errors import LimitExceeded, Unavailable
from lodur.model.limits import QueryLimits
from lodur.model.tenant import TenantId
from lodur.query.plan.nodes import LogScan
from lodur.query.plan.planner import make_plan
from lodur.query.tail import fresh_rows
from lodur.query.tail.fresh_rows import FreshRows
from lodur.query.tail.requests import EntryForm, Frame, TailRequest
from lodur.query.tail.tail import DROPPED_NAMED_MAX, FRAME_ENTRIES_MAX, FRAMES_MAX, Tail
from lodur.query.tail.tailing import Tailing
from lodur.telemetry.tail_metrics import TailMetrics
from tests.memory_store import MemoryStore, fill

T0_NS = 1_700_000_000 * NS_PER_S
TENANT = TenantId("t")
T = TypeVar("T")


def view_of(*rows: tuple[int, str], app: str = "a") -> HeadView:
    head = Head()
    fill(head, {f"app={app}": rows})
    return head.snapshot()


def push_of(*rows: tuple[int, str]) -> DecodedPush:
    body = {"streams": [{"stream": {"app": "a"}, "values": [[str(ts_ns), line] for ts_ns, line in rows]}]}
    limits = PushLimits(reject_old_samples=False, discover_log_levels=False, discover_service_name=[])
    return decode_push(
        json.dumps(body).encode(),
        format=PushFormat.LOKI_JSON,
        encoding=ContentEncoding.IDENTITY,
        limits=limits,
        now_ns=T0_NS,
    )


def plan_of(text: str) -> LogScan:
    plan = make_plan(parse_query(text))
    assert isinstance(plan, LogScan)
    return plan


def tail_of(text: str = '{app="a"}', *, delay_s: int = 0, form: EntryForm = EntryForm.PLAIN) -> Tail:
    return Tail(plan_of(text), form=form, delay_ns=delay_s * NS_PER_S, first_batch=0)


def lines(frame: Frame) -> list[str]:
    return [value[1] for stream in json.loads(frame.streams) for value in stream["values"]]


async def queued(tail: Tail) -> list[Frame]:
    """All that waits to be sent."""
    tail.notify()
    frames: list[Frame] = []
    try:
        async with asyncio.timeout(0.2):
            while True:
                frames.append(await tail.next_frame())
    except TimeoutError:
        return frames


def on_a_loop(test: Callable[[], Awaitable[T]]) -> T:
    async def run() -> T:
        return await test()

    return asyncio.run(run())


def test_rows_that_match_are_queued_in_order() -> None:
    async def run() -> list[Frame]:
        tail = tail_of('{app="a"} |= "yes"')
        views = [view_of((T0_NS + 2, "yes 2"), (T0_NS + 1, "yes 1")), view_of((T0_NS, "no")), view_of((0, "yes 0"))]
        tail.pass_on(views, now_ns=T0_NS, now_s=0.0)
        tail.pass_on([view_of((T0_NS, "yes"), app="b")], now_ns=T0_NS, now_s=0.0)
        return await queued(tail)

    (frame,) = on_a_loop(run)
    assert lines(frame) == ["yes 0", "yes 1", "yes 2"]
    assert frame.dropped == ()


def test_a_queue_that_is_full_drops_and_tells() -> None:
    room = FRAME_ENTRIES_MAX * FRAMES_MAX

    async def run() -> tuple[list[Frame], int]:
        tail = tail_of()
        rows = [(T0_NS + number, str(number)) for number in range(room + 30)]
        tail.pass_on([view_of(*rows)], now_ns=T0_NS, now_s=0.0)
        for number in range(500):
            tail.pass_on([view_of((T0_NS + 10**6 + number, "late"))], now_ns=T0_NS, now_s=0.0)
        frames = await queued(tail)
        tail.pass_on([view_of((T0_NS + 10**7, "again"))], now_ns=T0_NS, now_s=0.0)
        return frames + await queued(tail), tail.dropped_entries

    frames, dropped = on_a_loop(run)
    assert [line for frame in frames for line in lines(frame)] == [*map(str, range(room)), "again"]
    assert [len(lines(frame)) for frame in frames[:-1]] == [FRAME_ENTRIES_MAX] * FRAMES_MAX
    named = [json.loads(entry) for frame in frames for entry in frame.dropped]
    assert len(named) == DROPPED_NAMED_MAX
    assert named[0] == {"timestamp": str(T0_NS + room), "labels": {"app": "a"}}
    assert frames[0].dropped != ()
    assert dropped >= DROPPED_NAMED_MAX


def test_drops_are_told_even_when_nothing_follows() -> None:
    async def run() -> list[Frame]:
        tail = tail_of()
        tail.lose(7, now_ns=T0_NS)
        return await queued(tail)

    (frame,) = on_a_loop(run)
    assert json.loads(frame.streams) == []
    assert [json.loads(entry) for entry in frame.dropped] == [{"timestamp": str(T0_NS), "labels": {}}]


@pytest.mark.parametrize("form", EntryForm)
def test_forms(form: EntryForm) -> None:
    async def run() -> list[Frame]:
        tail = tail_of(form=form)
        tail.pass_on([view_of((T0_NS, "x"))], now_ns=T0_NS, now_s=0.0)
        return await queued(tail)

    (stream,) = json.loads(on_a_loop(run)[0].streams)
    match form:
        case EntryForm.PLAIN:
            assert stream == {"stream": {"app": "a"}, "values": [[str(T0_NS), "x"]]}
        case EntryForm.CATEGORIZED:
            assert stream == {"stream": {"app": "a"}, "values": [[str(T0_NS), "x", {}]]}
        case EntryForm.LEGACY:
            assert stream == {"labels": '{app="a"}', "entries": [{"ts": "2023-11-14T22:13:20Z", "line": "x"}]}


def test_a_delay_holds_rows_back_and_orders_them() -> None:
    def at(seconds: float) -> tuple[int, float]:
        return T0_NS + int(seconds * NS_PER_S), seconds

    async def run() -> list[list[str]]:
        tail = tail_of(delay_s=2)
        told: list[list[str]] = []

        async def step(seconds: float, *views: HeadView) -> None:
            now_ns, now_s = at(seconds)
            tail.pass_on(list(views), now_ns=now_ns, now_s=now_s)
            told.append([line for frame in await queued(tail) for line in lines(frame)])

        await step(0.0, view_of((at(0.0)[0], "0.0"), (at(-9.0)[0], "old")))
        await step(1.0, view_of((at(1.0)[0], "1.0"), (at(0.5)[0], "0.5")))
        await step(1.5, view_of((at(0.2)[0], "0.2"), (at(60.0)[0], "ahead")))
        await step(2.1)
        await step(2.6)
        await step(3.1)
        assert tail.holds_rows()
        await step(3.6)
        assert not tail.holds_rows()
        return told

    assert on_a_loop(run) == [["old"], [], [], ["0.0"], ["0.2", "0.5"], ["1.0"], ["ahead"]]


def test_rows_that_are_too_many_to_hold_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fresh_rows, "HELD_BYTES_MAX", 10)
    fresh = FreshRows()
    assert fresh.take() is None
    assert fresh.add(push_of((T0_NS, "12345678")))
    assert not fresh.add(push_of((T0_NS, "abc"), (T0_NS, "def")))
    batch = fresh.take()
    assert batch is not None
    assert (batch.number, batch.view.rows, batch.lost_rows) == (0, 1, 2)
    assert fresh.next_number() == 1
    assert fresh.take() is None


def tailing_of(store: MemoryStore, *, tails_max: int = 10) -> Tailing:
    limits = QueryLimits(tail_requests_max=tails_max)
    metrics = TailMetrics(CollectorRegistry())
    return Tailing(store, ManualClock(T0_NS), lambda _: limits, duration_max_s=60, metrics=metrics)


REQUEST = TailRequest(text="", start_ns=T0_NS - 10 * NS_PER_S, limit=2, delay_ns=0, form=EntryForm.PLAIN)


def test_history_and_then_what_comes_and_nothing_twice() -> None:
    store = MemoryStore()
    store.add_head("t", {"app=a": [(T0_NS - 3 * NS_PER_S, "1"), (T0_NS - 2 * NS_PER_S, "2"), (T0_NS, "3")]})

    async def run() -> None:
        tailing = tailing_of(store)
        first = await tailing.open(TENANT, plan_of('{app="a"}'), REQUEST)
        assert [line for frame in first.history for line in lines(frame)] == ["2", "3"]
        tailing.offer(TENANT, push_of((T0_NS + 1, "4")))
        tailing.offer(TenantId("other"), push_of((T0_NS + 1, "of another tenant")))
        # The second tail has what came before it in its history; the row is not for its queue.
        second = await tailing.open(TENANT, plan_of('{app="a"}'), REQUEST)
        tailing.offer(TENANT, push_of((T0_NS + 2, "5")))
        async with asyncio.timeout(10):
            seen = lines(await first.tail.next_frame())
            if seen == ["4"]:
                seen += lines(await first.tail.next_frame())
            assert seen == ["4", "5"]
            assert lines(await second.tail.next_frame()) == ["5"]
            tailing.leave(TENANT, first.tail)
            tailing.leave(TENANT, second.tail)
            tailing.close()
            await tailing.drained()
        tailing.join()
        with pytest.raises(Unavailable):
            await tailing.open(TENANT, plan_of('{app="a"}'), REQUEST)

    on_a_loop(run)


def test_the_number_of_tails_is_limited_and_given_back() -> None:
    async def run() -> None:
        tailing = tailing_of(MemoryStore(), tails_max=1)
        first = await tailing.open(TENANT, plan_of('{app="a"}'), REQUEST)
        with pytest.raises(LimitExceeded, match=r"count > limit \(2 > 1\)"):
            await tailing.open(TENANT, plan_of('{app="a"}'), REQUEST)
        await tailing.open(TenantId("other"), plan_of('{app="a"}'), REQUEST)
        tailing.leave(TENANT, first.tail)
        await tailing.open(TENANT, plan_of('{app="a"}'), REQUEST)
        tailing.close()
        tailing.join()

    on_a_loop(run)
