"""`lodur version`."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

import click

from lodur.cli.terminal import write_out


@click.command(name="version")
def command() -> None:
    """Print the version of Lodur.

    \b
    Examples:
      lodur version
    """
    write_out(f"lodur {installed_version()} (Python {platform.python_version()}, {platform.machine()})\n")


def installed_version() -> str:
    """The version of the installed package."""
    try:
        return version("lodur")
    except PackageNotFoundError:
        return "unknown (not installed)"
