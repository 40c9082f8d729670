"""Every key of `limits_config` is honoured, or ignored for a reason that is told; each that is honoured is proven."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lodur.config.blocks.all_blocks import CONFIG_FILE
from lodur.config.schema import InertKey, RemovedKey, Setting
from tests.servers.lodur import LodurServer
from tests.system.limit_probes import PROBES, PROVEN_ELSEWHERE, Tenant
from tests.system.pushing import Client

ROOT = Path(__file__).parents[2]

LOKI_KEYS = [
    key.removeprefix("limits_config.")
    for key in (ROOT / "tests/unit/config/loki_keys.txt").read_text(encoding="utf-8").split()
    if key.startswith("limits_config.")
]

CONFIG = "auth_enabled: true\nruntime_config: {file: overrides.yaml}\n"

OF_THE_RULER = "ruler_"
"""Its own tests prove its limits."""


def honoured() -> set[str]:
    """The keys that have an effect."""
    return {
        setting.path.removeprefix("limits_config.")
        for setting in CONFIG_FILE.settings()
        if setting.path.startswith("limits_config.") and not setting.ignored
    }


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LodurServer]:
    """A server with a tenant for each limit, named like it."""
    server = LodurServer(tmp_path_factory.mktemp("limits"), config_text=CONFIG)
    lines = [f"  {key}: {{{text}}}" for key, (text, _) in PROBES.items()]
    (server.directory / "overrides.yaml").write_text("\n".join(["overrides:", *lines]))
    server.start()
    yield server
    server.kill()


def test_every_key_is_honoured_or_ignored_for_a_reason() -> None:
    unknown = []
    for key in LOKI_KEYS:
        parts = key.split(".")
        paths = ["limits_config." + ".".join(parts[:count]) for count in range(len(parts), 0, -1)]
        entry = next((CONFIG_FILE.entries[path] for path in paths if path in CONFIG_FILE.entries), None)
        match entry:
            case Setting():
                assert entry.ignored or key in honoured()
            case InertKey(reason=reason):
                assert reason
            case RemovedKey() | None:
                unknown.append(key)
            case _:
                raise AssertionError(f"{key} is {entry}")
    assert unknown == []


def test_every_key_that_is_honoured_is_proven() -> None:
    proven = {*PROBES, *PROVEN_ELSEWHERE}
    assert [key for key in honoured() if key not in proven and not key.startswith(OF_THE_RULER)] == []
    assert [key for key in PROBES if key not in honoured()] == []
    assert [place for place in PROVEN_ELSEWHERE.values() if not (ROOT / place).exists()] == []


@pytest.mark.parametrize("key", PROBES)
def test_a_tenant_with_the_limit_meets_it_and_one_without_does_not(server: LodurServer, key: str) -> None:
    client = Client(server.port)
    probe = PROBES[key][1]
    probe(Tenant(client, key))
    with pytest.raises(AssertionError):
        probe(Tenant(client, f"without_{key}"))
    client.close()
