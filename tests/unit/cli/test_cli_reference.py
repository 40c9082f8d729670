"""docs/reference/cli.md knows every command and every option, and no other."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from lodur.cli.go_flags import GoFlagsCommand
from lodur.cli.main import COMMANDS, lodur

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "cli.md").read_text()


def section(title: str) -> str:
    match = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert match, f"docs/reference/cli.md has no section '{title}'"
    return match[1]


def command(name: str) -> click.Command:
    found = lodur.get_command(click.Context(lodur), name)
    assert found is not None
    return found


def options(of: click.Command) -> list[click.Option]:
    below = of.commands.values() if isinstance(of, click.Group) else ()
    own = [param for param in of.params if isinstance(param, click.Option)]
    return own + [option for command in below for option in options(command)]


@pytest.mark.parametrize("name", [entry.name for entry in COMMANDS])
def test_every_option_is_described(name: str) -> None:
    described = section(f"lodur {name}") + section("Shared options")
    for option in options(command(name)):
        for spelling in (*option.opts, *option.secondary_opts):
            assert re.search(rf"`{re.escape(spelling)}[` ]", described), f"{spelling} of lodur {name}"
        if isinstance(option.envvar, list):
            assert all(f"`{variable}`" in described for variable in option.envvar)


@pytest.mark.parametrize("name", [entry.name for entry in COMMANDS])
def test_no_other_option_is_described(name: str) -> None:
    known = {spelling for option in options(command(name)) for spelling in (*option.opts, *option.secondary_opts)}
    described = set(re.findall(r"^\| `(--?[A-Za-z-]+)", section(f"lodur {name}"), re.MULTILINE))
    assert described <= known


@pytest.mark.parametrize("name", ["serve", "agent"])
def test_main_flags_are_described(name: str) -> None:
    found = command(name)
    assert isinstance(found, GoFlagsCommand)
    assert found.flags
    for flag in found.flags:
        assert f"`{flag.usage.split('=')[0]}`" in section(f"lodur {name}")


def test_every_command_is_listed() -> None:
    assert re.findall(r"^\| \[`lodur ([a-z_-]+)`\]", PAGE, re.MULTILINE) == [entry.name for entry in COMMANDS]
