"""What comes in: the pushes and the WAL of the extension module. A part of `_native.pyi`, no module."""

import builtins
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Final, Literal, final

# --- push ---

@final
class PushFormat:
    """What a body is, once its Content-Encoding is taken off."""

    LOKI_PROTOBUF: ClassVar[PushFormat]
    """`logproto.PushRequest` in the snappy block format."""
    LOKI_JSON: ClassVar[PushFormat]
    """`{"streams": [{"stream": {...}, "values": [["ns", "line", {...}]]}]}`"""
    LEGACY_JSON: ClassVar[PushFormat]
    """`{"streams": [{"labels": "{...}", "entries": [{"ts": "RFC 3339", "line": "..."}]}]}`"""
    OTLP_PROTOBUF: ClassVar[PushFormat]
    """OpenTelemetry's `ExportLogsServiceRequest`."""
    OTLP_JSON: ClassVar[PushFormat]

@final
class ContentEncoding:
    """The Content-Encoding header; without one, `IDENTITY`."""

    IDENTITY: ClassVar[ContentEncoding]
    SNAPPY: ClassVar[ContentEncoding]
    """Means nothing beyond the format: protobuf is snappy in any case, JSON is plain."""
    GZIP: ClassVar[ContentEncoding]
    DEFLATE: ClassVar[ContentEncoding]
    """Raw DEFLATE, without a zlib header."""
    ZSTD: ClassVar[ContentEncoding]
    LZ4: ClassVar[ContentEncoding]
    """The frame format."""

@final
class PushLimits:
    """A tenant's limits on single bodies. Build it once per tenant: it prepares the search for levels."""

    def __new__(
        cls,
        *,
        max_label_names_per_series: int | None = None,
        max_label_name_length_bytes: int | None = None,
        max_label_value_length_bytes: int | None = None,
        max_line_size_bytes: int | None = None,
        max_line_size_truncate: bool | None = None,
        max_line_size_truncate_identifier: str | None = None,
        reject_old_samples: bool | None = None,
        reject_old_samples_max_age_ns: int | None = None,
        creation_grace_period_ns: int | None = None,
        increment_duplicate_timestamp: bool | None = None,
        allow_structured_metadata: bool | None = None,
        max_structured_metadata_size_bytes: int | None = None,
        max_structured_metadata_entries_count: int | None = None,
        discover_service_name: Sequence[str] | None = None,
        discover_log_levels: bool | None = None,
        log_level_fields: Sequence[str] | None = None,
        log_level_from_json_max_depth: int | None = None,
        discover_generic_fields: Sequence[tuple[str, Sequence[str]]] | None = None,
        max_decompressed_size_bytes: int | None = None,
        otlp_mapping: bytes | None = None,
    ) -> PushLimits:
        """Named as the keys of `limits_config`; what is None has Loki's default. Sizes of zero switch a limit off.

        `max_decompressed_size_bytes` is held to 1 GiB, its default here. `otlp_mapping` is an `OtlpMapping` of
        `lodur.model.otlp` as MessagePack; without one its defaults hold.

        Raises InvalidRequest for a mapping that cannot be read.
        """

    @staticmethod
    def unchecked() -> PushLimits:
        """For bodies that were validated before (`DecodedPush.to_body`): refuses nothing and adds nothing."""

    def for_replay(self) -> PushLimits:
        """For bodies that were accepted whole under these limits: adds what these add and refuses nothing."""

@final
class PushProblem:
    """Entries refused with one text."""

    @property
    def reason(self) -> str:
        """The label `reason` of `loki_discarded_samples_total`."""

    @property
    def status(self) -> int: ...
    @property
    def message(self) -> str: ...
    @property
    def errors(self) -> int:
        """How often the text was raised: once a stream or once an entry."""

    @property
    def lines(self) -> int: ...
    @property
    def bytes(self) -> int:
        """Lines and structured metadata."""

