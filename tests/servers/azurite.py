"""Azurite, Microsoft's own server for tests against Azure's blob service, with everything in memory.

scripts/install_test_clients.py installs it. Start at `AzuriteServer`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import shutil
import socket
import urllib.request
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

from tests.servers.process import ServerProcess, free_port

READY_S = 60.0
"""It reads some thousand modules."""

API_VERSION = "2021-08-06"


class AzuriteServer:
    """A blob service with one account, and containers on demand."""

    account = "devstoreaccount1"
    account_key = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
    """The account that Azurite always has, and its key, which is public."""

    def __init__(self, script: Path, directory: Path) -> None:
        self.port = free_port()
        self._names = itertools.count()
        self.endpoint = f"http://127.0.0.1:{self.port}/{self.account}"
        node = shutil.which("node")
        assert node is not None
        flags = ["--blobHost", "127.0.0.1", "--blobPort", str(self.port), "--inMemoryPersistence"]
        quiet = ["--silent", "--disableTelemetry", "--skipApiVersionCheck"]
        argv = [node, str(script), *flags, *quiet]
        self.process = ServerProcess(argv, directory=directory, log_path=directory / "azurite.log")

    def start(self) -> None:
        self.process.start()
        self.process.wait_ready(self._listens, deadline_s=READY_S)

    def stop(self) -> None:
        self.process.kill()

    def connection_string(self) -> str:
        """As Azure's portal shows it."""
        account = f"AccountName={self.account};AccountKey={self.account_key}"
        return f"DefaultEndpointsProtocol=http;{account};BlobEndpoint={self.endpoint};"

    def new_container(self) -> str:
        """The name of a container that exists and is empty; the request is signed as the service asks for it."""
        name = f"container-{next(self._names)}"
        date = format_datetime(datetime.now(UTC), usegmt=True)  # noqa: TID251 - the server compares it with its clock
        headers = {"x-ms-date": date, "x-ms-version": API_VERSION}
        signed = "\n".join(
            (
                "PUT",
                *([""] * 11),
                *(f"{key}:{value}" for key, value in headers.items()),
                f"/{self.account}/{self.account}/{name}",
                "restype:container",
            )
        )
        digest = hmac.new(base64.b64decode(self.account_key), signed.encode(), hashlib.sha256).digest()
        headers["Authorization"] = f"SharedKey {self.account}:{base64.b64encode(digest).decode()}"
        url = f"{self.endpoint}/{name}?restype=container"
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers, method="PUT"), timeout=10) as answer:
            assert answer.status == 201
        return name

    def _listens(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False
