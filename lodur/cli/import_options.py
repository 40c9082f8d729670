"""Options about what an import reads; the command receives them as one `FieldMapping`."""

from __future__ import annotations

import functools
from collections.abc import Callable

import click

from lodur.cli.import_mapping import FieldMapping, TimestampFormat, label_name
from lodur.cli.label_options import parse_labels

_OPTIONS = (
    click.option("--timestamp-field", metavar="NAME", help="Member or column that has the time."),
    click.option(
        "--timestamp-format",
        type=click.Choice([form.value for form in TimestampFormat]),
        default=TimestampFormat.AUTO.value,
        show_default=True,
        help="How times are written; auto tells RFC 3339 and the unit of numbers by themselves.",
    ),
    click.option("--line-field", metavar="NAME", help="Member or column that has the line."),
    click.option(
        "--label-field",
        "label_fields",
        metavar="[LABEL=]NAME",
        multiple=True,
        help="Member or column that becomes a label; repeatable.",
    ),
    click.option(
        "--metadata-field",
        "metadata_fields",
        metavar="[NAME=]NAME",
        multiple=True,
        help="Member or column that becomes structured metadata; repeatable.",
    ),
    click.option(
        "--label",
        "labels",
        metavar="NAME=VALUE",
        multiple=True,
        callback=parse_labels,
        help="A label of all entries, repeatable; an empty value drops one.",
    ),
)


def mapping_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options; the command receives them as `mapping`."""

    @functools.wraps(function)
    def collect(
        *,
        timestamp_field: str | None,
        timestamp_format: str,
        line_field: str | None,
        label_fields: tuple[str, ...],
        metadata_fields: tuple[str, ...],
        labels: dict[str, str],
        **others: object,
    ) -> None:
        mapping = FieldMapping(
            timestamp=timestamp_field,
            timestamp_format=TimestampFormat(timestamp_format),
            line=line_field,
            labels=tuple(map(_renamed, label_fields)),
            metadata=tuple(map(_renamed, metadata_fields)),
            fixed=labels,
        )
        function(mapping=mapping, **others)

    decorated: Callable[..., None] = collect
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated


def _renamed(text: str) -> tuple[str, str]:
    name, equals, path = text.partition("=")
    return (name, path) if equals else (label_name(text), text)
