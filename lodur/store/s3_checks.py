"""What the library's S3 client cannot take: it does not answer with an error but ends the process at its first request.

Such values are templates that were not filled in (`<bucket name>`) and keys that were read with their line break.
Start at `s3_problem`.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from lodur.store.options import S3Options

NAME_SHOWN_CHARS_MAX = 100
"""Of a name that is refused; longer than a bucket's name may be."""

_BUCKET = re.compile(r"[A-Za-z0-9._:-]+")
"""More than Amazon allows: old buckets have capitals, Ceph puts a tenant and a colon before the name."""

_REGION = re.compile(r"[A-Za-z0-9._-]*")
_HOST = re.compile(r"[A-Za-z0-9._:-]+")
_URL = re.compile(r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+")


def s3_problem(options: S3Options) -> str:
    """What is wrong with a bucket's description, without a secret in it; empty where a client can be made of it."""
    if not _BUCKET.fullmatch(options.bucket):
        return f"'{options.bucket[:NAME_SHOWN_CHARS_MAX]}' is no name of a bucket, use letters, digits, '.', '-', '_'"
    if not _REGION.fullmatch(options.region):
        return f"'{options.region[:NAME_SHOWN_CHARS_MAX]}' is no name of a region, use one such as eu-west-3"
    if options.endpoint_url and not _is_address(options.endpoint_url):
        return "endpoint is no address of a server, use one such as minio:9000 or https://s3.example.com"
    keys = {
        "access_key_id": options.access_key_id,
        "secret_access_key": options.secret_access_key,
        "session_token": options.session_token,
    }
    return next((problem for name, key in keys.items() if (problem := key_problem(name, key))), "")


def key_problem(name: str, key: str) -> str:
    """What is wrong with a key of that name; empty for nothing, and for a key that is not given."""
    is_sent = "secret" not in name.lower()
    if key.isprintable() and not (is_sent and (" " in key or not key.isascii())):
        return ""
    return f"{name} has a character that no key has, such as a line break at its end"


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        is_whole = parts.scheme in ("http", "https") and parts.port != 0
    except ValueError:
        return False
    return is_whole and bool(_URL.fullmatch(url)) and bool(_HOST.fullmatch(parts.hostname or ""))
