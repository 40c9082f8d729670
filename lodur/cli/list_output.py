"""Print lists of things (labels, streams, fields, patterns): for people, or as JSON for programs."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import assert_never

import click
import msgspec

from lodur.cli.log_output import OutputMode
from lodur.cli.terminal import write_out

_MODES = [mode.value for mode in OutputMode if mode is not OutputMode.RAW]

_OPTION = click.option(
    "-o",
    "--output",
    "mode",
    type=click.Choice(_MODES),
    default=OutputMode.DEFAULT.value,
    show_default=True,
    help="default: for people; jsonl: an item a line as JSON; json: an array of them.",
)


_QUIET_OPTION = click.option(
    "-q", "--quiet", is_flag=True, help="For scripts of logcli: nothing else is printed anyway."
)


def list_output_option(function: Callable[..., None]) -> Callable[..., None]:
    """Add `--output`, which the command receives as `mode`, and `--quiet`, which means nothing here."""

    @functools.wraps(function)
    def collect(*, mode: str, quiet: bool, **others: object) -> None:
        function(mode=OutputMode(mode), **others)

    return _OPTION(_QUIET_OPTION(collect))


def print_list(items: Sequence[object], readable: str, mode: OutputMode) -> None:
    """Print the items as JSON, or the text that stands for them."""
    match mode:
        case OutputMode.DEFAULT | OutputMode.RAW:
            write_out(readable)
        case OutputMode.JSONL:
            write_out("".join(f"{text}\n" for text in map(_json, items)))
        case OutputMode.JSON:
            texts = ",\n".join(map(_json, items))
            write_out(f"[\n{texts}\n]\n" if items else "[]\n")
        case _:
            assert_never(mode)


def _json(item: object) -> str:
    return msgspec.json.encode(item, order="deterministic").decode()
