"""What is asked of the engine: a query text and the times at which it is meant."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RangeRequest:
    """A query over `[start_ns, end_ns)`; metrics are evaluated at multiples of `step_ns` from the one at or before the
    start to the one at or after the end. `limit`, `backward` and `interval_ns` matter to log queries only."""

    text: str
    start_ns: int
    end_ns: int
    step_ns: int
    limit: int
    backward: bool = True
    interval_ns: int = 0
    tags: tuple[tuple[str, str], ...] = ()
    is_fresh: bool = False
    """Nothing that was kept of earlier queries is to be taken."""
    """What the client said about itself, in lower case; policies may look at it."""
    own_limits: str = ""
    """The header with limits that the request sets itself."""


@dataclass(frozen=True, slots=True)
class InstantRequest:
    """A metric query at one time."""

    text: str
    time_ns: int
    tags: tuple[tuple[str, str], ...] = ()
    own_limits: str = ""


@dataclass(frozen=True, slots=True)
class FieldsRequest:
    """The first `limit` fields, or values of a field, of the entries of a log query."""

    entries: RangeRequest
    limit: int
