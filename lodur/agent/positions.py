"""How far each file has been delivered, kept in Promtail's positions file.

The file maps a path to a quoted offset, as Promtail writes it (bytes, or lines of a compressed file), and can be passed
from one to the other in both directions. Beside each path stands the identity of the file that the offset belongs to,
under a `cursor-` key, which Promtail keeps and does not read: so a file that was rotated while nobody looked is
found again. An identity whose offset is not the path's is out of date (Promtail ran in between) and is not used.
Start at `Positions.load`.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path

import yaml

from lodur.model.errors import InvalidRequest

IDENTITY_PREFIX = "cursor-lodur-file:"
"""Keys that start with `cursor-` are not taken for paths by Promtail, and are kept."""

POSITIONS_BYTES_MAX = 64 * 2**20
"""A positions file larger than this is not one: some hundred bytes a file, a hundred thousand files."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Which file on disk: inode numbers are used again, so the first bytes must be the same as well.

    The device is left out: its number may change when the machine, or a container, starts anew.
    """

    inode: int
    head_bytes: int
    """How many of the file's first bytes `head_crc` covers; 0 says nothing about content."""
    head_crc: int


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in a file: a byte offset, or a number of lines in a compressed one."""

    offset: int
    identity: Identity | None
    """None when only a path and an offset are known, as in a file that Promtail wrote."""


class Positions:
    """Delivered cursors by path. Several readers may own one path; the file keeps the least of them."""

    def __init__(
        self, path: Path, saved: dict[str, Cursor] | None = None, foreign: dict[str, str] | None = None
    ) -> None:
        self._path = path
        self._saved = saved or {}
        self._foreign = foreign or {}
        self._live: dict[str, dict[Hashable, Cursor]] = {}
        self._changed = False

    @staticmethod
    def load(path: Path, *, ignore_invalid: bool = False) -> Positions:
        """Read the file; a missing one is empty. Raises InvalidRequest for a damaged one unless `ignore_invalid`."""
        try:
            if path.stat().st_size > POSITIONS_BYTES_MAX:
                raise InvalidRequest(f"positions file {path} is larger than {POSITIONS_BYTES_MAX} bytes")
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return Positions(path)
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidRequest(f"positions file {path} cannot be read: {error}") from error
        try:
            saved, foreign = _parse(text)
        except (yaml.YAMLError, ValueError) as error:
            if ignore_invalid:
                return Positions(path)
            raise InvalidRequest(f"invalid yaml positions file [{path}]: {error}") from error
        return Positions(path, saved, foreign)

    def saved(self) -> dict[str, Cursor]:
        """The cursors that were in the file at start, and those of readers that have gone since."""
        return dict(self._saved)

    def start_of(self, path: str) -> Cursor | None:
        """Where reading of `path` goes on."""
        return self._least(path) or self._saved.get(path)

    def commit(self, path: str, owner: Hashable, cursor: Cursor) -> None:
        """Everything before `cursor` is delivered."""
        self._live.setdefault(path, {})[owner] = cursor
        self._changed = True

    def forget(self, path: str, owner: Hashable) -> None:
        """The file is gone and all of it delivered."""
        owners = self._live.get(path, {})
        owners.pop(owner, None)
        if not owners:
            self._live.pop(path, None)
            self._saved.pop(path, None)
        self._changed = True

    def needs_save(self) -> bool:
        """Something has moved since the last `render`."""
        return self._changed

    def mark_unsaved(self) -> None:
        """What was rendered did not reach the disk."""
        self._changed = True

    def render(self) -> str:
        """The file's text. Paths that nobody reads are left out once they do not exist."""
        self._changed = False
        entries = dict(self._foreign)
        for path in sorted(self._saved.keys() | self._live.keys()):
            cursor = self._least(path)
            if cursor is None and not os.path.lexists(path):
                continue
            cursor = cursor or self._saved[path]
            entries[path] = str(cursor.offset)
            if cursor.identity is not None:
                entries[IDENTITY_PREFIX + path] = _print_identity(cursor)
        return yaml.safe_dump({"positions": entries}, allow_unicode=True, width=2**31, sort_keys=False)

    def write(self, text: str) -> None:
        """Replace the file in one step, on disk when this returns. Blocks; call it away from the event loop."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=self._path.name + ".", dir=self._path.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as out:
                out.write(text)
                out.flush()
                os.fsync(out.fileno())
            os.replace(temporary, self._path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        directory = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def _least(self, path: str) -> Cursor | None:
        owners = self._live.get(path)
        return min(owners.values(), key=lambda cursor: cursor.offset) if owners else None


def _parse(text: str) -> tuple[dict[str, Cursor], dict[str, str]]:
    document = yaml.safe_load(text)
    if document is None:
        return {}, {}
    if not isinstance(document, dict) or set(document) - {"positions"}:
        raise ValueError("one key `positions` is expected")
    entries = document.get("positions") or {}
    if not isinstance(entries, dict) or not all(isinstance(key, str) for key in entries):
        raise ValueError("`positions` maps a path to a quoted number")
    saved: dict[str, Cursor] = {}
    foreign: dict[str, str] = {}
    for key, value in entries.items():
        if key.startswith(IDENTITY_PREFIX):
            continue
        if key.startswith(("cursor-", "journal-")):
            foreign[key] = str(value)
            continue
        offset = _offset(key, value)
        saved[key] = Cursor(offset, _parse_identity(str(entries.get(IDENTITY_PREFIX + key, "")), offset))
    return saved, foreign


def _offset(path: str, value: object) -> int:
    text = str(value)
    if not text.isascii() or not text.isdigit() or len(text) > 19:
        raise ValueError(f"position {text!r} of {path} is not a number of bytes or lines")
    return int(text)


def _print_identity(cursor: Cursor) -> str:
    identity = cursor.identity
    assert identity is not None
    return f"{cursor.offset}:{identity.inode}:{identity.head_bytes}:{identity.head_crc:08x}"


def _parse_identity(text: str, offset: int) -> Identity | None:
    parts = text.split(":")
    if len(parts) != 4 or parts[0] != str(offset):
        return None
    try:
        return Identity(int(parts[1]), int(parts[2]), int(parts[3], 16))
    except ValueError:
        return None
