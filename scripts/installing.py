"""What every installer of test programs needs: a name that changes with what is locked, and a command that may fail."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

from scripts.debian_programs import CannotInstall


def digest_of(*files: Path) -> str:
    """16 hexadecimal digits that change with what the files hold."""
    return hashlib.sha256(b"".join(each.read_bytes() for each in files)).hexdigest()[:16]


def run_installer(command: list[str], *, cwd: Path, seconds_max: float) -> str:
    """What the command prints. Raises CannotInstall with the last line that it complains in."""
    try:
        ran = subprocess.run(command, cwd=cwd, check=True, timeout=seconds_max, capture_output=True, text=True)
    except subprocess.CalledProcessError as error:
        lines = error.stderr.strip().splitlines()
        raise CannotInstall(lines[-1] if lines else str(error)) from error
    except (OSError, subprocess.SubprocessError) as error:
        raise CannotInstall(str(error)) from error
    return ran.stdout
