"""Start a program, wait until it answers, stop it; a wait that passes its deadline shows the program's log.

Start at `ServerProcess`.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

POLL_S = 0.02
"""How often a condition is asked again: far below what any test measures."""

LOG_TAIL_BYTES = 8_000
"""How much of a program's log an error shows."""


def wait_until(condition: Callable[[], bool], *, deadline_s: float, what: str) -> None:
    """Return as soon as `condition()` holds; AssertionError naming `what` when it does not within `deadline_s`."""
    end = time.monotonic() + deadline_s
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not happen within {deadline_s:g} s")
        time.sleep(POLL_S)


def free_port() -> int:
    """A TCP port of the loopback address that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


class ServerProcess:
    """One program under test, started and stopped any number of times with the same arguments."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        directory: Path,
        log_path: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.argv = tuple(argv)
        self.directory = directory
        self.log_path = log_path
        self._environment = {**os.environ, **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None, "not started"
        return self._process.pid

    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the program in `directory`; its output is appended to `log_path`."""
        assert not self.is_running(), "already running"
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                self.argv, stdout=log, stderr=log, cwd=self.directory, env=self._environment
            )

    def wait_ready(self, is_ready: Callable[[], bool], *, deadline_s: float) -> None:
        """Return when `is_ready()` holds; AssertionError with the log when the program ends or the deadline passes."""
        wait_until(
            lambda: not self.is_running() or is_ready(),
            deadline_s=deadline_s,
            what=f"readiness of {self.argv[0]} (its log: {self.log_tail()})",
        )
        assert self.is_running(), f"{' '.join(self.argv)} ended with {self.exit_code()}:\n{self.log_tail()}"

    def exit_code(self) -> int | None:
        return None if self._process is None else self._process.poll()

    def wait_exit(self, *, deadline_s: float) -> int:
        """The program's exit status; AssertionError with the log when it still runs after `deadline_s`."""
        assert self._process is not None, "not started"
        try:
            return self._process.wait(deadline_s)
        except subprocess.TimeoutExpired:
            message = f"{self.argv[0]} did not stop within {deadline_s:g} s:\n{self.log_tail()}"
            raise AssertionError(message) from None

    def send(self, sent: signal.Signals) -> None:
        if self._process is not None and self.is_running():
            self._process.send_signal(sent)

    def terminate(self, *, deadline_s: float = 30.0) -> int:
        """Ask the program to stop and return its exit status."""
        self.send(signal.SIGTERM)
        return self.wait_exit(deadline_s=deadline_s)

    def kill(self) -> None:
        """`kill -9`, as a power cut would: nothing of the program runs any more when this returns."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def log(self) -> str:
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def log_tail(self) -> str:
        return self.log()[-LOG_TAIL_BYTES:]
