"""`lodur detected-fields`: the fields of log lines, or the values of one."""

from __future__ import annotations

from contextlib import closing
from datetime import tzinfo
from urllib.parse import quote

import click

from lodur.cli.answers import DetectedField, FieldsAnswer, FieldValuesAnswer, decode
from lodur.cli.client import LokiClient
from lodur.cli.connection import Connection, connection_options
from lodur.cli.list_output import list_output_option, print_list
from lodur.cli.log_output import OutputMode
from lodur.cli.query_errors import pointing_at_syntax, read_query
from lodur.cli.times import span_options
from lodur.model.time_span import TimeSpan

FIELDS_PATH = "/loki/api/v1/detected_fields"


@click.command(name="detected-fields")
@click.argument("query")
@click.argument("field", required=False)
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True, help="Tell so many of them.")
@click.option(
    "--line-limit", type=click.IntRange(min=1), default=1000, show_default=True, help="Look at so many lines."
)
@span_options
@list_output_option
@connection_options
def command(
    *,
    query: str,
    field: str | None,
    limit: int,
    line_limit: int,
    connection: Connection,
    span: TimeSpan,
    zone: tzinfo,
    mode: OutputMode,
) -> None:
    """List the fields of log lines, or the values of one field.

    Fields are structured metadata and what a parser finds in the newest lines; a table tells their type, how many
    values they have, and the parsers.

    \b
    Examples:
      lodur detected-fields '{app="shop"}'
      lodur detected-fields '{app="shop"} |= "error"' status
    """
    path = FIELDS_PATH if field is None else f"/loki/api/v1/detected_field/{quote(field, safe='')}/values"
    params = [
        ("query", query),
        ("start", str(span.start_ns)),
        ("end", str(span.end_ns)),
        ("limit", str(limit)),
        ("line_limit", str(line_limit)),
    ]
    with closing(LokiClient(connection)) as client, pointing_at_syntax(query, read=read_query):
        body = client.get(path, params)
        if field is not None:
            values = decode(body, FieldValuesAnswer, url=client.url).values
            print_list(values, "".join(f"{value}\n" for value in values), mode)
            return
        fields = decode(body, FieldsAnswer, url=client.url).fields
        print_list(fields, _table(fields), mode)


def _table(fields: list[DetectedField]) -> str:
    if not fields:
        return ""
    rows = [["label", "type", "values", "parsers"]]
    rows += [
        [field.label, field.type, str(field.cardinality), ",".join(field.parsers or ())]
        for field in sorted(fields, key=lambda field: field.label)
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "".join(
        "  ".join(
            [label.ljust(widths[0]), kind.ljust(widths[1]), count.rjust(widths[2]), parsers.ljust(widths[3])]
        ).rstrip()
        + "\n"
        for label, kind, count, parsers in rows
    )
