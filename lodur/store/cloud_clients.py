"""From the options of a bucket to a client of it. Start at `open_object_store`."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import assert_never

from obstore.store import AzureConfig, AzureStore, ClientConfig, GCSConfig, GCSStore, S3Config, S3Store
from obstore.store import RetryConfig as Retries

from lodur.store.cloud_store import CloudStore
from lodur.store.filesystem_store import FilesystemStore
from lodur.store.object_store import ObjectStore
from lodur.store.options import AzureOptions, FilesystemOptions, GcsOptions, ObjectStoreOptions, S3Options

REQUEST_TIMEOUT = timedelta(seconds=60)
"""One request: a part of 5 MiB over a slow line passes, a server that has stopped answering is noticed."""

RETRIES_MAX = 3
RETRY_TIMEOUT = timedelta(seconds=20)
"""The client tries again for so long; then the caller, who knows what waits for the answer, decides."""

DEFAULT_REGION = "us-east-1"
"""Signatures need a region, and stores that are not Amazon's take this one."""


def open_object_store(options: ObjectStoreOptions, *, spool_directory: Path) -> ObjectStore:
    """The store that some options describe; nothing is sent yet. `spool_directory` keeps what is to be uploaded."""
    match options:
        case FilesystemOptions():
            return FilesystemStore(options.directory)
        case S3Options():
            secrets = [options.secret_access_key, options.session_token, options.access_key_id]
            name = f"s3 bucket {options.bucket}"
            return CloudStore(_s3(options), name=name, spool_directory=spool_directory, secrets=secrets)
        case GcsOptions():
            name = f"gcs bucket {options.bucket}"
            secrets = [options.service_account_json]
            return CloudStore(_gcs(options), name=name, spool_directory=spool_directory, secrets=secrets)
        case AzureOptions():
            name = f"azure container {options.container}"
            secrets = [options.account_key, options.client_secret]
            return CloudStore(_azure(options), name=name, spool_directory=spool_directory, secrets=secrets)
        case _:
            assert_never(options)


def _client(*, allow_http: bool = False, verify_tls: bool = True) -> ClientConfig:
    return ClientConfig(
        timeout=REQUEST_TIMEOUT,
        connect_timeout=timedelta(seconds=5),
        allow_http=allow_http,
        allow_invalid_certificates=not verify_tls,
        user_agent="lodur",
    )


def _retries() -> Retries:
    return Retries(max_retries=RETRIES_MAX, retry_timeout=RETRY_TIMEOUT)


def _s3(options: S3Options) -> S3Store:
    config = S3Config(
        bucket=options.bucket,
        region=options.region or DEFAULT_REGION,
        virtual_hosted_style_request=not options.path_style,
        conditional_put="etag",
    )
    if options.endpoint_url:
        config["endpoint"] = options.endpoint_url
    if options.access_key_id:
        config["access_key_id"] = options.access_key_id
        config["secret_access_key"] = options.secret_access_key
    if options.session_token:
        config["session_token"] = options.session_token
    if options.server_side_encryption == "AES256":
        config["server_side_encryption"] = "AES256"
    elif options.server_side_encryption:
        config["server_side_encryption"] = "aws:kms"
        config["sse_kms_key_id"] = options.kms_key_id
    return S3Store(
        prefix=options.prefix or None,
        config=config,
        client_options=_client(allow_http=options.allow_http, verify_tls=options.verify_tls),
        retry_config=_retries(),
    )


def _gcs(options: GcsOptions) -> GCSStore:
    config = GCSConfig(bucket=options.bucket)
    if options.service_account_json:
        config["service_account_key"] = options.service_account_json
    return GCSStore(prefix=options.prefix or None, config=config, client_options=_client(), retry_config=_retries())


def _azure(options: AzureOptions) -> AzureStore:
    config = AzureConfig(container_name=options.container, account_name=options.account_name)
    if options.account_key:
        config["account_key"] = options.account_key
    if options.client_id:
        config["client_id"] = options.client_id
    if options.client_secret:
        config["client_secret"] = options.client_secret
    if options.directory_tenant_id:
        config["tenant_id"] = options.directory_tenant_id
    if options.endpoint_url:
        config["endpoint"] = options.endpoint_url
    return AzureStore(prefix=options.prefix or None, config=config, client_options=_client(), retry_config=_retries())
