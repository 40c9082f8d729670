"""Read one stage, or the error that reading it gives."""

from __future__ import annotations

import pytest

from lodur.logql.parser import parse_log_query
from lodur.logql.stages import Stage
from lodur.model.errors import QuerySyntaxError


def stage_of(text: str) -> Stage:
    """The one stage of `{a="b"} text`, whose span is checked."""
    query = parse_log_query(f'{{a="b"}} {text}')
    (stage,) = query.stages
    assert (stage.span.start, stage.span.end) == (8, 8 + len(text))
    assert parse_log_query(f'{{a="b"}} {stage}') == query
    return stage


def refusal_of(text: str) -> str:
    """The error text of `{a="b"} text`."""
    with pytest.raises(QuerySyntaxError) as refused:
        parse_log_query(f'{{a="b"}} {text}')
    return str(refused.value)
