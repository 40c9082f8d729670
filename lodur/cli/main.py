"""`lodur`: the group of all sub-commands.

Sub-commands live one a file and are imported only when they are called, so that `lodur --help` and `lodur query`
start at once. Start at `COMMANDS`; exit codes: 0 done, 1 the server or the query refused, 2 wrong usage,
130 interrupted.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass

import click

from lodur.model.errors import LodurError, QuerySyntaxError


@dataclass(frozen=True, slots=True)
class LazyCommand:
    """A sub-command that is not imported yet: its module holds it under the name `command`."""

    name: str
    module: str
    summary: str
    """The first sentence of the command's help, kept here so that the list needs no import."""


COMMANDS = (
    LazyCommand("serve", "lodur.cli.serve", "Start the server."),
    LazyCommand("agent", "lodur.cli.agent", "Collect logs and ship them to a server."),
    LazyCommand("dev", "lodur.cli.dev", "Start a server and an agent that ships this machine's own logs."),
    LazyCommand("push", "lodur.cli.push", "Ship files, or standard input, to a server."),
    LazyCommand("query", "lodur.cli.query", "Ask for log lines, or for a metric over a time span."),
    LazyCommand("tail", "lodur.cli.tail", "Follow log lines as they come."),
    LazyCommand("instant-query", "lodur.cli.instant_query", "Ask for a metric at one moment."),
    LazyCommand("fmt", "lodur.cli.fmt", "Lay queries out."),
    LazyCommand("labels", "lodur.cli.labels", "List label names, or the values of one label."),
    LazyCommand("series", "lodur.cli.series", "List the label sets that match selectors."),
    LazyCommand("volume", "lodur.cli.volume", "Tell how many bytes there are, by labels."),
    LazyCommand("volume_range", "lodur.cli.volume_range", "Tell how many bytes there are, by labels and by time."),
    LazyCommand("stats", "lodur.cli.stats", "Tell how much a selector covers."),
    LazyCommand(
        "detected-fields", "lodur.cli.detected_fields", "List the fields of log lines, or the values of one field."
    ),
    LazyCommand("patterns", "lodur.cli.patterns", "Tell what the lines of a selector have in common."),
    LazyCommand("delete", "lodur.cli.delete", "Ask for entries to be deleted, list such requests, and cancel them."),
    LazyCommand("rules", "lodur.cli.rules", "Check, test, list and change rules."),
    LazyCommand("export", "lodur.cli.export", "Write all entries of a selector and a time span into a file."),
    LazyCommand("import", "lodur.cli.import_logs", "Put files of entries into a server."),
    LazyCommand("sql", "lodur.cli.sql", "Run SQL over the segments of a store."),
    LazyCommand("segments", "lodur.cli.segments", "List, describe and check the segments of a store."),
    LazyCommand("verify", "lodur.cli.verify", "Check every checksum and every reference of a store."),
    LazyCommand("completion", "lodur.cli.completion", "Print the completion script for a shell."),
    LazyCommand("version", "lodur.cli.version", "Print the version of Lodur."),
)


class LazyGroup(click.Group):
    """A group that lists its commands without importing them, and turns Lodur's errors into messages."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [entry.name for entry in COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        for entry in COMMANDS:
            if entry.name == cmd_name:
                command = importlib.import_module(entry.module).command
                assert isinstance(command, click.Command)
                return command
        return None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(entry.name, entry.summary) for entry in COMMANDS])

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, with_command_first(args))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if not name.startswith("-") and name not in self.list_commands(ctx):
            raise click.UsageError(f"no such command '{name}'{_nearest(name)}", ctx=ctx)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except LodurError as error:
            raise click.ClickException(_message(error)) from error


def with_command_first(args: list[str]) -> list[str]:
    """The arguments with what stands before the command behind it: logcli takes options there, and scripts use it."""
    if not args or not args[0].startswith("-") or args[0] in ("-h", "--help"):
        return args
    names = {entry.name for entry in COMMANDS}
    at = next((place for place, word in enumerate(args) if word in names), None)
    return args if at is None else [args[at], *args[:at], *args[at + 1 :]]


def _message(error: LodurError) -> str:
    if not isinstance(error, QuerySyntaxError):
        return str(error)
    # Imported here, as all that only some commands need.
    from lodur.cli.query_errors import explained

    return explained(error)


def _nearest(name: str) -> str:
    import difflib

    near = difflib.get_close_matches(name, [entry.name for entry in COMMANDS], n=1)
    return f": did you mean '{near[0]}'?" if near else "; `lodur --help` lists them"


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def lodur() -> None:
    """Keep logs, and ask them.

    \b
    Examples:
      lodur dev                                      # try it: a server with this machine's own logs
      lodur serve -config.file=loki.yaml             # a server from Loki's own configuration
      lodur push --label app=shop access.log.gz      # ship a file
      lodur query '{app="shop"} |= "error"'          # read it back, newest first

    Commands that talk to a server find it by --addr, LODUR_ADDR or LOKI_ADDR (default http://127.0.0.1:3100).
    """


def main() -> None:
    """The entry point of the installed script."""
    lodur(prog_name="lodur")
