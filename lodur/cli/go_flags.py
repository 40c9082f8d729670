"""Commands whose flags are not click's: the server and the agent take those of the programs they replace.

`-config.file=x` and `--config.file x` mean the same there, so nothing may be read on the way: the words go on as they
were typed. Only a wish for help is answered here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import click

_HELP = frozenset({"-h", "-help", "--help"})


class Flag(NamedTuple):
    """A flag as its help shows it."""

    usage: str
    text: str


class GoFlagsCommand(click.Command):
    """Passes its words on untouched as `argv`, and explains the main flags on `--help`."""

    flags: Sequence[Flag] = ()

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not _HELP.isdisjoint(args) and not ctx.resilient_parsing:
            click.echo(self.get_help(ctx))
            ctx.exit()
        ctx.params["argv"] = tuple(args)
        return []

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write_usage(ctx.command_path, "[FLAG]...")

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Main flags (with one dash or two)"):
            formatter.write_dl([*self.flags, Flag("-h, -help, --help", "Show this text.")])
