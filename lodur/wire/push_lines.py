"""Lines of text in, bodies of push requests out: what a client sends that has a file rather than entries.

Bodies are snappy-compressed protobuf, `logproto.PushRequest`, with one stream.
"""

from __future__ import annotations

from lodur.kernels.push_encode import EncodedPush, encode_lines
from lodur.model.label_set import LabelSet

__all__ = ["EncodedPush", "push_of_lines"]


def push_of_lines(chunk: bytes, *, labels: LabelSet, ts_ns: int, ts_step_ns: int, final: bool) -> EncodedPush:
    """Make a push of the lines of `chunk`; the n-th has the time `ts_ns + n * ts_step_ns`.

    Text after the last newline is a line only when `final`; else it is not part of `consumed`, and belongs to the
    next chunk. Without a line the body is empty.
    """
    return encode_lines(chunk, labels=str(labels), ts_ns=ts_ns, ts_step_ns=ts_step_ns, final=final)
