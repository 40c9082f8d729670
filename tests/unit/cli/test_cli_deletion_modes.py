"""`lodur sql` and `lodur export` over a store hide what delete requests hide for its tenant, as a server does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from lodur.model.clock import ManualClock
from lodur.model.durations import NS_PER_HOUR, NS_PER_S
from tests.compacting_node import TENANT, Node
from tests.unit.cli.fake_loki import Cli

T0 = 1_730_000_000 * NS_PER_S
CONFIG = """
auth_enabled: true
common: {{path_prefix: {directory}/data}}
storage_config: {{filesystem: {{directory: {directory}/store}}}}
limits_config: {{deletion_mode: {common}}}
runtime_config: {{file: {directory}/overrides.yaml}}
"""
OVERRIDES = "overrides: {%s: {deletion_mode: %s}}\n"


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    """A store of one segment of which a request hides a line. The commands configure the log of this process."""
    node = Node(tmp_path, ManualClock(T0 + NS_PER_HOUR))
    node.push([("a", T0, "secret"), ("a", T0 + 1, "plain")])
    node.flush()
    node.delete('{app="a"} |= "secret"', T0, T0 + NS_PER_HOUR)
    node.stop()
    yield tmp_path
    structlog.reset_defaults()


@pytest.mark.parametrize(
    ("common", "owner", "own", "shown"),
    [
        ("disabled", TENANT.value, "filter-and-delete", ["plain"]),
        ("disabled", TENANT.value, "filter-only", ["plain"]),
        ("filter-and-delete", TENANT.value, "disabled", ["secret", "plain"]),
        ("filter-and-delete", "another", "disabled", ["plain"]),
    ],
)
def test_overrides_of_the_tenant_decide(
    offline: Cli, directory: Path, common: str, owner: str, own: str, shown: list[str]
) -> None:
    config = directory / "lodur.yaml"
    config.write_text(CONFIG.format(directory=directory, common=common))
    (directory / "overrides.yaml").write_text(OVERRIDES % (owner, own))
    asked = offline("sql", "select line from logs order by ts_ns", "-o", "csv", "--config-file", str(config))
    assert (asked.exit_code, asked.stderr) == (0, "")
    assert asked.stdout.splitlines() == ["line", *shown]
    span = ("--from", "1730000000", "--to", "1730003600", "--format", "raw", "-q")
    exported = offline("export", '{app="a"}', *span, "--config-file", str(config), "--org-id", TENANT.value)
    assert exported.exit_code == 0
    assert exported.stdout.splitlines() == shown


def test_without_a_configuration_what_was_deleted_is_hidden(offline: Cli, directory: Path) -> None:
    place = ("--directory", str(directory / "store"))
    asked = offline("sql", "select line from logs", "-o", "csv", *place)
    assert (asked.exit_code, asked.stdout.splitlines()) == (0, ["line", "plain"]), asked.stderr
    span = ("--from", "1730000000", "--to", "1730003600", "--format", "raw", "-q")
    exported = offline("export", '{app="a"}', *span, *place, "--org-id", TENANT.value)
    assert (exported.exit_code, exported.stdout) == (0, "plain\n"), exported.stderr


@pytest.mark.parametrize("words", [("sql", "select 1"), ("export", '{app="a"}', "--org-id", TENANT.value)])
def test_overrides_that_cannot_be_read_end_the_command(offline: Cli, directory: Path, words: tuple[str, ...]) -> None:
    config = directory / "lodur.yaml"
    config.write_text(CONFIG.format(directory=directory, common="disabled"))
    (directory / "overrides.yaml").write_text("overrides: [")
    asked = offline(*words, "--config-file", str(config))
    assert asked.exit_code != 0
    assert "overrides.yaml" in asked.stderr


@pytest.mark.parametrize("wal", ["disk", "object"])
def test_overrides_are_read_once(offline: Cli, directory: Path, monkeypatch: pytest.MonkeyPatch, wal: str) -> None:
    """One answer for what is hidden and for the rows of the write-ahead log, and large files take a while."""
    config = directory / "lodur.yaml"
    config.write_text(CONFIG.format(directory=directory, common="disabled") + f"lodur: {{wal: {wal}}}\n")
    (directory / "overrides.yaml").write_text(OVERRIDES % (TENANT.value, "filter-only"))
    (directory / "data" / "wal").mkdir(parents=True)
    read: list[Path] = []

    def counted(file: Path) -> bytes:
        read.append(file)
        return file.read_bytes()

    monkeypatch.setattr("lodur.config.overrides._read", counted)
    span = ("--from", "1730000000", "--to", "1730003600", "--format", "raw", "-q")
    asked = offline("export", '{app="a"}', *span, "--config-file", str(config), "--org-id", TENANT.value)
    assert (asked.exit_code, asked.stdout) == (0, "plain\n")
    assert read == [directory / "overrides.yaml"]
