"""A real Alertmanager over a temporary directory; scripts/install_alertmanager.py says where it comes from."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from tests.servers.process import ServerProcess, free_port

INSTALL = Path(__file__).resolve().parent.parent.parent / "scripts" / "install_alertmanager.py"

READY_S = 30.0

CONFIG = """
route: {receiver: hook, group_wait: 100ms, group_interval: 200ms, repeat_interval: 1h}
receivers:
- name: hook
  webhook_configs: [{url: '%s', send_resolved: true}]
"""


class NoAlertmanager(Exception):
    """It cannot be had on this machine; the message says why."""


def alertmanager_program() -> Path:
    """The program, fetched now if it is not there. Raises NoAlertmanager."""
    ended = subprocess.run([sys.executable, INSTALL], capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        raise NoAlertmanager(ended.stderr.strip().splitlines()[-1])
    return Path(ended.stdout.strip())


class Alertmanager:
    """One Alertmanager that tells a web hook of its alerts; its port stays over restarts."""

    def __init__(self, program: Path, directory: Path, *, hook: str) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        config = directory / "alertmanager.yml"
        config.write_text(CONFIG % hook)
        argv = [
            str(program),
            f"--config.file={config}",
            f"--storage.path={directory / 'alertmanager'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--cluster.listen-address=",
        ]
        self.process = ServerProcess(argv, directory=program.parent, log_path=directory / "alertmanager.log")

    def start(self) -> None:
        self.process.start()
        self.process.wait_ready(self._is_ready, deadline_s=READY_S)

    def stop(self) -> None:
        self.process.kill()

    def alerts(self) -> list[Any]:
        """The alerts that it holds."""
        with urllib.request.urlopen(f"{self.url}/api/v2/alerts", timeout=5) as answer:
            found = json.load(answer)
        assert isinstance(found, list)
        return found

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False
