"""One case: a query with its times, put to all engines and to the twin. Start at `run_cases`."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

from lodur.logql.operators import VectorOp
from lodur.logql.parser import parse_query
from lodur.logql.tree import BinaryOperation, LabelReplace, LogQuery, Query, Variants, VectorAggregation
from lodur.model.errors import InvalidRequest
from lodur.query.answers import InstantAnswer, RangeAnswer
from lodur.query.engine import Engine
from lodur.query.evaluate.matching import MatchingConflict
from lodur.query.requests import InstantRequest, RangeRequest
from tests.differential.answers import (
    Failure,
    compare_logs,
    compare_vectors,
    difference,
    is_sorted_by_value,
    order_of,
    series_of,
    streams_of,
)
from tests.differential.layouts import TENANT, make_engines
from tests.oracles.logql.generate_entries import BASE_NS, generate_entries
from tests.oracles.logql.generate_queries import QueryGenerator
from tests.oracles.logql.row import Entry
from tests.oracles.logql.twin import FoundEntry, LogqlTwin
from tests.oracles.logql.vectors import MatchingError
from tests.oracles.logql.windows import Ambiguous, PipelineError, Vector

QUERIES_PER_DATA_SET = 40
_S = 10**9


@dataclass(frozen=True, slots=True)
class Case:
    """A query and when and how it is asked; without a step at the time `end_ns` alone."""

    text: str
    start_ns: int
    end_ns: int
    step_ns: int = 0
    limit: int = 100
    backward: bool = True
    categorize: bool = False

    def times_ns(self) -> list[int]:
        if not self.step_ns:
            return [self.end_ns]
        first, last = self.start_ns // self.step_ns, -(-self.end_ns // self.step_ns)
        return [at * self.step_ns for at in range(first, last + 1)]


@dataclass(slots=True)
class Tally:
    """What became of the cases."""

    cases: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    """Answers with content, empty ones, errors, and those that the language leaves open."""


@dataclass
class Difference(Exception):
    """An engine that does not answer as the twin."""

    case: Case
    layout: str
    text: str
    entries: Sequence[Entry]

    def __str__(self) -> str:
        shown = "\n".join(f"  {entry!r}" for entry in self.entries)
        return f"{self.layout}: {self.case}\n{self.text}\nentries:\n{shown}"


def draw_case(random: Random) -> Case:
    """A query and times around those of the entries."""
    generator = QueryGenerator(random)
    start_ns = BASE_NS + random.choice((0, 0, 0, -5, 7, 30)) * _S
    end_ns = start_ns + random.choice((20, 64, 64, 64, 90)) * _S + random.choice((0, 0, 1))
    if random.random() < 0.35:
        return Case(
            generator.log_query(),
            start_ns,
            end_ns,
            step_ns=_S,
            limit=random.choice((1, 5, 30, 1000, 1000)),
            backward=random.random() < 0.5,
            categorize=random.random() < 0.3,
        )
    step_ns = random.choice((0, 0, 8, 16, 20, 32)) * _S
    return Case(generator.metric_query(), start_ns, end_ns, step_ns)


def run_cases(cases: int, seed: int, progress: Callable[[Tally], None] = lambda _: None) -> Tally:
    """Draw and judge cases; raises Difference for the first that differs, made small."""
    return asyncio.run(_run_cases(cases, seed, progress))


async def _run_cases(cases: int, seed: int, progress: Callable[[Tally], None]) -> Tally:
    tally = Tally()
    number = 0
    while tally.cases < cases:
        random = Random(f"{seed}/{number}")
        number += 1
        entries = generate_entries(random)
        with _DataSet(entries) as data:
            for _ in range(min(QUERIES_PER_DATA_SET, cases - tally.cases)):
                case = draw_case(random)
                try:
                    tally.kinds[await data.judge(case)] += 1
                except Difference as found:
                    raise await shrink(found) from None
                tally.cases += 1
        progress(tally)
    return tally


class _DataSet:
    """Entries, their twin, and the engines over them."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries = entries
        self._twin = LogqlTwin(entries)

    def __enter__(self) -> _DataSet:
        self._directory = Path(tempfile.mkdtemp(prefix="differential"))
        self._engines = make_engines(self._entries, self._directory)
        return self

    def __exit__(self, *_: object) -> None:
        for engine in self._engines.values():
            engine.close()
        shutil.rmtree(self._directory)

    async def judge(self, case: Case) -> str:
        """The kind of the answer; raises Difference."""
        query = parse_query(case.text)
        try:
            wanted = self._wanted(query, case)
        except Ambiguous:
            wanted = None
        texts = await asyncio.gather(*(_judge(engine, query, case, wanted) for engine in self._engines.values()))
        for layout, text in zip(self._engines, texts, strict=True):
            if text is not None:
                raise Difference(case, layout, text, self._entries)
        return _kind(wanted)

    def _wanted(self, query: Query, case: Case) -> Wanted:
        if isinstance(query, LogQuery):
            return self._twin.logs(query, case.start_ns, case.end_ns)
        assert not isinstance(query, Variants)
        try:
            return self._twin.metric(query, case.times_ns())
        except PipelineError:
            return Failure("pipeline")
        except MatchingError:
            return Failure("matching")


