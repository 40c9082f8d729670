"""From the options of an S3 bucket to a client of it. Start at `s3_client`.

Credentials are, in this order: the keys of the options; the environment's keys or web identity (IRSA); a profile of the
AWS files; what container or instance hand out. All but the first two are refreshed while the server runs.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from obstore.store import S3Store

from lodur.model.clock import Clock, SystemClock
from lodur.model.errors import InvalidRequest
from lodur.store.aws_profiles import AwsProfile, find_profile
from lodur.store.http_clients import client_config, retry_config
from lodur.store.options import S3Options
from lodur.store.s3_checks import key_problem, s3_problem

if TYPE_CHECKING:
    # Typed dictionaries that do not exist at run time.
    from obstore.store import S3Config, S3Credential

DEFAULT_REGION = "us-east-1"
"""Signatures need a region, and stores that are not Amazon's take this one."""

PROFILE_READ_AGAIN = timedelta(minutes=5)
"""A profile's keys may be replaced by whoever wrote them."""

_REGION_VARIABLES = ("AWS_REGION", "AWS_DEFAULT_REGION")
_KEY_VARIABLES = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


def s3_client(options: S3Options, *, clock: Clock | None = None) -> S3Store:
    """A client of the bucket.

    Raises InvalidRequest for an AWS profile or a file of certificates that is no use, and for what `s3_checks` refuses.
    """
    profile = None if options.access_key_id else find_profile(os.environ, Path.home())
    options = replace(options, region=_region(options, profile))
    from_environment = _KEY_VARIABLES if profile is None and not options.access_key_id else ()
    keys = (key_problem(name, os.environ.get(name, "")) for name in from_environment)
    if problem := s3_problem(options) or next(filter(None, keys), ""):
        raise InvalidRequest(problem)
    config: S3Config = {
        "bucket": options.bucket,
        "region": options.region,
        "virtual_hosted_style_request": not _names_bucket_in_path(options),
        "conditional_put": "etag",
        # One object is deleted at a time: the bulk request would only ask more of the store.
        "disable_bulk_delete": True,
    }
    if options.endpoint_url:
        config["endpoint"] = _endpoint(options)
    if options.server_side_encryption:
        config["server_side_encryption"] = options.server_side_encryption
    if options.kms_key_id:
        config["sse_kms_key_id"] = options.kms_key_id
    if profile is not None and profile.web_identity_token_file:
        config["role_arn"] = profile.role_arn
        config["web_identity_token_file"] = profile.web_identity_token_file
        if profile.role_session_name:
            config["role_session_name"] = profile.role_session_name
    return S3Store(
        prefix=options.prefix or None,
        config=config,
        client_options=client_config(options.http, allow_http=options.allow_http, verify_tls=options.verify_tls),
        retry_config=retry_config(options.retries),
        credential_provider=_keys(options, profile, clock or SystemClock()),
    )


def _region(options: S3Options, profile: AwsProfile | None) -> str:
    from_environment = next((os.environ[name] for name in _REGION_VARIABLES if os.environ.get(name)), "")
    return options.region or from_environment or (profile.region if profile else "") or DEFAULT_REGION


def _names_bucket_in_path(options: S3Options) -> bool:
    """Dots of a bucket's name do not fit a certificate, and no name can stand before an address."""
    host = urlsplit(options.endpoint_url).hostname or ""
    return options.path_style or "." in options.bucket or host == "localhost" or _is_address(host)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _endpoint(options: S3Options) -> str:
    """The endpoint as the client wants it: with the bucket in its host, where that is where it is named."""
    url = urlsplit(options.endpoint_url)
    if _names_bucket_in_path(options) or url.netloc.startswith(f"{options.bucket}."):
        return options.endpoint_url
    return url._replace(netloc=f"{options.bucket}.{url.netloc}").geturl()


def _keys(options: S3Options, profile: AwsProfile | None, clock: Clock) -> Callable[[], S3Credential] | None:
    """Who gives the keys; None where the client finds credentials by itself.

    Keys of the options are given so, too: else the environment's session token would be put beside them.
    """
    if options.access_key_id:
        return lambda: {
            "access_key_id": options.access_key_id,
            "secret_access_key": options.secret_access_key,
            "token": options.session_token or None,
            "expires_at": None,
        }
    if profile is None or profile.web_identity_token_file:
        return None

    def read_again() -> S3Credential:
        found = find_profile(os.environ, Path.home()) or profile
        return {
            "access_key_id": found.access_key_id,
            "secret_access_key": found.secret_access_key,
            "token": found.session_token or None,
            "expires_at": datetime.fromtimestamp(clock.now_ns() / 1e9, UTC) + PROFILE_READ_AGAIN,
        }

    return read_again
