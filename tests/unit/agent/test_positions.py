"""The positions file: Promtail's form both ways, identities, several owners, damage."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from lodur.agent.positions import Cursor, Identity, Positions
from lodur.model.errors import InvalidRequest

HERE = Identity(inode=42, head_bytes=3, head_crc=0xABCDEF01)


def test_reads_what_promtail_wrote(tmp_path: Path) -> None:
    file = tmp_path / "positions.yaml"
    file.write_text('positions:\n  /var/log/app.log: "18234"\n  cursor-journal: "s=1;i=2"\n')
    positions = Positions.load(file)
    assert positions.start_of("/var/log/app.log") == Cursor(18234, None)
    assert positions.start_of("cursor-journal") is None


def test_keeps_cursors_of_other_targets(tmp_path: Path) -> None:
    file = tmp_path / "positions.yaml"
    file.write_text('positions:\n  cursor-journal: "s=1;i=2"\n')
    positions = Positions.load(file)
    positions.commit(str(file), "job", Cursor(5, None))
    positions.write(positions.render())
    assert yaml.safe_load(file.read_text()) == {"positions": {"cursor-journal": "s=1;i=2", str(file): "5"}}


def test_a_cursor_survives_with_its_identity(tmp_path: Path) -> None:
    file = tmp_path / "positions.yaml"
    positions = Positions.load(file)
    positions.commit(str(tmp_path), "job", Cursor(12, HERE))
    positions.write(positions.render())
    assert Positions.load(file).start_of(str(tmp_path)) == Cursor(12, HERE)
    assert (file.stat().st_mode & 0o777) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["positions.yaml"]


def test_an_identity_is_not_believed_after_promtail_moved_the_offset(tmp_path: Path) -> None:
    file = tmp_path / "positions.yaml"
    positions = Positions.load(file)
    positions.commit(str(tmp_path), "job", Cursor(12, HERE))
    file.write_text(positions.render().replace("'12'", "'99'"))
    assert Positions.load(file).start_of(str(tmp_path)) == Cursor(99, None)


def test_the_slowest_of_two_owners_decides(tmp_path: Path) -> None:
    positions = Positions.load(tmp_path / "none.yaml")
    positions.commit("/a", "one", Cursor(12, HERE))
    positions.commit("/a", "two", Cursor(3, HERE))
    assert positions.start_of("/a") == Cursor(3, HERE)
    positions.forget("/a", "two")
    assert positions.start_of("/a") == Cursor(12, HERE)
    positions.forget("/a", "one")
    assert positions.start_of("/a") is None


def test_paths_that_are_gone_are_left_out(tmp_path: Path) -> None:
    file = tmp_path / "positions.yaml"
    file.write_text(f'positions:\n  {tmp_path}/gone.log: "1"\n  {file}: "2"\n')
    assert yaml.safe_load(Positions.load(file).render()) == {"positions": {str(file): "2"}}


@pytest.mark.parametrize(
    "text", ["positions: [1]", "positions: {/a: x}", "other: {}", "positions: {/a: '-1'}", "{", "positions: {/a: [1]}"]
)
def test_a_damaged_file_is_refused_unless_told_otherwise(tmp_path: Path, text: str) -> None:
    file = tmp_path / "positions.yaml"
    file.write_text(text)
    with pytest.raises(InvalidRequest, match="invalid yaml positions file"):
        Positions.load(file)
    assert Positions.load(file, ignore_invalid=True).saved() == {}
