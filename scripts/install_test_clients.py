"""Install the real clients that the tests send and ask with, and print where they lie.

Each is installed once into .cache/clients: from the locked package.json of tests/clients/node, from the go.mod and
go.sum, Cargo.lock or pom.xml of tests/clients/⟨name⟩, or from Debian's packages. Programs that are built take minutes,
so that only `--all` builds them (`make test-clients`); tests of what is not there are skipped, saying why. Exit status
1 when something is missing.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from scripts.alloy_program import MINUTES as ALLOY_MINUTES
from scripts.alloy_program import alloy_program, build_alloy
from scripts.debian_programs import CannotInstall, DebianProgram, debian_program
from scripts.go_programs import CACHE, ROOT, CannotBuild, GoProgram, build_program

SOURCES = ROOT / "tests" / "clients"
CLIENTS = CACHE / "clients"

NODE_MAJOR_MIN = 20
"""What the newest pino asks for."""

NPM_SECONDS_MAX = 180
MAVEN_SECONDS_MAX = 300
CARGO_SECONDS_MAX = 1200

MAVEN_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"

GO_CLIENTS: Mapping[str, GoProgram] = {
    each.name: each
    for each in (
        GoProgram("collector", SOURCES / "collector", ".", cache=CLIENTS, minutes="three minutes"),
        GoProgram(
            "logcli",
            SOURCES / "logcli",
            "github.com/grafana/loki/v3/cmd/logcli",
            cache=CLIENTS,
            minutes="ten minutes",
        ),
        GoProgram(
            "loki-canary",
            SOURCES / "logcli",
            "github.com/grafana/loki/v3/cmd/loki-canary",
            cache=CLIENTS,
            minutes="a minute after logcli",
        ),
        GoProgram("slog-loki", SOURCES / "slog-loki", ".", cache=CLIENTS, minutes="a minute"),
        GoProgram(
            "promtail",
            SOURCES / "promtail",
            "github.com/grafana/loki/v3/clients/cmd/promtail",
            cache=CLIENTS,
            minutes="ten minutes",
        ),
    )
}

DEBIAN_CLIENTS: Mapping[str, tuple[str, ...]] = {
    "syslog-ng": ("syslog-ng-core", "syslog-ng-mod-http"),
    "rsyslogd": ("rsyslog",),
    "nginx": ("nginx",),
    "promtool": ("prometheus",),
}
"""Programs by name, with the packages that they are in."""


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--all", action="store_true", help="build what takes minutes, too")
    builds = arguments.parse_args().all
    missing = False
    installs: dict[str, Callable[[], Path]] = {
        "node": install_node_clients,
        **{name: partial(_debian_path, name) for name in DEBIAN_CLIENTS},
        "java": partial(java_client, builds=builds),
        "tracing-loki": partial(rust_client, builds=builds),
        **{name: partial(go_client, name, builds=builds) for name in GO_CLIENTS},
        "alloy": partial(alloy_client, builds=builds),
    }
    for name, install in installs.items():
        try:
            print(f"{name}: {install()}")
        except CannotInstall as error:
            missing = True
            print(f"{name}: not there: {error}", file=sys.stderr)
    return 1 if missing else 0


def go_client(name: str, *, builds: bool = False) -> Path:
    """The program of that name, built only if asked. Raises CannotInstall."""
    wanted = GO_CLIENTS[name]
    if not builds and not wanted.program().exists():
        raise CannotInstall(f"{name} has not been built: make test-clients does, in about {wanted.minutes}")
    try:
        return build_program(wanted)
    except CannotBuild as error:
        raise CannotInstall(str(error)) from error


def alloy_client(*, builds: bool = False) -> Path:
    """Grafana Alloy, built only if asked. Raises CannotInstall."""
    if not builds and not alloy_program(CLIENTS).exists():
        raise CannotInstall(f"alloy has not been built: make test-clients does, in about {ALLOY_MINUTES}")
    try:
        return build_alloy(CLIENTS)
    except CannotBuild as error:
        raise CannotInstall(str(error)) from error


def java_client(*, builds: bool = False) -> Path:
    """The folder of what tests/clients/java/Send.java needs, fetched only if asked. Raises CannotInstall."""
    pom = SOURCES / "java" / "pom.xml"
    place = CLIENTS / f"java-{_digest(pom)}"
    if place.exists():
        return place
    if shutil.which("java") is None or shutil.which("mvn") is None:
        raise CannotInstall("java and mvn are not installed")
    if not builds:
        raise CannotInstall("Java's packages have not been fetched: make test-clients does")
    unfinished = place.with_suffix(f".{os.getpid()}")
    command = ["mvn", "--quiet", "--batch-mode", MAVEN_COPY, f"-DoutputDirectory={unfinished}"]
    _run([*command, "--file", str(pom)], cwd=SOURCES / "java", seconds_max=MAVEN_SECONDS_MAX)
    unfinished.rename(place)
    return place


def rust_client(*, builds: bool = False) -> Path:
    """The program of tests/clients/tracing-loki, built only if asked. Raises CannotInstall."""
    source = SOURCES / "tracing-loki"
    program = (
        CLIENTS / f"tracing-loki-{_digest(source / 'Cargo.lock', source / 'Cargo.toml', source / 'src' / 'main.rs')}"
    )
    if program.exists():
        return program
    if shutil.which("cargo") is None:
        raise CannotInstall("cargo is not installed")
    if not builds:
        raise CannotInstall("tracing-loki has not been built: make test-clients does, in about two minutes")
    with tempfile.TemporaryDirectory() as target:
        command = ["cargo", "build", "--release", "--locked", "--quiet", "--target-dir", target]
        _run(command, cwd=source, seconds_max=CARGO_SECONDS_MAX)
        unfinished = program.with_suffix(f".{os.getpid()}")
        CLIENTS.mkdir(parents=True, exist_ok=True)
        shutil.copy(Path(target) / "release" / "lodur-test-tracing-loki", unfinished)
    unfinished.rename(program)
    return program


def _digest(*files: Path) -> str:
    return hashlib.sha256(b"".join(each.read_bytes() for each in files)).hexdigest()[:16]


def debian_client(name: str) -> DebianProgram:
    """The program of that name. Raises CannotInstall."""
    return debian_program(name, DEBIAN_CLIENTS[name], cache=CLIENTS / "debian")


def _debian_path(name: str) -> Path:
    return debian_client(name).path


def install_node_clients() -> Path:
    """The node_modules for the scripts of tests/clients/node. Raises CannotInstall."""
    source = SOURCES / "node"
    locked = [source / "package.json", source / "package-lock.json"]
    place = CLIENTS / f"node-{_digest(*locked)}"
    if place.exists():
        return place / "node_modules"
    _need_node()
    unfinished = place.with_suffix(f".{os.getpid()}")
    unfinished.mkdir(parents=True, exist_ok=True)
    for each in locked:
        shutil.copy(each, unfinished)
    # Scripts of packages are not run: nothing of what is locked needs one.
    quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1", "--fetch-timeout=20000"]
    _run(["npm", "ci", *quiet], cwd=unfinished, seconds_max=NPM_SECONDS_MAX)
    unfinished.rename(place)
    return place / "node_modules"


def _need_node() -> None:
    if shutil.which("node") is None or shutil.which("npm") is None:
        raise CannotInstall("node and npm are not installed")
    shown = _run(["node", "--version"], cwd=ROOT, seconds_max=30).strip()
    if int(shown.removeprefix("v").split(".")[0]) < NODE_MAJOR_MIN:
        raise CannotInstall(f"node {shown} is too old, {NODE_MAJOR_MIN} or newer is needed")


def _run(command: list[str], *, cwd: Path, seconds_max: float) -> str:
    try:
        ran = subprocess.run(command, cwd=cwd, check=True, timeout=seconds_max, capture_output=True, text=True)
    except subprocess.CalledProcessError as error:
        lines = error.stderr.strip().splitlines()
        raise CannotInstall(lines[-1] if lines else str(error)) from error
    except (OSError, subprocess.SubprocessError) as error:
        raise CannotInstall(str(error)) from error
    return ran.stdout


if __name__ == "__main__":
    sys.exit(main())
