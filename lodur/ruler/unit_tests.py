"""Tests of rules, as people write them: lines, and what the rules are to make of them.

The shape is promtool's, with streams of lines in the place of series. Start at `read_tests`; format:
docs/reference/rules.md.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import yaml

from lodur.model.durations import parse_prometheus_duration
from lodur.model.errors import InvalidRequest

LINES_MAX = 1_000_000
"""Lines of one test: more take longer to make than anybody waits for a test."""


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line at a time since the start, or one again and again."""

    line: str
    at: str = ""
    from_: Annotated[str, msgspec.Meta(description="first time")] = msgspec.field(name="from", default="")
    to: str = ""
    every: str = ""
    metadata: dict[str, str] = {}

    def times_ns(self) -> range:
        """When the line comes, in nanoseconds since the start. Raises InvalidRequest."""
        if self.at and not (self.from_ or self.to or self.every):
            at_ns = duration_ns(self.at)
            return range(at_ns, at_ns + 1)
        if self.at or not (self.to and self.every):
            raise InvalidRequest(f"line {self.line!r} needs 'at', or 'to' and 'every' and perhaps 'from'")
        every_ns = duration_ns(self.every)
        if not every_ns:
            raise InvalidRequest(f"line {self.line!r} comes every 0s, use a longer time")
        times = range(duration_ns(self.from_ or "0s"), duration_ns(self.to) + 1, every_ns)
        if len(times) > LINES_MAX:
            raise InvalidRequest(f"line {self.line!r} comes {len(times)} times, at most {LINES_MAX} are made")
        return times


class Stream(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Lines of one label set."""

    labels: dict[str, str]
    lines: list[Line]


class ExpectedAlert(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An alert that fires; `alertname` is understood."""

    exp_labels: dict[str, str] = {}
    exp_annotations: dict[str, str] = {}


class AlertTest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which alerts of a rule fire at a time: these, and no others."""

    eval_time: str
    alertname: str
    exp_alerts: list[ExpectedAlert] = []


class ExpectedSample(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A series and its value."""

    value: float
    labels: dict[str, str] = {}


class RecordTest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a recording rule has made at a time."""

    eval_time: str
    record: str
    exp_samples: list[ExpectedSample] = []


class ExpressionTest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an expression gives at a time."""

    eval_time: str
    expr: str
    exp_samples: list[ExpectedSample] = []


class RuleTest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One test: it begins with nothing but its lines."""

    name: str = ""
    external_labels: dict[str, str] = {}
    external_url: str = ""
    input_streams: list[Stream] = []
    alert_rule_test: list[AlertTest] = []
    record_rule_test: list[RecordTest] = []
    logql_expr_test: list[ExpressionTest] = []


class RuleTestFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of tests, and the rule files that it is about, relative to it."""

    rule_files: list[str] = []
    evaluation_interval: str = "1m"
    tests: list[RuleTest] = []


def read_tests(path: Path) -> RuleTestFile:
    """The tests of a file. Raises InvalidRequest."""
    try:
        # Everything is text at first: a label's value may well be `no`, or 1.
        told = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
        return msgspec.convert(told or {}, RuleTestFile, strict=False)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, msgspec.ValidationError) as error:
        raise InvalidRequest(f"{path}: {error}") from error


def duration_ns(text: str) -> int:
    """Nanoseconds of `5m`. Raises InvalidRequest."""
    try:
        return parse_prometheus_duration(text)
    except ValueError as error:
        raise InvalidRequest(str(error)) from error
