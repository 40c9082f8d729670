"""A name server with the SRV records that a test gives it; an address without records does not exist."""

from __future__ import annotations

import socketserver
import threading
from dataclasses import dataclass, field
from typing import Any, Self

import dns.flags
import dns.message
import dns.rcode
import dns.rrset


@dataclass
class DnsServer:
    """Listens on loopback while it is entered. Records are like `0 5 9093 host.example.`."""

    records: dict[str, list[str]] = field(default_factory=dict)
    fails: bool = False
    asked: list[str] = field(default_factory=list)
    port: int = 0
    _server: socketserver.UDPServer | None = None

    def __enter__(self) -> Self:
        server = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                packet, sock = self.request
                sock.sendto(server.answer(packet), self.client_address)

        self._server = socketserver.ThreadingUDPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: Any) -> None:
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()

    def answer(self, packet: bytes) -> bytes:
        """The answer to a packet."""
        query = dns.message.from_wire(packet)
        (question,) = query.question
        name = question.name.to_text(omit_final_dot=True)
        self.asked.append(name)
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.RA
        if self.fails:
            answer.set_rcode(dns.rcode.SERVFAIL)
        elif name not in self.records:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        elif self.records[name]:
            answer.answer.append(dns.rrset.from_text(question.name, 30, "IN", "SRV", *self.records[name]))
        return answer.to_wire()
