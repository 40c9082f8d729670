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
from lodur.query.options import QuerierOptions
from lodur.query.plan.nodes import LogScan
from lodur.query.plan.planner import make_plan
from lodur.query.tail import fresh_rows
from lodur.query.tail.feed import Feed, FeedKey
from lodur.query.tail.fresh_rows import Batch, FreshRows
from lodur.query.tail.messages import MESSAGE_ENTRIES_MAX
from lodur.query.tail.requests import EntryForm, TailForm, TailRequest
from lodur.query.tail.tail import DROPPED_NAMED_MAX, MESSAGES_MAX, Tail
from lodur.query.tail.tailing import Tailing
from lodur.query.workplace import Workplace
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


PLAIN = TailForm(EntryForm.PLAIN)


class Followed:
    """A feed and its tails, looked at as the server does; each look is a batch of its own."""

    def __init__(
        self,
        text: str = '{app="a"}',
        *,
        delay_s: int = 0,
        form: TailForm = PLAIN,
        first_batches: tuple[int, ...] = (0,),
    ) -> None:
        self.feed = Feed(FeedKey(plan_of(text), form, delay_s * NS_PER_S))
        self.feed.tails += [Tail(form=form, first_batch=first) for first in first_batches]
        self.tail = self.feed.tails[0]
        self._number = 0

    def look(self, *views: HeadView, now_ns: int = T0_NS, now_s: float = 0.0) -> None:
        batches = [Batch(self._number + place, view, 0) for place, view in enumerate(views)]
        self._number += len(views)
        self.feed.pass_on(batches, self.feed.tails, now_ns=now_ns, now_s=now_s)


def lines(text: str) -> list[str]:
    return [value[1] for stream in json.loads(text)["streams"] for value in stream["values"]]


async def queued(tail: Tail) -> list[str]:
    """All that waits to be sent."""
    tail.notify()
    messages: list[str] = []
    try:
        async with asyncio.timeout(0.1):
            while True:
                messages.append(await tail.next_message())
    except TimeoutError:
        return messages


def on_a_loop(test: Callable[[], Awaitable[T]]) -> T:
    async def run() -> T:
        return await test()

    return asyncio.run(run())


def test_rows_that_match_are_queued_in_order() -> None:
    async def run() -> list[str]:
        followed = Followed('{app="a"} |= "yes"')
        views = [view_of((T0_NS + 2, "yes 2"), (T0_NS + 1, "yes 1")), view_of((T0_NS, "no")), view_of((0, "yes 0"))]
        followed.look(*views)
        followed.look(view_of((T0_NS, "yes"), app="b"))
        return await queued(followed.tail)

    (message,) = on_a_loop(run)
    assert lines(message) == ["yes 0", "yes 1", "yes 2"]
    assert "dropped_entries" not in json.loads(message)


def test_tails_of_one_feed_see_what_came_since_they_were_opened() -> None:
    async def run() -> list[list[str]]:
        followed = Followed(first_batches=(0, 1, 3, 0))
        followed.look(view_of((T0_NS, "0")), view_of((T0_NS + 1, "1")))
        followed.look(view_of((T0_NS + 2, "2")))
        return [[line for message in await queued(tail) for line in lines(message)] for tail in followed.feed.tails]

    assert on_a_loop(run) == [["0", "1", "2"], ["1", "2"], [], ["0", "1", "2"]]


def told(messages: list[str]) -> int:
    """Entries that messages say were dropped."""
    frames = [json.loads(message) for message in messages]
    return sum(frame.get("dropped_entries_total", len(frame.get("dropped_entries", ()))) for frame in frames)


def test_a_queue_that_is_full_drops_and_tells_each_entry() -> None:
    looks, rows_each = MESSAGES_MAX // 2 + 4, MESSAGE_ENTRIES_MAX
    rows = looks * rows_each

    async def run() -> tuple[list[str], list[str], list[str], int]:
        followed = Followed(first_batches=(0, 0))
        slow, quick = followed.feed.tails
        seen = []
        for first in range(0, rows, rows_each):
            followed.look(view_of(*((T0_NS + number, str(number)) for number in range(first, first + rows_each))))
            seen += await queued(quick)
        messages = await queued(slow)
        followed.look(view_of((T0_NS + 10**7, "again")))
        return messages, await queued(slow), seen, slow.dropped_entries

    messages, again, seen, dropped = on_a_loop(run)
    assert [line for message in seen for line in lines(message)] == [str(number) for number in range(rows)]
    assert told(seen) == 0
    notice, *full = messages
    assert len(full) == MESSAGES_MAX
    delivered = [line for message in full for line in lines(message)]
    assert delivered == [str(number) for number in range(len(delivered))]
    named = json.loads(notice)["dropped_entries"]
    assert len(named) == DROPPED_NAMED_MAX
    assert named[0] == {"timestamp": str(T0_NS + len(delivered)), "labels": {"app": "a"}}
    assert dropped == told(messages) == rows - len(delivered)
    assert [lines(message) for message in again] == [["again"]]


