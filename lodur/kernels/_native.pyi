"""The extension module: what each function takes and gives. Import the typed modules of `lodur.kernels` instead."""

import builtins
from pathlib import Path
from typing import ClassVar, Final, Literal, final

import numpy as np
from numpy.typing import NDArray

from lodur.kernels._native_intake import (
    ContentEncoding as ContentEncoding,
    DecodedPush as DecodedPush,
    EncodedPush as EncodedPush,
    PushFormat as PushFormat,
    PushLimits as PushLimits,
    PushProblem as PushProblem,
    WalProblem as WalProblem,
    WalRecord as WalRecord,
    WalStats as WalStats,
    WalWriter as WalWriter,
    body_hash as body_hash,
    decode_push as decode_push,
    decode_wal_object as decode_wal_object,
    encode_lines as encode_lines,
    encode_wal_object as encode_wal_object,
    snappy_compress as snappy_compress,
)

__version__: str

# --- head ---

@final
class HeadStats:
    """Sizes of a head: `bytes` of lines and metadata in the active generation, `frozen_bytes` in flushing ones."""

    streams: Final[int]
    rows: Final[int]
    bytes: Final[int]
    frozen_bytes: Final[int]
    frozen: Final[int]

@final
class FrozenHead:
    """A generation of a head that takes no more rows: what a flush writes."""

    @property
    def generation(self) -> int: ...
    @property
    def rows(self) -> int: ...
    @property
    def min_ts_ns(self) -> int: ...
    @property
    def max_ts_ns(self) -> int: ...
    def days(self) -> list[int]:
        """UTC days (days since the epoch) that have rows, ascending. Releases the GIL."""

@final
class HeadView:
    """All rows of a head at one moment, for a scan."""

    @property
    def rows(self) -> int: ...
    def without(self, deletes: Deletes) -> HeadView:
        """The same rows without those that delete requests take."""

@final
class Head:
    """One tenant's rows that are in no segment yet. All methods may be called from any thread; the GIL is released."""

    def __init__(self) -> None: ...
    def insert(self, push: DecodedPush, *, skip: list[tuple[int, int]] = ...) -> tuple[int, int]:
        """Add the accepted rows of a push; (rows added, rows that were here already).

        In: rows with timestamps in the half-open ranges `skip` (start_ns, end_ns) are left out: replay names there the
        days that a manifest covers.
        """

    def without_flushed(self, push: DecodedPush) -> DecodedPush | None:
        """The push without the rows that are in a generation frozen before; None where it has no such row.

        Out:   `to_body` and `accepted_lines` are of the rows that are left; the other facts are those of `push`.
        """

    def new_streams(self, push: DecodedPush) -> list[int]:
        """Places in `push.streams` of those that are not active yet, ascending."""

    def snapshot(self) -> HeadView: ...
    def freeze(self) -> FrozenHead | None:
        """Begin a new generation; the old one stays in snapshots until `release`. None when the head is empty."""

    def release(self, frozen: FrozenHead) -> None:
        """Forget a frozen generation: its rows are in committed segments."""

    def stats(self) -> HeadStats: ...

# --- segments ---

@final
class PartSizes:
    """Stored bytes of a segment by part."""

    lines: Final[int]
    timestamps: Final[int]
    labels: Final[int]
    metadata: Final[int]
    grams: Final[int]

@final
class SegmentWritten:
    """What a flush wrote: rows, raw bytes of lines, bytes of the file, first and last timestamp."""

    rows: Final[int]
    line_bytes: Final[int]
    file_bytes: Final[int]
    min_ts_ns: Final[int]
    max_ts_ns: Final[int]
    streams: Final[int]
    blocks: Final[int]
    sizes: Final[PartSizes]

def write_segment(
    frozen: FrozenHead, path: Path, *, start_ns: int, end_ns: int, codec: str, zstd_level: int, threads: int = 1
) -> SegmentWritten | None:
    """Write the rows with `start_ns <= timestamp < end_ns` to a new file, fsynced; None (and no file) without any.

    In:    `codec` is none, gzip, snappy, lz4 or zstd; `zstd_level` counts with zstd.
    Cost:  sorts, compresses and indexes at about 200 MB of lines a second and thread; releases the GIL.
    Raises OSError where the file cannot be written (what was written of it is removed), ValueError for another codec.
    """

