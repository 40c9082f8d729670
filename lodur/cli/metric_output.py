"""Print metric results: tables for people (default), tab-separated samples (raw), or the server's objects (jsonl,
json)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import tzinfo
from typing import assert_never

import click
import msgspec

from lodur.cli.answers import Matrix, MatrixSeries, Scalar, Vector, VectorSample
from lodur.cli.log_output import OutputMode
from lodur.cli.times import format_time
from lodur.model.durations import NS_PER_MS
from lodur.model.label_set import LabelSet

Metric = Matrix | Vector | Scalar


def format_metric(data: Metric, mode: OutputMode, zone: tzinfo, *, coloured: bool) -> str:
    """The whole result as text that ends with a newline; empty for an empty result."""
    match mode:
        case OutputMode.JSONL:
            lines = _json_lines(data)
        case OutputMode.JSON:
            objects = ",\n".join(_json_lines(data))
            return f"[\n{objects}\n]\n" if objects else "[]\n"
        case OutputMode.RAW:
            lines = ("\t".join((labels, _seconds_text(at), value)) for labels, at, value in _samples(data))
        case OutputMode.DEFAULT:
            lines = _readable_lines(data, zone, coloured)
        case _:
            assert_never(mode)
    return "".join(f"{line}\n" for line in lines)


def _samples(data: Metric) -> Iterator[tuple[str, float, str]]:
    match data:
        case Matrix(result=all_series):
            for series in all_series:
                labels = str(LabelSet.of(series.metric))
                for at, value in series.values:
                    yield labels, at, value
        case Vector(result=samples):
            for sample in samples:
                yield str(LabelSet.of(sample.metric)), *sample.value
        case Scalar(result=(at_ms, value)):
            # Loki gives a scalar's time in milliseconds, and that of every other sample in seconds.
            yield "{}", at_ms / 1000, value
        case _:
            assert_never(data)


def _json_lines(data: Metric) -> Iterator[str]:
    encode = msgspec.json.Encoder(order="deterministic").encode
    items: list[MatrixSeries] | list[VectorSample] | list[tuple[float, str]]
    items = [data.result] if isinstance(data, Scalar) else data.result
    for item in items:
        yield encode(_whole_seconds(item)).decode()


def _whole_seconds(item: MatrixSeries | VectorSample | tuple[float, str]) -> object:
    """The item with times as the server wrote them: `1730000000`, not `1730000000.0`."""
    match item:
        case MatrixSeries(metric=metric, values=values):
            return {"metric": metric, "values": [[_shortest(at), value] for at, value in values]}
        case VectorSample(metric=metric, value=(at, value)):
            return {"metric": metric, "value": [_shortest(at), value]}
        case (at, value):
            return [_shortest(at), value]
        case _:
            assert_never(item)


def _shortest(seconds: float) -> int | float:
    return int(seconds) if seconds.is_integer() else seconds


def _seconds_text(seconds: float) -> str:
    return str(_shortest(round(seconds, 3)))


def _readable_lines(data: Metric, zone: tzinfo, coloured: bool) -> Iterator[str]:
    match data:
        case Matrix(result=all_series):
            for series in all_series:
                yield _styled(str(LabelSet.of(series.metric)), "green", coloured)
                width = max((len(value) for _, value in series.values), default=0)
                for at, value in series.values:
                    yield f"  {_styled(_time_text(at, zone), 'blue', coloured)}  {value.rjust(width)}"
        case Vector(result=samples):
            yield from _table(samples, coloured)
        case Scalar(result=(_, value)):
            yield value
        case _:
            assert_never(data)


def _table(samples: list[VectorSample], coloured: bool) -> Iterator[str]:
    """A column for each label name and one for the value, which stands to the right."""
    if not samples:
        return
    names = sorted({name for sample in samples for name in sample.metric})
    rows = [[*(sample.metric.get(name, "") for name in names), sample.value[1]] for sample in samples]
    header = [*names, "value"]
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    yield _styled(_row(header, widths), "green", coloured)
    for row in rows:
        yield _row(row, widths)


def _row(cells: list[str], widths: list[int]) -> str:
    *labels, value = (
        _one_line(cell).ljust(width) if place + 1 < len(cells) else cell.rjust(width)
        for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return "  ".join([*labels, value])


def _one_line(cell: str) -> str:
    return cell.replace("\n", " ")


def _time_text(seconds: float, zone: tzinfo) -> str:
    return format_time(round(seconds * 1000) * NS_PER_MS, zone, nanos=True)


def _styled(text: str, colour: str, coloured: bool) -> str:
    return click.style(text, fg=colour) if coloured else text
