"""Entries that were not there before, for the pushes of a history: no two of them are equal."""

from __future__ import annotations

from random import Random

from lodur.model.clock import ManualClock
from lodur.model.durations import NS_PER_HOUR, NS_PER_S
from lodur.store.days import NS_PER_DAY
from tests.compacting_node import Row
from tests.faults.sizes import FILLER, Sizes

LATE_H = (0, 0, 0, 1, 21, 30)
"""How late the entries of a push are, in hours."""

LARGE_LATE_H = (*[0] * 12, 1, 21, 30)
"""The same where entries are long: what can be copied is mostly later than all before."""

LARGE_APPS = ("x", "y", "z", "xy", "yz", "xyz")
"""Streams of a push of long lines: few, as each has one."""


class NewRows:
    """Makes the rows of one history."""

    def __init__(self, clock: ManualClock, sizes: Sizes) -> None:
        self._clock = clock
        self._sizes = sizes
        self._number = 0

    def any(self, chance: Random) -> list[Row]:
        """Those of a push as they mostly come."""
        if self._sizes.is_large:
            return self.large(chance, chance.choice(LARGE_APPS), chance.choice(LARGE_LATE_H))
        late_h = chance.choice(LATE_H)
        return [self._row(chance, "xyz", late_h, before=0.1) for _ in range(chance.randint(1, 8))]

    def large(self, chance: Random, apps: str, late_h: int = 0) -> list[Row]:
        """Those of a push into these streams; the first of each is long."""
        if chance.random() < 0.8:
            # None shares its timestamp with one of the last push.
            self._number += 2 - self._number % 3
        rows: list[Row] = []
        for _ in range(chance.randint(1, 8)):
            app, ts_ns, line = self._row(chance, apps, late_h, before=0.02)
            fill = FILLER * (0 if any(row[0] == app for row in rows) else self._sizes.line_bytes)
            rows.append((app, ts_ns, line.replace("line", f"line{fill}", 1)))
        return rows

    def _row(self, chance: Random, apps: str, late_h: int, *, before: float) -> Row:
        """The next one. Several share a timestamp; the part `before` of them lies a day earlier."""
        self._number += 1
        ts_ns = self._clock.now_ns() - late_h * NS_PER_HOUR + self._number // 3 * NS_PER_S
        if chance.random() < before:
            ts_ns -= NS_PER_DAY
        return chance.choice(apps), ts_ns, f"line n={self._number} pad=" + "x" * (self._number % 40)
