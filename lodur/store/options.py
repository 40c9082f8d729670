"""What the store must be told: where segments lie, since when, and how they are compressed.

Values only; secrets are left out of every `repr`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from lodur.model.limits import MIB


class SegmentCodec(StrEnum):
    """How the columns of a flushed segment are compressed."""

    NONE = "none"
    GZIP = "gzip"
    SNAPPY = "snappy"
    LZ4 = "lz4"
    ZSTD = "zstd"


FOR_GOOD_BYTES_MIN = 64 * MIB
"""Of lines and metadata: a smaller segment is one of dozens in the merge that makes a large one, with others that were
flushed fast, and is written anew there, whatever it was before."""

FOR_GOOD_RUN_ROWS_MIN = 4096
"""Rows of a stream, in the mean: a quarter of a block. With shorter ones a block has several streams, whose rows come
to lie in other blocks when they are merged with those of other segments: they are compressed again then."""


@dataclass(frozen=True, slots=True)
class FlushOptions:
    """How flushed segments are compressed."""

    codec: SegmentCodec = SegmentCodec.ZSTD
    cold_zstd_level: int = 6
    """Of large ones for good, where the codec is zstd and nobody waits; 0 leaves that to nobody, and above 9 it is left
    to the compactor."""
    for_good_bytes_min: int = FOR_GOOD_BYTES_MIN
    """Of a day's rows that are compressed for good."""
    for_good_run_rows_min: int = FOR_GOOD_RUN_ROWS_MIN
    """Of each of their streams, in the mean."""


@dataclass(frozen=True, slots=True)
class FilesystemOptions:
    """Objects are files below one directory."""

    directory: Path


@dataclass(frozen=True, slots=True)
class MemoryOptions:
    """Objects live as long as the process: for trying out."""

    name: str = ""
    """Periods that give the same share their objects."""


@dataclass(frozen=True, slots=True)
class HttpOptions:
    """How a client speaks HTTP; times in seconds."""

    timeout_s: float = 60.0
    """A whole request: a part of 8 MiB over a slow line passes, a server that has stopped answering is noticed."""
    connect_timeout_s: float = 5.0
    read_timeout_s: float = 0.0
    """Without a byte of the answer; 0 leaves it to `timeout_s`."""
    idle_timeout_s: float = 90.0
    """How long a connection that nobody uses is kept."""
    ca_file: Path | None = None
    """Certificates of authorities that are trusted besides the system's."""


@dataclass(frozen=True, slots=True)
class RetryOptions:
    """How often, and after which pauses (they grow, with jitter), a client asks again. Times in seconds."""

    retries_max: int = 5
    least_pause_s: float = 0.1
    most_pause_s: float = 3.0


@dataclass(frozen=True, slots=True)
class S3Options:
    """Objects lie in one S3 bucket.

    Without keys the environment's credentials are used: variables, web identity, profile, instance role.
    """

    bucket: str
    region: str = ""
    endpoint_url: str = ""
    """With scheme; empty: derived from the region."""
    access_key_id: str = field(default="", repr=False)
    secret_access_key: str = field(default="", repr=False)
    session_token: str = field(default="", repr=False)
    path_style: bool = False
    """Name the bucket in the path instead of the host."""
    allow_http: bool = False
    """Connect without TLS."""
    verify_tls: bool = True
    server_side_encryption: str = ""
    """Empty, `AES256` or `aws:kms`."""
    kms_key_id: str = ""
    """Empty: the account's own key for S3."""
    storage_class: str = ""
    """Of segments; empty: the bucket's default. Manifests are too small and too often replaced for another one."""
    prefix: str = ""
    """Put before every object's path."""
    http: HttpOptions = HttpOptions()
    retries: RetryOptions = RetryOptions()


@dataclass(frozen=True, slots=True)
class GcsOptions:
    """Objects lie in one Google Cloud Storage bucket. Without a key the environment's credentials are used."""

    bucket: str
    service_account_json: str = field(default="", repr=False)
    allow_http: bool = False
    """The endpoint that the key names may be one without TLS."""
    prefix: str = ""
    http: HttpOptions = HttpOptions()
    retries: RetryOptions = RetryOptions()


@dataclass(frozen=True, slots=True)
class AzureOptions:
    """Objects lie in one container of an Azure storage account."""

    account_name: str
    container: str
    account_key: str = field(default="", repr=False)
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    directory_tenant_id: str = ""
    """The directory of a service principal; nothing to do with Lodur's tenants."""
    credentials: str = ""
    """Empty: whichever are there; `client_secret`, `workload_identity` or `managed_identity`: those and no others."""
    endpoint_url: str = ""
    """Empty: derived from the account name."""
    allow_http: bool = False
    """Connect without TLS."""
    prefix: str = ""
    http: HttpOptions = HttpOptions()
    retries: RetryOptions = RetryOptions()


ObjectStoreOptions = FilesystemOptions | MemoryOptions | S3Options | GcsOptions | AzureOptions


@dataclass(frozen=True, slots=True)
class HedgingOptions:
    """Reads that are slow are made a second time; who answers first wins."""

    after_s: float = 0.0
    """How long a read may take before the next attempt is made beside it; 0: no attempt is."""
    attempts_max: int = 2
    """Of one read, the first one counted."""
    per_second_max: int = 5
    """Further attempts of all reads: where everything is slow, twice the load would not help."""


@dataclass(frozen=True, slots=True)
class CacheOptions:
    """What is kept of segments near the processor. Disk and small ranges are for remote stores."""

    metadata_bytes_max: int = 512 * MIB
    """Directories in memory."""
    small_ranges_bytes_max: int = 64 * MIB
    """Slices of gram filters in memory."""
    disk_directory: Path | None = None
    """None: nothing is kept on the disk."""
    disk_bytes_max: int = 0


@dataclass(frozen=True, slots=True)
class PeriodOptions:
    """Where objects of entries from `start_ns` on are kept, until the next period starts."""

    start_ns: int
    object_store: ObjectStoreOptions


@dataclass(frozen=True, slots=True)
class StorageOptions:
    """The periods, oldest first; never empty."""

    periods: tuple[PeriodOptions, ...]
    hedging: HedgingOptions = HedgingOptions()

    def period_at(self, ts_ns: int) -> PeriodOptions:
        """The period of a timestamp; times before the first period belong to the first."""
        chosen = self.periods[0]
        for period in self.periods[1:]:
            if period.start_ns <= ts_ns:
                chosen = period
        return chosen
