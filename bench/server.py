"""A server of this build on an empty directory, with limits that no bench reaches.

Start at `BenchServer`.
"""

from __future__ import annotations

import http.client
import os
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from types import TracebackType

from bench.corpus import ROOT

READY_S_MAX = 60.0
"""A start takes a second; a machine that is busy gets a minute."""
STOP_S_MAX = 60.0
REQUEST_S_MAX = 600.0
POLL_S = 0.05
LOG_TAIL_BYTES = 4_000

STILL_FLUSHING = HTTPStatus.GATEWAY_TIMEOUT
"""What `/flush` is answered with after a while, and goes on."""

FOLDER = "lodur-bench"
"""Emptied at every start; its name is such that nobody keeps anything else in it."""

CONFIG = """\
auth_enabled: false
server:
  http_listen_address: 127.0.0.1
  http_listen_port: {port}
  log_level: warn
common:
  path_prefix: {directory}/data
ingester:
  wal:
    flush_on_shutdown: false
limits_config:
  reject_old_samples: false
  ingestion_rate_mb: 8192
  ingestion_burst_size_mb: 8192
  per_stream_rate_limit: 8GB
  per_stream_rate_limit_burst: 8GB
  max_global_streams_per_user: 0
  max_query_series: 100000
  query_timeout: 10m
lodur:
  ingester:
    flush_bytes: 256MiB
"""
"""The corpus is older than what is accepted by default, and comes faster."""


class ServerFailed(Exception):
    """The server did not start, ended or gave no answer; the message holds the end of its log."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A response with the time that it took."""

    status: int
    body: bytes
    wall_s: float


class BenchServer:
    """Runs from `with` to its end."""

    def __init__(self, directory: Path, *, extra: str = "", keeps_data: bool = False) -> None:
        """Data, configuration and log lie in a folder of `directory` that an earlier run may have left.

        In: `extra` follows the configuration, which ends with the block `lodur`.
        """
        self.directory = directory / FOLDER
        self._extra = extra
        self._keeps_data = keeps_data
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        if self._process is None:
            raise ServerFailed("the server was not started")
        return self._process.pid

    @property
    def data(self) -> Path:
        return self.directory / "data"

    def __enter__(self) -> BenchServer:
        if not self._keeps_data:
            shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.mkdir(parents=True, exist_ok=True)
        config = self.directory / "lodur.yaml"
        config.write_text(CONFIG.format(port=self.port, directory=self.directory) + self._extra)
        command = [sys.executable, "-m", "lodur", "serve", f"-config.file={config}"]
        with (self.directory / "server.log").open("wb") as log:
            environment = {**os.environ, "PYTHONPATH": str(ROOT)}
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.directory, env=environment)
        try:
            self._wait_ready()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop()

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=REQUEST_S_MAX)

    def ask(self, method: str, target: str) -> Answer:
        """One request over a connection of its own. Raises ServerFailed."""
        connection = self.connect()
        start = time.perf_counter()
        try:
            connection.request(method, target)
            response = connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise ServerFailed(f"{method} {target}: {error!r}; the server's log ends:\n{self._log_tail()}") from error
        finally:
            connection.close()
        return Answer(response.status, body, time.perf_counter() - start)

    def flush(self) -> None:
        """Bring all rows into segments. Raises ServerFailed."""
        answer = self.ask("POST", "/flush")
        while answer.status == STILL_FLUSHING:
            answer = self.ask("POST", "/flush")
        if answer.status >= 300:
            raise ServerFailed(f"/flush answered {answer.status}: {answer.body[:200]!r}\n{self._log_tail()}")

    def _wait_ready(self) -> None:
        end = time.monotonic() + READY_S_MAX
        while not self._is_ready():
            if self._process is None or self._process.poll() is not None:
                raise ServerFailed(f"the server ended; its log:\n{self._log_tail()}")
            if time.monotonic() > end:
                raise ServerFailed(f"the server was not ready within {READY_S_MAX:g} s; its log:\n{self._log_tail()}")
            time.sleep(POLL_S)

    def _is_ready(self) -> bool:
        connection = self.connect()
        try:
            connection.request("GET", "/ready")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _stop(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_S_MAX)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _log_tail(self) -> str:
        return (self.directory / "server.log").read_bytes()[-LOG_TAIL_BYTES:].decode(errors="replace")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