@pytest.mark.parametrize(("size_bytes", "least", "most"), [(1, 200, MESSAGE_ENTRIES_MAX), (10_000, 100, 100)])
def test_short_lines_that_come_fast_share_a_message(size_bytes: int, least: int, most: int) -> None:
    async def run() -> list[str]:
        followed = Followed()
        followed.look(view_of(*((T0_NS + number, "x" * size_bytes) for number in range(300))))
        return await queued(followed.tail)

    messages = on_a_loop(run)
    assert least <= len(lines(messages[0])) <= most
    assert sum(len(lines(message)) for message in messages) == 300


def test_drops_are_told_even_when_nothing_follows() -> None:
    async def run() -> list[str]:
        tail = Followed().tail
        tail.lose(7, now_ns=T0_NS)
        return await queued(tail)

    (message,) = on_a_loop(run)
    assert json.loads(message) == {
        "streams": [],
        "dropped_entries": [{"timestamp": str(T0_NS), "labels": {}}],
        "dropped_entries_total": 7,
    }


def test_flags_are_said_again_in_every_message() -> None:
    async def run() -> list[str]:
        followed = Followed(form=TailForm(EntryForm.CATEGORIZED, ("categorize-labels",)))
        followed.look(view_of((T0_NS, "x")))
        followed.tail.lose(1, now_ns=T0_NS)
        return await queued(followed.tail)

    messages = [json.loads(message) for message in on_a_loop(run)]
    assert [message["encodingFlags"] for message in messages] == [["categorize-labels"]] * 2
    assert [sorted(message) for message in messages] == [
        ["dropped_entries", "encodingFlags", "streams"],
        ["encodingFlags", "streams"],
    ]


@pytest.mark.parametrize("form", EntryForm)
def test_forms(form: EntryForm) -> None:
    async def run() -> list[str]:
        followed = Followed(form=TailForm(form))
        followed.look(view_of((T0_NS, "x")))
        return await queued(followed.tail)

    (stream,) = json.loads(on_a_loop(run)[0])["streams"]
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
        followed = Followed(delay_s=2)
        told: list[list[str]] = []

        async def step(seconds: float, *views: HeadView) -> None:
            now_ns, now_s = at(seconds)
            followed.look(*views, now_ns=now_ns, now_s=now_s)
            told.append([line for message in await queued(followed.tail) for line in lines(message)])

        await step(0.0, view_of((at(0.0)[0], "0.0"), (at(-9.0)[0], "old")))
        await step(1.0, view_of((at(1.0)[0], "1.0"), (at(0.5)[0], "0.5")))
        await step(1.5, view_of((at(0.2)[0], "0.2"), (at(60.0)[0], "ahead")))
        await step(2.1)
        await step(2.6)
        await step(3.1)
        assert followed.feed.holds_rows()
        await step(3.6)
        assert not followed.feed.holds_rows()
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
    clock = ManualClock(T0_NS)
    workplace = Workplace(QuerierOptions(threads=1, concurrent_queries_max=1, queued_queries_max=1), clock)
    return Tailing(store, clock, lambda _: limits, workplace, duration_max_s=60, metrics=metrics)


REQUEST = TailRequest(text="", start_ns=T0_NS - 10 * NS_PER_S, limit=2, delay_ns=0, form=PLAIN)


def test_history_and_then_what_comes_and_nothing_twice() -> None:
    store = MemoryStore()
    store.add_head("t", {"app=a": [(T0_NS - 3 * NS_PER_S, "1"), (T0_NS - 2 * NS_PER_S, "2"), (T0_NS, "3")]})

    async def run() -> None:
        tailing = tailing_of(store)
        first = await tailing.open(TENANT, plan_of('{app="a"}'), REQUEST)
        assert [line for message in first.history for line in lines(message)] == ["2", "3"]
        tailing.offer(TENANT, push_of((T0_NS + 1, "4")))
        tailing.offer(TenantId("other"), push_of((T0_NS + 1, "of another tenant")))
        # The second tail has what came before it in its history; the row is not for its queue.
        second = await tailing.open(TENANT, plan_of('{app="a"}'), REQUEST)
        tailing.offer(TENANT, push_of((T0_NS + 2, "5")))
        async with asyncio.timeout(10):
            seen = lines(await first.tail.next_message())
            if seen == ["4"]:
                seen += lines(await first.tail.next_message())
            assert seen == ["4", "5"]
            assert lines(await second.tail.next_message()) == ["5"]
            tailing.leave(TENANT, first)
            tailing.leave(TENANT, second)
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
        tailing.leave(TENANT, first)
        await tailing.open(TENANT, plan_of('{app="a"}'), REQUEST)
        tailing.close()
        tailing.join()

    on_a_loop(run)
