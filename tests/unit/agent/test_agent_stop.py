"""Stopping: what was read is delivered, within a time, and positions say exactly that."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import httpx
from prometheus_client import CollectorRegistry

from lodur.agent.agent import Agent
from lodur.agent.metrics import AgentMetrics
from lodur.agent.position_keeper import PositionKeeper
from lodur.agent.positions import Positions
from lodur.agent.sinks.loki.options import Backoff, LokiOptions
from lodur.agent.sinks.loki.sink import LokiSink
from lodur.agent.sources.file.glob import Glob
from lodur.agent.sources.file.options import FileSourceOptions, FileTarget
from lodur.agent.sources.file.source import FileSource
from lodur.model.clock import SystemClock

PATIENT = LokiOptions(
    name="test",
    url="http://loki/push",
    batch_wait_s=600.0,
    backoff=Backoff(min_period_s=0.001, max_period_s=0.002, max_tries=0),
)
"""Sends a batch that is not full only when the agent stops."""


def run_until_read(tmp_path: Path, status: int, flush_timeout_s: float) -> tuple[int, Positions]:
    """Run an agent over one file until it has read it, stop it, and give the number of requests and the positions."""
    requests = 0

    def answer(_: httpx.Request) -> httpx.Response:
        nonlocal requests
        requests += 1
        return httpx.Response(status)

    async def run() -> None:
        metrics, clock = AgentMetrics(CollectorRegistry()), SystemClock()
        positions = Positions.load(tmp_path / "positions.yaml")
        target = FileTarget(Glob.compile(f"{tmp_path}/*.log"), None, (("job", "test"),))
        options = FileSourceOptions("test", (target,), None, rescan_period_s=600.0, poll_period_s=0.01)
        source = FileSource(options, positions=positions, clock=clock, metrics=metrics)
        http = httpx.AsyncClient(transport=httpx.MockTransport(answer))
        sink = LokiSink(PATIENT, http=http, clock=clock, rng=random.Random(1), metrics=metrics)
        agent = Agent([source], [sink], PositionKeeper(positions, sync_period_s=600.0))
        stop = asyncio.Event()
        running = asyncio.create_task(agent.run(stop, flush_timeout_s=flush_timeout_s))
        async with asyncio.timeout(20):
            while not any(file.offset == 8 for file in agent.files()):
                await asyncio.sleep(0)
            stop.set()
            await running

    asyncio.run(run())
    return requests, Positions.load(tmp_path / "positions.yaml")


def test_what_was_read_is_delivered_and_its_position_saved(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text("one\ntwo\npart")
    requests, positions = run_until_read(tmp_path, 204, 10.0)
    assert requests == 1
    cursor = positions.start_of(str(log))
    assert cursor is not None
    assert cursor.offset == 8


def test_a_server_that_is_down_does_not_hold_the_end_and_no_position_moves(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text("one\ntwo\npart")
    requests, positions = run_until_read(tmp_path, 503, 0.2)
    assert requests > 1
    cursor = positions.start_of(str(log))
    assert cursor is None or cursor.offset == 0
