"""The `Authorization` header: one pair or one token, or an error that says what is wrong with it and nothing of it."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass, field

from lodur.model.errors import InvalidRequest, Unauthenticated

HEADER_BYTES_MAX = 8 * 1024
"""Longer ones are no credentials, and not worth decoding."""


@dataclass(frozen=True, slots=True)
class Password:
    """`Basic`."""

    user: str
    password: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Token:
    """`Bearer`."""

    token: str = field(repr=False)


def read_authorization(headers: Iterable[tuple[bytes, bytes]]) -> Password | Token:
    """The credentials of a request. Raises Unauthenticated where there are none, InvalidRequest where there are two."""
    values = [value for name, value in headers if name == b"authorization"]
    if not values:
        raise Unauthenticated("credentials are missing: send an Authorization header")
    if len(values) > 1:
        raise InvalidRequest("more than one Authorization header")
    scheme, _, rest = values[0].strip().partition(b" ")
    rest = rest.strip()
    if len(rest) > HEADER_BYTES_MAX:
        raise Unauthenticated(f"the Authorization header is longer than {HEADER_BYTES_MAX} bytes")
    match scheme.lower():
        case b"basic":
            return _pair(rest)
        case b"bearer" if rest:
            return Token(rest.decode("latin-1"))
        case _:
            raise Unauthenticated("the Authorization header must be 'Basic ...' or 'Bearer ...'")


def _pair(encoded: bytes) -> Password:
    try:
        decoded = base64.b64decode(encoded, validate=True)
        user, colon, password = decoded.partition(b":")
        if colon:
            return Password(user.decode("utf-8"), password)
    except (binascii.Error, ValueError):
        pass
    raise Unauthenticated("the Authorization header is no base64 of name:password in UTF-8")
