"""What one agent is told: sources, clients, and where it remembers how far it came."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lodur.agent.sinks.loki.options import LokiOptions
from lodur.agent.sources.file.options import FileSourceOptions


@dataclass(frozen=True, slots=True)
class PositionsOptions:
    """The positions file."""

    path: Path = Path("/var/log/positions.yaml")
    sync_period_s: float = 10.0
    ignore_invalid: bool = False
    """Begin anew with a file that cannot be read, instead of stopping."""


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """The agent's own pages."""

    host: str = "0.0.0.0"
    port: int = 80
    needs_files: bool = True
    """Not ready while no file is followed."""


@dataclass(frozen=True, slots=True)
class AgentOptions:
    """One agent."""

    clients: tuple[LokiOptions, ...]
    sources: tuple[FileSourceOptions, ...]
    positions: PositionsOptions = PositionsOptions()
    server: ServerOptions | None = None
    """None: nothing listens."""
    log_level: str = "info"
    log_format: str = "logfmt"
