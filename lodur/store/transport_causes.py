"""Why a request reached no object store: what the client's error says only in its debugging output.

The text for people ends in `HTTP error: error sending request`, whether nobody listens, the name is not known or the
certificate is not trusted. Nothing but fixed words and what the operating system said comes out of here: the output has
addresses, and answers of servers. Start at `transport_cause`.
"""

from __future__ import annotations

import re

_BEGIN = "HttpError {"
"""What stands before it is no cause, but the request with its address."""

_NAMED = (
    (re.compile(r"InvalidCertificate\(\s*([A-Z][A-Za-z]{1,60}?)(?:Context)?\b"), "certificate verify failed: {}"),
    (re.compile(r"InvalidMessage\("), "TLS handshake failed: what answers there does not speak TLS"),
    (re.compile(r"AlertReceived\(\s*([A-Z][A-Za-z]{1,60})\b"), "TLS handshake failed: {}"),
    (re.compile(r"\b(Peer(?:Incompatible|Misbehaved))\("), "TLS handshake failed: {}"),
    (
        re.compile(r'"failed to lookup address information: ([A-Za-z][A-Za-z ,]{1,80})"'),
        "the host's name cannot be resolved: {}",
    ),
    (re.compile(r"HttpError \{\s*kind: Timeout,(?=.*\bConnect,)", re.DOTALL), "timed out while connecting"),
    (re.compile(r"HttpError \{\s*kind: Timeout,"), "timed out"),
    (re.compile(r'\bOs \{\s*code: \d+,\s*kind: \w+,\s*message: "([A-Za-z][A-Za-z ,]{1,80})"'), "{}"),
    (
        re.compile(r"\b(?:IncompleteMessage|UnexpectedEof)\b"),
        "the connection was closed before the answer was complete",
    ),
    (re.compile(r"\bParse\("), "what answers there does not speak HTTP"),
    (re.compile(r'"dns error"'), "the host's name cannot be resolved"),
    (re.compile(r"HttpError \{\s*kind: Connect,"), "no connection"),
)
"""Patterns of the output, most telling first, and what they mean; a group is what is said in the place of {}."""

_WORD_BEGINS = re.compile(r"(?<=[a-z])(?=[A-Z])")


def transport_cause(debug: str) -> str:
    """What the debugging output behind an error says of the transport, in some words; empty where it says nothing."""
    _, begin, output = debug.partition(_BEGIN)
    for pattern, words in _NAMED:
        if found := pattern.search(begin + output):
            return words.format(*(_WORD_BEGINS.sub(" ", said).lower() for said in found.groups()))
    return ""
