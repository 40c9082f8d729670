"""The progress bar of `lodur push` and `lodur import`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol

from lodur.cli.push_delivery import Tally


class ReadFile(Protocol):
    """A file that is being read."""

    @property
    def name(self) -> str: ...

    def read_bytes(self) -> int: ...


class Progress(Protocol):
    """Is told how far reading and delivery have come."""

    def read(self, source: ReadFile) -> None: ...

    def delivered(self, tally: Tally) -> None: ...


class TerminalProgress:
    """A bar over the bytes of all files, with the speed and the number of lines that the server has taken."""

    def __init__(self, files: Sequence[str]) -> None:
        # Imported here: drawing needs more modules than all else that the command does.
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
        from rich.progress import Progress as Bar

        sizes = [Path(name).stat().st_size if name != "-" and Path(name).is_file() else None for name in files]
        known = [size for size in sizes if size is not None]
        self._total = sum(known) if len(known) == len(sizes) else None
        self._finished_bytes = 0
        self._current: ReadFile | None = None
        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TextColumn("{task.fields[lines]:,} lines"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._bar.add_task("reading", total=self._total, lines=0)

    def __enter__(self) -> TerminalProgress:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def read(self, source: ReadFile) -> None:
        """Show how much of the files was read."""
        if source is not self._current:
            self._finished_bytes += self._size(self._current)
            self._current = source
        done = self._finished_bytes + source.read_bytes()
        self._bar.update(self._task, description=Path(source.name).name, completed=done)

    def delivered(self, tally: Tally) -> None:
        """Show how many lines the server has taken; without known sizes, their bytes are the progress."""
        if self._total is None:
            self._bar.update(self._task, completed=tally.raw_bytes, lines=tally.lines)
        else:
            self._bar.update(self._task, lines=tally.lines)

    @staticmethod
    def _size(source: ReadFile | None) -> int:
        path = Path(source.name) if source is not None else None
        return path.stat().st_size if path is not None and path.is_file() else 0
