"""How clients of object stores speak HTTP, and how often they ask again."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from lodur.model.errors import InvalidRequest
from lodur.store.options import HttpOptions, RetryOptions

if TYPE_CHECKING:
    # Typed dictionaries that do not exist at run time.
    from obstore.store import ClientConfig, RetryConfig

RETRY_TIMEOUT = timedelta(seconds=20)
"""The client tries again for so long; then the caller, who knows what waits for the answer, decides."""


def client_config(options: HttpOptions, *, allow_http: bool = False, verify_tls: bool = True) -> ClientConfig:
    """Raises InvalidRequest where the file of certificates cannot be read."""
    config: ClientConfig = {
        "timeout": timedelta(seconds=options.timeout_s),
        "connect_timeout": timedelta(seconds=options.connect_timeout_s),
        "pool_idle_timeout": timedelta(seconds=options.idle_timeout_s),
        "allow_http": allow_http,
        "allow_invalid_certificates": not verify_tls,
        "user_agent": "lodur",
    }
    if options.read_timeout_s:
        config["read_timeout"] = timedelta(seconds=options.read_timeout_s)
    if options.ca_file is not None:
        try:
            config["root_certificate"] = options.ca_file.read_bytes()
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise InvalidRequest(f"http_config.ca_file: {options.ca_file} cannot be read: {reason}") from error
    return config


def retry_config(options: RetryOptions) -> RetryConfig:
    """Pauses grow from one attempt to the next, with jitter."""
    return {
        "max_retries": options.retries_max,
        "retry_timeout": RETRY_TIMEOUT,
        "backoff": {
            "init_backoff": timedelta(seconds=options.least_pause_s),
            "max_backoff": timedelta(seconds=options.most_pause_s),
        },
    }
