"""Rules as Grafana and lokitool read and change them: groups in YAML, by namespace.

Namespaces and groups may have any name: they are read from the path as it was sent, for `%2F` is no slash of a path.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import unquote

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from lodur.api.endpoint import Endpoint
from lodur.api.errors import AnsweredError, error_response, status_of, text_response
from lodur.api.tenant import TENANT_HEADER, Tenancy
from lodur.model.errors import InvalidRequest, LodurError, NotFound, Unauthenticated
from lodur.model.tenant import TenantId
from lodur.ruler.configuration import RuleConfiguration
from lodur.ruler.written import NotRules, decode_group, group_yaml, namespaces_yaml
from lodur.wire.yaml_nodes import YAML_BYTES_MAX

ROOTS = ("/loki/api/v1/rules", "/api/prom/rules")

NO_GROUPS = "no rule groups found"
NOT_A_GROUP = "unable to decoded rule group"
NO_ORG_ID = "no org id"

_ACCEPTED = 202
_BAD_REQUEST = 400
_SERVER_ERROR = 500
_METHOD_NOT_ALLOWED = 405

_Handler: TypeAlias = Callable[[Request, TenantId, list[str]], Awaitable[Response]]


def routes(configuration: RuleConfiguration, tenancy: Tenancy) -> list[Route]:
    """The routes of this module."""
    pages = _Pages(configuration)
    found: list[Route] = []
    for root in ROOTS:
        found += [
            Route(root, _endpoint(pages.all, tenancy, root), methods=["GET"]),
            Route(f"{root}/{{namespace:path}}", _endpoint(pages.one, tenancy, root), methods=["GET", "POST", "DELETE"]),
        ]
    return found


def rules_error(error: LodurError) -> Response:
    """Failures as those of Loki's ruler: what the client can mend in plain text, all else as JSON."""
    if isinstance(error, SeveralTenants):
        return json_status("error", "bad_data", str(error), status=_BAD_REQUEST)
    status = status_of(error)
    if isinstance(error, Unauthenticated | AnsweredError) or status < _SERVER_ERROR:
        return error_response(error, newline=True)
    return json_status("error", "server_error", str(error), status=_SERVER_ERROR)


def json_status(outcome: str, kind: str = "", text: str = "", *, status: int) -> Response:
    """An answer in the form of Prometheus' API that holds no data."""
    body = {"status": outcome, "data": None, "errorType": kind, "error": text}
    return Response(orjson.dumps(body), status_code=status, headers={"Content-Type": "application/json"})


def one_tenant(request: Request, tenancy: Tenancy) -> TenantId:
    """The tenant of a request for rules. Raises SeveralTenants where it names more."""
    try:
        return tenancy.one(request)
    except InvalidRequest as error:
        if "|" in request.headers.get(TENANT_HEADER, ""):
            raise SeveralTenants(NO_ORG_ID) from error
        raise


class SeveralTenants(InvalidRequest):
    """Rules belong to one tenant; that they do not find theirs is what clients of Loki are told."""


def _endpoint(handler: _Handler, tenancy: Tenancy, root: str) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        try:
            return await handler(request, one_tenant(request, tenancy), _parts(request, root))
        except LodurError as error:
            return rules_error(error)
        except ClientDisconnect:
            return text_response("", status=_SERVER_ERROR)

    return endpoint


def _parts(request: Request, root: str) -> list[str]:
    """What stands behind the root: a namespace, and perhaps a group."""
    raw = request.scope.get("raw_path") or request.scope["path"].encode("utf-8", "surrogateescape")
    _, _, rest = raw.decode("latin-1").partition("?")[0].partition(f"{root}/")
    return [unquote(part) for part in rest.split("/")]


@dataclass(frozen=True, slots=True)
class _Pages:
    configuration: RuleConfiguration

    async def all(self, _: Request, tenant: TenantId, __: list[str]) -> Response:
        namespaces = await self.configuration.namespaces(tenant)
        if not namespaces:
            raise NotFound(NO_GROUPS)
        return _yaml_response(await asyncio.to_thread(namespaces_yaml, namespaces))

    async def one(self, request: Request, tenant: TenantId, parts: list[str]) -> Response:
        """What lies below the root, by how much is named there."""
        match request.method, parts:
            case "GET", [namespace]:
                return await self._namespace(tenant, namespace)
            case "POST", [namespace] if namespace:
                return await self._put(request, tenant, namespace)
            case "DELETE", [namespace]:
                await self.configuration.delete_namespace(tenant, namespace)
                return json_status("success", status=_ACCEPTED)
            case "GET", [namespace, group]:
                return _yaml_response(group_yaml(await self.configuration.group(tenant, namespace, group)))
            case "DELETE", [namespace, group]:
                await self.configuration.delete_group(tenant, namespace, group)
                return json_status("success", status=_ACCEPTED)
            case "POST", [_, _]:
                return text_response("", status=_METHOD_NOT_ALLOWED)
            case _:
                raise NotFound("404 page not found")

    async def _namespace(self, tenant: TenantId, namespace: str) -> Response:
        groups = (await self.configuration.namespaces(tenant)).get(namespace)
        if not groups:
            raise NotFound(NO_GROUPS)
        return _yaml_response(await asyncio.to_thread(namespaces_yaml, {namespace: groups}))

    async def _put(self, request: Request, tenant: TenantId, namespace: str) -> Response:
        try:
            # A megabyte of YAML takes seconds to read.
            group = await asyncio.to_thread(decode_group, (await _body(request)).decode("utf-8"))
        except (NotRules, UnicodeDecodeError) as error:
            raise InvalidRequest(NOT_A_GROUP) from error
        await self.configuration.put(tenant, namespace, group)
        return json_status("success", status=_ACCEPTED)


async def _body(request: Request) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > YAML_BYTES_MAX:
            raise InvalidRequest(NOT_A_GROUP)
        parts.append(chunk)
    return b"".join(parts)


def _yaml_response(text: str) -> Response:
    return Response(text.encode("utf-8", "replace"), headers={"Content-Type": "application/yaml"})