@final
class DecodedPush:
    """The accepted rows of a body, which stay in Rust, and what was refused."""

    @property
    def accepted_lines(self) -> int: ...
    @property
    def accepted_bytes(self) -> int:
        """Bytes of accepted lines and their metadata, without what was added to them."""

    @property
    def received_streams(self) -> int: ...
    @property
    def received_lines(self) -> int: ...
    @property
    def received_bytes(self) -> int: ...
    @property
    def truncated_lines(self) -> int: ...
    @property
    def truncated_bytes(self) -> int: ...
    @property
    def all_accepted(self) -> bool:
        """The body stands for exactly the accepted rows: nothing was refused, cut or shifted in time."""

    @property
    def problems(self) -> list[PushProblem]:
        """In the order of the body; at most 64 texts, further ones are counted under the first of their reason."""

    @property
    def refusal_text(self) -> str | None:
        """The text of the answer without its final newline; None when nothing was refused."""

    @property
    def streams(self) -> list[tuple[str, int, int]]:
        """Label set in text form, accepted lines, accepted bytes. One tuple a stream."""

    def days(self) -> list[int]:
        """UTC days (days since the epoch) that have rows, ascending. Releases the GIL."""

    def times_of(self, stream: int, most: int) -> list[int]:
        """Times in ns of the first accepted rows of a stream, which is named by its place in `streams`."""

    def without_streams(self, streams: Sequence[int]) -> DecodedPush:
        """The same push of which these streams, named by their places in `streams`, are not to be kept.

        Cost: a copy of the rows that are left; releases the GIL.
        """

    def to_body(self) -> builtins.bytes:
        """Encode the accepted rows as a LOKI_PROTOBUF body that decodes to them under `PushLimits.unchecked()`.

        Releases the GIL.
        """

    def entries(self) -> list[tuple[str, int, str, list[tuple[str, str]], str]]:
        """Label set, time in ns, line, metadata, level of each row. For tests and tools: makes objects per row."""

def body_hash(body: bytes) -> int:
    """64 bits by which an equal body is recognised in this process, keyed at random. Releases the GIL."""

def decode_push(
    body: bytes,
    *,
    format: PushFormat,  # noqa: A002 - the word that the sheet of the protocol uses
    encoding: ContentEncoding,
    limits: PushLimits,
    now_ns: int,
) -> DecodedPush:
    """Decode a push body and check it against `limits`.

    Out:   streams and entries that are refused one by one are in `problems`; the rest are rows, in the body's order.
           A body without any stream has one problem of status 422.
    Bound: the decompressed body, rows of about its size (for OTLP, whose entries share attributes, of
           `max_decompressed_size_bytes`), and 13 bytes for each of at most 2**24 entries.
    Cost:  one pass over the decompressed body; one thread; releases the GIL.
    Raises InvalidRequest where the whole body is refused (400), LimitExceeded with limit `max_recv_msg_size` where it
    is or becomes too large (413).
    """

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

    files: Final[int]
    bytes: Final[int]
    last_seq: Final[int]
    records: Final[int]
    groups: Final[int]
    failed_groups: Final[int]
    fsyncs: Final[int]

@final
class WalWriter:
    """The one writer of a WAL directory; all methods may be called from any thread and release the GIL."""

    @staticmethod
    def open(path: Path, *, max_file_bytes: int, max_group_bytes: int) -> WalWriter:
        """Take the directory, making it if missing. Cost: reads the newest file.

        Raises Unavailable where another process holds it, CorruptData for a version that this build does not know,
        OSError where the directory cannot be made, listed or locked. Damage raises nothing: see `replay_problems`.
        """

    def append(self, tenant: str, kind: int, accepted_at_ns: int, payload: bytes | bytearray | memoryview) -> int:
        """Return the record's number once it is durable; numbers ascend over the writer's life, with gaps.

        In:    `kind` 0 to 255, of the caller's meaning; `tenant` at most 255 bytes; `payload` at most 256 MiB.
        Cost:  one write and one fsync, shared by all callers that wait; `bytes` are not copied, other buffers once.
        Raises Unavailable where the record could not be made durable (it is then not replayed; later appends may
        succeed) or the writer is closed, LimitExceeded for a longer payload, ValueError for a longer tenant.
        """

    def replay_batch(self, max_bytes: int) -> list[WalRecord]:
        """The next records that the directory held at opening, by ascending `seq`: one at least; empty at the end."""

    def replay_problems(self) -> list[WalProblem]:
        """What was wrong in what `replay_batch` has read; the files stay, with `.corrupt` added to their names."""

    def trim(self, up_to_seq: int) -> int:
        """Delete the files of which every record has a number up to `up_to_seq`; how many.

        Raises Unavailable when closed, OSError where a file cannot be deleted.
        """

    def stats(self) -> WalStats: ...
    @property
    def writer_id(self) -> str:
        """A UUID made with the directory: with it a record's number is unique among all writers."""

    def close(self) -> None:
        """Wait for the appends under way, then let the directory go. Closing twice does nothing."""

def encode_wal_object(writer_id: str, first_seq: int, records: list[tuple[str, int, int, bytes]]) -> bytes:
    """Records (tenant, kind, accepted_at_ns, payload) as one object, numbered from `first_seq`. Releases the GIL."""

def decode_wal_object(data: bytes, path: Path) -> tuple[str, list[WalRecord], list[WalProblem]]:
    """The writer's id, what can be read, and what was wrong. Raises CorruptData for what is no such object."""
