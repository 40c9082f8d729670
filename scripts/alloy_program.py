"""Build Grafana Alloy for the tests: the components that carry logs only, from modules of the Go proxy.

All of Alloy takes hours and gigabytes. Its module has its own pinned go.mod and go.sum, but replaces its part `syntax`
by a folder that is not in it, and of that module the proxy has the first version only. So both are put together in one
place, and the files of tests/clients/alloy over them: fewer components, no converter of other files, and what newer
Alloy asks of `syntax`. Start at `build_alloy`.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from scripts.go_programs import ROOT, CannotBuild, go_environment, go_toolchain, run_go

FILES = ROOT / "tests" / "clients" / "alloy"

MINUTES = "half an hour"
"""How long a build takes on two idle cores, for people."""


@dataclass(frozen=True, slots=True)
class Module:
    """A module of the proxy, with the checksum that its content must have."""

    name: str
    checksum: str
    place: str
    """Where it lies in the whole."""


MODULES = (
    Module("github.com/grafana/alloy@v1.11.0", "h1:Z7oJgYfpubg/OHPyY2CJe/c8CVsz+9TswbFkYozz6cY=", "."),
    Module("github.com/grafana/alloy/syntax@v0.1.0", "h1:+1xQakvQPH6N0y9+q2Fu5QePyzrve6i1wMNuXdWd1rQ=", "syntax"),
)

REPLACED = (("internal/service/http/http.go", "RedactSecrets: true,", ""),)
"""What the first `syntax` does not know, by files: a text, and what stands there instead."""

LEFT_OUT = ("cmd_convert.go", "cmd_validate.go", "cmd_fmt.go", "cmd_tools.go")
"""Commands of Alloy that need what is not built."""


def alloy_program(cache: Path) -> Path:
    """Where the built program lies, or would."""
    digest = hashlib.sha256(repr((MODULES, REPLACED, LEFT_OUT)).encode())
    for file in sorted(FILES.rglob("*.go")):
        digest.update(file.read_bytes())
    return cache / f"alloy-{digest.hexdigest()[:16]}"


def build_alloy(cache: Path) -> Path:
    """The path of the program, built now if it has not been yet. Raises CannotBuild."""
    program = alloy_program(cache)
    if program.exists():
        return program
    go = go_toolchain()
    print(f"building alloy with {go} (about {MINUTES}, once)", file=sys.stderr)
    source, unfinished = program.with_suffix(".source"), program.with_suffix(f".{os.getpid()}")
    shutil.rmtree(source, ignore_errors=True)
    for module in MODULES:
        shutil.copytree(
            _downloaded(go, module), source / module.place, dirs_exist_ok=True, copy_function=shutil.copyfile
        )
        _make_writable(source)
    for name in LEFT_OUT:
        (source / "internal" / "alloycli" / name).unlink()
    for name, text, instead in REPLACED:
        file = source / name
        file.write_text(file.read_text().replace(text, instead))
    shutil.copytree(FILES, source, dirs_exist_ok=True)
    flags = ["-trimpath", "-buildvcs=false", "-mod=readonly", "-ldflags=-s -w"]
    run_go([str(go), "build", *flags, "-o", str(unfinished), "."], cwd=source)
    unfinished.rename(program)
    shutil.rmtree(source)
    return program


def _downloaded(go: Path, module: Module) -> Path:
    try:
        ran = subprocess.run(
            [str(go), "mod", "download", "-json", module.name],
            cwd=FILES,
            env=go_environment(),
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise CannotBuild(f"{module.name} cannot be had: {error}") from error
    told = json.loads(ran.stdout)
    if told["Sum"] != module.checksum:
        raise CannotBuild(f"{module.name} has the checksum {told['Sum']}, not {module.checksum}")
    return Path(told["Dir"])


def _make_writable(directory: Path) -> None:
    """Go keeps folders of modules so that nobody writes into them, and copies are as they were."""
    for folder in (directory, *(found for found in directory.rglob("*") if found.is_dir())):
        folder.chmod(folder.stat().st_mode | stat.S_IWUSR)
