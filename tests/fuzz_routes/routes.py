"""The routes of the server, asked of the server itself."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry
from starlette.routing import Route, WebSocketRoute

from lodur.app.server import Server, open_stores
from lodur.config.loading import load_server_config
from lodur.model.clock import SystemClock
from lodur.store.journal import NoJournal

ALL_ON = """
auth_enabled: true
common: {path_prefix: data}
querier: {multi_tenant_queries_enabled: true}
pattern_ingester: {enabled: true}
compactor: {retention_enabled: true, delete_request_store: filesystem}
"""
"""A configuration with every feature that has routes."""


@dataclass(frozen=True, slots=True)
class KnownRoute:
    """A path with its parameters in braces, and what it answers to."""

    path: str
    methods: tuple[str, ...]
    is_websocket: bool = False


def lodur_routes(config_text: str = ALL_ON) -> list[KnownRoute]:
    """Every route, by path."""
    with tempfile.TemporaryDirectory(prefix="routes") as directory:
        file = Path(directory) / "lodur.yaml"
        file.write_text(config_text)
        config = load_server_config([f"-config.file={file}"], {}, Path(directory)).config
        registry, clock = CollectorRegistry(), SystemClock()
        stores = open_stores(config, registry, clock)
        routes = Server(config, stores, NoJournal(), registry, clock).routes()
    known = {
        KnownRoute(route.path, ("GET",), is_websocket=True)
        if isinstance(route, WebSocketRoute)
        else KnownRoute(route.path, tuple(sorted(set(route.methods or ()) - {"HEAD"})))
        for route in routes
        if isinstance(route, Route | WebSocketRoute)
    }
    return sorted(known, key=lambda each: (each.path, each.is_websocket, each.methods))
