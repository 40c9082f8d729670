"""Who is slowed down at the door, by how much, and who is not."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

from prometheus_client import CollectorRegistry
from starlette.types import Message, Receive, Scope, Send

from lodur.api.door import BESIDE_SHARE, PACED_SHARE, PERIOD_S, THERE_S, WAIT_MAX_S, Door
from lodur.model.clock import ManualClock
from lodur.telemetry.request_metrics import RequestMetrics

COST_S = 0.001
"""Of each request that comes in."""

STEPS, SPAN_S = 240, 0.6
"""A while: the clock is moved in so many steps."""

CONNECTIONS = 32
"""Of a tenant that floods."""

DEADLINE_S = 20.0


class House:
    """A door, and an application behind it that counts who came in and makes the thread busy."""

    def __init__(self) -> None:
        self.clock = ManualClock(10**18)
        self.came_in: Counter[str] = Counter()
        self.busy_s = 0.0
        self.registry = CollectorRegistry()
        metrics = RequestMetrics(self.registry)
        self.door = Door(
            self._serve, self.clock, metrics, busy_s=lambda: self.busy_s, open_paths=frozenset({"/metrics"})
        )
        self.asked: list[asyncio.Task[list[Message]]] = []
        self.outstanding: Counter[str] = Counter()
        self.slow_may_end = asyncio.Event()

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.came_in[tenant_of(scope)] += 1
        self.busy_s += COST_S
        if tenant_of(scope) == "slow":
            await self.slow_may_end.wait()
        await send({"type": "http.response.start", "status": 204, "headers": []})

    def ask(self, tenant: str, path: str = "/loki/api/v1/push") -> asyncio.Task[list[Message]]:
        task = asyncio.ensure_future(self._ask(tenant, path))
        self.outstanding[tenant] += 1
        task.add_done_callback(lambda _: self.outstanding.subtract([tenant]))
        self.asked.append(task)
        return task

    async def _ask(self, tenant: str, path: str) -> list[Message]:
        sent: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            sent.append(message)

        headers = [(b"x-scope-orgid", tenant.encode())] if tenant else []
        await self.door({"type": "http", "path": path, "headers": headers}, receive, send)
        return sent

    async def flooded(self, *, flooding: tuple[str, ...], quiet: tuple[str, ...]) -> None:
        """A while in which some tenants always have requests waiting, and others ask ten times."""
        for step in range(STEPS):
            self.clock.advance(SPAN_S / STEPS)
            if step % (STEPS // 10) == 0:
                await asyncio.gather(*(self.ask(name) for name in quiet))
            for name in flooding:
                for _ in range(10):
                    if self.outstanding[name] < CONNECTIONS:
                        self.ask(name)
                        await asyncio.sleep(0)
            # Timers go by the loop's own clock.
            await asyncio.sleep(0.001)

    def held(self) -> float:
        return self.registry.get_sample_value("lodur_requests_held") or 0.0


def tenant_of(scope: Scope) -> str:
    return next((value.decode() for _, value in scope["headers"]), "")


def run(test: Callable[[House], Awaitable[None]]) -> House:
    async def main() -> House:
        house = House()
        async with asyncio.timeout(DEADLINE_S):
            await test(house)
        for task in house.asked:
            task.cancel()
        await asyncio.gather(*house.asked, return_exceptions=True)
        return house

    return asyncio.run(main())


def test_a_tenant_that_is_alone_is_never_slowed_down() -> None:
    async def test(house: House) -> None:
        await house.flooded(flooding=("loud",), quiet=())
        await asyncio.gather(*(house.ask("", "/metrics") for _ in range(3)))
        await house.flooded(flooding=("loud",), quiet=())

    assert run(test).came_in == {"loud": 2 * 10 * STEPS, "": 3}


def test_beside_others_a_flood_gets_its_part_and_the_others_all_they_ask_for() -> None:
    async def test(house: House) -> None:
        await house.flooded(flooding=("loud",), quiet=("quiet",))
        house.came_in.clear()
        await house.flooded(flooding=("loud",), quiet=("quiet",))
        assert house.held() > 0
        assert house.came_in["quiet"] == 10
        assert 0.7 * PACED_SHARE * SPAN_S / COST_S < house.came_in["loud"] < 1.2 * PACED_SHARE * SPAN_S / COST_S

    run(test)


def test_while_somebody_else_is_answered_a_flood_gets_less() -> None:
    async def test(house: House) -> None:
        await house.flooded(flooding=("loud",), quiet=("quiet",))
        answered = house.ask("slow")
        await asyncio.sleep(0)
        house.came_in.clear()
        await house.flooded(flooding=("loud",), quiet=("quiet",))
        assert house.came_in["quiet"] == 10
        assert 0.7 * BESIDE_SHARE * SPAN_S / COST_S < house.came_in["loud"] < 1.2 * BESIDE_SHARE * SPAN_S / COST_S
        house.slow_may_end.set()
        assert (await answered)[0]["status"] == 204

    run(test)


def test_two_floods_share_what_floods_get() -> None:
    async def test(house: House) -> None:
        for _ in range(2):
            house.came_in.clear()
            await house.flooded(flooding=("loud", "louder"), quiet=("quiet",))
        assert house.came_in["quiet"] == 10
        assert house.came_in["loud"] + house.came_in["louder"] < 1.2 * PACED_SHARE * SPAN_S / COST_S
        assert min(house.came_in["loud"], house.came_in["louder"]) > 0.3 * PACED_SHARE * SPAN_S / COST_S

    run(test)


def test_tenants_that_all_do_the_same_are_left_alone() -> None:
    async def test(house: House) -> None:
        for _ in range(200):
            house.clock.advance(0.01)
            await asyncio.gather(*(house.ask(name) for _ in range(4) for name in ("a", "b", "c")))

    assert run(test).came_in == dict.fromkeys(("a", "b", "c"), 800)


def test_who_would_wait_too_long_is_told_when_to_come_again() -> None:
    async def test(house: House) -> None:
        await house.flooded(flooding=("loud",), quiet=("quiet",))
        asked = [house.ask("loud") for _ in range(int(2 * WAIT_MAX_S * PACED_SHARE / COST_S))]
        await asyncio.sleep(0)
        (start, body) = await asked[-1]
        assert start["status"] == 429
        assert body["body"] == b"too many outstanding requests\n"
        retry_after_s = int(dict(start["headers"])[b"retry-after"])
        assert WAIT_MAX_S < retry_after_s < 2 * WAIT_MAX_S
        assert (await house.ask("quiet"))[0]["status"] == 204

    run(test)


def test_when_the_others_have_gone_all_come_in() -> None:
    async def test(house: House) -> None:
        await house.flooded(flooding=("loud",), quiet=("quiet",))
        assert house.held() > 0
        house.clock.advance(THERE_S + PERIOD_S)
        await house.ask("loud")
        await asyncio.gather(*house.asked)
        assert house.held() == 0

    run(test)


def test_who_leaves_while_waiting_takes_nobody_s_place() -> None:
    async def test(house: House) -> None:
        await house.flooded(flooding=("loud",), quiet=("quiet",))
        waiting = [task for task in house.asked if not task.done()]
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        assert house.held() == 0
        last = house.ask("loud")
        while not last.done():
            house.clock.advance(COST_S)
            await asyncio.sleep(0.001)
        assert last.result()[0]["status"] == 204

    run(test)
