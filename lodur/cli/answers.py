"""Shapes of a Loki-compatible server's answers, checked as they are decoded.

Specification: https://grafana.com/docs/loki/latest/reference/loki-http-api/.
"""

from __future__ import annotations

from typing import Literal, TypeVar

import msgspec

from lodur.model.errors import Unavailable


class Categories(msgspec.Struct, frozen=True):
    """Labels of an entry that are not its stream's, where the server was asked to tell them apart."""

    metadata: dict[str, str] = msgspec.field(default={}, name="structuredMetadata")


class LogValue(msgspec.Struct, frozen=True, array_like=True):
    """An entry: an array of two or three."""

    ts_ns: int
    line: str
    categories: Categories | None = None


class LogStream(msgspec.Struct, frozen=True):
    """Entries with one final label set."""

    stream: dict[str, str]
    values: list[LogValue]


class MatrixSeries(msgspec.Struct, frozen=True):
    """A series over time; a point is Unix seconds and the value's text."""

    metric: dict[str, str]
    values: list[tuple[float, str]]


class VectorSample(msgspec.Struct, frozen=True):
    """A series at one moment."""

    metric: dict[str, str]
    value: tuple[float, str]


class Streams(msgspec.Struct, frozen=True, tag_field="resultType", tag="streams"):
    result: list[LogStream]
    stats: msgspec.Raw = msgspec.Raw(b"{}")


class Matrix(msgspec.Struct, frozen=True, tag_field="resultType", tag="matrix"):
    result: list[MatrixSeries]
    stats: msgspec.Raw = msgspec.Raw(b"{}")


class Vector(msgspec.Struct, frozen=True, tag_field="resultType", tag="vector"):
    result: list[VectorSample]
    stats: msgspec.Raw = msgspec.Raw(b"{}")


class Scalar(msgspec.Struct, frozen=True, tag_field="resultType", tag="scalar"):
    result: tuple[float, str]
    stats: msgspec.Raw = msgspec.Raw(b"{}")


QueryData = Streams | Matrix | Vector | Scalar


class QueryAnswer(msgspec.Struct, frozen=True):
    """The answer of `query` and `query_range`."""

    status: Literal["success"]
    data: QueryData
    warnings: list[str] = []


class LabelsAnswer(msgspec.Struct, frozen=True):
    """Label names or values; `data` is left out where there are none."""

    status: Literal["success"]
    data: list[str] = []


class SeriesAnswer(msgspec.Struct, frozen=True):
    """The label sets that match."""

    status: Literal["success"]
    data: list[dict[str, str]] = []


class StatsAnswer(msgspec.Struct, frozen=True):
    """How much a selector covers."""

    streams: int
    chunks: int
    bytes: int
    entries: int


class DetectedField(msgspec.Struct, frozen=True):
    """A field of log lines; structured metadata has no parsers."""

    label: str
    type: str
    cardinality: int
    parsers: list[str] | None = None


class FieldsAnswer(msgspec.Struct, frozen=True):
    """The fields of log lines, which are left out where there are none."""

    fields: list[DetectedField] = []


class FieldValuesAnswer(msgspec.Struct, frozen=True):
    """The values of a field, which are left out where there are none."""

    values: list[str] = []


class LinePattern(msgspec.Struct, frozen=True):
    """A pattern; a sample is Unix seconds and a number of lines."""

    pattern: str
    samples: list[tuple[int, int]]
    level: str = ""


class PatternsAnswer(msgspec.Struct, frozen=True):
    """What lines have in common."""

    status: Literal["success"]
    data: list[LinePattern] = []


_Shape = TypeVar(
    "_Shape", QueryAnswer, LabelsAnswer, SeriesAnswer, StatsAnswer, FieldsAnswer, FieldValuesAnswer, PatternsAnswer
)


def decode(body: bytes, shape: type[_Shape], *, url: str) -> _Shape:
    """Decode a 2xx body; raises Unavailable where it is not what a Loki-compatible server sends."""
    try:
        # Timestamps in ns are strings in JSON; anything but strict turns them into integers, and refuses other text.
        return msgspec.json.decode(body, type=shape, strict=False)
    except msgspec.DecodeError as error:
        raise Unavailable(f"{url} answered something else than a Loki-compatible server would: {error}") from error
