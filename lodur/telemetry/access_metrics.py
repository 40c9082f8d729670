"""Who was not let in, as `lodur_access_refusals_total`."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter


class AccessMetrics:
    """Refused requests by reason; the reasons are the few that `lodur.api.access` has."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.refusals = Counter(
            "lodur_access_refusals_total", "Requests refused by access control.", ["reason"], registry=registry
        )
