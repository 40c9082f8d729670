"""The settings of how a client of an object store connects and tries again, which several blocks have.

Loki's own keys; where its clients have no such key, the options' defaults hold.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lodur.config.kinds import BOOL, COUNT, DURATION, POSITIVE_DURATION, TEXT
from lodur.config.schema import Entry, Setting, inert_keys
from lodur.config.values import Values
from lodur.model.durations import NS_PER_S
from lodur.store.options import HttpOptions, RetryOptions

NOT_TUNED = "the object store's client has no such switch"


def at(block: str, name: str) -> str:
    """The path of a key in a block; the block may be the top of a record."""
    return f"{block}.{name}" if block else name


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """`http_config` and `backoff_config` of Loki's S3 client."""

    idle_timeout: Setting[int]
    answer_timeout: Setting[int]
    timeout: Setting[int]
    ca_file: Setting[str]
    skip_verify: Setting[bool]
    least_pause: Setting[int]
    most_pause: Setting[int]
    retries: Setting[int]
    ignored: tuple[Entry, ...]

    def entries(self) -> tuple[Entry, ...]:
        """All that may stand in the blocks."""
        return (
            self.idle_timeout,
            self.answer_timeout,
            self.timeout,
            self.ca_file,
            self.skip_verify,
            self.least_pause,
            self.most_pause,
            self.retries,
            *self.ignored,
        )


def client_settings(block: str, flag_block: str = "") -> ClientSettings:
    """The settings below a path; `flag_block` is what Loki's flags call it."""

    def flag(name: str) -> tuple[str, ...]:
        return (f"{flag_block}.{name}",) if flag_block else ()

    http, backoff = at(block, "http_config"), at(block, "backoff_config")
    return ClientSettings(
        idle_timeout=Setting(
            f"{http}.idle_conn_timeout",
            POSITIVE_DURATION,
            "1m30s",
            "How long an unused connection is kept.",
            flag("http.idle-conn-timeout"),
        ),
        answer_timeout=Setting(
            f"{http}.response_header_timeout",
            DURATION,
            "0s",
            "Without a byte of the answer the request is given up and made again; 0: only `timeout` holds.",
            flag("http.response-header-timeout"),
        ),
        timeout=Setting(f"{http}.timeout", POSITIVE_DURATION, "1m", "For a whole request."),
        ca_file=Setting(
            f"{http}.ca_file",
            TEXT,
            "",
            "Certificates of authorities to trust besides the system's.",
            flag("http.ca-file"),
        ),
        skip_verify=Setting(
            f"{http}.insecure_skip_verify",
            BOOL,
            "false",
            "Do not check the certificate.",
            flag("http.insecure-skip-verify"),
        ),
        least_pause=Setting(
            f"{backoff}.min_period",
            POSITIVE_DURATION,
            "100ms",
            "Pause before the first new attempt; later ones grow, with jitter.",
            flag("min-backoff"),
        ),
        most_pause=Setting(
            f"{backoff}.max_period", POSITIVE_DURATION, "3s", "Longest pause between attempts.", flag("max-backoff")
        ),
        retries=Setting(
            f"{backoff}.max_retries",
            COUNT,
            "5",
            "New attempts of a request, within 20 s; then who waits is told.",
            flag("max-retries"),
        ),
        ignored=inert_keys(http, NOT_TUNED, "max_connections tls_handshake_timeout expect_continue_timeout"),
    )


def http_options(values: Values, settings: ClientSettings) -> HttpOptions:
    """How to speak HTTP; the file of certificates as it was written."""
    ca_file = values.get(settings.ca_file)
    return HttpOptions(
        timeout_s=values.get(settings.timeout) / NS_PER_S,
        read_timeout_s=values.get(settings.answer_timeout) / NS_PER_S,
        idle_timeout_s=values.get(settings.idle_timeout) / NS_PER_S,
        ca_file=Path(ca_file) if ca_file else None,
    )


def retry_options(values: Values, settings: ClientSettings) -> RetryOptions:
    """How often to try again."""
    least_ns, most_ns = values.get(settings.least_pause), values.get(settings.most_pause)
    return RetryOptions(values.get(settings.retries), least_ns / NS_PER_S, max(least_ns, most_ns) / NS_PER_S)
