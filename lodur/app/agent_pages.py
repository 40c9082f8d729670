"""The agent's own pages: `/ready`, `/metrics`, `/targets`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from lodur.agent.sources.file.source import FollowedFile

NOT_READY = "Not ready: Unable to find any logs to tail. Please verify permissions, volumes, scrape_config, etc."


def build_pages(
    *, registry: CollectorRegistry, files: Callable[[], Sequence[FollowedFile]], needs_files: bool
) -> Starlette:
    """The pages over what the agent is doing now."""

    async def ready(_: Request) -> Response:
        if needs_files and not files():
            return PlainTextResponse(NOT_READY, status_code=500)
        return PlainTextResponse("Ready")

    async def metrics(_: Request) -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    async def targets(_: Request) -> Response:
        return JSONResponse(
            [
                {"job": file.job_name, "path": file.path, "position": file.offset, "labels": dict(file.labels)}
                for file in files()
            ]
        )

    async def root(_: Request) -> Response:
        return RedirectResponse("targets")

    return Starlette(
        routes=[Route("/", root), Route("/ready", ready), Route("/metrics", metrics), Route("/targets", targets)]
    )
