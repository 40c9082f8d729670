"""Push bodies to checked rows: formats, encodings, limits and what was refused.

The media type, rates and numbers of streams are judged by the callers, which also turn `PushProblem.status` into an
answer. Start at `decode_push`; the rules are those of Loki's push API and `limits_config`.
"""

from __future__ import annotations

from lodur.kernels._native import (  # noqa: TID251 - this is the typed face
    ContentEncoding,
    DecodedPush,
    PushFormat,
    PushLimits,
    PushProblem,
    body_hash,
    decode_push,
)

__all__ = ["ContentEncoding", "DecodedPush", "PushFormat", "PushLimits", "PushProblem", "body_hash", "decode_push"]
