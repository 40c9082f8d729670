"""Spans of requests: below the client's, with what became known, and none where nobody wants them."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from lodur.telemetry.request_facts import Phase, noting, request_facts
from lodur.telemetry.tracing import RequestTracer, Served, open_tracer

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
UNSAMPLED = PARENT.removesuffix("01") + "00"


@pytest.fixture
def spans() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def tracer(spans: InMemorySpanExporter) -> RequestTracer:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(spans))
    return RequestTracer(provider)


def served(status: int = 200) -> Served:
    return Served("GET", "loki_api_v1_query_range", status, start_ns=1000, seconds=2.0, sent_bytes=77)


def test_spans_of_a_query(tracer: RequestTracer, spans: InMemorySpanExporter) -> None:
    with noting("abc") as facts:
        facts.tenant, facts.query, facts.lines = "team-a", '{app="x"}', 12
        facts.phases += (Phase("queue", 1000, 1500), Phase("query", 1500, 3000))
        trace_id = tracer.record(served(), facts, {"traceparent": PARENT})
    assert trace_id == "4bf92f3577b34da6a3ce929d0e0e4736"
    queue, query, request = spans.get_finished_spans()
    assert (request.name, request.start_time, request.end_time) == ("GET loki_api_v1_query_range", 1000, 2_000_001_000)
    assert request.parent is not None
    assert f"{request.parent.span_id:016x}" == "00f067aa0ba902b7"
    assert request.attributes is not None
    assert request.attributes["lodur.query"] == '{app="x"}'
    assert request.attributes["lodur.tenant"] == "team-a"
    assert request.attributes["lodur.lines"] == 12
    assert [(span.name, span.start_time, span.end_time) for span in (queue, query)] == [
        ("queue", 1000, 1500),
        ("query", 1500, 3000),
    ]
    assert all(span.parent is not None and span.parent.span_id == request.context.span_id for span in (queue, query))


def test_failures_are_marked(tracer: RequestTracer, spans: InMemorySpanExporter) -> None:
    with noting("") as facts:
        tracer.record(served(500), facts, {})
    (request,) = spans.get_finished_spans()
    assert request.status.status_code is StatusCode.ERROR
    assert request.parent is None


def test_what_the_client_does_not_sample_is_not_recorded(tracer: RequestTracer, spans: InMemorySpanExporter) -> None:
    with noting("") as facts:
        assert tracer.record(served(), facts, {"traceparent": UNSAMPLED}) == ""
    assert spans.get_finished_spans() == ()


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true"},
        {"JAEGER_AGENT_HOST": "jaeger"},
    ],
)
def test_no_traces_where_nobody_takes_them(environment: dict[str, str]) -> None:
    assert open_tracer(environment) is None


@pytest.mark.parametrize(
    ("given", "is_kept"), [("r-1", True), ("", False), ("a\nb", False), ("x" * 200, False), ("é", False)]
)
def test_identities_of_requests(given: str, is_kept: bool) -> None:
    assert request_facts() is None
    with noting(given) as facts:
        assert request_facts() is facts
        assert (facts.id == given) is is_kept
        assert len(facts.id) > 0
    assert request_facts() is None
