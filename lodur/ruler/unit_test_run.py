"""Run tests of rules: the lines into memory, then turn by turn as a ruler would, on a clock of the test's own.

Start at `run_tests`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lodur.model.clock import ManualClock
from lodur.model.durations import NS_PER_S
from lodur.model.errors import InvalidRequest, LodurError
from lodur.model.label_set import LabelSet
from lodur.model.limits import IngestLimits, QueryLimits
from lodur.model.tenant import ANONYMOUS
from lodur.query.engine import Engine
from lodur.query.options import QuerierOptions
from lodur.ruler.alerts import Alert
from lodur.ruler.checks import checked_group
from lodur.ruler.evaluation import ALERT_NAME, METRIC_NAME, GroupEvaluation
from lodur.ruler.group_state import GroupState
from lodur.ruler.groups import AlertingRule, GroupId, RecordingRule, RuleGroup
from lodur.ruler.queries import EngineQueries
from lodur.ruler.template.alert_template import AlertTemplates
from lodur.ruler.unit_tests import (
    LINES_MAX,
    ExpectedAlert,
    ExpectedSample,
    RuleTest,
    RuleTestFile,
    duration_ns,
    read_tests,
)
from lodur.ruler.written import NotRules, decode_file
from lodur.store.rows_in_memory import RowsInMemory
from lodur.wire.push_body import ContentEncoding, PushForm, PushFormat, decode, push_limits
from lodur.wire.remote_write import STALE, Sample

START_NS = 1_704_067_200 * NS_PER_S
"""When tests begin, 2024-01-01: early enough for every bound on times."""

TURNS_MAX = 100_000
"""Turns of one test: a day at a second."""

DIGITS = 9
"""Values are compared up to so many significant digits."""

_BODY_MAX_BYTES = 2**30
_FORM = PushForm(PushFormat.LOKI_JSON, ContentEncoding.IDENTITY)
_LIMITS = IngestLimits(
    reject_old_samples=False, active_streams_max=0, line_bytes_max=0, label_names_max=1000, rate_bytes=0
)


@dataclass(frozen=True, slots=True)
class RuleTestOutcome:
    """How a test ended; it passed if nothing is said."""

    name: str
    failures: tuple[str, ...]


@dataclass(slots=True)
class _Group:
    """A group on its way through a test, with what it has made at each turn."""

    evaluation: GroupEvaluation
    state: GroupState = field(default_factory=GroupState)
    samples: tuple[Sample, ...] = ()


async def run_tests(path: Path) -> list[RuleTestOutcome]:
    """The outcome of each test of a file. Raises InvalidRequest where it cannot be run at all."""
    file = read_tests(path)
    groups = _rule_groups(path, file)
    outcomes: list[RuleTestOutcome] = []
    for number, test in enumerate(file.tests, 1):
        name = test.name or f"test {number}"
        try:
            failures = await _run(test, groups)
        except LodurError as error:
            failures = [str(error)]
        outcomes.append(RuleTestOutcome(name, tuple(failures)))
    return outcomes


def _rule_groups(path: Path, file: RuleTestFile) -> list[RuleGroup]:
    interval_ns = duration_ns(file.evaluation_interval)
    if not interval_ns:
        raise InvalidRequest(f"{path}: evaluation_interval is 0, use a longer time")
    found: list[RuleGroup] = []
    for name in file.rule_files:
        rules = path.parent / name
        try:
            written = decode_file(rules.read_text(encoding="utf-8"))
            found += [checked_group(one, GroupId(ANONYMOUS, name, one.name), interval_ns) for one in written]
        except (OSError, UnicodeDecodeError, NotRules, InvalidRequest) as error:
            raise InvalidRequest(f"{rules}: {error}") from error
    return found


async def _run(test: RuleTest, groups: Sequence[RuleGroup]) -> list[str]:
    """What was otherwise than the test says."""
    clock = ManualClock(START_NS)
    rows = await _rows(test)
    engine = Engine(rows, QuerierOptions(threads=1), clock, lambda _: QueryLimits(series_max=0))
    try:
        return await _asserted(test, groups, EngineQueries(engine), clock)
    finally:
        engine.close()


async def _asserted(test: RuleTest, groups: Sequence[RuleGroup], ask: EngineQueries, clock: ManualClock) -> list[str]:
    templates = AlertTemplates(LabelSet.of(test.external_labels), test.external_url)
    running = [_Group(GroupEvaluation(group, ask, templates, clock, resend_delay_ns=NS_PER_S)) for group in groups]
    failures: list[str] = []
    done_ns = -1
    times = {duration_ns(alert.eval_time) for alert in test.alert_rule_test}
    times |= {duration_ns(record.eval_time) for record in test.record_rule_test}
    for until_ns in sorted(times):
        for group in running:
            await _turns(group, done_ns, until_ns)
        done_ns = until_ns
        for alerts in test.alert_rule_test:
            if duration_ns(alerts.eval_time) == until_ns:
                failures += _compare_alerts(alerts.eval_time, alerts.alertname, alerts.exp_alerts, running)
        for record in test.record_rule_test:
            if duration_ns(record.eval_time) == until_ns:
                found = _recorded(record.record, running)
                failures += _compare_samples(f"{record.record} at {record.eval_time}", record.exp_samples, found)
    for expression in test.logql_expr_test:
        at_ns = START_NS + duration_ns(expression.eval_time)
        vector = await ask(ANONYMOUS, expression.expr, at_ns)
        failures += _compare_samples(f"{expression.expr} at {expression.eval_time}", expression.exp_samples, vector)
    return failures


async def _turns(group: _Group, done_ns: int, until_ns: int) -> None:
    """Evaluate a group at its times after one and up to another."""
    interval_ns = group.evaluation.group.interval_ns
    first = done_ns // interval_ns + 1
    if until_ns // interval_ns - first > TURNS_MAX:
        raise InvalidRequest(f"more than {TURNS_MAX} turns of group '{group.evaluation.group.id.name}'")
    for number in range(first, until_ns // interval_ns + 1):
        outcome = await group.evaluation.turn(START_NS + number * interval_ns, group.state)
        group.state, group.samples = outcome.state, outcome.samples
        for rule in outcome.state.rules:
            if rule.error:
                raise InvalidRequest(f"rule {rule.key} failed: {rule.error}")


async def _rows(test: RuleTest) -> RowsInMemory:
    rows = RowsInMemory()
    total = 0
    for stream in test.input_streams:
        values: list[list[object]] = []
        for line in stream.lines:
            times = line.times_ns()
            total += len(times)
            if total > LINES_MAX:
                raise InvalidRequest(f"more than {LINES_MAX} lines")
            values += [[str(START_NS + at_ns), line.line, line.metadata] for at_ns in times]
        body = json.dumps({"streams": [{"stream": stream.labels, "values": values}]}).encode()
        limits = push_limits(_LIMITS, decompressed_max_bytes=_BODY_MAX_BYTES, otlp_mapping=b"")
        last_ns = max((int(str(value[0])) for value in values), default=START_NS)
        push = decode(body, _FORM, limits, last_ns)
        if push.refusal_text:
            raise InvalidRequest(push.refusal_text)
        rows.insert(push)
    return rows


def _compare_alerts(time: str, name: str, expected: Iterable[ExpectedAlert], groups: Iterable[_Group]) -> list[str]:
    found = [
        alert
        for group in groups
        for rule, state in zip(group.evaluation.group.rules, group.state.rules, strict=False)
        if isinstance(rule, AlertingRule) and rule.name == name
        for alert in state.alerts
        if alert.phase == "firing"
    ]
    if not any(rule.name == name for group in groups for rule in group.evaluation.group.rules):
        return [f"there is no alert {name}"]
    wanted = sorted(_shown({**one.exp_labels, ALERT_NAME: name}, one.exp_annotations) for one in expected)
    given = sorted(_shown(dict(alert.labels.pairs), _annotations(alert)) for alert in found)
    return _difference(f"{name} at {time}", wanted, given)


def _annotations(alert: Alert) -> dict[str, str]:
    return dict(alert.annotations)


def _shown(labels: dict[str, str], annotations: dict[str, str]) -> str:
    return f"{LabelSet.of(labels)} annotations {LabelSet.of(annotations)}"


def _recorded(name: str, groups: Iterable[_Group]) -> list[tuple[LabelSet, float]]:
    names = {rule.name for group in groups for rule in group.evaluation.group.rules if isinstance(rule, RecordingRule)}
    if name not in names:
        raise InvalidRequest(f"there is no recording rule {name}")
    return [
        (LabelSet.of([pair for pair in sample.labels if pair[0] != METRIC_NAME]), sample.value)
        for group in groups
        for sample in group.samples
        if sample.labels.get(METRIC_NAME) == name and sample.value is not STALE
    ]


def _compare_samples(
    what: str, expected: Iterable[ExpectedSample], found: Iterable[tuple[LabelSet, float]]
) -> list[str]:
    wanted = sorted(f"{LabelSet.of(one.labels)} {_value(one.value)}" for one in expected)
    given = sorted(f"{labels} {_value(value)}" for labels, value in found)
    return _difference(what, wanted, given)


def _value(value: float) -> str:
    return str(value) if math.isnan(value) or math.isinf(value) else f"{value:.{DIGITS}g}"


def _difference(what: str, wanted: list[str], given: list[str]) -> list[str]:
    """One text for all that differs; none where nothing does."""
    if wanted == given:
        return []
    lines = [f"{what}:", *(f"  expected {one}" for one in wanted), *(f"  got      {one}" for one in given)]
    if not wanted:
        lines.insert(1, "  expected nothing")
    if not given:
        lines.append("  got      nothing")
    return ["\n".join(lines)]
