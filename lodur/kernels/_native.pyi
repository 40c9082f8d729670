"""The extension module: what each function takes and gives. Import the typed modules of `lodur.kernels` instead."""

from typing import final

__version__: str

# --- push ---

@final
class EncodedPush:
    """Entries of one stream as a push body."""

    @property
    def body(self) -> bytes: ...
    @property
    def lines(self) -> int: ...
    @property
    def consumed(self) -> int: ...

def encode_lines(
    chunk: bytes, *, labels: str, ts_ns: int, ts_step_ns: int, final: bool, compress: bool = True
) -> EncodedPush:
    """Make a push of the lines of `chunk`; the n-th has the time `ts_ns + n * ts_step_ns`.

    In:    text of at most 1 GiB; `labels` in text form, written as it is; `compress` for the snappy block format.
    Out:   lines cut at newlines, `\\r` and empty lines kept, invalid UTF-8 replaced by U+FFFD. Text after the last
           newline is a line only when `final`; else it is not part of `consumed`. No line gives an empty body.
    Cost:  one pass and one compression; one thread; releases the GIL.
    Raises ValueError for a longer chunk.
    """

def snappy_compress(data: bytes, /) -> bytes:
    """The snappy block format of `data` (at most 4 GiB). Releases the GIL. Raises ValueError for more."""
