"""`lodur serve` as the system tests run it.

The flags that the tests depend on stand in `serve_arguments`, and nowhere else. Start at `LodurServer`.
"""

from __future__ import annotations

import http.client
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.servers.process import ServerProcess, free_port

LODUR = Path(sys.executable).parent / "lodur"
"""The command beside the Python that runs the tests: the checkout's own."""

READY_S = 60.0
"""Deadline for `/ready`: replay of a test's WAL on a machine that is busy building something."""


def serve_arguments(*, port: int, config: Path | None) -> list[str]:
    """The arguments of `lodur serve` for one server that listens on loopback."""
    arguments = ["serve", "-server.http-listen-address=127.0.0.1", f"-server.http-listen-port={port}"]
    return arguments if config is None else [*arguments, f"-config.file={config}"]


class LodurServer:
    """One server with its own directory, port and log; killed and restarted over the same data as a test likes.

    The directory is the server's working directory, where relative paths of a configuration start and where `data` lies
    as long as a configuration says nothing else.
    """

    def __init__(
        self,
        directory: Path,
        *,
        config_text: str | None = None,
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        port: int | None = None,
    ) -> None:
        self.directory = directory
        self.data = directory / "data"
        self.port = port if port is not None else free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        config: Path | None = None
        if config_text is not None:
            config = directory / "lodur.yaml"
            config.write_text(config_text)
        serve = serve_arguments(port=self.port, config=config)
        self.process = ServerProcess(
            [str(LODUR), *serve, *arguments],
            directory=directory,
            log_path=directory / "lodur.log",
            environment=environment,
        )

    def start(self, *, deadline_s: float = READY_S) -> None:
        """Start and wait until the server says that it is ready."""
        self.process.start()
        self.process.wait_ready(self.is_ready, deadline_s=deadline_s)

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, http.client.HTTPException, OSError):
            return False

    def terminate(self, *, deadline_s: float = 60.0) -> int:
        """SIGTERM; the exit status after the flush on shutdown."""
        return self.process.terminate(deadline_s=deadline_s)

    def kill(self) -> None:
        """`kill -9`."""
        self.process.kill()

    def restart(self, *, deadline_s: float = READY_S) -> None:
        """Start again on the same data and port, killing the server first if it still runs."""
        self.kill()
        self.start(deadline_s=deadline_s)

    def log(self) -> str:
        return self.process.log()
