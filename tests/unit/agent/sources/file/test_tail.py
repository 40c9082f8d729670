"""Real files in a temporary directory, a clock that stands still until it is moved."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import pytest

from lodur.agent.positions import Cursor
from lodur.agent.sources.file.block import LINE_BYTES_MAX
from lodur.agent.sources.file.ledger import Ledger
from lodur.agent.sources.file.tail import ROTATION_GRACE_S, Tail
from lodur.model.clock import ManualClock


class Follower:
    """A tail, and all that came out of it."""

    def __init__(
        self, path: Path, *, start: Cursor | None = None, ledger: Ledger | None = None, clock: ManualClock | None = None
    ) -> None:
        self.clock = clock or ManualClock()
        self.ledger = ledger or Ledger({})
        self.tail = Tail(str(path), start=start, ledger=self.ledger, clock=self.clock, chunk_bytes=64)
        self.cursor: Cursor | None = None

    def read(self) -> bytes:
        """Poll until there is nothing, and give the bytes."""
        out = b""
        while (block := self.tail.poll()) is not None:
            out += block.data
            assert block.lines == block.data.count(b"\n") + (block.is_final and bool(block.data))
            self.cursor = block.cursor
        return out

    def read_over_grace(self) -> bytes:
        """Read, let the time pass for which a file without a name is still followed, and read on."""
        first = self.read()
        self.clock.advance(ROTATION_GRACE_S + 0.1)
        return first + self.read()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "app.log"


def append(path: Path, text: str) -> None:
    with path.open("a") as out:
        out.write(text)


def test_reads_from_the_start_and_then_what_is_new(log: Path) -> None:
    append(log, "one\ntwo\n")
    follower = Follower(log)
    assert follower.read() == b"one\ntwo\n"
    assert follower.read() == b""
    append(log, "three\n")
    assert follower.read() == b"three\n"


def test_a_line_waits_for_its_newline(log: Path) -> None:
    append(log, "one\ntw")
    follower = Follower(log)
    assert follower.read() == b"one\n"
    append(log, "o")
    assert follower.read() == b""
    append(log, "\n\n")
    assert follower.read() == b"two\n\n"


def test_lines_longer_than_a_chunk_come_whole(log: Path) -> None:
    text = "x" * 1000 + "\n" + "y\n"
    append(log, text)
    assert Follower(log).read() == text.encode()


def test_an_endless_line_is_cut_and_the_next_one_is_whole(log: Path) -> None:
    append(log, "x" * (LINE_BYTES_MAX + 5000) + "\nnext\n")
    assert Follower(log).read() == b"x" * LINE_BYTES_MAX + b"next\n"


def test_rotation_by_rename_reads_the_old_file_to_its_end_first(log: Path) -> None:
    append(log, "one\n")
    follower = Follower(log)
    assert follower.read() == b"one\n"
    append(log, "two\n")
    old = log.rename(log.with_suffix(".log.1"))
    append(log, "four\n")
    append(old, "three\n")
    assert follower.read() == b"two\nthree\n"
    append(old, "late without newline")
    assert follower.read_over_grace() == b"late without newlinefour\n"
    append(log, "five\n")
    assert follower.read() == b"five\n"


def test_truncation_reads_again_from_the_start(log: Path) -> None:
    append(log, "one\ntwo\n")
    follower = Follower(log)
    follower.read()
    os.truncate(log, 0)
    append(log, "new\n")
    assert follower.read() == b"new\n"


def test_truncation_is_seen_even_if_the_file_has_grown_past_the_old_place(log: Path) -> None:
    append(log, "one\ntwo\n")
    follower = Follower(log)
    follower.read()
    os.truncate(log, 0)
    append(log, "completely new lines\n" * 3)
    assert follower.read() == b"completely new lines\n" * 3


def test_deletion_ends_the_tail_after_the_last_line(log: Path) -> None:
    append(log, "one\n")
    follower = Follower(log)
    follower.read()
    append(log, "two\nend")
    log.unlink()
    assert follower.read_over_grace() == b"two\nend"
    assert follower.tail.is_finished()
    assert follower.tail.poll() is None


def test_goes_on_at_a_saved_position(log: Path) -> None:
    append(log, "one\ntwo\n")
    assert Follower(log, start=Cursor(4, None)).read() == b"two\n"


def test_a_position_beyond_the_end_means_from_the_start(log: Path) -> None:
    append(log, "one\n")
    assert Follower(log, start=Cursor(400, None)).read() == b"one\n"


def test_rotation_while_stopped_is_caught_up(log: Path) -> None:
    append(log, "one\ntwo\n")
    first = Follower(log)
    first.read()
    first.tail.close()
    append(log, "three\n")
    log.rename(log.with_suffix(".log.1"))
    append(log, "four, much longer than all that came before it\n")
    second = Follower(log, start=first.cursor)
    assert second.read_over_grace() == b"three\nfour, much longer than all that came before it\n"


def test_a_saved_position_is_not_used_for_another_file(log: Path) -> None:
    append(log, "one\ntwo\n")
    first = Follower(log)
    first.read()
    first.tail.close()
    log.unlink()
    append(log, "other\nand more\n")
    assert Follower(log, start=first.cursor).read() == b"other\nand more\n"


def test_a_renamed_file_is_not_read_twice_under_its_new_name(log: Path) -> None:
    append(log, "one\n")
    follower = Follower(log)
    follower.read()
    renamed = log.rename(log.with_suffix(".log.1"))
    append(log, "two\n")
    other = Follower(renamed, ledger=follower.ledger, clock=follower.clock)
    assert other.read() == b""
    assert follower.read_over_grace() == b"two\n"
    assert other.read() == b""
    append(renamed, "late\n")
    assert other.read() == b"late\n"


def test_a_file_with_two_names_is_read_under_both(log: Path) -> None:
    append(log, "one\n")
    link = log.with_name("link.log")
    link.symlink_to(log)
    follower = Follower(log)
    assert follower.read() == b"one\n"
    assert Follower(link, ledger=follower.ledger).read() == b"one\n"


def test_a_chain_of_rotations_gives_each_line_once(log: Path) -> None:
    names = [log, *(log.with_name(f"app.log.{number}") for number in (1, 2, 3))]
    clock, ledger = ManualClock(), Ledger({})
    followers: dict[Path, Follower] = {}
    got = b""
    expected = []
    for turn in range(4):
        for lower, upper in reversed(list(itertools.pairwise(names))):
            if lower.exists():
                lower.rename(upper)
        for number in range(3):
            append(log, f"{turn}.{number}\n")
            expected.append(f"{turn}.{number}")
        for _ in range(3):
            for name in names:
                if name.exists() and name not in followers:
                    followers[name] = Follower(name, ledger=ledger, clock=clock)
            for follower in followers.values():
                got += follower.read()
            clock.advance(ROTATION_GRACE_S + 0.1)
    assert sorted(got.decode().split()) == sorted(expected)
