"""Fields are those that the twin finds, whatever the lines hold."""

from __future__ import annotations

import asyncio
import json

from hypothesis import given
from hypothesis import strategies as st

from lodur.model.clock import ManualClock
from lodur.model.limits import QueryLimits
from lodur.model.tenant import TenantId
from lodur.query.answers import Field
from lodur.query.engine import Engine
from lodur.query.options import QuerierOptions
from lodur.query.requests import FieldsRequest, RangeRequest
from tests.memory_store import MemoryStore
from tests.oracles.fields import detect

T0_NS = 1_700_000_000 * 10**9
TENANT = TenantId("t")

keys = st.sampled_from(["a", "b", "app", "a_b", "b-c", "9", "status"])
words = st.sampled_from(
    ["0", "1", "-7", "2.5", "1e3", "true", "false", "5ms", "1h2m", "10KB", "3MiB", "4839", "x", "GET"]
)
scalars = words | st.integers(-5, 5) | st.booleans() | st.none() | st.sampled_from(["", "two words", 'a "quote"', "é"])
objects = st.recursive(
    st.dictionaries(keys, scalars, max_size=4),
    lambda inner: st.dictionaries(keys, scalars | inner | st.lists(scalars, max_size=2), max_size=3),
    max_leaves=4,
)
json_lines = objects.map(lambda value: json.dumps(value, ensure_ascii=False))
logfmt_lines = st.lists(st.tuples(keys, words), max_size=4).map(
    lambda pairs: " ".join(f"{key}={value}" for key, value in pairs)
)
lines = st.lists(json_lines | logfmt_lines | st.sampled_from(["", "plain text", "{", "[1]", '{"a":']), max_size=8)


def fields_of(lines: list[str], name: str = "") -> tuple[list[Field], list[str]]:
    store = MemoryStore()
    store.add_head("t", {"app=x": [(T0_NS + k, line) for k, line in enumerate(lines)]})
    engine = Engine(store, QuerierOptions(threads=1), ManualClock(T0_NS), lambda _: QueryLimits())
    entries = RangeRequest('{app="x"}', T0_NS, T0_NS + 1000, 10**9, limit=100, backward=False)

    async def ask() -> tuple[list[Field], list[str]]:
        request = FieldsRequest(entries, 1000)
        return await engine.fields([TENANT], request), await engine.field_values([TENANT], name, request)

    try:
        return asyncio.run(ask())
    finally:
        engine.close()


@given(lines)
def test_fields_are_the_twins(lines: list[str]) -> None:
    twin = detect(list(dict.fromkeys(lines)), {"app"})
    fields, values = fields_of(lines, "a")
    told = {field.name: (field.kind, field.cardinality, field.parsers, field.json_path) for field in fields}
    assert told == {
        name: (
            field.kind(),
            len(set(field.values)),
            tuple(field.parsers),
            None if field.path is None else tuple(field.path),
        )
        for name, field in twin.items()
    }
    assert values == (list(dict.fromkeys(twin["a"].values)) if "a" in twin else [])
