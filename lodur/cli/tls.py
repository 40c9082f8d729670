"""How an `https` server is checked, and which certificate it is shown: logcli's options as an SSL context."""

from __future__ import annotations

import ssl
from dataclasses import dataclass

from lodur.model.errors import InvalidRequest


@dataclass(frozen=True, slots=True)
class ClientTls:
    """Files, as paths; empty where nothing was said."""

    ca_cert: str = ""
    """Authorities that the server's certificate may be of; else those that the system trusts."""
    cert: str = ""
    key: str = ""
    """Empty where the key stands in the certificate's file."""
    skip_verify: bool = False
    """Talk to whoever answers."""


SYSTEM_TRUST = ClientTls()
"""Where nothing is said."""


def tls_context(tls: ClientTls) -> ssl.SSLContext:
    """The context of a connection. Raises InvalidRequest where a file cannot be used."""
    try:
        context = ssl.create_default_context(cafile=tls.ca_cert or None)
        if tls.cert:
            # Without a password nothing is asked for at the terminal, where nobody may be.
            context.load_cert_chain(tls.cert, tls.key or None, password="")
    except OSError as error:
        names = ", ".join(name for name in (tls.ca_cert, tls.cert, tls.key) if name)
        raise InvalidRequest(f"{names}: cannot be used for TLS: {error.strerror or error}") from error
    if tls.skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
