"""`lodur.access`: users, where their credentials are, and what they may do."""

from __future__ import annotations

import re
from pathlib import Path

from lodur.api.access.options import AccessOptions, Grant, Right
from lodur.config.errors import BadValue, ConfigError, Problem
from lodur.config.kinds import BOOL, COUNT, TEXT, TEXTS
from lodur.config.records import record_map
from lodur.config.schema import Entry, Schema, Setting
from lodur.config.values import Values
from lodur.model.errors import LodurError
from lodur.model.tenant import TenantId

TYPE_NAMES = {"lodur.access": "lodur.AccessConfig"}

EVERY_TENANT = "*"

_REALM = re.compile(r'[^"\\\x00-\x1f\x7f-\uffff]{1,100}')

_TENANTS = Setting("tenants", TEXTS, "[]", "Tenants that the user may name in X-Scope-OrgID; `*` means any.")
_DEFAULT = Setting("default_tenant", TEXT, "", "Tenant of requests that name none.")
_RIGHTS = Setting("rights", TEXTS, "[]", "`read`, `write`, `admin`.")


def _grant(values: Values) -> Grant:
    names = values.get(_TENANTS)
    tenants = frozenset(_tenant(name) for name in names if name != EVERY_TENANT)
    every_tenant = EVERY_TENANT in names
    default = _tenant(values.get(_DEFAULT)) if values.get(_DEFAULT) else None
    if default is not None and not every_tenant and default not in tenants:
        raise BadValue(Problem(0, f"default_tenant '{default}' is not one of tenants"))
    if default is None and not every_tenant and len(tenants) == 1:
        default = next(iter(tenants))
    return Grant(frozenset(_right(name) for name in values.get(_RIGHTS)), tenants, every_tenant, default)


def _tenant(name: str) -> TenantId:
    try:
        return TenantId(name)
    except LodurError as error:
        raise BadValue(Problem(0, str(error))) from error


def _right(name: str) -> Right:
    try:
        return Right(name)
    except ValueError:
        accepted = ", ".join(right.value for right in Right)
        raise BadValue(Problem(0, f"unrecognized right '{name[:50]}', use some of {accepted}")) from None


USER = Schema.of((_TENANTS, _DEFAULT, _RIGHTS), {"": "lodur.AccessUser"})

HTPASSWD = Setting(
    "lodur.access.htpasswd_file",
    TEXT,
    "",
    "Names and hashed passwords for basic authentication, as `htpasswd -B` writes them; read again when it changes.",
)
TOKENS = Setting(
    "lodur.access.tokens_file",
    TEXT,
    "",
    "Bearer tokens, one `name:token` in a line; read again when it changes.",
)
USERS = Setting(
    "lodur.access.users",
    record_map("users", USER, _grant),
    "{}",
    "By name: `tenants`, `default_tenant` (the only one where there is one), `rights` (`read`, `write`, `admin`).",
)
USERS_FILE = Setting(
    "lodur.access.users_file",
    TEXT,
    "",
    "YAML with more `users`, which go before those here; read again when it changes, so that rights change at once.",
)
REALM = Setting("lodur.access.realm", TEXT, "lodur", "What browsers call the place that wants the password.")
METRICS_OPEN = Setting("lodur.access.metrics_open", BOOL, "false", "Answer `/metrics` to everybody, as `/ready`.")
FAILURES = Setting(
    "lodur.access.failures_per_minute",
    COUNT,
    "10",
    "Wrong passwords for one user that one address may send; further ones are answered with 429. 0 means any number.",
)

ENTRIES: tuple[Entry, ...] = (HTPASSWD, TOKENS, USERS, USERS_FILE, REALM, METRICS_OPEN, FAILURES)


def access_options(values: Values, base: Path) -> AccessOptions | None:
    """What access control is told; None where everybody may do everything. Raises ConfigError."""
    htpasswd, tokens, users = values.get(HTPASSWD), values.get(TOKENS), dict(values.get(USERS))
    users_file = values.get(USERS_FILE)
    if not htpasswd and not tokens:
        if users or users_file:
            raise ConfigError(
                "CONFIG ERROR: invalid lodur.access config: users need htpasswd_file or tokens_file to log in by"
            )
        return None
    if not users and not users_file:
        raise ConfigError(
            "CONFIG ERROR: invalid lodur.access config: nobody may do anything, name rights and tenants in users"
        )
    realm = values.get(REALM)
    if not _REALM.fullmatch(realm):
        raise ConfigError(
            "CONFIG ERROR: invalid lodur.access config: realm must be 1 to 100 characters of ASCII, "
            "without quotes and backslashes"
        )
    return AccessOptions(
        htpasswd_file=base / htpasswd if htpasswd else None,
        tokens_file=base / tokens if tokens else None,
        realm=realm,
        metrics_open=values.get(METRICS_OPEN),
        failures_per_minute=values.get(FAILURES),
        grants=users,
        users_file=base / users_file if users_file else None,
    )
