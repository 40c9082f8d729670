"""Fetch the Alertmanager that the tests start from Debian's archive, and print the path of its program.

The package `prometheus-alertmanager` is downloaded by apt-get, which checks its signature, and unpacked into
.cache/servers/; nothing is installed on the machine. Debian's build looks for its templates in /usr/share; the copy
made here looks in its working directory, which must be that of the program.
Exit status 1 and one line on stderr say why it cannot be had.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SERVERS = ROOT / ".cache" / "servers"
PACKAGE = "prometheus-alertmanager"

TEMPLATES = b"/usr/share/prometheus/alertmanager"
HERE = b"." + b"/" * (len(TEMPLATES) - 1)
"""The working directory, in as many bytes."""

SECONDS_MAX = 120
"""The package has ten megabytes, the archive's lists as many."""


class CannotFetch(Exception):
    """The program cannot be had here; the message says why."""


def main() -> int:
    try:
        print(install_alertmanager())
    except CannotFetch as error:
        print(f"no Alertmanager for the tests: {error}", file=sys.stderr)
        return 1
    return 0


def install_alertmanager() -> Path:
    """The path of the program, fetching it when it is not there yet. Raises CannotFetch."""
    if found := shutil.which(PACKAGE) or shutil.which("alertmanager"):
        return Path(found)
    program = SERVERS / "alertmanager" / PACKAGE
    if program.exists():
        return program
    missing = [tool for tool in ("apt-get", "dpkg-deb") if shutil.which(tool) is None]
    if missing:
        raise CannotFetch(f"it is taken from Debian's archive, and this machine has no {missing[0]}")
    SERVERS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=SERVERS) as folder:
        package = _download(Path(folder))
        unpacked = Path(folder) / "unpacked"
        _run(["dpkg-deb", "--extract", str(package), str(unpacked)], Path(folder))
        templates = unpacked / TEMPLATES.decode().lstrip("/")
        copy = templates / PACKAGE
        copy.write_bytes((unpacked / "usr" / "bin" / PACKAGE).read_bytes().replace(TEMPLATES, HERE))
        copy.chmod(0o755)
        shutil.rmtree(program.parent, ignore_errors=True)
        templates.rename(program.parent)
    return program


def _download(folder: Path) -> Path:
    try:
        _run(["apt-get", "download", PACKAGE], folder)
    except CannotFetch:
        # The lists of packages may be missing, or older than the archive.
        _run(["apt-get", "update"], folder)
        _run(["apt-get", "download", PACKAGE], folder)
    return next(folder.glob("*.deb"))


def _run(command: list[str], folder: Path) -> None:
    try:
        ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=SECONDS_MAX)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotFetch(f"{' '.join(command[:2])}: {error}") from error
    if ended.returncode != 0:
        said = (ended.stderr.strip() or "no reason given").splitlines()[-1]
        raise CannotFetch(f"{' '.join(command[:2])}: {said}")


if __name__ == "__main__":
    sys.exit(main())
