"""Which right each route asks for."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry
from starlette.routing import Mount

from lodur.api.access.authorization import Rules, guarded
from lodur.api.access.options import NO_GRANT, Right
from lodur.api.access.rights import right_for
from lodur.telemetry.access_metrics import AccessMetrics


@pytest.mark.parametrize(
    ("path", "method", "right"),
    [
        ("/loki/api/v1/push", "POST", Right.WRITE),
        ("/api/prom/push", "POST", Right.WRITE),
        ("/otlp/v1/logs", "POST", Right.WRITE),
        ("/loki/api/v1/query", "POST", Right.READ),
        ("/loki/api/v1/label/{name}/values", "GET", Right.READ),
        ("/loki/api/v1/detected_field/{field}/values", "GET", Right.READ),
        ("/loki/api/v1/tail", "GET", Right.READ),
        ("/loki/api/v1/rules", "GET", Right.READ),
        ("/loki/api/v1/rules/{namespace:path}", "GET", Right.READ),
        ("/loki/api/v1/rules/{namespace:path}", "POST", Right.ADMIN),
        ("/api/prom/rules/{namespace:path}", "DELETE", Right.ADMIN),
        ("/prometheus/api/v1/rules", "GET", Right.READ),
        ("/api/prom/api/v1/rules", "GET", Right.READ),
        ("/api/prom/api/v1/alerts", "GET", Right.READ),
        ("/ring", "POST", Right.ADMIN),
        ("/loki/api/v1/delete", "GET", Right.ADMIN),
        ("/flush", "GET", Right.ADMIN),
        ("/ingester/shutdown", "GET", Right.ADMIN),
        ("/config", "GET", Right.ADMIN),
        ("/log_level", "GET", Right.ADMIN),
        ("/somebody/forgot/this", "GET", Right.ADMIN),
    ],
)
def test_rights(path: str, method: str, right: Right) -> None:
    assert right_for(path, method) is right


def test_what_cannot_be_guarded_is_not_served() -> None:
    with pytest.raises(TypeError, match="Mount has no gate"):
        guarded(Mount("/x", routes=[]), Rules(lambda _: NO_GRANT, True, AccessMetrics(CollectorRegistry())))
