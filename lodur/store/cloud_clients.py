"""From the options of a place to its object store. Start at `open_object_store`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, assert_never

from obstore.exceptions import BaseError
from obstore.store import AzureStore, GCSStore, MemoryStore

from lodur.model.clock import Clock
from lodur.store.cloud_errors import translated
from lodur.store.cloud_store import CloudStore, CloudTraits
from lodur.store.filesystem_store import FilesystemStore
from lodur.store.http_clients import client_config, retry_config
from lodur.store.object_store import ObjectStore
from lodur.store.options import (
    AzureOptions,
    FilesystemOptions,
    GcsOptions,
    MemoryOptions,
    ObjectStoreOptions,
    S3Options,
)
from lodur.store.s3_client import s3_client
from lodur.telemetry.store_metrics import StoreMetrics

if TYPE_CHECKING:
    # Typed dictionaries that do not exist at run time.
    from obstore.store import AzureConfig, GCSConfig
    from obstore.store import ObjectStore as ObstoreStore

_SECRET_VARIABLES = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "GOOGLE_SERVICE_ACCOUNT_KEY",
    "AZURE_STORAGE_ACCOUNT_KEY",
    "AZURE_CLIENT_SECRET",
)


def open_object_store(
    options: ObjectStoreOptions,
    *,
    spool_directory: Path,
    metrics: StoreMetrics | None = None,
    clock: Clock | None = None,
) -> ObjectStore:
    """The store that some options describe; nothing is sent yet. `spool_directory` keeps what is to be uploaded.

    Raises InvalidRequest for credentials or certificates that cannot be used at all.
    """
    if isinstance(options, FilesystemOptions):
        return FilesystemStore(options.directory)
    traits = _traits(options)
    try:
        client = _client(options)
    except (BaseError, ValueError) as error:
        raise translated(traits.name, "its configuration", error, traits.secrets) from None
    return CloudStore(client, traits, spool_directory=spool_directory, metrics=metrics, clock=clock)


def place_of(options: ObjectStoreOptions) -> str:
    """Where objects lie, for people; without a secret."""
    return f"directory {options.directory}" if isinstance(options, FilesystemOptions) else _traits(options).name


def _traits(options: MemoryOptions | S3Options | GcsOptions | AzureOptions) -> CloudTraits:
    match options:
        case MemoryOptions():
            return CloudTraits("memory")
        case S3Options():
            secrets = _secrets(options.secret_access_key, options.session_token, options.access_key_id)
            return CloudTraits(f"s3 bucket {options.bucket}", secrets, storage_class=options.storage_class)
        case GcsOptions():
            secrets = _secrets(options.service_account_json)
            return CloudTraits(f"gcs bucket {options.bucket}", secrets, is_versioned_by_number=True)
        case AzureOptions():
            secrets = _secrets(options.account_key, options.client_secret)
            return CloudTraits(f"azure container {options.container}", secrets)
        case _:
            assert_never(options)


def _client(options: MemoryOptions | S3Options | GcsOptions | AzureOptions) -> ObstoreStore:
    match options:
        case MemoryOptions():
            return MemoryStore()
        case S3Options():
            return s3_client(options)
        case GcsOptions():
            return _gcs(options)
        case AzureOptions():
            return _azure(options)
        case _:
            assert_never(options)


def _secrets(*given: str) -> tuple[str, ...]:
    """These, and those of the environment."""
    return tuple(secret for secret in (*given, *map(os.environ.get, _SECRET_VARIABLES)) if secret)


def _gcs(options: GcsOptions) -> GCSStore:
    config: GCSConfig = {"bucket": options.bucket}
    if options.service_account_json:
        config["service_account_key"] = options.service_account_json
    return GCSStore(
        prefix=options.prefix or None,
        config=config,
        client_options=client_config(options.http, allow_http=options.allow_http),
        retry_config=retry_config(options.retries),
    )


def _azure(options: AzureOptions) -> AzureStore:
    config: AzureConfig = {"container_name": options.container, "account_name": options.account_name}
    if options.account_key:
        config["account_key"] = options.account_key
    if options.client_id:
        config["client_id"] = options.client_id
    if options.client_secret:
        config["client_secret"] = options.client_secret
    if options.directory_tenant_id:
        config["tenant_id"] = options.directory_tenant_id
    if options.credentials:
        config["credential_type"] = options.credentials
    if options.endpoint_url:
        config["endpoint"] = options.endpoint_url
    return AzureStore(
        prefix=options.prefix or None,
        config=config,
        client_options=client_config(options.http, allow_http=options.allow_http),
        retry_config=retry_config(options.retries),
    )
