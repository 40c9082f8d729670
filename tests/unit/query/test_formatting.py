"""`line_format` and `label_format` in whole queries: entries, series, and what they cost."""

from __future__ import annotations

import asyncio
import json

import pytest

from lodur.model.clock import ManualClock
from lodur.model.durations import NS_PER_MINUTE, NS_PER_S
from lodur.model.errors import InvalidRequest, QuerySyntaxError
from lodur.model.limits import QueryLimits
from lodur.model.tenant import TenantId
from lodur.query.answers import InstantAnswer, StreamsAnswer, VectorAnswer
from lodur.query.engine import Engine
from lodur.query.options import QuerierOptions
from lodur.query.requests import InstantRequest, RangeRequest
from tests.memory_store import MemoryStore

T0_NS = 1_700_000_100 * NS_PER_S
TENANT = TenantId("t")
LINES = ["level=info n=1 msg=alpha", "level=warn n=2 msg=beta", "level=info n=3 msg=gamma"]


def engine() -> Engine:
    store = MemoryStore()
    store.add_head("t", {"app=x": [(T0_NS + k * NS_PER_S, line) for k, line in enumerate(LINES)]})
    options = QuerierOptions(threads=1, concurrent_queries_max=1, queued_queries_max=1)
    return Engine(store, options, ManualClock(T0_NS + NS_PER_MINUTE), lambda _: QueryLimits())


def streams(text: str) -> list[tuple[dict[str, str], list[str]]]:
    request = RangeRequest(
        text=text, start_ns=T0_NS, end_ns=T0_NS + NS_PER_MINUTE, step_ns=NS_PER_S, limit=100, backward=False
    )
    answer = asyncio.run(engine().range((TENANT,), request))
    assert isinstance(answer, StreamsAnswer)
    found = json.loads(answer.result.streams_json(categorize=False))
    return [(one["stream"], [line for _, line in one["values"]]) for one in found]


def lines(text: str) -> list[str]:
    return [line for _, values in streams(text) for line in values]


def vector(text: str) -> dict[str, float]:
    answer: InstantAnswer = asyncio.run(engine().instant((TENANT,), InstantRequest(text, T0_NS + NS_PER_MINUTE)))
    assert isinstance(answer, VectorAnswer)
    return {str(labels): float(row[0]) for labels, row in zip(answer.matrix.labels, answer.matrix.values, strict=True)}


def test_entries_carry_the_new_line() -> None:
    query = '{app="x"} | logfmt | drop level, n | line_format "{{.msg | upper}}: {{len __line__}}"'
    assert sorted(lines(query)) == ["ALPHA: 24", "BETA: 23", "GAMMA: 24"]


def test_filters_behind_it_see_the_new_line() -> None:
    assert lines('{app="x"} | logfmt | line_format "{{.msg}}!" |= "beta!"') == ["beta!"]
    assert lines('{app="x"} | logfmt | line_format "{{.msg}}!" |= "level"') == []
    assert lines('{app="x"} | label_format a="b" |= "beta"') == ["level=warn n=2 msg=beta"]


def test_labels_are_formatted() -> None:
    query = '{app="x"} |= "beta" | logfmt | label_format severity=level, twice="{{mul .n 2}}" | drop n, msg'
    (labels, _), *others = streams(query)
    assert not others
    assert {"severity": "warn", "twice": "4"}.items() <= labels.items()
    assert "level" not in labels


def test_a_failing_template_marks_the_entry() -> None:
    (labels, values), *_ = streams('{app="x"} |= "beta" | line_format "{{.app.x}}"')
    assert values == ["level=warn n=2 msg=beta"]
    assert labels["__error__"] == "TemplateFormatErr"
    assert labels["__error_details__"] == (
        'template: line:1:6: executing "line" at <.app.x>: can\'t evaluate field x in type string'
    )


def test_bytes_are_those_of_the_new_line() -> None:
    assert vector('sum(bytes_over_time({app="x"} | line_format "xx" [2m]))') == {"{}": 6.0}
    assert vector('sum(bytes_over_time({app="x"} | logfmt | line_format "{{.msg}}" [2m]))') == {"{}": 14.0}


def test_series_are_grouped_by_made_labels() -> None:
    query = 'sum by (kind) (count_over_time({app="x"} | logfmt | label_format kind="{{.level | trunc 1}}" [2m]))'
    assert vector(query) == {'{kind="i"}': 2.0, '{kind="w"}': 1.0}
    query = (
        'sum by (kind) (sum_over_time({app="x"} | logfmt | label_format kind=level, m="{{add .n 1}}" | unwrap m [2m]))'
    )
    assert vector(query) == {'{kind="info"}': 6.0, '{kind="warn"}': 3.0}


def test_a_line_that_nobody_reads_is_not_made() -> None:
    assert vector('sum(count_over_time({app="x"} | line_format "{{div 1 0}}" [2m]))') == {"{}": 3.0}
    with pytest.raises(InvalidRequest, match="TemplateFormatErr"):
        vector('sum by (x) (count_over_time({app="x"} | label_format x="{{div 1 0}}" [2m]))')


def test_wrong_templates_are_named_with_their_stage() -> None:
    reason = """parse error : stage '| line_format "{{.a"' : invalid line template: template: line:1: unclosed action"""
    with pytest.raises(QuerySyntaxError) as refused:
        lines('{app="x"} | line_format "{{.a"')
    assert str(refused.value).startswith(reason)


@pytest.mark.parametrize(
    "template",
    [
        "{{range 1000000000}}{{end}}",
        "{{repeat 1000000000 `x`}}",
        '{{define "R"}}{{template "R"}}{{end}}{{template "R"}}',
    ],
)
def test_hostile_templates_fail_for_the_entry(template: str) -> None:
    found = streams(f'{{app="x"}} | line_format `{template.replace("`", chr(34))}`')
    assert [labels["__error__"] for labels, _ in found] == ["TemplateFormatErr"]
    assert [values for _, values in found] == [LINES]
