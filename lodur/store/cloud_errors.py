"""What clients of object stores raise, in the words of Lodur's errors and without the credentials in it.

A server's answer to a refused request may repeat keys, tokens and what was signed with them: of it only the code and
the message are told. Addresses are told without who asks and with which password. Start at `translated`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from obstore.exceptions import InvalidPathError, PermissionDeniedError, UnauthenticatedError

from lodur.model.errors import InvalidRequest, LodurError, NotFound, Unauthenticated, Unavailable
from lodur.store.transport_causes import transport_cause

RETRY_AFTER_S = 5.0
"""The client has already tried again for some time by itself."""

ERROR_CHARS_MAX = 400
"""Of a server's answer in a message: the reason stands at its beginning."""

_DEBUG = "\n\nDebug source:"
"""What obstore puts before the Rust value behind an error."""

_REFUSED = re.compile(
    r"status code: 40[13]\b|\b40[13] (Unauthorized|Forbidden)\b|InvalidIdentityToken|ExpiredToken|IDPRejectedClaim"
)
"""The token service answers refusals with 400."""

_NO_BUCKET = re.compile(r"NoSuchBucket|ContainerNotFound|The specified bucket does not exist")
_WRONG_REGION = re.compile(r"PermanentRedirect|AuthorizationHeaderMalformed|IllegalLocationConstraint")
_REGION = re.compile(r"<Region>([a-z0-9-]{1,40})</Region>")
_ANSWER = re.compile(r"<\?xml.*|<Error.*|<ErrorResponse.*|<html.*", re.DOTALL | re.IGNORECASE)
_CODE = re.compile(r"<Code>([A-Za-z0-9.]{1,80})</Code>")
_MESSAGE = re.compile(r"<Message>([^<]{1,300})")
_USER = re.compile(r"(?<=://)[^/\s]*@")
_HIDDEN = re.compile(
    r"((?:X-(?:Amz|Goog)-(?:Signature|Credential|Security-Token)|sig|Signature|WebIdentityToken|access_token)=)[^&\s\"]+",
    re.IGNORECASE,
)


def translated(name: str, what: str, error: Exception, secrets: Sequence[str]) -> LodurError:
    """The error to raise for `what` that failed at the store `name`."""
    text = str(error)
    if names_no_bucket(error):
        return NotFound(f"{name}: there is no such bucket; make it, or name another in storage_config")
    if _WRONG_REGION.search(text):
        told = _REGION.search(text)
        where = f" ({told[1]})" if told else ""
        return Unauthenticated(
            f"{name}: {what} was refused: the bucket lies in another region{where} than storage_config says; set region"
        )
    if isinstance(error, FileNotFoundError):
        return NotFound(f"{name}: {what}: there is no such object")
    plain = _plain(text, secrets)
    if isinstance(error, InvalidPathError):
        return InvalidRequest(f"{name}: {what}: {plain}")
    # Listings and requests for credentials do not tell refusals from other failures but by the text.
    if isinstance(error, PermissionDeniedError | UnauthenticatedError) or _REFUSED.search(text):
        return Unauthenticated(
            f"{name}: {what} was refused: {plain}; check the keys in storage_config (or the "
            "credentials of the environment) and what they are allowed to do"
        )
    cause = transport_cause(text.partition(_DEBUG)[2])
    reason = f"{cause} ({plain})" if cause else plain
    return Unavailable(f"{name}: {what} failed: {reason}", retry_after_s=RETRY_AFTER_S)


def names_no_bucket(error: Exception) -> bool:
    """Whether not the object is missing but the bucket around it."""
    return _NO_BUCKET.search(str(error)) is not None


def _plain(text: str, secrets: Sequence[str]) -> str:
    """The beginning of an error's text on one line, without what is secret."""
    text = text.partition(_DEBUG)[0]
    answer = _ANSWER.search(text)
    if answer is not None:
        code, message = _CODE.search(answer[0]), _MESSAGE.search(answer[0])
        told = ": ".join(part[1] for part in (code, message) if part is not None)
        text = text[: answer.start()] + told
    for secret in secrets:
        text = text.replace(secret, "...")
    text = _USER.sub("...@", _HIDDEN.sub(r"\1...", text))
    return " ".join(text.split())[:ERROR_CHARS_MAX].rstrip(" :-")
