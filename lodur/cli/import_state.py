"""How far an import has come, kept in a file so that an interrupted one goes on where it was."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from lodur.model.errors import InvalidRequest


class FileState(msgspec.Struct):
    """Of one file: up to which line or row all is settled, and how large it was."""

    place: int
    size_bytes: int


class _State(msgspec.Struct):
    version: int = 1
    files: dict[str, FileState] = {}


class ImportState:
    """The state of an import; without a path it is forgotten."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._state = _State()
        if path is not None and path.exists():
            try:
                self._state = msgspec.json.decode(path.read_bytes(), type=_State)
            except (OSError, msgspec.DecodeError) as error:
                raise InvalidRequest(f"{path} is not the state of an import: {error}") from error

    def settled(self, name: str) -> int:
        """The last line or row of a file that is settled; 0 for a new file, and for one that was replaced."""
        known = self._state.files.get(_key(name))
        return known.place if known is not None and known.size_bytes <= _size(name) else 0

    def settle(self, name: str, place: int) -> None:
        """All up to this line or row is settled."""
        if self._path is None or name == "-":
            return
        self._state.files[_key(name)] = FileState(place, _size(name))
        unfinished = self._path.with_name(f"{self._path.name}.tmp")
        try:
            unfinished.write_bytes(msgspec.json.encode(self._state))
            os.replace(unfinished, self._path)
        except OSError as error:
            raise InvalidRequest(f"{self._path} cannot be written: {error.strerror or error}") from error


def _key(name: str) -> str:
    return str(Path(name).absolute())


def _size(name: str) -> int:
    return Path(name).stat().st_size if name != "-" else 0
