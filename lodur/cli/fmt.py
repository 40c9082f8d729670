"""`lodur fmt`: lay queries out, as `format_query` of the server does, without a server."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from lodur.cli.query_errors import explained
from lodur.cli.terminal import write_err, write_out
from lodur.model.errors import InvalidRequest, QuerySyntaxError

_STANDARD_INPUT = "-"
_FILE_NAME = re.compile(r"[\w./~][^{}()\"`]*[A-Za-z_.~][^{}()\"`]*|[A-Za-z_.~]")
"""What can only be meant as a file: every query but a number has a brace or a parenthesis."""


@dataclass(frozen=True, slots=True)
class Source:
    """A text to format; `path` where it is to be found again."""

    name: str
    text: str
    path: Path | None = None

    def is_formatted_as(self, formatted: str) -> bool:
        """A file ends with one newline; what was typed or piped may do without."""
        return self.text == f"{formatted}\n" if self.path else self.text.rstrip("\n") == formatted


@click.command(name="fmt")
@click.argument("sources", nargs=-1, metavar="[QUERY|FILE|-]...")
@click.option("--check", is_flag=True, help="Print nothing but the names of what is not formatted; exit with 1 then.")
@click.option("-w", "--write", is_flag=True, help="Write the result back to the files instead of printing it.")
def command(*, sources: tuple[str, ...], check: bool, write: bool) -> None:
    """Lay queries out.

    On one line where that fits, else a part a line, as Grafana and logcli do. An argument is a file with one query,
    where it exists; `-`, or nothing, is standard input; all else is a query. Comments above a query stay; one within it
    is refused, for it would be lost.

    \b
    Examples:
      lodur fmt 'sum by(level)(rate({app="shop"}|json[5m]))'
      lodur fmt < alert.logql
      lodur fmt --write queries/*.logql
      lodur fmt --check queries/*.logql
    """
    if check and write:
        raise click.UsageError("--check changes nothing: use it without --write")
    refused = False
    printed = 0
    for source in list(_read(sources or (_STANDARD_INPUT,), write=write)):
        try:
            formatted = _formatted(source)
        except InvalidRequest as error:
            write_err(f"Error: {error}\n")
            refused = True
            continue
        if check or write:
            changes = not source.is_formatted_as(formatted)
            refused = refused or (check and changes)
            if changes:
                _tell_or_write(source, formatted, write=write)
            continue
        write_out(("\n" if printed else "") + f"{formatted}\n")
        printed += 1
    if refused:
        sys.exit(1)


def _tell_or_write(source: Source, formatted: str, *, write: bool) -> None:
    if not write:
        write_err(f"{source.name}: not formatted\n")
    elif source.path:
        source.path.write_bytes(f"{formatted}\n".encode())
        write_err(f"{source.name}: formatted\n")


def _read(arguments: tuple[str, ...], *, write: bool) -> Iterator[Source]:
    for argument in arguments:
        path = Path(argument)
        if argument == _STANDARD_INPUT and not write:
            yield Source("standard input", _decoded("standard input", sys.stdin.buffer.read()))
        elif _is_file(path):
            yield Source(argument, _decoded(argument, path.read_bytes()), path)
        elif write or _FILE_NAME.fullmatch(argument):
            raise click.BadParameter(f"'{argument}' is not a file", param_hint="FILE")
        else:
            yield Source("query", argument)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # too long, or with a NUL: a query
        return False


def _decoded(name: str, raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"{name} is not UTF-8: byte {error.start} is 0x{raw[error.start]:02x}") from error


def _formatted(source: Source) -> str:
    # Imported here: --help does without the parser.
    from lodur.logql.comments import format_text

    try:
        return format_text(source.text)
    except QuerySyntaxError as error:
        name = f"{source.name}: " if source.path else ""
        raise InvalidRequest(f"{name}{explained(error)}") from error
