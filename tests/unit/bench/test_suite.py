from __future__ import annotations

import pytest

from bench.corpus import Meta
from bench.queries import rows_of, target_of
from bench.suite import Case, chosen, suite
from lodur.logql.parser import parse_query

META = Meta(lines=2, bytes=200, bodies=1, streams=1, start_ns=5, end_ns=9, needles=("needle-1f",))


@pytest.mark.parametrize("case", suite(META), ids=lambda case: case.name)
def test_each_query_is_logql(case: Case) -> None:
    assert str(parse_query(case.query))


def test_names_are_unique() -> None:
    names = [case.name for case in suite(META)]
    assert len(set(names)) == len(names)


def test_the_needle_is_the_corpus_s() -> None:
    assert any("needle-1f" in case.query for case in suite(META))


def test_cases_are_chosen_by_name() -> None:
    cases = suite(META)
    assert chosen(cases, ()) == cases
    assert [case.name for case in chosen(cases, ("count", "needle"))] == ["needle", "count"]
    with pytest.raises(ValueError, match=r"no query is named cuont, there are: .*count"):
        chosen(cases, ("cuont",))


def test_only_metric_queries_have_a_step() -> None:
    log, metric = Case("log", '{app="a"}'), Case("metric", 'sum(rate({app="a"}[1m]))', is_metric=True)
    assert target_of(log, 5, 9) == (
        "/loki/api/v1/query_range?query=%7Bapp%3D%22a%22%7D&start=5&end=9&limit=100&direction=backward"
    )
    assert target_of(metric, 5, 9).endswith("&step=60s")


def test_rows_are_counted_over_all_streams() -> None:
    result = b'[{"stream":{},"values":[["1","a"],["2","b"]]},{"stream":{"a":"b"},"values":[["1","c"]]}]'
    assert rows_of(b'{"status":"success","data":{"resultType":"streams","result":' + result + b"}}") == 3
