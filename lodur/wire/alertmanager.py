"""Alertmanager's API v2: alerts as `POST /api/v2/alerts` takes them, and links back to the query.

API: https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import orjson

from lodur.model.durations import NS_PER_S
from lodur.model.label_set import LabelSet

ALERTS_PATH = "/api/v2/alerts"


@dataclass(frozen=True, slots=True)
class AlertMessage:
    """What an Alertmanager is told of an alert."""

    labels: LabelSet
    annotations: tuple[tuple[str, str], ...]
    starts_at_ns: int
    ends_at_ns: int
    """When it was resolved, or when it is to be taken for resolved unless it is heard of again."""
    generator_url: str


def encode_alerts(messages: Iterable[AlertMessage]) -> bytes:
    """The body of a request."""
    return orjson.dumps(
        [
            {
                "labels": {_text(name): _text(value) for name, value in message.labels},
                "annotations": {_text(name): _text(value) for name, value in message.annotations},
                "startsAt": rfc3339_ms(message.starts_at_ns),
                "endsAt": rfc3339_ms(message.ends_at_ns),
                "generatorURL": message.generator_url,
            }
            for message in messages
        ]
    )


def explore_url(external_url: str, datasource_uid: str, expr: str) -> str:
    """Where Grafana shows the expression of a rule."""
    datasource = {"type": "loki", **({"uid": datasource_uid} if datasource_uid else {})}
    query = {"expr": _text(expr), "queryType": "range", "datasource": datasource}
    left = orjson.dumps({"queries": [query]}).decode()
    return f"{external_url.rstrip('/')}/explore?left={quote(left, safe='')}"


def rfc3339_ms(time_ns: int) -> str:
    """`2024-01-31T15:04:05.250Z`."""
    seconds, rest_ns = divmod(time_ns, NS_PER_S)
    when = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    return f"{when:%Y-%m-%dT%H:%M:%S}.{rest_ns // 10**6:03d}Z"


def _text(text: str) -> str:
    """Text that JSON can hold: bytes that are not UTF-8 become U+FFFD."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
