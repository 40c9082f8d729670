"""Queries over lines of standard input: the server's own query engine in this process, over these lines and no others.

As with logcli, all lines are of one stream, whatever a query selects, and a query may begin with its first stage. The
time of the last line is that of reading it, and each other one lies a nanosecond before the next.
Start at `StdinClient`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from typing import BinaryIO

import httpx
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette

from lodur.api.loki_query import routes
from lodur.api.tenant import Tenancy
from lodur.cli.client import NO_HEADERS, Params
from lodur.logql.lexer import tokenize
from lodur.logql.tokens import TokenKind
from lodur.model.clock import ManualClock
from lodur.model.errors import InvalidRequest
from lodur.model.label_set import LabelSet
from lodur.model.limits import IngestLimits, QueryLimits
from lodur.query.engine import Engine
from lodur.query.options import QuerierOptions
from lodur.store.rows_in_memory import RowsInMemory
from lodur.telemetry.query_metrics import QueryMetrics
from lodur.wire.push_body import ContentEncoding, PushForm, PushFormat, decode, push_limits
from lodur.wire.push_lines import push_of_lines

STDIN_BYTES_MAX = 512 * 2**20
"""Of all lines: they lie in memory twice for a moment."""

SOURCE = LabelSet.of({"source": "stdin"})

_CHUNK_BYTES = 8 * 2**20
_BODY_MAX_BYTES = 2**30
_FORM = PushForm(PushFormat.LOKI_PROTOBUF, ContentEncoding.SNAPPY)
_INGEST = IngestLimits(
    reject_old_samples=False,
    active_streams_max=0,
    line_bytes_max=0,
    rate_bytes=0,
    service_name_sources=(),
    discover_levels=False,
)
_QUERY = QueryLimits(series_max=0, entries_max=0, length_max_ns=0)
_THREADS = QuerierOptions(threads=os.cpu_count() or 1)


class StdinClient:
    """Answers queries as a server would that has the lines of a file and nothing else."""

    url = "standard input"

    def __init__(self, lines: BinaryIO, *, now_ns: int) -> None:
        """Read all lines. Raises InvalidRequest for too many of them."""
        self._clock = ManualClock(now_ns)
        self._runner = asyncio.Runner()
        self._engine = Engine(_rows(lines, now_ns), _THREADS, self._clock, lambda _: _QUERY)
        served = routes(
            self._engine,
            Tenancy(auth_enabled=False),
            self._clock,
            QueryMetrics(CollectorRegistry()),
            body_max_bytes=_BODY_MAX_BYTES,
        )
        self._http = httpx.AsyncClient(transport=httpx.ASGITransport(Starlette(routes=served)), base_url="http://stdin")

    def get(
        self, path: str, params: Params = (), headers: Mapping[str, str] = NO_HEADERS, *, retries: int = 0
    ) -> bytes:
        """The body of the answer. Raises InvalidRequest for what a server would refuse."""
        asked = [(name, over_stdin(value) if name == "query" else value) for name, value in params]
        answer = self._runner.run(self._http.post(path, data=dict(asked), headers=dict(headers)))
        if answer.status_code != httpx.codes.OK:
            raise InvalidRequest(answer.text.strip())
        return answer.content

    def close(self) -> None:
        """End the threads."""
        self._runner.run(self._http.aclose())
        self._engine.close()
        self._runner.close()


def over_stdin(query: str) -> str:
    """The query with the stream of standard input in the place of all that it selects."""
    if query.lstrip().startswith(("|", "!")):
        return f"{SOURCE} {query}"
    text, opened = query, 0
    tokens = tokenize(query)
    for token in reversed(tokens):
        if token.kind is TokenKind.CLOSE_BRACE:
            opened = token.end
        elif token.kind is TokenKind.OPEN_BRACE and opened:
            text = f"{text[: token.start]}{SOURCE}{text[opened:]}"
            opened = 0
    return text


def _rows(lines: BinaryIO, now_ns: int) -> RowsInMemory:
    chunks = _chunks(lines)
    total = sum(chunk.count(b"\n") + (not chunk.endswith(b"\n")) for chunk in chunks)
    rows = RowsInMemory()
    limits = push_limits(_INGEST, decompressed_max_bytes=_BODY_MAX_BYTES, otlp_mapping=b"")
    at_ns = now_ns - total
    for chunk in chunks:
        push = push_of_lines(chunk, labels=SOURCE, ts_ns=at_ns, ts_step_ns=1, final=True)
        at_ns += push.lines
        if push.lines:
            rows.insert(decode(push.body, _FORM, limits, now_ns))
    return rows


def _chunks(lines: BinaryIO) -> Sequence[bytes]:
    """The input, cut behind ends of lines."""
    chunks: list[bytes] = []
    size, rest = 0, b""
    while chunk := lines.read(_CHUNK_BYTES):
        size += len(chunk)
        if size > STDIN_BYTES_MAX:
            raise InvalidRequest(f"more than {STDIN_BYTES_MAX >> 20} MiB on standard input; push them to a server")
        whole, newline, rest_of_chunk = chunk.rpartition(b"\n")
        if newline:
            chunks.append(rest + whole + newline)
            rest = rest_of_chunk
        else:
            rest += chunk
    return [*chunks, rest] if rest else chunks
