"""The errors of Lodur, named for what their receiver should do.

LodurError
├─ InvalidRequest              the caller must change the request
│  └─ QuerySyntaxError         carries query and span; prints a caret under the place
├─ LimitExceeded               carries limit name, allowed, asked, tenant; smaller, later, or ask the operator
├─ Unauthenticated             no tenant named, or not this caller's: send credentials
├─ NotFound                    no such thing
├─ Unavailable                 try again after retry_after_s (store down, queue full, shutting down)
├─ DeadlineExceeded            the time given is over; work was stopped
└─ CorruptData                 carries segment and offset; never retried, segment set aside, operator told

Anything raised outside this tree is a bug. Status codes are chosen in `lodur.api`, not here.
"""

from __future__ import annotations

from dataclasses import dataclass


class LodurError(Exception):
    """Root of everything Lodur raises on purpose; `str()` is the message for the caller."""


class InvalidRequest(LodurError):
    """The caller must change the request."""


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open range of characters of the query text."""

    start: int
    end: int


class QuerySyntaxError(InvalidRequest):
    """The query text is wrong at `span` (None where no single place is at fault)."""

    def __init__(self, message: str, *, query: str = "", span: Span | None = None) -> None:
        super().__init__(message)
        self.query = query
        self.span = span

    def caret(self) -> str:
        """The line at fault with a caret under the place; empty without a span."""
        if self.span is None:
            return ""
        at = min(self.span.start, len(self.query))
        line_start = self.query.rfind("\n", 0, at) + 1
        line_end = self.query.find("\n", at)
        line = self.query[line_start : line_end if line_end >= 0 else len(self.query)]
        width = max(1, min(self.span.end, line_start + len(line)) - at)
        pointer = " " * (at - line_start) + "^" * width
        return f"{line}\n{pointer}"


class LimitExceeded(LodurError):
    """A limit named by its configuration key was passed; `retryable` where waiting helps (rates)."""

    def __init__(self, message: str, *, limit: str, tenant: str = "", retryable: bool = False) -> None:
        super().__init__(message)
        self.limit = limit
        self.tenant = tenant
        self.retryable = retryable


class Unauthenticated(LodurError):
    """No tenant was named, or it is not this caller's: send credentials."""


class NotFound(LodurError):
    """There is no such thing."""


class Unavailable(LodurError):
    """Try again after `retry_after_s`."""

    def __init__(self, message: str, *, retry_after_s: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class DeadlineExceeded(LodurError):
    """The time given is over; the work was stopped."""


class CorruptData(LodurError):
    """Stored bytes are damaged: `path` names the object, `offset` the place in bytes (None if unknown)."""

    def __init__(self, message: str, *, path: str = "", offset: int | None = None) -> None:
        super().__init__(message)
        self.path = path
        self.offset = offset
