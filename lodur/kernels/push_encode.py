"""Push bodies for the sending side: plain text to `logproto.PushRequest`, and its compression.

Batching, retries and the choice of labels are the sender's. Start at `encode_lines`; the wire format is that of
Loki's push API.
"""

from __future__ import annotations

from lodur.kernels._native import EncodedPush, encode_lines, snappy_compress  # noqa: TID251 - this is the typed face

__all__ = ["EncodedPush", "encode_lines", "snappy_compress"]
