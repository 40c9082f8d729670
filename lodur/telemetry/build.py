"""Which program this is: its version, and the series that dashboards join others with."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from prometheus_client import CollectorRegistry, Gauge


def program_version() -> str:
    """The version that is installed."""
    try:
        return version("lodur")
    except PackageNotFoundError:
        return "unknown"


def register_build(registry: CollectorRegistry, *, loki_version: str) -> None:
    """`loki_build_info`, always 1; `loki_version` is the one whose interface is spoken."""
    build = Gauge("loki_build_info", "1, labelled by what runs.", ["version", "loki_version"], registry=registry)
    build.labels(program_version(), loki_version).set(1)