Wanted = list[FoundEntry] | list[Vector] | Failure


def _kind(wanted: Wanted | None) -> str:
    if wanted is None:
        return "open"
    if isinstance(wanted, Failure):
        return f"{wanted.kind} error"
    return "found" if any(wanted) else "empty"


async def _judge(engine: Engine, query: Query, case: Case, wanted: Wanted | None) -> str | None:
    """What is wrong with an engine's answer."""
    try:
        return await _compare(engine, query, case, wanted)
    except Exception as error:  # noqa: BLE001 - whatever is raised beyond the engine's errors is a difference
        return f"raised {error!r}"


async def _compare(engine: Engine, query: Query, case: Case, wanted: Wanted | None) -> str | None:
    try:
        answer = await _ask(engine, query, case)
    except MatchingConflict:
        return None if wanted is None else difference(Failure("matching"), wanted)
    except InvalidRequest as error:
        kind = Failure("pipeline" if str(error).startswith("pipeline error") else str(error))
        # Which of two errors comes first is open.
        return None if wanted in (None, Failure("matching")) else difference(kind, wanted)
    if wanted is None:
        return None
    if isinstance(wanted, Failure):
        return f"answered, wanted {wanted}"
    if isinstance(query, LogQuery):
        assert not isinstance(answer, InstantAnswer)
        got = streams_of(answer, categorize=case.categorize)
        found = [one for one in wanted if isinstance(one, FoundEntry)]
        return compare_logs(got, found, limit=case.limit, backward=case.backward, categorize=case.categorize)
    vectors = [one for one in wanted if not isinstance(one, FoundEntry)]
    got_vectors = series_of(answer, len(vectors))
    return compare_vectors(got_vectors, vectors) or _compare_order(query, case, answer, got_vectors)


def _compare_order(query: Query, case: Case, answer: RangeAnswer | InstantAnswer, got: list[Vector]) -> str | None:
    if not case.step_ns and isinstance(query, VectorAggregation) and query.op in (VectorOp.SORT, VectorOp.SORT_DESC):
        in_order = is_sorted_by_value(got[0], descending=query.op is VectorOp.SORT_DESC)
        return None if in_order else f"not sorted by value: {got[0]}"
    if not case.step_ns and _sorts(query):
        return None
    return difference(order_of(answer), sorted(order_of(answer)))


def _sorts(query: Query) -> bool:
    match query:
        case VectorAggregation():
            return query.op in (VectorOp.SORT, VectorOp.SORT_DESC) or _sorts(query.operand)
        case LabelReplace():
            return _sorts(query.operand)
        case BinaryOperation():
            return _sorts(query.left) or _sorts(query.right)
        case _:
            return False


async def _ask(engine: Engine, query: Query, case: Case) -> RangeAnswer | InstantAnswer:
    if not case.step_ns:
        return await engine.instant((TENANT,), InstantRequest(case.text, case.end_ns))
    request = RangeRequest(case.text, case.start_ns, case.end_ns, case.step_ns, case.limit, case.backward)
    return await engine.range((TENANT,), request)


async def shrink(found: Difference) -> Difference:
    """The same kind of difference with fewer entries, as long as halves and then single ones can go."""
    size = len(found.entries) // 2
    while size:
        for smaller in _without_some(found, size):
            again = await _differs(smaller)
            if again is not None:
                found = again
                break
        else:
            size //= 2
    return found


def _without_some(found: Difference, size: int) -> Iterator[Difference]:
    for at in range(0, len(found.entries), size):
        yield replace(found, entries=[*found.entries[:at], *found.entries[at + size :]])


async def _differs(candidate: Difference) -> Difference | None:
    with _DataSet(candidate.entries) as data:
        try:
            await data.judge(candidate.case)
        except Difference as found:
            return found
    return None
