"""`lodur series`: the label sets that match selectors."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import tzinfo

import click

from lodur.cli.answers import SeriesAnswer, decode
from lodur.cli.client import LokiClient
from lodur.cli.connection import Connection, connection_options
from lodur.cli.list_output import list_output_option, print_list
from lodur.cli.log_output import OutputMode
from lodur.cli.query_errors import pointing_at_syntax, read_series_selector
from lodur.cli.times import span_options
from lodur.model.label_set import LabelSet
from lodur.model.time_span import TimeSpan

SERIES_PATH = "/loki/api/v1/series"


@click.command(name="series")
@click.argument("selectors", nargs=-1, required=True, metavar="SELECTOR...")
@click.option("--analyze-labels", is_flag=True, help="Count the values of each label instead: which one has too many?")
@span_options
@list_output_option
@connection_options
def command(
    *,
    selectors: tuple[str, ...],
    analyze_labels: bool,
    connection: Connection,
    span: TimeSpan,
    zone: tzinfo,
    mode: OutputMode,
) -> None:
    """List the label sets that match selectors.

    With several selectors, those that match any of them; '{}' matches all.

    \b
    Examples:
      lodur series '{app="shop"}'
      lodur series '{app="shop"}' '{app="bank"}' --since 24h
      lodur series '{}' --analyze-labels
    """
    params = [("match[]", selector) for selector in selectors]
    params += [("start", str(span.start_ns)), ("end", str(span.end_ns))]
    with closing(LokiClient(connection)) as client, pointing_at_syntax(*selectors, read=read_series_selector):
        answer = decode(client.get(SERIES_PATH, params), SeriesAnswer, url=client.url)
    label_sets = [LabelSet.of(labels) for labels in answer.data]
    if analyze_labels:
        print_list(label_analysis(label_sets), format_label_analysis(label_sets), mode)
    else:
        label_sets.sort()
        print_list([dict(labels) for labels in label_sets], "".join(f"{labels}\n" for labels in label_sets), mode)


@dataclass(frozen=True, slots=True)
class LabelCounts:
    """How many values a label has, and in how many streams it is found."""

    label: str
    values: int
    streams: int


def label_analysis(label_sets: Sequence[LabelSet]) -> list[LabelCounts]:
    """The labels of streams, the most various first."""
    values: defaultdict[str, set[str]] = defaultdict(set)
    streams: defaultdict[str, int] = defaultdict(int)
    for labels in label_sets:
        for name, value in labels:
            values[name].add(value)
            streams[name] += 1
    names = sorted(values, key=lambda name: (-len(values[name]), name))
    return [LabelCounts(name, len(values[name]), streams[name]) for name in names]


def format_label_analysis(label_sets: Sequence[LabelSet]) -> str:
    """The analysis as a table, below what there is in all."""
    counts = label_analysis(label_sets)
    width = max((len(one.label) for one in counts), default=0)
    width = max(width, len("label"))
    table = [f"{'label'.ljust(width)}  {'values':>8}  {'streams':>8}"]
    table += [f"{one.label.ljust(width)}  {one.values:>8}  {one.streams:>8}" for one in counts]
    head = [f"streams  {len(label_sets)}", f"labels   {len(counts)}"]
    return "\n".join([*head, "", *table]) + "\n"
