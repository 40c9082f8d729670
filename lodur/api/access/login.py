"""Whose credentials a request shows. Start at `Login.user_of`."""

from __future__ import annotations

from typing import assert_never

import structlog
from starlette.types import Scope

from lodur.api.access.authorization_header import Password, Token, read_authorization
from lodur.api.access.credential_files import CredentialFiles
from lodur.api.access.credentials import Credentials, token_digest
from lodur.api.access.failures import Failures
from lodur.api.access.options import AccessOptions, Grant, UsersReader
from lodur.api.access.passwords import Passwords
from lodur.model.clock import Clock
from lodur.model.errors import LimitExceeded, Unauthenticated

KEY_BYTES = 32
"""Of the secret under which tokens and passwords are kept in memory."""

WRONG = "wrong credentials"
"""One text for all: which part is wrong is nobody's business who does not know it."""

ANY_TOKEN = "(token)"
"""Stands for the user where a wrong token is counted: nobody knows whose it should have been."""

UNKNOWN_USER = "(unknown)"
"""Stands for the user in the log where there is none of that name: people type passwords into the wrong field."""

_log = structlog.get_logger(__name__)


class TooManyFailures(LimitExceeded):
    """The address has to wait before its next attempt."""

    def __init__(self, wait_s: float) -> None:
        super().__init__(
            "too many failed logins, come again later", limit="lodur.access.failures_per_minute", retryable=True
        )
        self.wait_s = wait_s


class Login:
    """All that is known of users while the server runs. Used from one event loop."""

    def __init__(
        self, options: AccessOptions, *, key: bytes, clock: Clock, read_users: UsersReader | None = None
    ) -> None:
        """Read the credentials; `key` is KEY_BYTES of chance. Raises InvalidRequest and OSError."""
        self._key = key
        self._files = CredentialFiles(options, key=key, clock=clock, read_users=read_users)
        self._passwords = Passwords(key=key, clock=clock)
        self._failures = Failures(options.failures_per_minute, clock)

    async def user_of(self, scope: Scope) -> str:
        """The name of the user who sent a request.

        Raises Unauthenticated, InvalidRequest, TooManyFailures, and Unavailable where too many come at once.
        """
        given = read_authorization(scope["headers"])
        credentials = await self._files.current()
        client = scope.get("client")
        address = client[0] if client else ""
        match given:
            case Token(token):
                return self._user_of_token(token, credentials, address)
            case Password(user, password):
                return await self._checked_user(user, password, credentials, address)
            case _:
                assert_never(given)

    def grant_of(self, user: str) -> Grant:
        """What a user may do now."""
        return self._files.grant_of(user)

    def close(self) -> None:
        """End the threads."""
        self._passwords.close()

    def _user_of_token(self, token: str, credentials: Credentials, address: str) -> str:
        """A right token always passes: it is no guess, however many wrong ones its neighbours send."""
        user = credentials.token_users.get(token_digest(token, self._key))
        if user is not None:
            return user
        self._admit(address, ANY_TOKEN)
        _log.warning("login failed", address=address, scheme="bearer")
        raise Unauthenticated(WRONG)

    async def _checked_user(self, user: str, password: bytes, credentials: Credentials, address: str) -> str:
        hashed = credentials.password_hashes.get(user)
        if hashed is not None and self._passwords.costs_nothing(user, password, hashed):
            if await self._passwords.is_right(user, password, hashed):
                return user
            raise Unauthenticated(WRONG)
        self._admit(address, user)
        # A name that is not there takes as long as one that is.
        stand_in = hashed or next(iter(credentials.password_hashes.values()), None)
        is_right = stand_in is not None and await self._passwords.is_right(user, password, stand_in)
        if is_right and hashed is not None:
            self._failures.forgive(address, user)
            return user
        shown = user if hashed is not None else UNKNOWN_USER
        _log.warning("login failed", address=address, scheme="basic", user=shown)
        raise Unauthenticated(WRONG)

    def _admit(self, address: str, user: str) -> None:
        """Count an attempt. Raises TooManyFailures where too many have failed."""
        wait_s = self._failures.wait_s(address, user)
        if wait_s > 0:
            raise TooManyFailures(wait_s)
        self._failures.count(address, user)
