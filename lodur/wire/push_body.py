"""Bodies of pushes as they come over the wire: their form by headers, and their decoding under a tenant's limits.

What is then done with the rows is `lodur.ingest`'s affair. Start at `push_form` and `decode`. The rules are those of
Loki's push API.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from lodur.kernels.push_decode import (
    ContentEncoding,
    DecodedPush,
    PushFormat,
    PushLimits,
    PushProblem,
    body_hash,
    decode_push,
)
from lodur.model.errors import InvalidRequest
from lodur.model.go_strings import quote
from lodur.model.limits import IngestLimits

__all__ = [
    "ContentEncoding",
    "DecodedPush",
    "PushForm",
    "PushFormat",
    "PushLimits",
    "PushProblem",
    "body_hash",
    "decode",
    "push_form",
    "push_limits",
    "replay_limits",
]

JSON_TYPE = "application/json"

_MEDIA_TYPE = re.compile(r"\s*([!#$%&'*+\-.^_`|~0-9A-Za-z]+(?:/[!#$%&'*+\-.^_`|~0-9A-Za-z]+)?)\s*(;.*)?", re.DOTALL)
_PARAMETERS = re.compile(
    r"(?:\s*;\s*[!#$%&'*+\-.^_`|~0-9A-Za-z]+\s*=\s*(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+|\"(?:[^\"\\]|\\.)*\"))*\s*;?\s*"
)

_ENCODINGS = {
    "": ContentEncoding.IDENTITY,
    "snappy": ContentEncoding.SNAPPY,
    "gzip": ContentEncoding.GZIP,
    "deflate": ContentEncoding.DEFLATE,
    "zstd": ContentEncoding.ZSTD,
}

_NEVER_NS = 2**63 - 1


@dataclass(frozen=True, slots=True)
class PushForm:
    """How a body is to be read."""

    format: PushFormat
    encoding: ContentEncoding


def push_form(content_type: str, content_encoding: str, *, is_legacy_path: bool) -> PushForm:
    """The form that headers tell; without a media type it is protobuf.

    Raises InvalidRequest for headers that make no sense.
    """
    encoding = _ENCODINGS.get(content_encoding)
    if encoding is None:
        raise InvalidRequest(f"Content-Encoding {quote(content_encoding)} not supported")
    if _media_type(content_type) != JSON_TYPE:
        return PushForm(PushFormat.LOKI_PROTOBUF, encoding)
    return PushForm(PushFormat.LEGACY_JSON if is_legacy_path else PushFormat.LOKI_JSON, encoding)


def push_limits(limits: IngestLimits, *, decompressed_max_bytes: int, otlp_mapping: bytes) -> PushLimits:
    """A tenant's limits as decoding wants them; made once for many pushes. An empty mapping is the default one."""
    return PushLimits(
        max_label_names_per_series=limits.label_names_max,
        max_label_name_length_bytes=limits.label_name_bytes_max,
        max_label_value_length_bytes=limits.label_value_bytes_max,
        max_line_size_bytes=limits.line_bytes_max,
        max_line_size_truncate=limits.line_truncate,
        max_line_size_truncate_identifier=limits.line_truncate_identifier,
        reject_old_samples=limits.reject_old_samples,
        reject_old_samples_max_age_ns=limits.old_samples_age_max_ns,
        creation_grace_period_ns=limits.future_grace_ns,
        increment_duplicate_timestamp=limits.increment_duplicate_timestamps,
        allow_structured_metadata=limits.allow_structured_metadata,
        max_structured_metadata_size_bytes=limits.structured_metadata_bytes_max,
        max_structured_metadata_entries_count=limits.structured_metadata_entries_max,
        max_decompressed_size_bytes=decompressed_max_bytes,
        discover_service_name=limits.service_name_sources,
        discover_log_levels=limits.discover_levels,
        log_level_fields=limits.level_fields,
        log_level_from_json_max_depth=limits.level_json_depth_max,
        discover_generic_fields=limits.generic_fields,
        otlp_mapping=otlp_mapping or None,
    )


def replay_limits(limits: IngestLimits, otlp_mapping: bytes) -> PushLimits:
    """For a body that was accepted whole before: refuses nothing, and adds what was added then."""
    return PushLimits(
        max_label_names_per_series=_NEVER_NS,
        max_label_name_length_bytes=_NEVER_NS,
        max_label_value_length_bytes=_NEVER_NS,
        max_line_size_bytes=0,
        reject_old_samples=False,
        creation_grace_period_ns=_NEVER_NS,
        allow_structured_metadata=True,
        max_structured_metadata_size_bytes=0,
        max_structured_metadata_entries_count=0,
        discover_service_name=limits.service_name_sources,
        discover_log_levels=limits.discover_levels and limits.allow_structured_metadata,
        log_level_fields=limits.level_fields,
        log_level_from_json_max_depth=limits.level_json_depth_max,
        discover_generic_fields=limits.generic_fields if limits.allow_structured_metadata else (),
        otlp_mapping=otlp_mapping or None,
    )


def decode(body: bytes, form: PushForm, limits: PushLimits, now_ns: int) -> DecodedPush:
    """The accepted rows of a body, and what was refused. Blocks, without the GIL.

    Raises InvalidRequest where the whole body is refused, LimitExceeded where it is too large.
    """
    return decode_push(body, format=form.format, encoding=form.encoding, limits=limits, now_ns=now_ns)


def _media_type(text: str) -> str:
    if not text:
        return ""
    found = _MEDIA_TYPE.fullmatch(text)
    if found is None:
        raise InvalidRequest("mime: expected token after slash" if "/" in text else "mime: no media type")
    if not _PARAMETERS.fullmatch(found[2] or ""):
        raise InvalidRequest("mime: invalid media parameter")
    return found[1].lower()
