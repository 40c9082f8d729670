"""Endpoints about the server itself: readiness, metrics, version, configuration. None needs a tenant."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import orjson
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lodur.api.errors import text_response
from lodur.api.loki_query import json_response

LOKI_VERSION = "3.7.6"
"""The version of Loki whose interface is spoken: clients switch features on by it."""

_NOT_READY = 503

_NO_RUNTIME_CONFIG = "runtime config file doesn't exist"


@dataclass(frozen=True, slots=True)
class ServerState:
    """What the status pages show; each is asked at every request."""

    not_ready_reason: Callable[[], str | None]
    """Why the server cannot serve yet, or any more; None when it can."""
    config_text: Callable[[str], str]
    """The configuration as YAML, without secrets: what is in force, or with `diff` what is not as by default, or with
    `defaults` that."""
    overrides_text: Callable[[str], str | None]
    """The limits of tenants that have their own as YAML, with `diff` only those that differ; None where there are no
    files of such limits."""
    services: Callable[[], tuple[str, ...]]
    """Names of the modules that run."""


def routes(state: ServerState, registry: CollectorRegistry) -> list[Route]:
    """The routes of this module."""
    pages = _Pages(state, registry)
    return [
        Route("/ready", pages.ready, methods=["GET"]),
        Route("/metrics", pages.metrics, methods=["GET"]),
        Route("/config", pages.config, methods=["GET"]),
        Route("/runtime_config", pages.runtime_config, methods=["GET"]),
        Route("/services", pages.services, methods=["GET"]),
        Route("/loki/api/v1/status/buildinfo", pages.buildinfo, methods=["GET"]),
    ]


@dataclass(frozen=True, slots=True)
class _Pages:
    state: ServerState
    registry: CollectorRegistry

    async def ready(self, _: Request) -> Response:
        reason = self.state.not_ready_reason()
        return (
            text_response("ready\n", status=200) if reason is None else text_response(f"{reason}\n", status=_NOT_READY)
        )

    async def metrics(self, request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        # One series for each tenant and size: with many tenants it takes its time.
        body = await asyncio.to_thread(encode, self.registry)
        return Response(body, headers={"Content-Type": content_type})

    async def config(self, request: Request) -> Response:
        return text_response(self.state.config_text(request.query_params.get("mode", "")), status=200)

    async def runtime_config(self, request: Request) -> Response:
        # Thousands of tenants take their time, which other requests need not wait for.
        text = await asyncio.to_thread(self.state.overrides_text, request.query_params.get("mode", ""))
        return text_response(_NO_RUNTIME_CONFIG if text is None else text, status=200)

    async def services(self, _: Request) -> Response:
        return text_response("".join(f"{name} => Running\n" for name in self.state.services()), status=200)

    async def buildinfo(self, _: Request) -> Response:
        built = {
            "version": LOKI_VERSION,
            "revision": "",
            "branch": "",
            "buildUser": "",
            "buildDate": "",
            "goVersion": "",
        }
        return json_response(orjson.dumps(built))
