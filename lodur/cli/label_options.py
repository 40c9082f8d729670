"""Labels as a person gives them: NAME=VALUE."""

from __future__ import annotations

import re

import click

_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*", re.ASCII)


def parse_labels(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """The labels of a repeatable option."""
    labels = {}
    for value in values:
        name, equals, text = value.partition("=")
        if not equals or not _LABEL_NAME.fullmatch(name):
            raise click.BadParameter(f"'{value}' is not NAME=VALUE with a name of letters, digits and _")
        labels[name] = as_utf8(text)
    return labels


def as_utf8(text: str) -> str:
    """Words of the command line can hold bytes that are not UTF-8; a label cannot."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
