"""Install the real clients that the tests send and ask with, and print where they lie.

Each is installed once into .cache/clients: from the locked package.json of tests/clients/node, from the go.mod and
go.sum, Cargo.lock or pom.xml of tests/clients/⟨name⟩, or from Debian's packages. Microsoft's server for Azure is among
them, out of tests/servers/azurite. It and programs that are built take minutes, so that only `--all` installs them
(`make test-clients`); tests of what is not there are skipped, saying why. Exit status 1 when something is missing.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from scripts.alloy_program import MINUTES as ALLOY_MINUTES
from scripts.alloy_program import alloy_program, build_alloy
from scripts.debian_programs import CannotInstall, DebianProgram, debian_program
from scripts.go_programs import CACHE, ROOT, CannotBuild, GoProgram, build_program
from scripts.installing import digest_of, run_installer
from scripts.node_packages import install_node_packages, place_of

SOURCES = ROOT / "tests" / "clients"
CLIENTS = CACHE / "clients"
AZURITE = ROOT / "tests" / "servers" / "azurite"

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
        "azurite": partial(azurite, builds=builds),
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
    place = CLIENTS / f"java-{digest_of(pom)}"
    if place.exists():
        return place
    if shutil.which("java") is None or shutil.which("mvn") is None:
        raise CannotInstall("java and mvn are not installed")
    if not builds:
        raise CannotInstall("Java's packages have not been fetched: make test-clients does")
    unfinished = place.with_suffix(f".{os.getpid()}")
    command = ["mvn", "--quiet", "--batch-mode", MAVEN_COPY, f"-DoutputDirectory={unfinished}"]
    run_installer([*command, "--file", str(pom)], cwd=SOURCES / "java", seconds_max=MAVEN_SECONDS_MAX)
    unfinished.rename(place)
    return place


def rust_client(*, builds: bool = False) -> Path:
    """The program of tests/clients/tracing-loki, built only if asked. Raises CannotInstall."""
    source = SOURCES / "tracing-loki"
    program = (
        CLIENTS / f"tracing-loki-{digest_of(source / 'Cargo.lock', source / 'Cargo.toml', source / 'src' / 'main.rs')}"
    )
    if program.exists():
        return program
    if shutil.which("cargo") is None:
        raise CannotInstall("cargo is not installed")
    if not builds:
        raise CannotInstall("tracing-loki has not been built: make test-clients does, in about two minutes")
    with tempfile.TemporaryDirectory() as target:
        command = ["cargo", "build", "--release", "--locked", "--quiet", "--target-dir", target]
        run_installer(command, cwd=source, seconds_max=CARGO_SECONDS_MAX)
        unfinished = program.with_suffix(f".{os.getpid()}")
        CLIENTS.mkdir(parents=True, exist_ok=True)
        shutil.copy(Path(target) / "release" / "lodur-test-tracing-loki", unfinished)
    unfinished.rename(program)
    return program


def debian_client(name: str) -> DebianProgram:
    """The program of that name. Raises CannotInstall."""
    return debian_program(name, DEBIAN_CLIENTS[name], cache=CLIENTS / "debian")


def _debian_path(name: str) -> Path:
    return debian_client(name).path


def install_node_clients() -> Path:
    """The node_modules for the scripts of tests/clients/node. Raises CannotInstall."""
    return install_node_packages(SOURCES / "node", CLIENTS)


def azurite(*, builds: bool = False) -> Path:
    """The script of Microsoft's server for Azure, installed only if asked: it is 450 packages. Raises CannotInstall."""
    if not builds and not place_of(AZURITE, CLIENTS).exists():
        raise CannotInstall("azurite has not been installed: make test-clients does, in about a minute")
    return install_node_packages(AZURITE, CLIENTS) / "azurite" / "dist" / "src" / "blob" / "main.js"


if __name__ == "__main__":
    sys.exit(main())