@final
class Segment:
    """A segment's directory in memory; its pages are read when a scan asks for them. Immutable, shared by threads."""

    @staticmethod
    def open_file(path: Path) -> Segment:
        """Open a local file. Raises CorruptData naming file and offset, OSError where it cannot be read."""

    @staticmethod
    def footer_range(tail: bytes, file_size: int) -> tuple[int, int]:
        """Offset and length of the Parquet footer, from a file's last 8 bytes. Raises CorruptData."""

    @staticmethod
    def directory_range(footer: bytes, file_size: int) -> tuple[int, int]:
        """Offset and length of the directory, from the footer. Raises CorruptData."""

    @staticmethod
    def from_parts(path: str, footer: bytes, directory: bytes, file_size: int) -> Segment:
        """A segment of a remote store, named `path` in errors. Raises CorruptData."""

    def with_ranges(self, ranges: list[tuple[int, bytes]]) -> Segment:
        """The same segment, reading from these fetched (offset, bytes) instead of a file."""

    def without(self, deletes: Deletes) -> Segment:
        """The same segment without the rows that delete requests take, wherever it is scanned or merged."""

    @property
    def path(self) -> str: ...
    @property
    def rows(self) -> int: ...
    @property
    def min_ts_ns(self) -> int: ...
    @property
    def max_ts_ns(self) -> int: ...
    @property
    def line_bytes(self) -> int: ...
    @property
    def blocks(self) -> int: ...
    @property
    def codec(self) -> str:
        """`none`, `gzip`, `snappy`, `lz4`, or `zstd-` and its level."""
    @property
    def sizes(self) -> PartSizes: ...
    def streams(self) -> list[tuple[str, int]]:
        """Label sets, printed, in their order, each with its rows."""

    def metadata_columns(self) -> list[tuple[str, int | None]]:
        """Metadata names with a column of their own, each with the size of its dictionary; None without one."""

# --- deletes ---

@final
class DeleteRule:
    """A delete request, compiled. Immutable, shared by threads."""

    @staticmethod
    def compile(plan: bytes) -> DeleteRule:
        """From a MessagePack `delete_plan.DeletePlan`. Raises InvalidRequest for patterns that do not compile."""

@final
class Deletes:
    """Requests that one source is read and written without. Immutable, shared by threads."""

    def __new__(cls, rules: list[DeleteRule]) -> Deletes: ...
    def probe_ranges(self, segment: Segment) -> list[tuple[int, int]]:
        """Ranges (offset, length) of the gram filter that `effect` looks at."""

    def effect(self, segment: Segment) -> tuple[list[int], int]:
        """Rows that go for sure, by request, and rows of blocks that must be read to know; no page is read.

        In: a local segment, or one that has the ranges of `probe_ranges`.
        """

# --- compact ---

@final
class KeepRules:
    """From which timestamp on rows of which streams are kept. Immutable, shared by threads."""

    def __new__(cls, rules: list[tuple[bytes, int]], *, default_from_ns: int) -> KeepRules:
        """In: `rules` are lists of matchers (`encode_matchers`) and times; the first that accepts a stream decides.

        Raises InvalidRequest for a regular expression that is none.
        """

    def expired(self, segment: Segment) -> tuple[int, int]:
        """Rows and number of a segment's streams of which nothing is kept; from its directory, no page is read."""

@final
class SegmentsMerged:
    """What a merge did: what was written (None without any row), and what became of the rows that it read."""

    @property
    def written(self) -> SegmentWritten | None: ...
    @property
    def rows_read(self) -> int: ...
    @property
    def rows_copied(self) -> int:
        """Of these, those whose blocks were copied: all or none."""

    @property
    def rows_expired(self) -> int: ...
    @property
    def rows_repeated(self) -> int: ...
    @property
    def rows_deleted(self) -> list[list[int]]:
        """By input, then by place in its `Deletes`; empty for an input without."""

