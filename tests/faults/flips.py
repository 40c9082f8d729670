"""`python -m tests.faults.flips`: flip a bit of every byte of a segment and of a write-ahead log, one after the other.

Each must be told with file and offset, or leave every answer as it was. Start at `flipped_segment` and `flipped_log`.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random

import structlog

from lodur.kernels.segment import Segment
from lodur.model.clock import ManualClock
from lodur.model.errors import CorruptData
from lodur.model.limits import QueryLimits
from lodur.model.tenant import TenantId
from lodur.query.answers import StreamsAnswer, VectorAnswer
from lodur.query.engine import Engine
from lodur.query.options import QuerierOptions
from lodur.query.requests import InstantRequest, RangeRequest
from lodur.query.sources import NoDamage, Source
from lodur.store.journal import Wal, WalOptions, WalProblem
from tests.memory_store import DAY_NS, segment_file

TENANT = TenantId("t")

T0_NS = 20_000 * DAY_NS

QUERIES = ('{env="prod"}', '{app="x1"} |= "line 1 7"', '{app=~".+"} | m="v3"', '{app="x0"} |~ "trace=[0-9a-f]{16}"')
"""Through the directory, the gram filter, metadata columns and lines."""

ROWS, STREAMS = 40, 3

Answers = tuple[object, ...]


class WrongAnswer(AssertionError):
    """Damage was not noticed."""


class OneFile(NoDamage):
    """A store of one segment, which is left out once it is found damaged."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.damage: CorruptData | None = None

    async def sources(self, tenant: TenantId, start_ns: int, end_ns: int) -> Sequence[Source]:
        if self.damage is not None:
            return []
        try:
            return [Segment.open_file(self.file)]
        except CorruptData as error:
            self.damage = error
            return []

    def set_damaged_aside(self, tenant: TenantId, error: CorruptData) -> bool:
        self.damage = error
        return True


def make_segment(file: Path) -> Path:
    """A small segment with every kind of page."""
    chance = Random(1)
    streams = {
        f"app=x{stream},env=prod": [
            (
                T0_NS + row * 10**9 + stream,
                f"line {stream} {row} level=info trace={chance.getrandbits(64):016x}",
                {"m": f"v{row}", f"k{row % 5}": "q"},
            )
            for row in range(ROWS)
        ]
        for stream in range(STREAMS)
    }
    return segment_file(file, streams)


def answers(store: OneFile) -> Answers:
    """What queries find in a store."""
    limits = QueryLimits(entries_max=0, length_max_ns=0)
    engine = Engine(store, QuerierOptions(threads=1), ManualClock(T0_NS), lambda _: limits, damage=store)
    try:
        return asyncio.run(_asked(engine))
    finally:
        engine.close()


async def _asked(engine: Engine) -> Answers:
    found: list[object] = []
    for text in QUERIES:
        request = RangeRequest(text=text, start_ns=T0_NS, end_ns=T0_NS + DAY_NS, step_ns=10**9, limit=10_000)
        entries = await engine.range((TENANT,), request)
        assert isinstance(entries, StreamsAnswer)
        found.append(bytes(entries.result.streams_json(categorize=True)))
    text = 'sum by (app) (count_over_time({env="prod"}[1d]))'
    counted = await engine.instant((TENANT,), InstantRequest(text=text, time_ns=T0_NS + DAY_NS))
    assert isinstance(counted, VectorAnswer)
    found.append(counted.matrix.values.tolist())
    return tuple(found)


def flipped_segment(whole: Path, place: int, wanted: Answers) -> str:
    """Flip a bit: `told`, or `same` answers as before. Raises WrongAnswer."""
    damaged = bytearray(whole.read_bytes())
    damaged[place // 8] ^= 1 << place % 8
    file = whole.with_name("damaged.parquet")
    file.write_bytes(bytes(damaged))
    store = OneFile(file)
    found = answers(store)
    if store.damage is None:
        if found != wanted:
            raise WrongAnswer(f"bit {place} of a segment changes an answer unnoticed")
        return "same"
    if store.damage.path != str(file) or store.damage.offset is None or str(file) not in str(store.damage):
        raise WrongAnswer(f"bit {place} of a segment: '{store.damage}' does not name file and offset")
    return "told"


RECORDS = 12


def make_log(directory: Path) -> dict[int, bytes]:
    """A log of some files; its records by number."""
    wal = Wal.open(WalOptions(path=directory, max_file_bytes=600))
    records: dict[int, bytes] = {}
    for number in range(RECORDS):
        payload = f"record {number} ".encode() * (number + 1)
        records[wal.append("t", 0, number, payload)] = payload
    wal.close()
    return records


def flipped_log(whole: Path, file: Path, place: int, records: dict[int, bytes]) -> str:
    """Flip a bit of a file: `told`, at most one record being lost, or all are the `same`. Raises WrongAnswer."""
    with tempfile.TemporaryDirectory(dir=whole.parent) as place_of_copy:
        copy = Path(place_of_copy)
        for each in whole.iterdir():
            (copy / each.name).write_bytes(each.read_bytes())
        damaged = bytearray((copy / file.name).read_bytes())
        damaged[place // 8] ^= 1 << place % 8
        (copy / file.name).write_bytes(bytes(damaged))
        wal = Wal.open(WalOptions(path=copy))
        found = {record.seq: record.payload for batch in wal.replay() for record in batch}
        problems = wal.problems()
        wal.close()
    return _judged_log(f"bit {place} of {file.name}", records, found, problems, copy / file.name)


def _judged_log(
    what: str, records: dict[int, bytes], found: dict[int, bytes], problems: Sequence[WalProblem], file: Path
) -> str:
    if any(found[seq] != records.get(seq) for seq in found):
        raise WrongAnswer(f"{what}: a record is given back changed")
    lost = records.keys() - found.keys()
    if len(lost) > 1:
        raise WrongAnswer(f"{what}: {len(lost)} records are lost")
    if lost and all(problem.file != file for problem in problems):
        raise WrongAnswer(f"{what}: a record is lost and nothing is told of the file")
    return "told" if problems else "same"


def main() -> int:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    told: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        whole = make_segment(directory / "whole.parquet")
        wanted = answers(OneFile(whole))
        size = whole.stat().st_size
        for at in range(size):
            told["segment " + flipped_segment(whole, 8 * at + at % 8, wanted)] += 1
            if at % 1000 == 0:
                print(f"{at} of {size} bytes of a segment: {dict(told)}", flush=True)
        log = directory / "log"
        records = make_log(log)
        for file in sorted(log.glob("*.wal")):
            for place in range(8 * file.stat().st_size):
                told["log " + flipped_log(log, file, place, records)] += 1
    print(f"done: {dict(told)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
