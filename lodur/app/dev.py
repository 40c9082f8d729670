"""A server and an agent as two supervised child processes, to try Lodur on this machine's own logs.

Each child is what `lodur serve` and `lodur agent` start, told by a file of its own in the data directory; nothing here
knows how they work inside. The children have process groups of their own, so that Ctrl-C reaches this process alone
and the agent can be stopped before the server. Start at `run`.
"""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TextIO

from lodur.app.dev_probe import Probe
from lodur.model.clock import Clock, SystemClock

HOST = "127.0.0.1"

READY_WITHIN_S = 120.0
"""A server may first have to read back what a crash left in its WAL."""

FIRST_LINES_WITHIN_S = 20.0
"""After this long the start is over even where the machine's logs are empty."""

AGENT_STOP_WITHIN_S = 10.0
SERVER_STOP_WITHIN_S = 60.0
"""Stopping flushes what is in memory to segments."""

POLL_S = 0.25
STATUS_EVERY_S = 1.0
LOG_TAIL_LINES = 15
"""Of the log of a child that has ended unexpectedly."""
LOG_TAIL_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class DevOptions:
    """Where the data lies and which port is listened on."""

    data_dir: Path
    port: int

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def server_log(self) -> Path:
        return self.data_dir / "lodur.log"

    @property
    def agent_log(self) -> Path:
        return self.data_dir / "agent.log"


def run(options: DevOptions, *, clock: Clock | None = None) -> int:
    """Start both, show how they come up, and stay until a signal or the end of either; gives the exit code."""
    taken = port_problem(options.port)
    if taken:
        _say(f"Error: {taken}")
        return 1
    try:
        options.data_dir.mkdir(parents=True, exist_ok=True)
        write_configs(options)
    except OSError as error:
        _say(f"Error: {options.data_dir} cannot be written: {error.strerror}; choose another place with --data-dir")
        return 1
    with _stop_signals() as stop:
        return _Session(options, stop, clock or SystemClock()).run()


def port_problem(port: int) -> str:
    """Why the port cannot be listened on, and what to do; empty where it can."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return (
                    f"port {port} on {HOST} is taken, perhaps by another `lodur dev` or `lodur serve`;"
                    f" stop it, or choose another port with `lodur dev --port {port + 1}`"
                )
            return f"port {port} on {HOST} cannot be listened on: {error.strerror}; choose another with --port"
    return ""


def write_configs(options: DevOptions) -> None:
    """Write the two children's files into the data directory."""
    (options.data_dir / "serve.yaml").write_text(server_config(options))
    (options.data_dir / "agent.yaml").write_text(agent_config(options))


def server_config(options: DevOptions) -> str:
    """A configuration of Loki's shape: this machine only, data laid out as `lodur serve` without a file does it."""
    return f"""\
# Written by `lodur dev` at each start.
auth_enabled: false
server:
  http_listen_address: {HOST}
  http_listen_port: {options.port}
common:
  path_prefix: {_yaml(options.data_dir)}
storage_config:
  filesystem:
    directory: {_yaml(options.data_dir / "store")}
ingester:
  wal:
    flush_on_shutdown: true
pattern_ingester:
  enabled: true
# One person's server: nobody else needs to be kept from flooding it.
limits_config:
  ingestion_rate_mb: 1024
  ingestion_burst_size_mb: 1024
  per_stream_rate_limit: 1GB
  per_stream_rate_limit_burst: 1GB
"""


def agent_config(options: DevOptions) -> str:
    """A Promtail configuration that ships /var/log and the server's own log."""
    return f"""\
# Written by `lodur dev` at each start.
positions:
  filename: {_yaml(options.data_dir / "positions.yaml")}
clients:
  - url: {options.url}/loki/api/v1/push
scrape_configs:
  - job_name: varlogs
    static_configs:
      - targets: [localhost]
        labels:
          job: varlogs
          __path__: /var/log/**
          # Records for programs, and what is compressed already: not lines that anyone would read.
          __path_exclude__: '/var/log/**/{{*.gz,*.xz,*.bz2,*.zst,*.journal,wtmp*,btmp*,lastlog,faillog}}'
  - job_name: lodur
    static_configs:
      - targets: [localhost]
        labels:
          job: lodur
          __path__: {_yaml(options.server_log)}
"""


def _yaml(path: Path) -> str:
    """A path as a YAML scalar in single quotes."""
    return "'" + str(path.absolute()).replace("'", "''") + "'"


def what_to_try(options: DevOptions) -> str:
    """The last words of the start."""
    address = "" if options.port == 3100 else f" --addr {options.url}"
    return f"""
Lodur answers at {options.url}, data in {options.data_dir}; Ctrl-C stops it.
Try, from another terminal:

  curl -sG {options.url}/loki/api/v1/query_range --data-urlencode 'query={{job="varlogs"}}' --data-urlencode limit=3
  lodur query{address} '{{job="varlogs"}} |= "install"'
  lodur query{address} 'sum by (filename) (count_over_time({{job="varlogs"}}[5m]))' --since 15m
"""


