"""The settings of one object store, which several blocks have: `storage_config.aws`, `common.storage.s3`, named stores.

Each class holds the settings of one kind of store below one path; each `..._options` function makes options of them,
and raises BadValue with a text that holds no secret.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from lodur.config.errors import BadValue, Problem
from lodur.config.kinds import BOOL, SECRET, SECRET_URL, TEXT, TEXTS, choice
from lodur.config.schema import Entry, Setting, inert_keys
from lodur.config.values import Values
from lodur.store.options import AzureOptions, FilesystemOptions, GcsOptions, S3Options

NOT_TUNED = "the object store's client has no such switch"

_SSE = {"": "", "SSE-S3": "AES256", "SSE-KMS": "aws:kms"}


def _at(block: str, name: str) -> str:
    return f"{block}.{name}" if block else name


@dataclass(frozen=True, slots=True)
class S3Settings:
    """An S3 client as Loki's `aws` blocks describe it."""

    url: Setting[str]
    buckets: Setting[tuple[str, ...]]
    endpoint: Setting[str]
    region: Setting[str]
    access_key_id: Setting[str]
    secret_access_key: Setting[str]
    session_token: Setting[str]
    insecure: Setting[bool]
    path_style: Setting[bool]
    skip_verify: Setting[bool]
    sse_type: Setting[str]
    sse_key: Setting[str]
    ignored: tuple[Entry, ...]

    def entries(self) -> tuple[Entry, ...]:
        """All that may stand in the block."""
        return (
            self.url,
            self.buckets,
            self.endpoint,
            self.region,
            self.access_key_id,
            self.secret_access_key,
            self.session_token,
            self.insecure,
            self.path_style,
            self.skip_verify,
            self.sse_type,
            self.sse_key,
            *self.ignored,
        )


def s3_settings(block: str, flag_block: str = "") -> S3Settings:
    """The settings of an S3 client below a path; `flag_block` is what Loki's flags call it."""
    doc = "Empty: the environment's credentials are used."

    def flag(name: str) -> tuple[str, ...]:
        return (f"{flag_block}.{name}",) if flag_block else ()

    return S3Settings(
        url=Setting(
            _at(block, "s3"),
            SECRET_URL,
            "",
            "`s3://key:secret@region/bucket`, or an endpoint for the region.",
            flag("url"),
        ),
        buckets=Setting(_at(block, "bucketnames"), TEXTS, "", "The bucket; one.", flag("buckets")),
        endpoint=Setting(
            _at(block, "endpoint"), TEXT, "", "Host or URL; empty: derived from the region.", flag("endpoint")
        ),
        region=Setting(_at(block, "region"), TEXT, "", "Region.", flag("region")),
        access_key_id=Setting(_at(block, "access_key_id"), SECRET, "", doc, flag("access-key-id")),
        secret_access_key=Setting(_at(block, "secret_access_key"), SECRET, "", doc, flag("secret-access-key")),
        session_token=Setting(_at(block, "session_token"), SECRET, "", doc, flag("session-token")),
        insecure=Setting(_at(block, "insecure"), BOOL, "false", "Connect without TLS.", flag("insecure")),
        path_style=Setting(
            _at(block, "s3forcepathstyle"), BOOL, "false", "Name the bucket in the path.", flag("force-path-style")
        ),
        skip_verify=Setting(
            _at(block, "http_config.insecure_skip_verify"), BOOL, "false", "Do not check the certificate."
        ),
        sse_type=Setting(_at(block, "sse.type"), choice(*_SSE), "", "Encryption by the store.", flag("sse.type")),
        sse_key=Setting(_at(block, "sse.kms_key_id"), TEXT, "", "Key for SSE-KMS.", flag("sse.kms-key-id")),
        ignored=(
            *inert_keys(
                block,
                NOT_TUNED,
                "signature_version storage_class backoff_config dynamodb disable_dualstack connection_timeout "
                "native_aws_auth_enabled chunk_delimiter",
            ),
            *inert_keys(
                _at(block, "http_config"),
                NOT_TUNED,
                "timeout idle_conn_timeout response_header_timeout ca_file max_connections",
            ),
            *inert_keys(_at(block, "sse"), NOT_TUNED, "kms_encryption_context"),
        ),
    )


def s3_options(values: Values, settings: S3Settings) -> S3Options:
    """The bucket that some settings describe."""
    url = _s3_url(values.get(settings.url))
    host = (url.hostname or "") if url else ""
    is_region = "." not in host and not (url and url.port)
    endpoint = values.get(settings.endpoint) or ("" if is_region or not url else url.netloc.rpartition("@")[2])
    insecure = values.get(settings.insecure)
    endpoint_url = endpoint if not endpoint or "://" in endpoint else f"{'http' if insecure else 'https'}://{endpoint}"
    return S3Options(
        bucket=_one_bucket(values.get(settings.buckets), url.path.strip("/") if url else ""),
        region=values.get(settings.region) or (host if is_region else ""),
        endpoint_url=endpoint_url,
        access_key_id=values.get(settings.access_key_id) or unquote((url and url.username) or ""),
        secret_access_key=values.get(settings.secret_access_key) or unquote((url and url.password) or ""),
        session_token=values.get(settings.session_token),
        path_style=values.get(settings.path_style)
        or (url is not None and not is_region and "amazonaws.com" not in host),
        allow_http=insecure or endpoint_url.startswith("http://"),
        verify_tls=not values.get(settings.skip_verify),
        server_side_encryption=_SSE[values.get(settings.sse_type)],
        kms_key_id=values.get(settings.sse_key),
    )


