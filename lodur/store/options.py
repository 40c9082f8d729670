"""What the store must be told: where segments lie, since when, and how they are compressed.

Values only; secrets are left out of every `repr`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path


class SegmentCodec(StrEnum):
    """How the columns of a flushed segment are compressed."""

    NONE = "none"
    GZIP = "gzip"
    SNAPPY = "snappy"
    LZ4 = "lz4"
    ZSTD = "zstd"


@dataclass(frozen=True, slots=True)
class FilesystemOptions:
    """Objects are files below one directory."""

    directory: Path


@dataclass(frozen=True, slots=True)
class S3Options:
    """Objects lie in one S3 bucket.

    Without keys the environment's credentials are used: variables, web identity, instance role.
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
    prefix: str = ""
    """Put before every object's path."""


@dataclass(frozen=True, slots=True)
class GcsOptions:
    """Objects lie in one Google Cloud Storage bucket. Without a key the environment's credentials are used."""

    bucket: str
    service_account_json: str = field(default="", repr=False)
    prefix: str = ""


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
    endpoint_url: str = ""
    """Empty: derived from the account name."""
    prefix: str = ""


ObjectStoreOptions = FilesystemOptions | S3Options | GcsOptions | AzureOptions


@dataclass(frozen=True, slots=True)
class PeriodOptions:
    """Where objects of entries from `start_ns` on are kept, until the next period starts."""

    start_ns: int
    object_store: ObjectStoreOptions


@dataclass(frozen=True, slots=True)
class StorageOptions:
    """The periods, oldest first; never empty."""

    periods: tuple[PeriodOptions, ...]

    def period_at(self, ts_ns: int) -> PeriodOptions:
        """The period of a timestamp; times before the first period belong to the first."""
        chosen = self.periods[0]
        for period in self.periods[1:]:
            if period.start_ns <= ts_ns:
                chosen = period
        return chosen
