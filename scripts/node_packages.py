"""Install what tests run with Node: each locked package.json once, into .cache. Start at `install_node_packages`."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from scripts.debian_programs import CannotInstall
from scripts.go_programs import ROOT
from scripts.installing import digest_of, run_installer

NODE_MAJOR_MIN = 20
"""What the newest pino asks for."""

NPM_SECONDS_MAX = 180


def place_of(source: Path, cache: Path) -> Path:
    """Where the packages of a directory with package.json and package-lock.json lie, or would."""
    return cache / f"{source.name}-{digest_of(*_locked(source))}"


def install_node_packages(source: Path, cache: Path) -> Path:
    """The node_modules of a directory with package.json and package-lock.json. Raises CannotInstall."""
    place = place_of(source, cache)
    if place.exists():
        return place / "node_modules"
    _need_node()
    unfinished = place.with_suffix(f".{os.getpid()}")
    unfinished.mkdir(parents=True, exist_ok=True)
    for each in _locked(source):
        shutil.copy(each, unfinished)
    # Scripts of packages are not run: nothing of what is locked needs one.
    quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1", "--fetch-timeout=20000"]
    run_installer(["npm", "ci", *quiet], cwd=unfinished, seconds_max=NPM_SECONDS_MAX)
    unfinished.rename(place)
    return place / "node_modules"


def _locked(source: Path) -> list[Path]:
    return [source / "package.json", source / "package-lock.json"]


def _need_node() -> None:
    if shutil.which("node") is None or shutil.which("npm") is None:
        raise CannotInstall("node and npm are not installed")
    shown = run_installer(["node", "--version"], cwd=ROOT, seconds_max=30).strip()
    if int(shown.removeprefix("v").split(".")[0]) < NODE_MAJOR_MIN:
        raise CannotInstall(f"node {shown} is too old, {NODE_MAJOR_MIN} or newer is needed")
