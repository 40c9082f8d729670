"""The argument of `ip(...)`: one address, a CIDR block, or a range `a-b`; version 4 or 6."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from lodur.logql.token_stream import TokenStream
from lodur.logql.tokens import TokenKind
from lodur.model.go_strings import quote


@dataclass(frozen=True, slots=True)
class IpPattern:
    """The addresses from `first` to `last`, both included, as numbers; `text` is what was written."""

    text: str
    first: int
    last: int
    is_v6: bool

    def __str__(self) -> str:
        return f"ip({quote(self.text)})"


def parse_ip_call(tokens: TokenStream) -> str:
    """Read what follows the word `ip`: its argument in parentheses."""
    tokens.require(TokenKind.OPEN_PAREN)
    argument = tokens.expect(TokenKind.STRING)
    tokens.expect(TokenKind.CLOSE_PAREN)
    return argument.text


def parse_ip_pattern(text: str) -> IpPattern:
    """The addresses of `text`; ValueError with the field's text if it is no pattern."""
    try:
        first, last = _ends(text)
    except ValueError as error:
        raise ValueError(f"ip: invalid pattern: {quote(text)}") from error
    if first.version != last.version or int(first) > int(last):
        raise ValueError(f"ip: invalid pattern: {quote(text)}")
    return IpPattern(text, int(first), int(last), first.version == 6)


_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def _ends(text: str) -> tuple[_Address, _Address]:
    start, dash, end = text.partition("-")
    if dash:
        return ipaddress.ip_address(start), ipaddress.ip_address(end)
    _, slash, bits = text.partition("/")
    if not slash:
        return ipaddress.ip_address(text), ipaddress.ip_address(text)
    if not (bits.isascii() and bits.isdigit()):
        raise ValueError("not a prefix length")
    network = ipaddress.ip_network(text, strict=False)
    return network.network_address, network.broadcast_address
