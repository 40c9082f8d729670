"""What the sink needs of a push encoder; `lodur.kernels.push_encode` is one."""

from __future__ import annotations

from typing import Protocol


class EncodedLines(Protocol):
    """One stream of a push request."""

    @property
    def body(self) -> bytes:
        """The protobuf message. Two of them, one after the other, are one message with both streams."""
        ...

    @property
    def lines(self) -> int:
        """How many entries it has."""
        ...


class Encoder(Protocol):
    """Turns lines into request bodies, without a step per line in Python."""

    def encode_lines(
        self, chunk: bytes, *, labels: str, ts_ns: int, ts_step_ns: int, final: bool, compress: bool
    ) -> EncodedLines:
        """Split at newlines and encode; the last line is taken without its newline when `final`."""
        ...

    def snappy_compress(self, data: bytes, /) -> bytes:
        """The snappy block of `data`."""
        ...
