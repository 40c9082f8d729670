"""Random pushes to a real server, flushed and restarted at random: queries answer as a list in memory does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.servers.lodur import LodurServer
from tests.strategies import label_names
from tests.system.pushing import Client, config_text

BASE_NS = 1_700_000_000 * 10**9
"""At 22:13 UTC: pushes go to two days."""

SPAN_NS = 6 * 3600 * 10**9

CONFIG = config_text(flush_bytes="1MiB").replace(
    "limits_config:\n", "limits_config:\n  reject_old_samples: false\n  discover_service_name: []\n"
)

Labels = tuple[tuple[str, str], ...]
Row = tuple[Labels, int, str]

values = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=8)
label_sets = st.dictionaries(label_names.filter(lambda name: name != "twin"), values, max_size=3)
lines = st.sampled_from(["", "a", "needle here", "level=error x=1", '{"a": "b"}', "日本語 needle"]) | st.text(
    st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20
)
times = st.integers(0, 40).map(lambda at: BASE_NS + at * SPAN_NS // 40) | st.integers(BASE_NS, BASE_NS + SPAN_NS - 1)
pushes = st.lists(st.tuples(label_sets, st.lists(st.tuples(times, lines), max_size=6)), min_size=1, max_size=4)
needles = st.sampled_from(["", "needle", "=", "日本"])
steps = st.lists(pushes | st.sampled_from(["flush", "repeat"]), min_size=1, max_size=6)


@dataclass
class Twin:
    """What a server should hold: each (labels, time, line) once."""

    rows: set[Row] = field(default_factory=set)

    def push(self, body: list[tuple[dict[str, str], list[tuple[int, str]]]], twin: str) -> None:
        for labels, entries in body:
            key = tuple(sorted((labels | {"twin": twin}).items()))
            self.rows |= {(key, ts_ns, line) for ts_ns, line in entries}

    def found(self, needle: str, start_ns: int, end_ns: int) -> list[Row]:
        return sorted(row for row in self.rows if start_ns <= row[1] < end_ns and needle in row[2])


@dataclass
class Served:
    """The server under test, and how many examples it has seen: each has a label of its own."""

    server: LodurServer
    client: Client
    examples: int = 0

    def push(self, body: list[tuple[dict[str, str], list[tuple[int, str]]]], twin: str) -> None:
        streams = [
            {"stream": labels | {"twin": twin}, "values": [[str(ts_ns), line] for ts_ns, line in entries]}
            for labels, entries in body
        ]
        assert self.client.push(orjson.dumps({"streams": streams})) == 204

    def found(self, twin: str, needle: str, start_ns: int, end_ns: int) -> list[Row]:
        query = f'{{twin="{twin}"}} |= `{needle}` | drop detected_level'
        params = {"query": query, "start": str(start_ns), "end": str(end_ns), "limit": "5000"}
        body = self.client.get("/loki/api/v1/query_range", params)
        assert self.client.status == 200, body
        return sorted(
            (tuple(sorted(stream["stream"].items())), int(value[0]), value[1])
            for stream in orjson.loads(body)["data"]["result"]
            for value in stream["values"]
        )


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    directory: Path = tmp_path_factory.mktemp("twin")
    server = LodurServer(directory, config_text=CONFIG)
    server.start()
    client = Client(server.port)
    yield Served(server, client)
    client.close()
    server.kill()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=steps,
    needle=st.sampled_from(["", "needle", "=", "日本"]),
    spans=st.lists(st.tuples(times, times), max_size=3),
)
def test_a_server_answers_as_a_list_in_memory(
    served: Served, steps: list[object], needle: str, spans: list[tuple[int, int]]
) -> None:
    served.examples += 1
    name, twin = f"t{served.examples}", Twin()
    last: list[tuple[dict[str, str], list[tuple[int, str]]]] = []
    for step in steps:
        if step == "flush":
            served.client.request("POST", "/flush")
        elif step == "repeat" and last:
            served.push(last, name)
        elif isinstance(step, list):
            last = step
            served.push(step, name)
            twin.push(step, name)
    for start_ns, end_ns in [(BASE_NS, BASE_NS + SPAN_NS), *spans]:
        if start_ns < end_ns:
            assert served.found(name, needle, start_ns, end_ns) == twin.found(needle, start_ns, end_ns)
