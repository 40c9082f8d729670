"""Run `lodur agent`: flags and file in, an agent built from them, its pages beside it, signals obeyed.

Start at `run`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from importlib.metadata import PackageNotFoundError, version

import structlog
from granian.constants import Interfaces
from granian.server.embed import Server
from prometheus_client import CollectorRegistry

from lodur.agent.agent import Agent
from lodur.agent.delivery import Sink
from lodur.agent.metrics import AgentMetrics
from lodur.agent.options import AgentOptions, ServerOptions
from lodur.agent.position_keeper import PositionKeeper
from lodur.agent.positions import Positions
from lodur.agent.sinks.dry_run import DryRunSink
from lodur.agent.sinks.loki.http import build_http
from lodur.agent.sinks.loki.sink import LokiSink
from lodur.agent.sources.file.source import FileSource
from lodur.app.agent_flags import AgentFlags, parse_flags
from lodur.app.agent_pages import build_pages
from lodur.config.promtail.load import load_agent
from lodur.config.promtail.rendering import render_agent
from lodur.model.clock import SystemClock
from lodur.model.errors import LodurError, Unavailable
from lodur.telemetry.log import configure_log

_log = structlog.get_logger(__name__)


def run(argv: Sequence[str]) -> int:
    """Run until a signal; the exit code (0 after a clean stop, 1 for a wrong configuration, 2 for wrong flags)."""
    try:
        flags = parse_flags(argv)
    except LodurError as error:
        print(f"lodur agent: {error}", file=sys.stderr)
        return 2
    if flags.version:
        print(f"lodur agent, version {_version()}")
        return 0
    try:
        return _run_file(flags)
    except LodurError as error:
        print(f"Unable to run: {error}", file=sys.stderr)
        return 1


def _run_file(flags: AgentFlags) -> int:
    loaded = load_agent(
        flags.config_files, environ=os.environ, expands_env=flags.expand_env, client_urls=flags.client_urls
    )
    options = loaded.options
    configure_log(level=flags.log_level or options.log_level, is_json=options.log_format == "json")
    for warning in loaded.warnings:
        _log.warning(warning)
    if flags.print_config:
        print(render_agent(options), file=sys.stderr)
    if flags.check_syntax:
        print("Valid config file! No syntax issues found")
        return 0
    asyncio.run(serve_agent(options, dry_run=flags.dry_run))
    return 0


async def serve_agent(options: AgentOptions, *, dry_run: bool) -> None:
    """Build the agent and run it until SIGINT or SIGTERM. Raises LodurError for unusable positions or certificates."""
    registry = CollectorRegistry()
    metrics, clock = AgentMetrics(registry), SystemClock()
    positions = Positions.load(options.positions.path, ignore_invalid=options.positions.ignore_invalid)
    sources = [FileSource(source, positions=positions, clock=clock, metrics=metrics) for source in options.sources]
    async with contextlib.AsyncExitStack() as stack:
        sinks: list[Sink] = []
        if dry_run:
            sinks.append(DryRunSink(sys.stdout))
        for client in () if dry_run else options.clients:
            http = await stack.enter_async_context(build_http(client, clock, version=_version()))
            rng = random.Random()
            sinks.append(LokiSink(client, http=http, clock=clock, rng=rng, metrics=metrics))
        keeper = None if dry_run else PositionKeeper(positions, sync_period_s=options.positions.sync_period_s)
        agent = Agent(sources, sinks, keeper)
        stop = _stop_on_signals()
        if options.server is not None:
            await stack.enter_async_context(_pages(options.server, agent, registry, stop))
        _log.info("agent started", jobs=len(sources), clients=len(sinks), positions=str(options.positions.path))
        await agent.run(stop)
        _log.info("agent stopped")


def _version() -> str:
    try:
        return version("lodur")
    except PackageNotFoundError:
        return "unknown"


def _stop_on_signals() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    return stop


@contextlib.asynccontextmanager
async def _pages(
    options: ServerOptions, agent: Agent, registry: CollectorRegistry, stop: asyncio.Event
) -> AsyncIterator[None]:
    """Serve the pages meanwhile. When they cannot be served, sets `stop` and raises Unavailable at the end."""
    pages = build_pages(registry=registry, files=agent.files, needs_files=options.needs_files)
    server = Server(pages, address=options.host, port=options.port, interface=Interfaces.ASGINL, log_enabled=False)
    serving = asyncio.create_task(server.serve())
    serving.add_done_callback(lambda _: stop.set())
    yield
    failure = serving.exception() if serving.done() else None
    if failure is not None:
        raise Unavailable(f"cannot listen on {options.host}:{options.port}: {failure}") from failure
    server.stop()  # type: ignore[no-untyped-call]  # granian leaves it without types
    await asyncio.gather(serving, return_exceptions=True)
