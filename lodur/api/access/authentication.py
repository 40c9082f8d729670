"""The first gate: who is asking. Nobody gets past it without credentials, whatever the path, but for what is open.

Plain ASGI around the whole application, because every push passes here. What the user may do is asked behind the
router, in `authorization`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from lodur.api.access.login import Login, TooManyFailures
from lodur.api.access.options import AccessOptions
from lodur.api.access.rights import METRICS, OPEN
from lodur.api.errors import error_response
from lodur.model.errors import LodurError, Unauthenticated
from lodur.telemetry.access_metrics import AccessMetrics

USER_KEY = "lodur.user"
"""Where the scope of a request says who asks."""


@dataclass(frozen=True, slots=True)
class Authentication:
    """The ASGI application around the application."""

    app: ASGIApp
    login: Login
    open_paths: frozenset[str]
    challenges: tuple[str, ...]
    metrics: AccessMetrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or scope["path"] in self.open_paths:
            await self.app(scope, receive, send)
            return
        try:
            scope[USER_KEY] = await self.login.user_of(scope)
        except LodurError as error:
            self.metrics.refusals.labels(_reason(error)).inc()
            await self._refusal(error, scope)(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def _refusal(self, error: LodurError, scope: Scope) -> Response:
        response = error_response(error, newline=True)
        match error:
            case Unauthenticated() if scope["type"] == "websocket":
                # Granian 2.8 aborts the process where a refused upgrade has two headers of one name.
                response.headers["WWW-Authenticate"] = ", ".join(self.challenges)
            case Unauthenticated():
                for challenge in self.challenges:
                    response.headers.append("WWW-Authenticate", challenge)
            case TooManyFailures(wait_s=wait_s):
                response.headers["Retry-After"] = str(math.ceil(wait_s))
            case _:
                pass
        return response


def open_paths(options: AccessOptions, path_prefix: str) -> frozenset[str]:
    """The paths that answer everybody, letter by letter."""
    paths = (OPEN, METRICS) if options.metrics_open else (OPEN,)
    return frozenset(path_prefix + path for path in paths)


def challenges(options: AccessOptions) -> Sequence[str]:
    """What `WWW-Authenticate` offers."""
    offered = []
    if options.htpasswd_file is not None:
        offered.append(f'Basic realm="{options.realm}", charset="UTF-8"')
    if options.tokens_file is not None:
        offered.append(f'Bearer realm="{options.realm}"')
    return offered


def _reason(error: LodurError) -> str:
    match error:
        case TooManyFailures():
            return "too_many_failures"
        case Unauthenticated():
            return "no_or_wrong_credentials"
        case _:
            return "bad_request"
