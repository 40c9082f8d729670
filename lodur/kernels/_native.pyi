"""The extension module: what each function takes and gives. Import the typed modules of `lodur.kernels` instead."""

import builtins
from collections.abc import Sequence
from typing import ClassVar, final

__version__: str

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
        max_decompressed_size_bytes: int | None = None,
    ) -> PushLimits:
        """Named as the keys of `limits_config`; what is None has Loki's default. Sizes of zero switch a limit off.

        `max_decompressed_size_bytes` is held to 1 GiB, its default here.
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

    def to_body(self) -> builtins.bytes:
        """Encode the accepted rows as a LOKI_PROTOBUF body that decodes to them under `PushLimits.unchecked()`.

        Releases the GIL.
        """

    def entries(self) -> list[tuple[str, int, str, list[tuple[str, str]], str]]:
        """Label set, time in ns, line, metadata, level of each row. For tests and tools: makes objects per row."""

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
    Bound: the decompressed body, rows of about its size, and 13 bytes for each of at most 2**24 entries.
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
