"""The users in force: the files are looked at again while requests come, and read anew when they have changed.

A file that cannot be read any more leaves credentials and rights as they were, and says so in the log.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog

from lodur.api.access.credentials import Credentials, read_credentials
from lodur.api.access.options import NO_GRANT, AccessOptions, Grant, UsersReader
from lodur.model.clock import Clock
from lodur.model.errors import InvalidRequest

LOOK_PERIOD_S = 1.0
"""Between looks at the files: who was taken out is out within about this time."""

Stamp = tuple[int, int, int]
"""Inode, size and time of change of a file; a secret that is replaced by a link's new target has another inode."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _InForce:
    """One reading of all files."""

    credentials: Credentials
    grants: Mapping[str, Grant]


class CredentialFiles:
    """The files of one server. Used from one event loop."""

    def __init__(
        self, options: AccessOptions, *, key: bytes, clock: Clock, read_users: UsersReader | None = None
    ) -> None:
        """Read the files; `read_users` that of `options.users_file`. Raises InvalidRequest and OSError."""
        self._options = options
        self._files = (options.htpasswd_file, options.tokens_file, options.users_file)
        self._key = key
        self._clock = clock
        self._read_users = read_users
        self._looked_s = clock.monotonic_s()
        self._stamps = self._look()
        self._in_force = self._read()

    async def current(self) -> Credentials:
        """What holds now."""
        now_s = self._clock.monotonic_s()
        if now_s - self._looked_s >= LOOK_PERIOD_S:
            self._looked_s = now_s
            self._in_force = await asyncio.to_thread(self._renewed, self._in_force)
        return self._in_force.credentials

    def grant_of(self, user: str) -> Grant:
        """What a user may do, as of the last look."""
        return self._in_force.grants.get(user, NO_GRANT)

    def _renewed(self, old: _InForce) -> _InForce:
        stamps = self._look()
        if stamps == self._stamps:
            return old
        self._stamps = stamps
        try:
            new = self._read()
        except (InvalidRequest, OSError) as error:
            _log.error("users cannot be read again, the old ones stay in force", err=str(error))
            return old
        _log.info("users were read again", users=len(new.credentials.users()))
        return new

    def _look(self) -> tuple[Stamp | None, ...]:
        return tuple(None if file is None else _stamp(file) for file in self._files)

    def _read(self) -> _InForce:
        credentials = read_credentials(self._options.htpasswd_file, self._options.tokens_file, key=self._key)
        grants = self._options.grants
        if self._options.users_file is not None and self._read_users is not None:
            grants = {**grants, **self._read_users(self._options.users_file)}
        known = credentials.users()
        for name in sorted(known - grants.keys()):
            _log.warning("user has credentials but stands not in lodur.access.users, and may do nothing", user=name)
        for name in sorted(grants.keys() - known):
            _log.warning("user stands in lodur.access.users but has no credentials", user=name)
        return _InForce(credentials, grants)


def _stamp(path: Path) -> Stamp | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
