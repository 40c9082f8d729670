"""The header `X-Loki-Query-Limits`: limits that a request sets itself, as a proxy does it for those behind it.

They can only be stricter than those of the tenant. Start at `parse_request_limits`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import msgspec

from lodur.model.byte_size import parse_byte_size
from lodur.model.durations import parse_prometheus_duration
from lodur.model.errors import InvalidRequest
from lodur.model.limits import QueryLimits

CHARS_MAX = 16_384
"""Longest header that is read; servers in front draw the same line for all headers together."""


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """What a request asks to be held to; 0 and nothing set no limit."""

    length_max_ns: int = 0
    window_max_ns: int = 0
    lookback_max_ns: int = 0
    timeout_ns: int = 0
    bytes_read_max: int = 0
    entries_max: int = 0
    required_label_names: tuple[str, ...] = ()
    matchers_min: int = 0

    def over(self, limits: QueryLimits) -> QueryLimits:
        """The stricter of both."""
        names = dict.fromkeys((*limits.required_label_names, *self.required_label_names))
        return replace(
            limits,
            length_max_ns=_stricter(limits.length_max_ns, self.length_max_ns),
            window_max_ns=_stricter(limits.window_max_ns, self.window_max_ns),
            lookback_max_ns=_stricter(limits.lookback_max_ns, self.lookback_max_ns),
            timeout_ns=_stricter(limits.timeout_ns, self.timeout_ns),
            bytes_read_max=_stricter(limits.bytes_read_max, self.bytes_read_max),
            entries_max=_stricter(limits.entries_max, self.entries_max),
            required_label_names=tuple(names),
            matchers_min=max(limits.matchers_min, self.matchers_min),
        )


class _Header(msgspec.Struct, rename="camel"):
    max_query_length: str = ""
    max_query_interval: str = ""
    """Of a `[range]`."""
    max_query_lookback: str = ""
    max_query_time: str = ""
    """The timeout."""
    max_query_bytes_read: str = ""
    max_entries_limit_per_query: int = 0
    required_labels: list[str] | None = None
    minimum_labels_number: int = 0


def parse_request_limits(text: str) -> RequestLimits:
    """The limits of a header. Raises InvalidRequest for what is none: to ignore it would allow more than was meant."""
    if len(text) > CHARS_MAX:
        raise InvalidRequest(f"X-Loki-Query-Limits: longer than {CHARS_MAX} characters")
    try:
        header = msgspec.json.decode(text, type=_Header)
        return RequestLimits(
            length_max_ns=_duration_ns(header.max_query_length),
            window_max_ns=_duration_ns(header.max_query_interval),
            lookback_max_ns=_duration_ns(header.max_query_lookback),
            timeout_ns=_duration_ns(header.max_query_time),
            bytes_read_max=parse_byte_size(header.max_query_bytes_read) if header.max_query_bytes_read else 0,
            entries_max=max(0, header.max_entries_limit_per_query),
            required_label_names=tuple(header.required_labels or ()),
            matchers_min=max(0, header.minimum_labels_number),
        )
    except (msgspec.DecodeError, ValueError) as error:
        raise InvalidRequest(f"X-Loki-Query-Limits: {error}") from error


def _duration_ns(text: str) -> int:
    return parse_prometheus_duration(text) if text else 0


def _stricter(first: int, second: int) -> int:
    """The smaller of two limits for which 0 means none."""
    return min(first, second) if first and second else first or second
