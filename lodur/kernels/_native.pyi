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
from pathlib import Path
from typing import Literal, final

__version__: str

# --- wal ---

@final
class WalRecord:
    """A push as it was appended; `file` and `offset` say where it lies."""

    @property
    def seq(self) -> int: ...
    @property
    def tenant(self) -> str: ...
    @property
    def kind(self) -> int: ...
    @property
    def accepted_at_ns(self) -> int: ...
    @property
    def payload(self) -> bytes: ...
    @property
    def file(self) -> Path: ...
    @property
    def offset(self) -> int: ...

@final
class WalProblem:
    """What was wrong at `offset .. offset + bytes` of `file`."""

    @property
    def kind(self) -> Literal["torn_tail", "damage", "unreadable", "foreign"]: ...
    @property
    def file(self) -> Path: ...
    @property
    def offset(self) -> int: ...
    @property
    def bytes(self) -> int: ...
    @property
    def message(self) -> str: ...

@final
class WalStats:
    """`files`, `bytes` and `last_seq` (0: no record) describe the directory; the rest counts since opening."""

    @property
    def files(self) -> int: ...
    @property
    def bytes(self) -> int: ...
    @property
    def last_seq(self) -> int: ...
    @property
    def records(self) -> int: ...
    @property
    def groups(self) -> int: ...
    @property
    def failed_groups(self) -> int: ...
    @property
    def fsyncs(self) -> int: ...

@final
class WalWriter:
    """The one writer of a WAL directory; all methods may be called from any thread and release the GIL."""

    @staticmethod
    def open(path: Path, *, max_file_bytes: int, max_group_bytes: int) -> WalWriter:
        """Take the directory, making it if missing.

        Cost:  reads the newest file (at most `max_file_bytes`, or one record).
        Raises Unavailable where another process holds it, CorruptData for a version that this build does not know,
        OSError where the directory cannot be made, listed or locked. Damage raises nothing: see `replay_problems`.
        """

    def append(self, tenant: str, kind: int, accepted_at_ns: int, payload: bytes | bytearray | memoryview) -> int:
        """Return the record's number once it is durable.

        In:    `kind` 0 to 255, of the caller's meaning; `tenant` at most 255 bytes; `payload` at most 256 MiB.
        Out:   numbers ascend over the writer's life and over openings, with gaps.
        Cost:  waits for one write and one fsync, shared by all callers that wait; `bytes` are not copied, other
               buffers once.
        Raises Unavailable where the record could not be made durable (it is then not replayed; later appends may
        succeed) or the writer is closed, LimitExceeded for a longer payload, ValueError for a longer tenant.
        """

    def replay_batch(self, max_bytes: int) -> list[WalRecord]:
        """The next records that the directory held at opening, by ascending `seq`.

        Out:   at least one, until the payloads reach `max_bytes`; empty at the end.
        Cost:  reads each file once, 1 MiB or one record at a time.
        """

    def replay_problems(self) -> list[WalProblem]:
        """What was wrong so far in what `replay_batch` has read; complete when that has given an empty list.

        A file with damage stays beside the others under its name with `.corrupt` added.
        """

    def trim(self, up_to_seq: int) -> int:
        """Delete the files of which every record has a number up to `up_to_seq`; how many.

        The caller answers for every acknowledged record up to there. Raises Unavailable when closed, OSError where a
        file cannot be deleted.
        """

    def stats(self) -> WalStats: ...
    @property
    def writer_id(self) -> str:
        """A UUID made with the directory: with it a record's number is unique among all writers."""

    def close(self) -> None:
        """Wait for the appends under way, then let the directory go. Closing twice does nothing."""
