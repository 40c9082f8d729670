"""How much memory a server has taken."""

from __future__ import annotations

from pathlib import Path

from tests.servers.lodur import LodurServer


def peak_bytes(server: LodurServer) -> int:
    """The most memory that the process ever had."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024
