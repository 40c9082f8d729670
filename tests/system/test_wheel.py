"""The wheel installs and runs on a machine that has Python and nothing else: no compiler, no Rust, no checkout."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD_SECONDS_MAX = 280
"""After `make setup` only the last link and the packing are left to do."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that `make wheel` builds."""
    out = tmp_path_factory.mktemp("dist")
    maturin = Path(sys.executable).parent / "maturin"
    built = subprocess.run(
        [maturin, "build", "--release", "--locked", "--interpreter", sys.executable, "--out", out],
        cwd=ROOT,
        env={"CARGO_TARGET_DIR": str(ROOT / "rust" / "target"), **os.environ},
        capture_output=True,
        text=True,
        timeout=BUILD_SECONDS_MAX,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    (path,) = out.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment with the wheel and the packages it needs; its `bin` is all that is in PATH."""
    venv = tmp_path_factory.mktemp("clean") / "venv"
    uv = shutil.which("uv", path=os.pathsep.join([str(ROOT / ".uv" / "bin"), os.environ.get("PATH", "")]))
    assert uv is not None, "uv is missing: run `make setup`"
    only_venv = {**os.environ, "PATH": str(venv / "bin")}
    install = [uv, "pip", "install", "--quiet", "--python", str(venv / "bin" / "python")]
    locked = ["--require-hashes", "--only-binary", ":all:", "-r", str(ROOT / "requirements" / "runtime.txt")]
    for command in (
        [uv, "venv", "--quiet", "--python", sys.executable, str(venv)],
        [*install, *locked],
        [*install, "--no-deps", "--no-index", str(wheel)],
    ):
        subprocess.run(command, check=True, env=only_venv, cwd=venv.parent, timeout=BUILD_SECONDS_MAX)
    return venv


def run(installed: Path, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": str(installed / "bin"), "HOME": str(installed), "LC_ALL": "C.UTF-8"}
    command = [str(installed / "bin" / program), *arguments]
    return subprocess.run(
        command, env=environment, cwd=installed, capture_output=True, text=True, timeout=60, check=False
    )


def test_the_wheel_is_abi3(wheel: Path) -> None:
    assert "-cp311-abi3-" in wheel.name


def test_the_wheel_holds_the_package_the_extension_and_the_licence(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert any(name.startswith("lodur/kernels/_native.") and name.endswith(".so") for name in names)
    assert "lodur/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not any(name.startswith(("tests/", "rust/", "bench/")) or name.endswith(".pyc") for name in names)


@pytest.mark.parametrize("compiler", ["cc", "gcc", "clang", "cargo", "rustc", "maturin"])
def test_no_compiler_is_in_reach(installed: Path, compiler: str) -> None:
    assert shutil.which(compiler, path=str(installed / "bin")) is None


def test_the_command_runs(installed: Path) -> None:
    shown = run(installed, "lodur", "version")
    assert shown.returncode == 0, shown.stderr
    assert importlib.metadata.version("lodur") in shown.stdout


def test_the_extension_is_imported_from_the_wheel(installed: Path) -> None:
    script = "import lodur.kernels._native as native; print(native.__file__)"
    shown = run(installed, "python", "-c", script)
    assert shown.returncode == 0, shown.stderr
    assert Path(shown.stdout.strip()).is_relative_to(installed)