def _s3_url(text: str) -> SplitResult | None:
    if not text:
        return None
    refused = BadValue(Problem(0, "s3 is not a URL such as s3://key:secret@region/bucket (a key's / is written %2F)"))
    try:
        url = urlsplit(text)
        usable = url.scheme == "s3" and bool(url.hostname) and url.port != 0
    except ValueError:
        raise refused from None
    if not usable:
        raise refused
    return url


def _one_bucket(names: tuple[str, ...], from_url: str) -> str:
    if len(names) > 1:
        raise BadValue(Problem(0, f"bucketnames has {len(names)} buckets, use one"))
    bucket = names[0] if names else from_url
    if not bucket or "/" in bucket:
        raise BadValue(Problem(0, "no bucket is named, set bucketnames or s3: s3://region/bucket"))
    return bucket


@dataclass(frozen=True, slots=True)
class GcsSettings:
    """A Google Cloud Storage client."""

    bucket: Setting[str]
    service_account: Setting[str]
    ignored: tuple[Entry, ...]

    def entries(self) -> tuple[Entry, ...]:
        """All that may stand in the block."""
        return (self.bucket, self.service_account, *self.ignored)


def gcs_settings(block: str) -> GcsSettings:
    """The settings of a Google Cloud Storage client below a path."""
    return GcsSettings(
        bucket=Setting(_at(block, "bucket_name"), TEXT, "", "The bucket."),
        service_account=Setting(
            _at(block, "service_account"), SECRET, "", "Key of a service account, as JSON; empty: the environment's."
        ),
        ignored=inert_keys(
            block,
            NOT_TUNED,
            "chunk_buffer_size request_timeout enable_opencensus enable_http2 enable_retries http_config",
        ),
    )


def gcs_options(values: Values, settings: GcsSettings) -> GcsOptions:
    """The bucket that some settings describe."""
    bucket = values.get(settings.bucket)
    if not bucket:
        raise BadValue(Problem(0, "no bucket is named, set bucket_name"))
    return GcsOptions(bucket, values.get(settings.service_account))


@dataclass(frozen=True, slots=True)
class AzureSettings:
    """An Azure Blob Storage client."""

    account_name: Setting[str]
    account_key: Setting[str]
    container: Setting[str]
    endpoint_suffix: Setting[str]
    client_id: Setting[str]
    client_secret: Setting[str]
    directory_tenant_id: Setting[str]
    ignored: tuple[Entry, ...]

    def entries(self) -> tuple[Entry, ...]:
        """All that may stand in the block."""
        return (
            self.account_name,
            self.account_key,
            self.container,
            self.endpoint_suffix,
            self.client_id,
            self.client_secret,
            self.directory_tenant_id,
            *self.ignored,
        )


def azure_settings(block: str) -> AzureSettings:
    """The settings of an Azure Blob Storage client below a path."""
    return AzureSettings(
        account_name=Setting(_at(block, "account_name"), TEXT, "", "The storage account."),
        account_key=Setting(_at(block, "account_key"), SECRET, "", "Its key; empty: the environment's credentials."),
        container=Setting(_at(block, "container_name"), TEXT, "loki", "The container."),
        endpoint_suffix=Setting(
            _at(block, "endpoint_suffix"), TEXT, "", "Follows the account's name in the host; empty: the public cloud."
        ),
        client_id=Setting(_at(block, "client_id"), TEXT, "", "Service principal or managed identity."),
        client_secret=Setting(_at(block, "client_secret"), SECRET, "", "Secret of the service principal."),
        directory_tenant_id=Setting(_at(block, "tenant_id"), TEXT, "", "Directory of the service principal."),
        ignored=(
            *inert_keys(
                block,
                "credentials are found in this order: key, service principal, environment",
                "use_managed_identity use_federated_token use_service_principal user_assigned_id",
            ),
            *inert_keys(block, "use account_name and account_key", "connection_string"),
            *inert_keys(
                block,
                NOT_TUNED,
                "environment chunk_delimiter download_buffer_size upload_buffer_size upload_buffer_count "
                "request_timeout max_retries min_retry_delay max_retry_delay",
            ),
        ),
    )


def azure_options(values: Values, settings: AzureSettings) -> AzureOptions:
    """The container that some settings describe."""
    account = values.get(settings.account_name)
    if not account:
        raise BadValue(Problem(0, "no storage account is named, set account_name"))
    suffix = values.get(settings.endpoint_suffix)
    return AzureOptions(
        account_name=account,
        container=values.get(settings.container),
        account_key=values.get(settings.account_key),
        client_id=values.get(settings.client_id),
        client_secret=values.get(settings.client_secret),
        directory_tenant_id=values.get(settings.directory_tenant_id),
        endpoint_url=f"https://{account}.{suffix.lstrip('.')}" if suffix else "",
    )


def filesystem_options(directory: str, base: Path) -> FilesystemOptions:
    """A directory, below `base` where it is relative."""
    if not directory:
        raise BadValue(Problem(0, "no directory is named, set filesystem.directory or common.path_prefix"))
    return FilesystemOptions(base / directory)