def merge_segments(
    inputs: list[Segment],
    path: Path,
    *,
    start_ns: int,
    end_ns: int,
    keep: KeepRules,
    codec: str,
    zstd_level: int,
    cancel: Cancel,
) -> SegmentsMerged:
    """Write the rows of local segments with `start_ns <= timestamp < end_ns` to a new file, fsynced.

    In:    `inputs` oldest first; equal entries of different ones become one.
           Where no row must be looked at, blocks are copied, compressed as they are.
    Cost:  decompresses, compresses and indexes at about 100 MB of lines a second (zstd 3), copies at 1 GB; one thread;
           releases the GIL. One block (some MB) of each part of an input and one row group of the output are in memory.
    Raises CorruptData for a damaged input, OSError where a file cannot be read or written (what was written is
    removed), DeadlineExceeded once `cancel` is set, ValueError for another codec.
    """

def verify_segment(segment: Segment, cancel: Cancel) -> int:
    """Read a local segment whole and check it against checksums and directory; its rows.

    Raises CorruptData naming file and offset, OSError, DeadlineExceeded once `cancel` is set.
    """

# --- scan ---

@final
class Cancel:
    """A flag that running scans look at every few milliseconds; `check` raises DeadlineExceeded once it is set."""

    def __init__(self) -> None: ...
    def set(self) -> None: ...
    def check(self) -> None: ...

@final
class ScanStats:
    """What a scan looked at. Bytes are of lines, uncompressed unless the name says stored."""

    lines: Final[int]
    bytes: Final[int]
    stored_bytes: Final[int]
    lines_kept: Final[int]
    head_lines: Final[int]
    head_bytes: Final[int]
    segments: Final[int]
    blocks: Final[int]
    blocks_skipped: Final[int]
    blocks_read: Final[int]
    streams: Final[int]

@final
class LogResult:
    """The entries of a log query, merged and limited."""

    @property
    def entries(self) -> int: ...
    @property
    def held_bytes(self) -> int: ...
    @property
    def stats(self) -> ScanStats: ...
    def streams_json(self, *, categorize: bool, extra_labels: list[tuple[str, str]] = ...) -> bytes:
        """The JSON array of Loki's `streams` result; `categorize` for three-element values (loki.md 1.9)."""

    def legacy_json(self) -> bytes:
        """The JSON array `streams` of Loki's legacy endpoints: label sets as text, times in RFC 3339 (loki.md 1.20)."""

    @staticmethod
    def merge(results: list[tuple[LogResult, list[tuple[str, str]]]], *, limit: int, backward: bool) -> LogResult:
        """Merge results of several tenants, each with labels to add to every entry."""

@final
class MetricResult:
    """Series by steps: `values[i, k]` counts where `present[i, k]`. `labels` holds the GIL: ask for few at a time."""

    @property
    def series(self) -> int: ...
    def labels(self, first: int, end: int) -> list[list[tuple[str, str]]]: ...
    @property
    def values(self) -> NDArray[np.float64]: ...
    @property
    def present(self) -> NDArray[np.bool_]: ...
    @property
    def stats(self) -> ScanStats: ...

@final
class Scan:
    """A compiled scan plan. Immutable, shared by threads."""

    @staticmethod
    def compile(plan: bytes) -> Scan:
        """From a MessagePack `scan_plan.ScanPlan`. Raises InvalidRequest for patterns that do not compile."""

    def probe_ranges(self, segment: Segment) -> list[tuple[int, int]]:
        """Ranges (offset, length) of the gram filter that this scan wants to look at; empty if none helps."""

    def page_ranges(self, segment: Segment) -> list[tuple[int, int]]:
        """Ranges of the pages that this scan reads; `segment` must know the ranges of `probe_ranges`."""

    def run_logs(self, sources: list[HeadView | Segment], *, cancel: Cancel, threads: int, bytes_max: int) -> LogResult:
        """Run a plan whose task is `Logs`.

        In:    sources by age, oldest first; equal timestamps of a stream keep that order. `bytes_max` bounds what the
               result may hold.
        Raises Cancelled through DeadlineExceeded once `cancel` is set, InvalidRequest, CorruptData, LimitExceeded.
        """

    def run_metric(
        self, sources: list[HeadView | Segment], *, cancel: Cancel, threads: int, bytes_max: int
    ) -> MetricResult:
        """Run a plan whose task is `Metric`. Raises as `run_logs`, and InvalidRequest for pipeline errors."""

