"""The settings of a Google Cloud, Azure or local object store, which several blocks have. S3 is in `s3_store`.

Each class holds the settings of one kind of store below one path; each `..._options` function makes options of them,
and raises BadValue with a text that holds no secret.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lodur.config.blocks.store_clients import NOT_TUNED, at
from lodur.config.errors import BadValue, Problem
from lodur.config.kinds import BOOL, COUNT, DURATION, POSITIVE_DURATION, SECRET, TEXT, choice
from lodur.config.schema import Entry, Setting, inert_keys
from lodur.config.values import Values
from lodur.model.durations import NS_PER_S
from lodur.store.options import AzureOptions, FilesystemOptions, GcsOptions, HttpOptions, RetryOptions

_AZURE_CLOUDS = {
    "AzureGlobal": "",
    "AzureChinaCloud": "blob.core.chinacloudapi.cn",
    "AzureGermanCloud": "blob.core.cloudapi.de",
    "AzureUSGovernment": "blob.core.usgovcloudapi.net",
}
"""What follows the account's name in the host."""


@dataclass(frozen=True, slots=True)
class GcsSettings:
    """A Google Cloud Storage client."""

    bucket: Setting[str]
    service_account: Setting[str]
    timeout: Setting[int]
    ignored: tuple[Entry, ...]

    def entries(self) -> tuple[Entry, ...]:
        """All that may stand in the block."""
        return (self.bucket, self.service_account, self.timeout, *self.ignored)


def gcs_settings(block: str) -> GcsSettings:
    """The settings of a Google Cloud Storage client below a path."""
    return GcsSettings(
        bucket=Setting(at(block, "bucket_name"), TEXT, "", "The bucket."),
        service_account=Setting(
            at(block, "service_account"), SECRET, "", "Key of a service account, as JSON; empty: the environment's."
        ),
        timeout=Setting(at(block, "request_timeout"), DURATION, "0s", "For a whole request; 0: a minute."),
        ignored=inert_keys(
            block,
            NOT_TUNED,
            "chunk_buffer_size enable_opencensus enable_http2 enable_retries http_config",
        ),
    )


def gcs_options(values: Values, settings: GcsSettings) -> GcsOptions:
    """The bucket that some settings describe."""
    bucket = values.get(settings.bucket)
    if not bucket:
        raise BadValue(Problem(0, "no bucket is named, set bucket_name"))
    timeout_ns = values.get(settings.timeout)
    http = HttpOptions(timeout_s=timeout_ns / NS_PER_S) if timeout_ns else HttpOptions()
    return GcsOptions(bucket, values.get(settings.service_account), http=http)


@dataclass(frozen=True, slots=True)
class AzureSettings:
    """An Azure Blob Storage client."""

    account_name: Setting[str]
    account_key: Setting[str]
    connection_string: Setting[str]
    container: Setting[str]
    environment: Setting[str]
    endpoint_suffix: Setting[str]
    managed_identity: Setting[bool]
    user_assigned_id: Setting[str]
    federated_token: Setting[bool]
    service_principal: Setting[bool]
    client_id: Setting[str]
    client_secret: Setting[str]
    directory_tenant_id: Setting[str]
    timeout: Setting[int]
    retries: Setting[int]
    least_pause: Setting[int]
    most_pause: Setting[int]
    ignored: tuple[Entry, ...]

    def entries(self) -> tuple[Entry, ...]:
        """All that may stand in the block."""
        return (
            self.account_name,
            self.account_key,
            self.connection_string,
            self.container,
            self.environment,
            self.endpoint_suffix,
            self.managed_identity,
            self.user_assigned_id,
            self.federated_token,
            self.service_principal,
            self.client_id,
            self.client_secret,
            self.directory_tenant_id,
            self.timeout,
            self.retries,
            self.least_pause,
            self.most_pause,
            *self.ignored,
        )


