"""Traces of requests and their queries, for OpenTelemetry.

A request is recorded when it has been served: a span of its own, below the client's where its headers name one, and one
for each phase that was written down. Nothing here is imported or run where no traces are wanted. Start at
`open_tracer`; exporter, sampler and service name are what the `OTEL_*` variables say.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from lodur.model.durations import NS_PER_S
from lodur.telemetry.request_facts import RequestFacts

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

SERVICE_NAME = "lodur"
"""As long as `OTEL_SERVICE_NAME` says nothing else."""

TRACE_HEADERS = ("traceparent", "tracestate")
"""Of the W3C."""

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
JAEGER = ("JAEGER_AGENT_HOST", "JAEGER_ENDPOINT", "JAEGER_SAMPLER_MANAGER_HOST_PORT")

_UNNAMED = "unknown_service"
"""What the library calls a service without a name."""

_SERVER_ERROR = 500

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Served:
    """A request that is over."""

    method: str
    route: str
    status: int
    start_ns: int
    seconds: float
    sent_bytes: int


class RequestTracer:
    """Makes spans of requests; they are sent in the background."""

    def __init__(self, provider: TracerProvider) -> None:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._provider = provider
        self._tracer = provider.get_tracer(SERVICE_NAME)
        self._propagator = TraceContextTextMapPropagator()

    def record(self, served: Served, facts: RequestFacts, headers: Mapping[str, str]) -> str:
        """Record a request; the identity of its trace, empty where it is not sampled."""
        from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context

        parent = self._propagator.extract(headers)
        span = self._tracer.start_span(
            f"{served.method} {served.route}",
            context=parent,
            kind=SpanKind.SERVER,
            start_time=served.start_ns,
            attributes=_attributes(served, facts),
        )
        if served.status >= _SERVER_ERROR:
            span.set_status(Status(StatusCode.ERROR))
        inside = set_span_in_context(span, parent)
        for phase in facts.phases:
            self._tracer.start_span(phase.name, context=inside, start_time=phase.start_ns).end(phase.end_ns)
        span.end(served.start_ns + int(served.seconds * NS_PER_S))
        context = span.get_span_context()
        return f"{context.trace_id:032x}" if context.trace_flags.sampled else ""

    def close(self) -> None:
        """Send what is left, and stop. Blocks."""
        self._provider.shutdown()


class _ToLog(logging.Handler):
    """Says in the server's own log what the library has to say."""

    def emit(self, record: logging.LogRecord) -> None:
        say = _log.warning if record.levelno >= logging.WARNING else _log.debug
        say("opentelemetry", text=record.getMessage())


def _attributes(served: Served, facts: RequestFacts) -> dict[str, str | int | float]:
    found: dict[str, str | int | float] = {
        "http.request.method": served.method,
        "http.route": served.route,
        "http.response.status_code": served.status,
        "http.response.body.size": served.sent_bytes,
        "lodur.request.id": facts.id,
    }
    if facts.tenant:
        found["lodur.tenant"] = facts.tenant
    if facts.query:
        costs = {"lodur.lines": facts.lines, "lodur.read_bytes": facts.read_bytes, "lodur.queue_s": facts.queue_s}
        found |= {"lodur.query": facts.query, **costs}
    return found


def open_tracer(environment: Mapping[str, str]) -> RequestTracer | None:
    """The tracer that the environment asks for; None where it asks for none, or where that cannot be had."""
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    if not any(environment.get(name) for name in ENDPOINTS):
        named = [name for name in JAEGER if environment.get(name)]
        if named:
            _log.warning(
                "traces are not sent in Jaeger's own protocols: its collector takes OTLP at port 4318",
                variables=",".join(named),
                instead=ENDPOINTS[1],
            )
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        _log.warning("traces are asked for, their packages are not installed", install="pip install 'lodur[tracing]'")
        return None
    library = logging.getLogger("opentelemetry")
    library.handlers = [_ToLog()]
    library.propagate = False
    resource = Resource.create()
    # What OTEL_SERVICE_NAME or OTEL_RESOURCE_ATTRIBUTES say goes before.
    if str(resource.attributes.get("service.name", "")).startswith(_UNNAMED):
        resource = resource.merge(Resource({"service.name": SERVICE_NAME}))
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    _log.info("traces are sent", endpoint=next(filter(None, map(environment.get, ENDPOINTS))))
    return RequestTracer(provider)
