"""What a store must answer: every acknowledged entry once, of other pushes all entries or none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.compacting_node import Row
from tests.faults.deleted import Deleted
from tests.faults.violation import Violation


@dataclass(slots=True)
class Push:
    """One body; `name` is the process that it was sent to."""

    name: str
    rows: frozenset[Row]
    starts: int = 0
    """How often its process had been started when it was sent last."""
    is_atomic: bool = True
    """No other push has one of its rows, so that it can be told whether half of it is there."""
    is_acknowledged: bool = False
    is_flushed: bool = False
    """Every process must find it, once it has read the manifests anew."""
    may_be_lost: bool = False
    """Its record in the write-ahead log was damaged by a flipped bit."""


@dataclass(slots=True)
class Model:
    """All pushes of one tenant that were ever sent."""

    deleted: Deleted
    pushes: list[Push] = field(default_factory=list)
    may_count_twice: bool = False
    """Whether metric queries may count entries twice: see `docs/decisions/0006-faults.md`."""
    log_flips: int = 0
    """Bits that were flipped in write-ahead logs: each costs one record at most."""
    at_risk: dict[str, frozenset[Row]] = field(default_factory=dict)
    """The rows of segments in which a bit was flipped, by path."""

    def is_rebuilt(self) -> None:
        """A manifest was rebuilt, or will be: rows in two segments are counted twice until these are merged."""
        self.may_count_twice = self.deleted.is_forgetful = True

    def flushed(self, name: str) -> None:
        """All that a process had in memory is in segments."""
        self.deleted.flushed(name)
        for push in self.pushes:
            is_whole = push.is_acknowledged and not push.may_be_lost
            push.is_flushed = push.is_flushed or (push.name == name and is_whole)

    def log_damaged(self, name: str, flips: int) -> None:
        """A bit of the log of a process has changed; so many were flipped in all logs until now."""
        self.log_flips = flips
        for push in self.pushes:
            # One record is lost at most; which one it may be is not looked up.
            push.may_be_lost = push.may_be_lost or (push.name == name and not push.is_flushed)
        self.deleted.log_damaged(name)

    def check_each_once(self, found: list[Row]) -> None:
        """No entry is found twice, or was never sent. Raises Violation."""
        twice = [row for row, count in Counter(found).items() if count > 1]
        if twice:
            raise Violation(f"{len(twice)} entries twice: {twice[:3]}")
        unknown = set(found) - {row for push in self.pushes for row in push.rows}
        if unknown:
            raise Violation(f"{len(unknown)} entries that nobody sent: {sorted(unknown)[:3]}")

    def check_hidden(self, found: Iterable[Row], *, of: str) -> None:
        """No entry is shown that the process `of` must hide. Raises Violation."""
        shown = self.deleted.must_hide(of).intersection(found)
        if shown:
            raise Violation(f"{len(shown)} deleted entries are back: {sorted(shown)[:3]}")

    def check_all(
        self, found: list[Row], *, of: str, sees_others: bool, set_aside: Iterable[str], may_be_gone: frozenset[Row]
    ) -> int:
        """Compare what a query of the process `of` found with what it must find. Raises Violation.

        Gives how many records must have been lost by flipped bits.
        """
        rows = frozenset(found)
        excused = may_be_gone.union(*(self.at_risk.get(path, frozenset()) for path in set_aside))
        lost = 0
        lost_rows: frozenset[Row] = frozenset()
        for push in self.pushes:
            if push.name != of and not (push.is_flushed and sees_others):
                continue
            missing = push.rows - rows - excused
            if not missing:
                continue
            # A repetition has no record of its own for what was there.
            if push.may_be_lost and (missing <= lost_rows or lost < self.log_flips):
                lost += push.is_acknowledged and not missing <= lost_rows
                lost_rows |= missing
                continue
            if push.is_acknowledged:
                raise Violation(f"{len(missing)} of {len(push.rows)} acknowledged entries lost: {push}")
            if push.is_atomic and len(missing) != len(push.rows - excused):
                raise Violation(f"half of a push: {len(missing)} of {len(push.rows)} missing: {sorted(missing)[:3]}")
        return lost