def streams_json(
    sources: list[HeadView | Segment],
    selectors: list[bytes],
    start_ns: int,
    end_ns: int,
    *,
    extra_label: tuple[str, str] | None,
    cancel: Cancel,
) -> bytes:
    """Label sets of the streams with an entry in `start_ns <= timestamp < end_ns` that one of the selectors matches.

    In:  selectors are MessagePack lists of `lodur.kernels.scan_plan.StreamMatcher`; none means all streams.
    Out: a JSON object each, sorted, unique, joined by commas; the extra label stands in those that have none of its
         name.
    Releases the GIL. Raises Cancelled through DeadlineExceeded once `cancel` is set.
    """

def label_names(
    sources: list[HeadView | Segment], selectors: list[bytes], start_ns: int, end_ns: int, *, cancel: Cancel
) -> list[str]:
    """The names of the labels of the streams that `streams_json` would list, sorted, each once."""

def label_values(
    sources: list[HeadView | Segment], selectors: list[bytes], start_ns: int, end_ns: int, *, name: str, cancel: Cancel
) -> list[str]:
    """The values that the streams that `streams_json` would list have of a label, sorted, each once."""

def encode_matrix(
    labels: list[list[tuple[str, str]]], times_ms: list[int], values: NDArray[np.float64], present: NDArray[np.bool_]
) -> bytes:
    """The JSON array of Loki's `matrix` result; series without any point are left out. Releases the GIL."""

def choose_extremes(
    values: NDArray[np.float64],
    present: NDArray[np.bool_],
    *,
    groups: NDArray[np.uint32],
    group_count: int,
    k: int,
    largest: bool,
    cancel: Cancel,
) -> NDArray[np.bool_]:
    """Which samples are among the `k` largest (or smallest) of their group and step; NaN last, earlier series first."""

# --- tail ---

@final
class TailForm:
    """How a client of a live tail wants to see entries."""

    PLAIN: ClassVar[TailForm]
    CATEGORIZED: ClassVar[TailForm]
    """Values of three members, the third with structured metadata and parsed labels."""
    LEGACY: ClassVar[TailForm]
    """Label sets as text, times in RFC 3339."""

@final
class TailRows:
    """Entries of some results, oldest first, as live tails show them. Immutable, shared by threads."""

    def __new__(cls, results: list[LogResult], *, form: TailForm) -> TailRows: ...
    @property
    def entries(self) -> int: ...
    def frames(self, frames_max: int, per_frame: int) -> list[bytes]:
        """The JSON arrays `streams` of the first frames of `per_frame` entries, each a stream of its own.

        Releases the GIL.
        """

    def dropped(self, first: int, count: int) -> list[bytes]:
        """Members of the JSON array `dropped_entries` for some entries. Releases the GIL."""

# --- volume ---

@final
class IndexStats:
    """What a selector covers in a span: `bytes` of lines and structured metadata."""

    @property
    def streams(self) -> int: ...
    @property
    def blocks(self) -> int: ...
    @property
    def bytes(self) -> int: ...
    @property
    def kib_bytes(self) -> int:
        """`bytes` with each stream's part rounded down to whole KiB, as an index of chunks keeps it."""

    @property
    def entries(self) -> int: ...

def index_stats(
    sources: list[HeadView | Segment], selector: bytes, start_ns: int, end_ns: int, *, cancel: Cancel
) -> IndexStats:
    """Sizes of the entries in `start_ns <= timestamp < end_ns` that a selector covers, from directories alone.

    In:   `selector` is a MessagePack list of `lodur.kernels.scan_plan.StreamMatcher`.
    Out:  exact in heads; of a segment's rows those runs count by time that reach beyond the span.
    Cost: O(runs of segments + rows of heads); one thread; releases the GIL.
    Raises Cancelled through DeadlineExceeded once `cancel` is set.
    """

