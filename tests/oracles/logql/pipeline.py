"""The stages of a query over one entry. Start at `run_pipeline`.

A stage that Lodur's tree gains has its place in `_run_stage`, what it reads in `_needs`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from lodur.logql.stages import Stage
from lodur.logql.stages.decolorize import Decolorize
from lodur.logql.stages.drop_labels import DropLabels
from lodur.logql.stages.json_parser import JsonParser
from lodur.logql.stages.keep_labels import KeepLabels
from lodur.logql.stages.label_filter import LabelFilter
from lodur.logql.stages.label_format import LabelFormat, LabelRename, LabelTemplate
from lodur.logql.stages.line_filter import LineFilter
from lodur.logql.stages.line_format import LineFormat
from lodur.logql.stages.logfmt_parser import LogfmtParser
from lodur.logql.stages.pattern_parser import PatternParser
from lodur.logql.stages.regexp_parser import RegexpParser
from lodur.logql.stages.unpack_parser import UnpackParser
from lodur.logql.stages.unwrap import Unwrap, UnwrapConversion
from tests.oracles.logql.filters import filter_passes, gates_of, line_passes, names_of, target_names
from tests.oracles.logql.json_lines import parse_json, parse_json_paths, unpack
from tests.oracles.logql.readings import read_bytes, read_duration_ns, read_number
from tests.oracles.logql.row import ERROR, ERROR_DETAILS, Entry, Gate, Needs, Rejected, Row, Satisfied
from tests.oracles.logql.templates import fill_in, format_labels, names_in
from tests.oracles.logql.text_lines import decolorize, parse_logfmt, parse_pattern, parse_regexp

_HOLDS_LINE_FILTERS = (LineFormat, UnpackParser, LabelFilter)
"""Line filters written behind these see what they leave; otherwise they see the line as it was stored."""

_ONLY_LABELS = (
    *(JsonParser, LogfmtParser, RegexpParser, PatternParser, UnpackParser),
    *(DropLabels, KeepLabels, LabelFormat),
)
"""Stages that are left out where nobody looks at labels."""


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Stages in the order of their work."""

    stages: tuple[Stage, ...]
    unwrap: Unwrap | None
    needs: Needs | None
    gates: tuple[tuple[Gate, ...], ...]
    """For each stage, those of the stages behind it."""


def make_pipeline(
    stages: tuple[Stage, ...], unwrap: Unwrap | None = None, by: frozenset[str] | None = None
) -> Pipeline:
    """`by` are the labels that the caller looks at; None: all."""
    ordered: list[Stage] = []
    free = 0
    for stage in stages:
        if isinstance(stage, LineFilter):
            ordered.insert(free, stage)
            free += 1
            continue
        ordered.append(stage)
        if isinstance(stage, _HOLDS_LINE_FILTERS):
            free = len(ordered)
    needs = None if by is None else _needs(stages, unwrap, by)
    if needs is not None and not needs.names:
        ordered = [stage for stage in ordered if not isinstance(stage, _ONLY_LABELS)]
    gates: list[tuple[Gate, ...]] = []
    later: tuple[Gate, ...] = ()
    for stage in reversed(ordered):
        gates.append(later)
        if isinstance(stage, LabelFilter):
            later = (*gates_of(stage.predicate), *later)
    return Pipeline(tuple(ordered), unwrap, needs, tuple(reversed(gates)))


def without_unread_formats(stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
    """The stages of a metric query but each `line_format` whose line no stage behind it reads: Loki leaves it out."""
    reads = [at for at, stage in enumerate(stages) if _reads_line(stage)]
    last = max(reads, default=-1)
    return tuple(stage for at, stage in enumerate(stages) if at < last or not isinstance(stage, LineFormat))


def _reads_line(stage: Stage) -> bool:
    if isinstance(stage, LabelFormat):
        return any(isinstance(change, LabelTemplate) and "__line__" in change.template for change in stage.changes)
    return not isinstance(stage, (LabelFilter, DropLabels, KeepLabels, Decolorize, LineFormat))


def _needs(stages: tuple[Stage, ...], unwrap: Unwrap | None, by: frozenset[str]) -> Needs:
    names = set(by) | ({unwrap.label} if unwrap else set())
    renames = False
    for stage in (*stages, *(unwrap.filters if unwrap else ())):
        match stage:
            case LabelFilter(predicate):
                names |= names_of(predicate)
            case LineFormat(template):
                names |= names_in(template)
            case LabelFormat(changes):
                templates = [change for change in changes if isinstance(change, LabelTemplate)]
                names |= {name for change in templates for name in names_in(change.template)}
                names |= {change.source for change in changes if isinstance(change, LabelRename)}
                renames = renames or len(templates) < len(changes)
            case _:
                pass
    return Needs(frozenset(names), renames)


def run_pipeline(pipeline: Pipeline, entry: Entry) -> tuple[Row, float] | None:
    """What is left of an entry, with its sample (NaN where nothing is unwrapped or its conversion failed)."""
    row = Row(entry, pipeline.needs)
    for stage, gates in zip(pipeline.stages, pipeline.gates, strict=True):
        row.gates = gates
        try:
            stays = _run_stage(stage, row)
        except Satisfied:
            stays = True
        except Rejected:
            return None
        if not stays:
            return None
    sample = float("nan")
    unwrap = pipeline.unwrap
    if unwrap is not None:
        value = row.get(unwrap.label)
        if value is None:
            return None
        try:
            sample = _sample(unwrap.conversion, value)
        except ValueError as error:
            row.fail("SampleExtractionErr", str(error))
        if not all(filter_passes(one.predicate, row) for one in unwrap.filters):
            return None
    return row, sample


def _sample(conversion: UnwrapConversion, value: str) -> float:
    match conversion:
        case UnwrapConversion.NUMBER:
            return read_number(value)
        case UnwrapConversion.BYTES:
            return float(read_bytes(value))
        case UnwrapConversion.DURATION | UnwrapConversion.DURATION_SECONDS:
            return read_duration_ns(value) / 10**9
        case _:
            assert_never(conversion)


def _run_stage(stage: Stage, row: Row) -> bool:
    """Whether the row stays."""
    match stage:
        case LineFilter():
            return line_passes(stage, row.line)
        case LabelFilter(predicate):
            return filter_passes(predicate, row)
        case JsonParser(extractions):
            if extractions:
                parse_json_paths(row, extractions)
            else:
                parse_json(row)
        case LogfmtParser():
            parse_logfmt(row, stage)
        case RegexpParser(regexp):
            parse_regexp(row, regexp)
        case PatternParser(parts=parts):
            parse_pattern(row, parts)
        case UnpackParser():
            unpack(row)
        case Decolorize():
            decolorize(row)
        case DropLabels(targets):
            row.remove(lambda name, value: target_names(targets, name, value))
        case KeepLabels(targets):
            kept = (ERROR, ERROR_DETAILS)
            row.remove(lambda name, value: name not in kept and not target_names(targets, name, value))
        case LineFormat(template):
            row.line = fill_in(template, row)
        case LabelFormat():
            format_labels(stage, row)
        case _:
            assert_never(stage)
    return True
