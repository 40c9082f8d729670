"""Which right each route asks for: one table, by the route's own path, so that no spelling of a path gets around it.

A route that is not in the table asks for `admin`: who adds one and forgets it here has closed it, not opened it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from lodur.api.access.options import Right

OPEN = "/ready"
"""Answers everybody: load balancers and container platforms have no credentials."""

METRICS = "/metrics"

_CHANGELESS = frozenset({"GET", "HEAD"})

_V1 = "/loki/api/v1"
_PROM = "/api/prom"

_ASKING = (
    *(
        f"{_V1}/{name}"
        for name in (
            "query",
            "query_range",
            "labels",
            "label",
            "label/{}/values",
            "series",
            "index/stats",
            "index/volume",
            "index/volume_range",
            "index/shards",
            "patterns",
            "detected_labels",
            "detected_fields",
            "detected_field/{}/values",
            "tail",
            "format_query",
            "drilldown-limits",
            "status/buildinfo",
            "cache/generation_numbers",
        )
    ),
    *(f"{_PROM}/{name}" for name in ("query", "label", "label/{}/values", "series", "tail")),
    "/config/tenant/v1/limits",
    "/services",
    "/",
    METRICS,
)
"""Reading by every method: long queries come as forms."""

_PUSHING = (f"{_V1}/push", f"{_PROM}/push", "/otlp/v1/logs")

_SEEN_BY_READERS = (
    *(f"{root}/rules{rest}" for root in (_V1, _PROM) for rest in ("", "/{}")),
    *(f"{root}/api/v1/{name}" for root in ("/prometheus", _PROM) for name in ("rules", "alerts")),
    "/ring",
    *(f"/{part}/ring" for part in ("distributor", "indexgateway", "compactor", "ruler", "scheduler", "pattern")),
    "/memberlist",
)
"""Readers may look, to change takes `admin`."""

_RIGHTS: Mapping[str, Right] = {
    **dict.fromkeys(_ASKING, Right.READ),
    **dict.fromkeys(_PUSHING, Right.WRITE),
}

_LOOKS: frozenset[str] = frozenset(_SEEN_BY_READERS)


def right_for(path: str, method: str) -> Right:
    """The right that a route asks for; `path` is the route's, with its parameters in braces."""
    known = re.sub(r"\{[^}]*\}", "{}", path)
    if known in _LOOKS:
        return Right.READ if method in _CHANGELESS else Right.ADMIN
    return _RIGHTS.get(known, Right.ADMIN)