@contextmanager
def _stop_signals() -> Iterator[threading.Event]:
    """An event that the first stop signal sets; a second one ends this process at once."""
    stop = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Session:
    """One start of both children, from the first line shown to the last."""

    def __init__(self, options: DevOptions, stop: threading.Event, clock: Clock) -> None:
        self._options = options
        self._stop = stop
        self._clock = clock
        self._probe = Probe(options.url, clock)
        self._status = StatusLine(sys.stderr)
        self._server: subprocess.Popen[bytes] | None = None
        self._agent: subprocess.Popen[bytes] | None = None

    def run(self) -> int:
        try:
            return self._start_and_watch()
        except KeyboardInterrupt:
            for child in (self._agent, self._server):
                if child is not None and child.poll() is None:
                    child.kill()
            _say("killed; the next start reads back what was not flushed")
            return 130
        finally:
            self._status.clear()

    def _start_and_watch(self) -> int:
        options = self._options
        self._server = start_child(["serve", f"-config.file={options.data_dir / 'serve.yaml'}"], options.server_log)
        ended = self._await_ready()
        if ended is None and not self._stop.is_set():
            kept = self._probe.kept_lines()
            if kept:
                _say(f"found {kept:,} lines of the last day from earlier runs in {options.data_dir}")
            self._agent = start_child(["agent", f"-config.file={options.data_dir / 'agent.yaml'}"], options.agent_log)
            ended = self._await_first_lines()
        if ended is None and not self._stop.is_set():
            self._status.clear()
            sys.stdout.write(what_to_try(options))
            sys.stdout.flush()
            ended = self._watch()
        self._status.clear()
        if ended is not None:
            _say(ended)
        clean = self._stop_children()
        return 0 if ended is None and clean else 1

    def _await_ready(self) -> str | None:
        """Wait for the server to be ready; gives what went wrong, None where it is ready or a signal came."""
        deadline_s = self._clock.monotonic_s() + READY_WITHIN_S
        while not self._stop.is_set():
            ended = self._ended_child()
            if ended is not None:
                return ended
            state = self._probe.readiness()
            if state.is_ready:
                self._status.clear()
                _say(f"server is ready at {self._options.url}")
                return None
            if self._clock.monotonic_s() > deadline_s:
                return f"Error: the server was not ready within {READY_WITHIN_S:.0f} s: {state.text}{self._log_hint()}"
            self._status.show(f"starting the server: {state.text}")
            self._stop.wait(POLL_S)
        return None

    def _await_first_lines(self) -> str | None:
        """Show lines arriving until no more come for the moment; gives what went wrong."""
        deadline_s = self._clock.monotonic_s() + FIRST_LINES_WITHIN_S
        before = 0
        while not self._stop.is_set() and self._clock.monotonic_s() < deadline_s:
            ended = self._ended_child()
            if ended is not None:
                return ended
            shipped = self._probe.shipped_lines()
            self._status.show(f"shipping this machine's logs: {shipped:,} lines so far")
            if shipped and shipped == before:
                break
            before = shipped
            self._stop.wait(STATUS_EVERY_S)
        self._status.clear()
        if not self._stop.is_set():
            _say(f"agent is running: {before:,} lines shipped from /var/log and the server's own log")
        return None

    def _watch(self) -> str | None:
        """Show how many lines were shipped until a signal comes or a child ends; gives what went wrong."""
        while not self._stop.wait(STATUS_EVERY_S):
            ended = self._ended_child()
            if ended is not None:
                return ended
            if self._status.is_live:
                self._status.show(f"{self._probe.shipped_lines():,} lines shipped")
        return None

    def _ended_child(self) -> str | None:
        for name, child, log in (
            ("server", self._server, self._options.server_log),
            ("agent", self._agent, self._options.agent_log),
        ):
            if child is not None and child.poll() is not None:
                return f"Error: the {name} has ended with code {child.returncode}; the end of {log}:\n{log_tail(log)}"
        return None

    def _log_hint(self) -> str:
        return f"; the end of {self._options.server_log}:\n{log_tail(self._options.server_log)}"

    def _stop_children(self) -> bool:
        """Stop the agent, then the server; gives whether both ended by themselves and in time."""
        if all(child is None or child.poll() is not None for child in (self._agent, self._server)):
            return True
        _say("stopping: the agent, then the server, which flushes what it has in memory")
        agent_ok = stop_child(self._agent, AGENT_STOP_WITHIN_S)
        server_ok = stop_child(self._server, SERVER_STOP_WITHIN_S)
        _say(
            "stopped" if agent_ok and server_ok else "stopped by force; the next start reads back what was not flushed"
        )
        return agent_ok and server_ok


def start_child(words: list[str], log: Path) -> subprocess.Popen[bytes]:
    """Start `lodur` with these words in a process group of its own, its output added to `log`."""
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "lodur", *words],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
            process_group=0,
        )


def stop_child(child: subprocess.Popen[bytes] | None, within_s: float) -> bool:
    """Ask a child to end and wait, then kill it; gives whether it ended when asked."""
    if child is None or child.poll() is not None:
        return True
    child.terminate()
    try:
        child.wait(within_s)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
        return False
    return True


def log_tail(log: Path) -> str:
    """The last lines of a log, set in."""
    with log.open("rb") as stream:
        stream.seek(max(0, log.stat().st_size - LOG_TAIL_BYTES))
        lines = stream.read().decode("utf-8", "replace").splitlines()
    return "\n".join(f"  {line}" for line in lines[-LOG_TAIL_LINES:])


class StatusLine:
    """One line at the bottom of a terminal that is written over; nothing where there is no terminal."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._shown = ""
        self.is_live = stream.isatty()

    def show(self, text: str) -> None:
        if self.is_live and text != self._shown:
            self._stream.write(f"\r\x1b[2K{text}")
            self._stream.flush()
            self._shown = text

    def clear(self) -> None:
        if self._shown:
            self._stream.write("\r\x1b[2K")
            self._stream.flush()
            self._shown = ""


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
