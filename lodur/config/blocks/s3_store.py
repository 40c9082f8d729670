"""The settings of an S3 bucket, which several blocks have: `storage_config.aws`, `common.storage.s3`, named stores."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit

from lodur.config.blocks.store_clients import (
    NOT_TUNED,
    ClientSettings,
    at,
    client_settings,
    http_options,
    retry_options,
)
from lodur.config.errors import BadValue, Problem
from lodur.config.kinds import BOOL, SECRET, SECRET_URL, TEXT, TEXTS, choice
from lodur.config.schema import Entry, Setting, inert_keys
from lodur.config.values import Values
from lodur.store.options import S3Options
from lodur.store.s3_checks import s3_problem

_SSE = {"": "", "SSE-S3": "AES256", "SSE-KMS": "aws:kms"}

_STORAGE_CLASSES = (
    "",
    "STANDARD",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER_IR",
    "REDUCED_REDUNDANCY",
    "EXPRESS_ONEZONE",
)
"""Those whose objects can be read at once."""


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
    storage_class: Setting[str]
    sse_type: Setting[str]
    sse_key: Setting[str]
    client: ClientSettings
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
            self.storage_class,
            self.sse_type,
            self.sse_key,
            *self.client.entries(),
            *self.ignored,
        )


def s3_settings(block: str, flag_block: str = "") -> S3Settings:
    """The settings of an S3 client below a path; `flag_block` is what Loki's flags call it."""
    doc = "Empty: the environment's credentials are used: variables, web identity, profile, instance."

    def flag(name: str) -> tuple[str, ...]:
        return (f"{flag_block}.{name}",) if flag_block else ()

    return S3Settings(
        url=Setting(
            at(block, "s3"),
            SECRET_URL,
            "",
            "`s3://key:secret@region/bucket`, or an endpoint for the region, also as `http://` and `https://`; "
            "a prefix may follow.",
            flag("url"),
        ),
        buckets=Setting(at(block, "bucketnames"), TEXTS, "", "The bucket; one.", flag("buckets")),
        endpoint=Setting(
            at(block, "endpoint"), TEXT, "", "Host or URL; empty: derived from the region.", flag("endpoint")
        ),
        region=Setting(at(block, "region"), TEXT, "", "Region; empty: the environment's.", flag("region")),
        access_key_id=Setting(at(block, "access_key_id"), SECRET, "", doc, flag("access-key-id")),
        secret_access_key=Setting(at(block, "secret_access_key"), SECRET, "", doc, flag("secret-access-key")),
        session_token=Setting(at(block, "session_token"), SECRET, "", doc, flag("session-token")),
        insecure=Setting(at(block, "insecure"), BOOL, "false", "Connect without TLS.", flag("insecure")),
        path_style=Setting(
            at(block, "s3forcepathstyle"),
            BOOL,
            "false",
            "Name the bucket in the path, not in the host.",
            flag("force-path-style"),
        ),
        storage_class=Setting(
            at(block, "storage_class"),
            choice(*_STORAGE_CLASSES),
            "",
            "Storage class of segments; all other objects have the bucket's.",
            flag("storage-class"),
        ),
        sse_type=Setting(at(block, "sse.type"), choice(*_SSE), "", "Encryption by the store.", flag("sse.type")),
        sse_key=Setting(
            at(block, "sse.kms_key_id"), TEXT, "", "Key for SSE-KMS; empty: the account's.", flag("sse.kms-key-id")
        ),
        client=client_settings(block, flag_block),
        ignored=(
            *inert_keys(
                block,
                NOT_TUNED,
                "signature_version dynamodb disable_dualstack connection_timeout native_aws_auth_enabled "
                "chunk_delimiter",
            ),
            *inert_keys(at(block, "sse"), NOT_TUNED, "kms_encryption_context"),
        ),
    )


def s3_options(values: Values, settings: S3Settings) -> S3Options:
    """The bucket that some settings describe. Raises BadValue without a secret in it."""
    url = _s3_url(values.get(settings.url))
    host = (url.hostname or "") if url else ""
    is_region = url is None or (url.scheme == "s3" and "." not in host and not url.port)
    endpoint = values.get(settings.endpoint) or ("" if is_region or not url else _endpoint_of(url))
    insecure = values.get(settings.insecure)
    endpoint_url = endpoint if not endpoint or "://" in endpoint else f"{'http' if insecure else 'https'}://{endpoint}"
    access_key_id = values.get(settings.access_key_id) or unquote((url and url.username) or "")
    secret_access_key = values.get(settings.secret_access_key) or unquote((url and url.password) or "")
    if bool(access_key_id) != bool(secret_access_key):
        missing, given = ("access_key_id", "secret_access_key")[:: 1 if secret_access_key else -1]
        raise BadValue(Problem(0, f"{given} is given without {missing}, set both or neither"))
    if values.get(settings.sse_key) and values.get(settings.sse_type) != "SSE-KMS":
        raise BadValue(Problem(0, "sse.kms_key_id is given, set sse.type to SSE-KMS"))
    bucket, prefix = _bucket_and_prefix(values.get(settings.buckets), url.path.strip("/") if url else "")
    options = S3Options(
        bucket=bucket,
        region=values.get(settings.region) or (host if is_region else ""),
        endpoint_url=endpoint_url,
        access_key_id=access_key_id,
        secret_access_key=secret_access_key,
        session_token=values.get(settings.session_token),
        path_style=values.get(settings.path_style)
        or (url is not None and not is_region and "amazonaws.com" not in host),
        allow_http=insecure or endpoint_url.startswith("http://"),
        verify_tls=not values.get(settings.client.skip_verify),
        server_side_encryption=_SSE[values.get(settings.sse_type)],
        kms_key_id=values.get(settings.sse_key),
        storage_class=values.get(settings.storage_class),
        prefix=prefix,
        http=http_options(values, settings.client),
        retries=retry_options(values, settings.client),
    )
    if problem := s3_problem(options):
        raise BadValue(Problem(0, problem))
    return options


def _endpoint_of(url: SplitResult) -> str:
    """The server that a URL names; `s3` leaves open whether with TLS, as `endpoint` without a scheme does."""
    server = url.netloc.rpartition("@")[2]
    return server if url.scheme == "s3" else f"{url.scheme}://{server}"


def _s3_url(text: str) -> SplitResult | None:
    if not text:
        return None
    refused = BadValue(Problem(0, "s3 is not a URL such as s3://key:secret@region/bucket (a key's / is written %2F)"))
    try:
        url = urlsplit(text)
        usable = url.scheme in ("s3", "http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        raise refused from None
    if not usable:
        raise refused
    return url


def _bucket_and_prefix(names: tuple[str, ...], from_url: str) -> tuple[str, str]:
    """The bucket, and what the URL puts before the paths in it where it names the bucket."""
    if len(names) > 1:
        named = "for more give periods stores of their own, from storage_config.named_stores"
        raise BadValue(Problem(0, f"bucketnames has {len(names)} buckets, use one; {named}"))
    bucket, _, prefix = (names[0], "", "") if names else from_url.partition("/")
    if not bucket or "/" in bucket:
        raise BadValue(Problem(0, "no bucket is named, set bucketnames or s3: s3://region/bucket"))
    return bucket, prefix
