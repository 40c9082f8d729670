"""What patterns promise: every line that one counts passes it as a line filter."""

from __future__ import annotations

import asyncio
import json

from hypothesis import given
from hypothesis import strategies as st

from lodur.logql.parser import parse_selector
from lodur.model.clock import ManualClock
from lodur.model.go_strings import quote
from lodur.model.limits import QueryLimits
from lodur.model.tenant import TenantId
from lodur.model.time_span import TimeSpan
from lodur.query.answers import StreamsAnswer
from lodur.query.engine import Engine
from lodur.query.options import QuerierOptions
from lodur.query.requests import RangeRequest
from tests.memory_store import MemoryStore

STEP_NS = 10 * 10**9
FIRST_STEP = 170_000_000
TENANT = TenantId("t")

numbers = st.integers(0, 999)
templates = st.one_of(
    st.builds("user {} logged in from {}".format, numbers, st.sampled_from(["north", "south"])),
    st.builds('level=info msg="took {}ms" path=/a/{}'.format, numbers, numbers),
    st.builds(
        lambda n, word: json.dumps({"n": n, "msg": f"job {n} is {word}"}), numbers, st.sampled_from(["on", "off"])
    ),
    st.builds("<{}> tag {}".format, st.sampled_from(["_", "name", "1"]), numbers),
)
lines = st.lists(templates | st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20), max_size=25)


@given(lines)
def test_lines_pass_the_pattern_that_counts_them(lines: list[str]) -> None:
    store = MemoryStore()
    at = {FIRST_STEP + k: line for k, line in enumerate(lines)}
    store.add_head("t", {"app=x": [(step * STEP_NS, line) for step, line in at.items()]})
    engine = Engine(store, QuerierOptions(threads=1), ManualClock(0), lambda _: QueryLimits(length_max_ns=0))
    span = TimeSpan(0, 2**61)

    async def check() -> None:
        patterns = await engine.patterns(TENANT, parse_selector('{app="x"}'), span, STEP_NS)
        counted = [step for pattern in patterns for step, count in pattern.samples for _ in range(count)]
        assert len(counted) == len(set(counted))
        for pattern in patterns:
            assert sum(count for _, count in pattern.samples) > 1
            query = f'{{app="x"}} |> {quote(pattern.text)}'
            answer = await engine.range([TENANT], RangeRequest(query, 0, 2**61, STEP_NS, limit=1000))
            assert isinstance(answer, StreamsAnswer)
            streams = json.loads(answer.result.streams_json(categorize=False))
            passed = {int(ts_ns) // STEP_NS for stream in streams for ts_ns, _ in stream["values"]}
            assert {step for step, _ in pattern.samples} <= passed

    try:
        asyncio.run(check())
    finally:
        engine.close()
