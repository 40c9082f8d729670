"""From the query of a delete request to what kernels compile: the same selector and stages that a log query has."""

from __future__ import annotations

from lodur.kernels.delete_plan import DeletePlan, encode
from lodur.logql.parser import parse_query
from lodur.logql.tree import LogQuery
from lodur.model.errors import InvalidRequest
from lodur.query.plan.lowering import pipeline_plan, stream_matchers
from lodur.store.deletes.requests import DeleteRequest

QUERY_TEXT = "invalid query expression"
"""What Loki answers to a metric query, and to a text that is no query."""


def parse_deletion(text: str) -> LogQuery:
    """The log query of a delete request. Raises InvalidRequest for another."""
    try:
        query = parse_query(text)
    except InvalidRequest as error:
        raise InvalidRequest(QUERY_TEXT) from error
    if not isinstance(query, LogQuery):
        raise InvalidRequest(QUERY_TEXT)
    return query


def deletion_plan(text: str, start_ns: int, end_ns: int) -> bytes:
    """The plan message for the entries that a query shows between two times, both included. Raises InvalidRequest."""
    query = parse_deletion(text)
    return encode(DeletePlan(stream_matchers(query.selector), pipeline_plan(query.stages, None), start_ns, end_ns + 1))


def plan_of_request(request: DeleteRequest) -> bytes:
    """The plan message of a request. Raises InvalidRequest."""
    return deletion_plan(request.query, request.start_ns, request.end_ns)