def volumes(
    sources: list[HeadView | Segment],
    selector: bytes,
    *,
    edges_ns: list[int],
    names: list[str] | None,
    by_name: builtins.bool,
    limit: int,
    cancel: Cancel,
) -> list[tuple[list[tuple[str, str]], list[int]]]:
    """Bytes by labels and time, from directories alone: the `limit` largest groups, largest first, then by labels.

    In:   bucket k is `edges_ns[k] <= timestamp < edges_ns[k + 1]`; groups are told apart by the labels `names` (None:
          by all), or `by_name`, where each of these names is a group by itself.
    Out:  per group its labels (with `by_name` one name and no value), and bytes by bucket.
    Cost: as `index_stats`, twice where there are several buckets.
    Raises ValueError for edges that do not ascend, Cancelled through DeadlineExceeded once `cancel` is set.
    """

# --- fields ---

@final
class DetectedField:
    """A field of some entries; `kind` is the narrowest type of all its values."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> Literal["int", "float", "boolean", "duration", "bytes", "string"]: ...
    @property
    def cardinality(self) -> int:
        """Distinct values; at least so many where there are millions of all fields together."""

    @property
    def parsers(self) -> list[str]:
        """The parsers that find it; empty for structured metadata."""

    @property
    def json_path(self) -> list[str] | None:
        """The keys that lead to it in a JSON line."""

def detect_fields(result: LogResult, *, parsers: list[str], limit: int, cancel: Cancel) -> list[DetectedField]:
    """The fields of the entries of a log query, in the order in which they are met; the first `limit`.

    In:   `parsers` are those of the query, whose findings are the fields then; without any, a line is read as JSON if
          it is an object, and as logfmt if not.
    Cost: one pass over the entries; one thread; releases the GIL.
    Raises Cancelled through DeadlineExceeded once `cancel` is set.
    """

def field_values(result: LogResult, *, name: str, parsers: list[str], limit: int, cancel: Cancel) -> list[str]:
    """Distinct values of one field, in the order in which they are met; the first `limit`. As `detect_fields`."""

def detect_labels(
    sources: list[HeadView | Segment], selectors: list[bytes], start_ns: int, end_ns: int, *, cancel: Cancel
) -> list[tuple[str, int]]:
    """Stream labels and how many values each has, by name, of the streams that `streams_json` would list.

    Labels whose values are all numbers or UUIDs are left out, unless they are 0 and 1, or the label is `cluster`,
    `namespace`, `instance` or `pod`. Releases the GIL. Raises Cancelled through DeadlineExceeded once `cancel` is set.
    """

# --- patterns ---

@final
class PatternScan:
    """A compiled search for patterns. Immutable, shared by threads."""

    @staticmethod
    def compile(plan: bytes) -> PatternScan:
        """From a MessagePack `pattern_plan.PatternPlan`. Raises InvalidRequest for matchers that do not compile."""

    def block_bytes(self, sources: list[HeadView | Segment]) -> int:
        """Bytes of lines of all blocks that hold something of the selector, from directories alone."""

    def probe_ranges(self, segment: Segment) -> list[tuple[int, int]]: ...
    def page_ranges(self, segment: Segment) -> list[tuple[int, int]]:
        """Ranges (offset, length) of the pages that this search reads."""

    def run(
        self, sources: list[HeadView | Segment], *, cancel: Cancel, threads: int
    ) -> tuple[list[tuple[str, str, list[tuple[int, int]]]], ScanStats]:
        """Patterns with their level and, by number of the step since the epoch, lines; those of most lines first.

        Out:   each line is counted under at most one pattern, which it passes as a line filter `|> pattern`. Lines of
               more than 3,000 bytes have none, and neither have those that share too little with another.
        Bound: 128 MiB of templates, beyond which rare ones are forgotten.
        Cost:  about 100 MB of lines a second; on up to `threads` threads; releases the GIL.
        Raises Cancelled through DeadlineExceeded once `cancel` is set, CorruptData.
        """

# --- relabel ---

def replace_values(values: list[str], expression: str, replacement: str) -> list[str | None]:
    """For each value the replacement, with `$1` and `${name}` filled in; None where the expression does not match it.

    In:    a Go regular expression, which must match the whole value; `$$` is a dollar, missing groups are empty.
    Cost:  compiles once; releases the GIL.
    Raises InvalidRequest for an expression that does not compile.
    """
