"""Fixtures over real processes: `lodur_server` makes Lodur servers; `s3_server` and `azurite_server` are one for the
session each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest
from hypothesis import settings

from scripts.debian_programs import CannotInstall
from scripts.install_test_clients import azurite
from tests.servers.azurite import AzuriteServer
from tests.servers.lodur import LODUR, LodurServer
from tests.servers.s3 import S3Server, ServerNotBuilt, s3_server_program

# How long an example takes says how busy the machine is; what must be fast is measured in bench/.
settings.register_profile("lodur", deadline=None)
settings.load_profile("lodur")


class StartLodur(Protocol):
    """Start a server of its own directory and wait until it is ready (`start=False`: the test starts it)."""

    def __call__(
        self,
        *arguments: str,
        config_text: str | None = None,
        environment: dict[str, str] | None = None,
        start: bool = True,
    ) -> LodurServer: ...


@pytest.fixture
def lodur_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartLodur]:
    """A function that starts `lodur serve` with these further arguments; all its servers are killed after the test."""
    assert LODUR.exists(), f"{LODUR} is missing: run `make setup`"
    started: list[LodurServer] = []

    def start_lodur(
        *arguments: str,
        config_text: str | None = None,
        environment: dict[str, str] | None = None,
        start: bool = True,
    ) -> LodurServer:
        directory = tmp_path_factory.mktemp("lodur")
        server = LodurServer(directory, config_text=config_text, arguments=arguments, environment=environment)
        started.append(server)
        if start:
            server.start()
        return server

    yield start_lodur
    for server in started:
        server.kill()


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A running S3 server: `endpoint`, `region`, `access_key`, `secret_key`, `new_bucket()`, `client()`."""
    try:
        program = s3_server_program()
    except ServerNotBuilt as error:
        pytest.skip(str(error))
    directory: Path = tmp_path_factory.mktemp("s3")
    server = S3Server(program, directory)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def azurite_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AzuriteServer]:
    """A running server for Azure's blob service: `endpoint`, `account`, `account_key`, `new_container()`."""
    try:
        script = azurite()
    except CannotInstall as error:
        pytest.skip(str(error))
    server = AzuriteServer(script, tmp_path_factory.mktemp("azurite"))
    server.start()
    yield server
    server.stop()
