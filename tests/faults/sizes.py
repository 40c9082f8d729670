"""How large the entries of a history are, and what counts as large there. Start at `sizes_of`.

In most histories a push has some short lines, and merges go row by row. In the others the first line of each stream in
a push is so long that merges may copy blocks: the least run of a stream for that is the product's own, a quarter of a
block. The other bounds grow along, so that the same decisions are made.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from random import Random

from lodur.model.limits import MIB
from lodur.store.options import FlushOptions

LARGE = 0.2
"""Of the histories have long lines: they take three times as long as others."""

LONG_LINE_BYTES = MIB + 1024
"""As a run of one row alone must be for its block to be copied."""

FILLER = "e"

_LONG = re.compile(f"{FILLER}{{100,}}")


@dataclass(frozen=True, slots=True)
class Sizes:
    """Raw bytes of lines, but for `flushes`."""

    line_bytes: int
    """Of the first line of each stream in a push, at least."""
    target_bytes: int
    """Of merged segments."""
    flushes: FlushOptions

    @property
    def is_large(self) -> bool:
        return self.line_bytes > 0


SMALL = Sizes(line_bytes=0, target_bytes=1500, flushes=FlushOptions())
"""Targets of some ten rows, so that all rules of the policy have their turn."""


def sizes_of(seed: int) -> Sizes:
    """Those of one history."""
    chance = Random(f"{seed} rows")
    if chance.random() >= LARGE:
        return SMALL
    # All flushes are compressed for good, or those of several streams or pushes.
    for_good_bytes_min = chance.choice([1, 2 * LONG_LINE_BYTES])
    level = chance.choice([0, 6, 6])
    flushes = FlushOptions(cold_zstd_level=level, for_good_bytes_min=for_good_bytes_min, for_good_run_rows_min=1)
    return Sizes(LONG_LINE_BYTES, chance.choice([6, 12, 24]) * LONG_LINE_BYTES, flushes)


def shortened(text: str) -> str:
    """A message that may have long lines, for people."""
    return _LONG.sub(FILLER + "..", text)
