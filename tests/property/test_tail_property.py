"""Whatever happens to a log between two looks at it, each line comes out once."""

from __future__ import annotations

import itertools
import os
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from lodur.agent.positions import Cursor
from lodur.agent.sources.file.ledger import Ledger
from lodur.agent.sources.file.tail import ROTATION_GRACE_S, Tail
from lodur.model.clock import ManualClock

STEPS = st.lists(
    st.sampled_from(["write", "write a part", "read", "rotate", "truncate", "restart", "restart late", "wait"]),
    max_size=40,
)


class World:
    """A log that is written and rotated, and the tails of one target that follow its names."""

    def __init__(self, directory: Path) -> None:
        self.log = directory / "app.log"
        self.clock = ManualClock()
        self.ledger = Ledger({})
        self.saved: dict[str, Cursor] = {}
        self.tails: dict[str, Tail] = {}
        self.written: list[str] = []
        self.got: dict[str, bytes] = {}

    def write(self, end: str) -> None:
        """A line, or a part that the next write ends."""
        text = f"line-{len(self.written)}-{'x' * (len(self.written) * 7 % 90)}"
        if not self._is_inside_line():
            self.written.append(text)
        with self.log.open("a") as out:
            out.write(end if self._is_inside_line() else text + end)

    def _is_inside_line(self) -> bool:
        return self.log.exists() and self.log.stat().st_size > 0 and not self.log.read_bytes().endswith(b"\n")

    def read(self) -> None:
        """What the source does in a turn: new names, then each tail until it has nothing."""
        for path in sorted({*map(str, self.log.parent.iterdir()), *self.saved}):
            if path not in self.tails:
                start = self.saved.get(path)
                self.tails[path] = Tail(path, start=start, ledger=self.ledger, clock=self.clock, chunk_bytes=16)
        for path, tail in list(self.tails.items()):
            while (block := tail.poll()) is not None:
                self.got[path] = self.got.get(path, b"") + block.data + (b"\n" if block.is_final else b"")
                self.saved[path] = block.cursor
            if tail.is_finished():
                del self.tails[path]
                self.saved.pop(path, None)

    def restart(self) -> None:
        """The agent stops and another starts with the saved positions."""
        for tail in self.tails.values():
            tail.close()
        self.tails.clear()
        self.ledger = Ledger(self.saved)

    def rotate(self) -> None:
        """Rename, as logrotate does; the writer ends its line before."""
        self.end_line()
        names = [self.log, *(self.log.with_name(f"app.log.{number}") for number in range(1, 50))]
        for lower, upper in reversed(list(itertools.pairwise(names))):
            if lower.exists():
                lower.rename(upper)

    def end_line(self) -> None:
        """Write the newline that a part still lacks."""
        if self._is_inside_line():
            self.write("\n")

    def settle(self) -> None:
        for _ in range(60):
            self.read()
            self.clock.advance(ROTATION_GRACE_S + 0.1)

    def lines(self) -> list[str]:
        return [line for data in self.got.values() for line in data.decode().splitlines()]


@settings(max_examples=150)
@given(STEPS)
def test_each_line_comes_out_once(steps: list[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        world = World(Path(name))
        for step in steps:
            match step:
                case "write":
                    world.write("\n")
                case "write a part":
                    world.write("")
                case "read":
                    world.read()
                case "rotate":
                    world.rotate()
                case "truncate" if world.log.exists():
                    world.end_line()
                    world.settle()
                    os.truncate(world.log, 0)
                case "restart":
                    world.restart()
                case "restart late":
                    world.read()
                    world.restart()
                case _:
                    world.clock.advance(0.6)
        world.end_line()
        world.settle()
        assert sorted(world.lines()) == sorted(world.written)
        world.restart()
