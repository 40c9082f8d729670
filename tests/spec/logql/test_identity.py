"""Every line of identity.txt is a query that prints as it was written."""

from __future__ import annotations

from pathlib import Path

import pytest

from lodur.logql.parser import parse_query

_QUERIES = Path(__file__).with_name("identity.txt").read_text("utf-8").splitlines()


@pytest.mark.parametrize("query", _QUERIES)
def test_query_prints_as_written(query: str) -> None:
    assert str(parse_query(query)) == query