def azure_settings(block: str) -> AzureSettings:
    """The settings of an Azure Blob Storage client below a path."""

    def text(name: str, default: str, doc: str) -> Setting[str]:
        return Setting(at(block, name), TEXT, default, doc)

    def secret(name: str, doc: str) -> Setting[str]:
        return Setting(at(block, name), SECRET, "", doc)

    def switch(name: str, doc: str) -> Setting[bool]:
        return Setting(at(block, name), BOOL, "false", doc)

    def pause(name: str, default: str, doc: str) -> Setting[int]:
        return Setting(at(block, name), POSITIVE_DURATION, default, doc)

    return AzureSettings(
        account_name=text("account_name", "", "The storage account."),
        account_key=secret("account_key", "Its key; empty: the environment's credentials."),
        connection_string=secret("connection_string", "Account, key and endpoint in one, as the portal shows it."),
        container=text("container_name", "loki", "The container."),
        environment=Setting(
            at(block, "environment"), choice(*_AZURE_CLOUDS), "AzureGlobal", "Which of Azure's clouds."
        ),
        endpoint_suffix=text(
            "endpoint_suffix", "", "Follows the account's name in the host; empty: that of `environment`."
        ),
        managed_identity=switch("use_managed_identity", "Use the identity of the machine and no other credentials."),
        user_assigned_id=text("user_assigned_id", "", "Client id of the managed identity, where there are several."),
        federated_token=switch("use_federated_token", "Use workload identity: AZURE_FEDERATED_TOKEN_FILE."),
        service_principal=switch("use_service_principal", "Use `client_id`, `client_secret` and `tenant_id`."),
        client_id=text("client_id", "", "Service principal or managed identity."),
        client_secret=secret("client_secret", "Secret of the service principal."),
        directory_tenant_id=text("tenant_id", "", "Directory of the service principal."),
        timeout=pause("request_timeout", "1m", "For a whole request."),
        retries=Setting(at(block, "max_retries"), COUNT, "5", "New attempts of a request, within 20 s."),
        least_pause=pause("min_retry_delay", "100ms", "Pause before the first new attempt."),
        most_pause=pause("max_retry_delay", "3s", "Longest pause between attempts."),
        ignored=inert_keys(
            block, NOT_TUNED, "chunk_delimiter download_buffer_size upload_buffer_size upload_buffer_count"
        ),
    )


def azure_options(values: Values, settings: AzureSettings) -> AzureOptions:
    """The container that some settings describe."""
    parts = _connection_parts(values.get(settings.connection_string))
    account = values.get(settings.account_name) or parts.get("AccountName", "")
    if not account:
        raise BadValue(Problem(0, "no storage account is named, set account_name"))
    suffix = values.get(settings.endpoint_suffix) or _AZURE_CLOUDS[values.get(settings.environment)]
    endpoint_url = parts.get("BlobEndpoint", "")
    if not endpoint_url and suffix:
        endpoint_url = f"https://{account}.{suffix.lstrip('.')}"
    elif not endpoint_url and (host := parts.get("EndpointSuffix")):
        endpoint_url = f"{parts.get('DefaultEndpointsProtocol', 'https')}://{account}.blob.{host}"
    least_ns, most_ns = values.get(settings.least_pause), values.get(settings.most_pause)
    return AzureOptions(
        account_name=account,
        container=values.get(settings.container),
        account_key=values.get(settings.account_key) or parts.get("AccountKey", ""),
        client_id=values.get(settings.client_id) or values.get(settings.user_assigned_id),
        client_secret=values.get(settings.client_secret),
        directory_tenant_id=values.get(settings.directory_tenant_id),
        credentials=_azure_credentials(values, settings),
        endpoint_url=endpoint_url.rstrip("/"),
        allow_http=endpoint_url.startswith("http://"),
        http=HttpOptions(timeout_s=values.get(settings.timeout) / NS_PER_S),
        retries=RetryOptions(values.get(settings.retries), least_ns / NS_PER_S, max(least_ns, most_ns) / NS_PER_S),
    )


def _azure_credentials(values: Values, settings: AzureSettings) -> str:
    if values.get(settings.managed_identity):
        return "managed_identity"
    if values.get(settings.federated_token):
        return "workload_identity"
    return "client_secret" if values.get(settings.service_principal) else ""


def _connection_parts(text: str) -> dict[str, str]:
    parts = dict(part.split("=", 1) for part in text.split(";") if "=" in part)
    if text and "AccountName" not in parts:
        raise BadValue(Problem(0, "connection_string names no AccountName"))
    return parts


def filesystem_options(directory: str, base: Path) -> FilesystemOptions:
    """A directory, below `base` where it is relative."""
    if not directory:
        raise BadValue(Problem(0, "no directory is named, set filesystem.directory or common.path_prefix"))
    return FilesystemOptions(base / directory)
