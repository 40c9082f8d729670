"""What becomes known of a request while it is served: for its line in the log, and for its trace.

Who serves it writes down what it learns, without knowing who reads it. Start at `request_facts`.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

ID_BYTES = 8
"""Of an identity that is made here: no two requests of a day have the same."""

ID_CHARS_MAX = 128
"""Of one that a client has given: it stands in every line of the log."""


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of the work, by the clock."""

    name: str
    start_ns: int
    end_ns: int


@dataclass(slots=True)
class RequestFacts:
    """One request. Counts are sums over all queries that it made necessary."""

    id: str
    tenant: str = ""
    query: str = ""
    query_tags: str = ""
    """What the client says of its query: where it comes from, and the like."""
    lines: int = 0
    """Lines that were looked at."""
    read_bytes: int = 0
    """Bytes of these lines."""
    queue_s: float = 0.0
    """Waiting for a turn."""
    phases: list[Phase] = field(default_factory=list)


_CURRENT: ContextVar[RequestFacts | None] = ContextVar("request_facts", default=None)


def request_facts() -> RequestFacts | None:
    """The facts of the request that is being served; None outside of one."""
    return _CURRENT.get()


def note_tenant(tenant: str) -> None:
    """Whose request it is."""
    facts = _CURRENT.get()
    if facts is not None:
        facts.tenant = tenant


def note_query_tags(tags: str) -> None:
    """What the client says of its query."""
    facts = _CURRENT.get()
    if facts is not None:
        facts.query_tags = tags


@contextmanager
def noting(given_id: str) -> Iterator[RequestFacts]:
    """Around a request: its facts. The identity is the client's, where it is fit for one line of a log."""
    is_fit = 0 < len(given_id) <= ID_CHARS_MAX and given_id.isascii() and given_id.isprintable()
    facts = RequestFacts(given_id if is_fit else secrets.token_hex(ID_BYTES))
    token = _CURRENT.set(facts)
    try:
        yield facts
    finally:
        _CURRENT.reset(token)
