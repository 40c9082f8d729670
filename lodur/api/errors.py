"""Errors as answers: the table from error classes to status codes, and the plain text bodies that clients expect.

Errors of queries are the bare message, those of pushes end with a newline. Start at `error_response`.
"""

from __future__ import annotations

import math

from starlette.responses import Response

from lodur.model.errors import (
    CorruptData,
    DeadlineExceeded,
    InvalidRequest,
    LimitExceeded,
    LodurError,
    NotFound,
    Unauthenticated,
    Unavailable,
)

CLIENT_GONE_STATUS = 499
"""What the log says of a request whose client went away; nobody reads the answer."""

CLIENT_GONE_TEXT = "the request was cancelled by the client"

_STATUSES: tuple[tuple[type[LodurError], int], ...] = (
    (InvalidRequest, 400),
    (LimitExceeded, 400),
    (Unauthenticated, 401),
    (NotFound, 404),
    (Unavailable, 503),
    (DeadlineExceeded, 504),
    (CorruptData, 500),
)
_RATE_STATUS = 429


class AnsweredError(LodurError):
    """A refusal whose status is part of the API's contract and does not follow from its class."""

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


def status_of(error: LodurError) -> int:
    """The status code of an error."""
    if isinstance(error, AnsweredError):
        return error.status
    if isinstance(error, LimitExceeded) and error.retryable:
        return _RATE_STATUS
    return next((status for kind, status in _STATUSES if isinstance(error, kind)), 500)


def error_response(error: LodurError, *, newline: bool = False) -> Response:
    """The answer to a failed request; `newline` ends the body, as after pushes."""
    text = str(error)
    if newline or isinstance(error, Unauthenticated):
        text += "\n"
    response = text_response(text, status=status_of(error))
    if isinstance(error, Unavailable):
        response.headers["Retry-After"] = str(math.ceil(error.retry_after_s))
    return response


def text_response(text: str, *, status: int) -> Response:
    """A plain text answer that browsers must not take for anything else."""
    return Response(
        text.encode("utf-8", "replace"),
        status_code=status,
        headers={"Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff"},
    )
