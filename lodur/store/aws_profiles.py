"""Credentials from the AWS command line's files, which the object store's client does not read by itself.

A profile is looked for where the AWS tools look: `AWS_PROFILE`, `AWS_SHARED_CREDENTIALS_FILE`, `AWS_CONFIG_FILE`, else
`default` in `~/.aws/credentials` and `~/.aws/config`. Start at `find_profile`.
"""

from __future__ import annotations

import configparser
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lodur.model.errors import InvalidRequest

DEFAULT_PROFILE = "default"

_STRONGER = ("AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE")
"""Variables whose credentials go before a profile that nobody has named."""

_NOT_FOLLOWED = ("credential_process", "sso_session", "sso_start_url", "source_profile", "credential_source")
"""Ways to credentials that need other programs or a login."""


@dataclass(frozen=True, slots=True)
class AwsProfile:
    """What a profile says; empty where it says nothing."""

    name: str
    access_key_id: str = field(default="", repr=False)
    secret_access_key: str = field(default="", repr=False)
    session_token: str = field(default="", repr=False)
    role_arn: str = ""
    web_identity_token_file: str = ""
    role_session_name: str = ""
    region: str = ""


def find_profile(environ: Mapping[str, str], home: Path) -> AwsProfile | None:
    """The profile whose credentials are meant; None where the client finds others by itself.

    Raises InvalidRequest for a named profile that is not there, and for one that cannot be used here.
    """
    named = environ.get("AWS_PROFILE", "")
    if not named and any(environ.get(variable) for variable in _STRONGER):
        return None
    name = named or DEFAULT_PROFILE
    files = {
        Path(environ.get("AWS_CONFIG_FILE") or home / ".aws" / "config"): _config_section(name),
        Path(environ.get("AWS_SHARED_CREDENTIALS_FILE") or home / ".aws" / "credentials"): name,
    }
    found: dict[str, str] = {}
    for file, section in files.items():
        found |= _section(file, section)
    if not found:
        if named:
            places = " or ".join(map(str, files))
            raise InvalidRequest(f"the AWS profile '{named}' that AWS_PROFILE names is not in {places}")
        return None
    profile = AwsProfile(
        name,
        access_key_id=found.get("aws_access_key_id", ""),
        secret_access_key=found.get("aws_secret_access_key", ""),
        session_token=found.get("aws_session_token", ""),
        role_arn=found.get("role_arn", ""),
        web_identity_token_file=found.get("web_identity_token_file", ""),
        role_session_name=found.get("role_session_name", ""),
        region=found.get("region", ""),
    )
    if profile.access_key_id and profile.secret_access_key:
        return profile
    if profile.role_arn and profile.web_identity_token_file:
        return profile
    if named or any(key in found for key in _NOT_FOLLOWED):
        used = next((f" (it has {key})" for key in _NOT_FOLLOWED if key in found), "")
        raise InvalidRequest(
            f"the AWS profile '{name}' has neither aws_access_key_id and aws_secret_access_key nor role_arn and "
            f"web_identity_token_file{used}; use one of these, or credentials in storage_config or the environment"
        )
    return None


def _config_section(name: str) -> str:
    return name if name == DEFAULT_PROFILE else f"profile {name}"


def _section(file: Path, name: str) -> dict[str, str]:
    """The keys of a section; none where file or section are missing."""
    parser = configparser.ConfigParser(interpolation=None, default_section="")
    try:
        parser.read(file, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError) as error:
        # The error's own text would repeat a line of the file.
        line = getattr(error, "lineno", None)
        raise InvalidRequest(f"{file} is no AWS configuration file{f' (line {line})' if line else ''}") from None
    return dict(parser[name]) if parser.has_section(name) else {}
