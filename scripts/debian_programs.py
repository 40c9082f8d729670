"""Debian's own builds of programs that tests start, unpacked into .cache without installing them.

What is installed on the machine is taken as it is. Else `apt-get` names the packages that are missing and fetches them,
checked against the signed index of the machine's Debian; nothing of theirs is run. Start at `debian_program`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

FETCH_SECONDS_MAX = 120

SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


class CannotInstall(Exception):
    """The program cannot be had here; the message says why."""


@dataclass(frozen=True, slots=True)
class DebianProgram:
    """A program that can be started, and where its package lies."""

    path: Path
    root: Path
    """What `/` is to its package: `/` itself where the package is installed."""

    def environment(self) -> dict[str, str]:
        """What its libraries are found by."""
        if self.root == Path("/"):
            return {}
        libraries = sorted({str(found.parent) for found in self.root.rglob("*.so.*")})
        return {"LD_LIBRARY_PATH": ":".join(libraries)}


def debian_program(name: str, packages: Sequence[str], *, cache: Path) -> DebianProgram:
    """The program of that name from these packages. Raises CannotInstall."""
    installed = shutil.which(name, path=SYSTEM_PATH)
    if installed is not None and _are_installed(packages):
        return DebianProgram(Path(installed), Path("/"))
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise CannotInstall(f"{name} is not installed, and this machine has no apt-get to fetch it with")
    root = _unpacked(packages, cache)
    found = [root / place / name for place in ("usr/sbin", "usr/bin") if (root / place / name).exists()]
    if not found:
        raise CannotInstall(f"the packages {' '.join(packages)} have no program {name}")
    return DebianProgram(found[0], root)


def _are_installed(packages: Sequence[str]) -> bool:
    asked = subprocess.run(
        ["dpkg-query", "--show", "--showformat=${db:Status-Status}\n", *packages],
        capture_output=True,
        text=True,
        check=False,
    )
    return asked.stdout.splitlines() == ["installed"] * len(packages)


def _unpacked(packages: Sequence[str], cache: Path) -> Path:
    """A directory with the packages and those of what they need that the machine lacks."""
    root = cache / packages[0]
    if root.exists():
        return root
    files = _missing(packages)
    unfinished = root.with_suffix(f".{os.getpid()}")
    shutil.rmtree(unfinished, ignore_errors=True)
    fetched = unfinished / "packages"
    fetched.mkdir(parents=True)
    _run(["apt-get", "download", "-qq", *(file.split("_")[0] for file in files)], cwd=fetched)
    for archive in sorted(fetched.glob("*.deb")):
        _run(["dpkg-deb", "--extract", str(archive), str(unfinished)], cwd=fetched)
    shutil.rmtree(fetched)
    unfinished.rename(root)
    return root


def _missing(packages: Sequence[str]) -> list[str]:
    """The archives that apt would fetch, as `name_version_architecture.deb`."""
    shown = _run(["apt-get", "install", "--print-uris", "-qq", "--no-install-recommends", *packages], cwd=Path("/"))
    files = sorted(re.findall(r"^'[^']+' (\S+\.deb)", shown, re.MULTILINE))
    if not files:
        raise CannotInstall(f"apt-get knows no packages {' '.join(packages)}")
    return files


def _run(command: Sequence[str], *, cwd: Path) -> str:
    try:
        ran = subprocess.run(
            command,
            cwd=cwd,
            check=True,
            timeout=FETCH_SECONDS_MAX,
            capture_output=True,
            text=True,
            env={**os.environ, "LC_ALL": "C"},
        )
    except subprocess.CalledProcessError as error:
        lines = [line for line in error.stderr.splitlines() if line.startswith("E:")]
        raise CannotInstall(lines[0] if lines else str(error)) from error
    except (OSError, subprocess.SubprocessError) as error:
        raise CannotInstall(str(error)) from error
    return ran.stdout
