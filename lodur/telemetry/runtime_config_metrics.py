"""Whether the overrides in force are those of the files, under the names that alerts for Loki know."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Gauge


class RuntimeConfigMetrics:
    """What the reading of overrides shows."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.last_reload_successful = Gauge(
            "loki_runtime_config_last_reload_successful",
            "Whether the last attempt to read the runtime configuration succeeded.",
            registry=registry,
        )
        self._hash = Gauge(
            "loki_runtime_config_hash", "Hash of the runtime configuration in force.", ["sha256"], registry=registry
        )
        self.tenants = Gauge("lodur_runtime_config_tenants", "Tenants with limits of their own.", registry=registry)

    def loaded(self, sha256: str, tenants: int) -> None:
        """Files with this hash are in force now."""
        self.last_reload_successful.set(1)
        self._hash.clear()
        self._hash.labels(sha256).set(1)
        self.tenants.set(tenants)
