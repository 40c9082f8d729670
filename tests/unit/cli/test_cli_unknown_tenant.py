"""Commands that read a store by themselves tell a tenant that is not there from one that has nothing to show."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from lodur.model.clock import ManualClock
from lodur.model.durations import NS_PER_HOUR, NS_PER_S
from lodur.store.inspection import TENANTS_NAMED_MAX
from tests.compacting_node import TENANT, Node
from tests.unit.cli.fake_loki import Cli

T0 = 1_730_000_000 * NS_PER_S

COMMANDS = [
    (("sql", "select line from logs", "-o", "csv", "--tenant"), 1),
    (("export", '{app="a"}', "--from", "1730000000", "--to", "1730003600", "--format", "raw", "--org-id"), 1),
    (("verify", "--tenant"), 3),
    (("segments", "ls", "--tenant"), 1),
    (("segments", "verify", "--tenant"), 1),
]
"""Each with the option that names the tenant last, and its exit code where there is none of that name."""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Path]:
    """One tenant's lines, and a folder that is no tenant's. The commands configure the log of this process."""
    node = Node(tmp_path, ManualClock(T0 + NS_PER_HOUR))
    node.push([("a", T0, "line")])
    node.flush()
    node.stop()
    (tmp_path / "store" / "wal" / "leases").mkdir(parents=True)
    yield tmp_path / "store"
    structlog.reset_defaults()


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Path]:
    """A store that was never written to."""
    (tmp_path / "store").mkdir()
    yield tmp_path / "store"
    structlog.reset_defaults()


@pytest.mark.parametrize(("words", "code"), COMMANDS)
def test_an_unknown_tenant_is_an_error_that_names_those_that_there_are(
    offline: Cli, store: Path, words: tuple[str, ...], code: int
) -> None:
    refused = offline(*words, "nosuch", "--directory", str(store))
    assert refused.exit_code == code
    assert refused.stdout == ""
    said = "there is no tenant 'nosuch' in the store, or nothing of it is flushed yet; it has t\n"
    assert refused.stderr.endswith(said)
    taken = offline(*words, TENANT.value, "--directory", str(store))
    assert taken.exit_code == 0, taken.stderr


@pytest.mark.parametrize(("words", "code"), COMMANDS)
def test_a_tenant_without_segments_is_there(offline: Cli, store: Path, words: tuple[str, ...], code: int) -> None:
    (store / "other" / "deletes").mkdir(parents=True)
    (store / "other" / "deletes" / "requests.json").write_bytes(b"{}")
    asked = offline(*words, "other", "--directory", str(store))
    # That the document is no sound one is for `verify` to tell.
    assert asked.exit_code == (1 if words[0] == "verify" else 0), (code, asked.stderr)
    assert "no tenant" not in asked.stderr


@pytest.mark.parametrize(("words", "code"), COMMANDS)
def test_an_empty_store_has_the_tenant_of_servers_without_authentication(
    offline: Cli, empty: Path, words: tuple[str, ...], code: int
) -> None:
    assert offline(*words, "fake", "--directory", str(empty)).exit_code == 0
    refused = offline(*words, "team-a", "--directory", str(empty))
    assert refused.exit_code == code
    assert refused.stderr.endswith(
        "there is no tenant 'team-a' in the store, or nothing of it is flushed yet; it has none yet\n"
    )


def test_without_a_tenant_an_empty_store_is_no_error(offline: Cli, empty: Path) -> None:
    place = ("--directory", str(empty))
    asked = offline("sql", "select count(*) as n from logs", "-o", "csv", *place)
    assert (asked.exit_code, asked.stdout, asked.stderr) == (0, "n\n0\n", "the store has no segments yet\n")
    assert offline("sql", "select 1", "-q", *place).stderr == ""
    assert offline("export", '{app="a"}', *place).exit_code == 0
    assert offline("verify", *place).exit_code == 0


def test_export_without_a_tenant_says_whose_lines_there_are(offline: Cli, store: Path) -> None:
    refused = offline("export", '{app="a"}', "--directory", str(store))
    assert refused.exit_code == 1
    assert "there is no tenant 'fake' in the store, or nothing of it is flushed yet; it has t\n" in refused.stderr


def test_export_finds_a_tenant_whose_lines_are_in_the_log_alone(offline: Cli, tmp_path: Path) -> None:
    node = Node(tmp_path, ManualClock(T0 + NS_PER_HOUR))
    node.push([("a", T0, "line")])
    node.stop()
    config = tmp_path / "lodur.yaml"
    store = f"storage_config: {{filesystem: {{directory: {tmp_path}/store}}}}\n"
    config.write_text(f"ingester: {{wal: {{dir: {tmp_path}/wal-a}}}}\n{store}")
    span = ("--from", "1730000000", "--to", "1730003600", "--format", "raw", "-q")
    exported = offline("export", '{app="a"}', *span, "--config-file", str(config), "--org-id", TENANT.value)
    assert (exported.exit_code, exported.stdout) == (0, "line\n"), exported.stderr
    structlog.reset_defaults()


def test_a_message_names_no_more_tenants_than_people_read(offline: Cli, store: Path) -> None:
    for number in range(TENANTS_NAMED_MAX + 5):
        rules = store / f"u{number:02}" / "rules" / "groups.json"
        rules.parent.mkdir(parents=True)
        rules.write_bytes(b"{}")
    refused = offline("sql", "select 1", "--tenant", "nosuch", "--directory", str(store))
    assert refused.stderr.endswith(f"u{TENANTS_NAMED_MAX - 2:02} and others\n")
    assert refused.stderr.count(", u") == TENANTS_NAMED_MAX - 1
