"""The second gate, behind the router: what this user may do, and for which tenants.

It sits on each route, so that what it decides about is the route that will answer, and no reading of the path of its
own. The tenants that a request may not name never get further, and the default tenant is put in where none is named:
behind the gate the header `X-Scope-OrgID` stands once, or not at all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import structlog
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from lodur.api.access.authentication import USER_KEY
from lodur.api.access.options import Grant
from lodur.api.access.rights import right_for
from lodur.api.errors import AnsweredError, error_response
from lodur.api.tenant import TENANT_HEADER
from lodur.model.errors import InvalidRequest, LodurError
from lodur.model.tenant import parse_tenants
from lodur.telemetry.access_metrics import AccessMetrics

FORBIDDEN = 403

_TENANT_KEY = TENANT_HEADER.lower().encode()

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Rules:
    """What the gates of all routes go by."""

    grant_of: Callable[[str], Grant]
    """By the name of the user."""
    checks_tenants: bool
    """Off where every request is of one tenant, whatever its header says."""
    metrics: AccessMetrics


@dataclass(frozen=True, slots=True)
class Authorization:
    """The ASGI application around that of one route."""

    app: ASGIApp
    path: str
    rules: Rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        user = scope.get(USER_KEY)
        # The paths that are open: the first gate lets nobody else through without a name.
        if user is None:
            await self.app(scope, receive, send)
            return
        try:
            scope = self._allowed(user, scope)
        except LodurError as error:
            self.rules.metrics.refusals.labels("not_allowed").inc()
            _log.warning("request refused", user=user, path=self.path, reason=str(error))
            await error_response(error, newline=True)(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def _allowed(self, user: str, scope: Scope) -> Scope:
        """The scope as the route may see it. Raises AnsweredError and InvalidRequest."""
        grant = self.rules.grant_of(user)
        right = right_for(self.path, scope.get("method", "GET"))
        if right not in grant.rights:
            raise AnsweredError(f"user '{user}' has no right to {right.value} here", status=FORBIDDEN)
        if not self.rules.checks_tenants:
            return scope
        named = [value for name, value in scope["headers"] if name == _TENANT_KEY]
        if len(named) > 1:
            raise InvalidRequest(f"more than one {TENANT_HEADER} header")
        if named and named[0]:
            kept = _checked_tenants(user, grant, named[0].decode("latin-1"))
        elif grant.default_tenant is not None:
            kept = grant.default_tenant.value
        else:
            return scope
        others = [(name, value) for name, value in scope["headers"] if name != _TENANT_KEY]
        return {**scope, "headers": [*others, (_TENANT_KEY, kept.encode("latin-1"))]}


def guarded(route: BaseRoute, rules: Rules) -> BaseRoute:
    """The route behind its gate. Raises TypeError for kinds of routes that have none."""
    match route:
        case Route():
            gate = [Middleware(Authorization, path=route.path, rules=rules)]
            methods = None if route.methods is None else sorted(route.methods)
            return Route(route.path, route.endpoint, methods=methods, middleware=gate)
        case WebSocketRoute():
            gate = [Middleware(Authorization, path=route.path, rules=rules)]
            return WebSocketRoute(route.path, route.endpoint, middleware=gate)
        case _:
            raise TypeError(f"{type(route).__name__} has no gate")


def _checked_tenants(user: str, grant: Grant, header: str) -> str:
    tenants = parse_tenants(header)
    for tenant in tenants:
        if not grant.allows(tenant):
            raise AnsweredError(f"user '{user}' may not act for tenant '{tenant}'", status=FORBIDDEN)
    return "|".join(tenant.value for tenant in tenants)
