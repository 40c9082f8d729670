"""As much of Azure's blob service as an object store needs, in memory. Writes are conditional on ETags."""

from __future__ import annotations

import itertools
import re
import threading
from http.server import ThreadingHTTPServer
from typing import Self
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from tests.servers.http_handler import answering_handler

Answer = tuple[int, dict[str, str], bytes]
"""Status, headers and body."""

MODIFIED = "Wed, 21 Oct 2015 07:28:00 GMT"


class FakeAzure:
    """A server with one container; to be used in a `with`."""

    account, container = "mylogs", "lodur"
    account_key = "a2V5LW9mLXRoZS1hY2NvdW50"

    def __init__(self) -> None:
        self.blobs: dict[str, tuple[bytes, str]] = {}
        """Bytes and ETag."""
        self._blocks: dict[str, bytes] = {}
        self._etags = itertools.count(1)
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), answering_handler(self.answer))
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Answer:
        url = urlsplit(target)
        query = parse_qs(url.query, keep_blank_values=True)
        container, _, name = unquote(url.path).lstrip("/").partition("/")
        if not headers.get("authorization", "").startswith(f"SharedKey {self.account}:"):
            return 403, {}, b"<Error><Code>AuthenticationFailed</Code><Message>no key</Message></Error>"
        if container != self.container:
            return 404, {}, b"<Error><Code>ContainerNotFound</Code><Message>no such container</Message></Error>"
        with self._lock:
            if query.get("comp") == ["batch"]:
                return self._batch(body)
            if not name:
                return 200, {}, self._listed(query)
            if method == "PUT":
                return self._put(name, query, headers, body)
            if name not in self.blobs:
                return 404, {}, b"<Error><Code>BlobNotFound</Code></Error>"
            if method == "DELETE":
                del self.blobs[name]
                return 202, {}, b""
            return self._got(name, headers)

    def _put(self, name: str, query: dict[str, list[str]], headers: dict[str, str], body: bytes) -> Answer:
        if query.get("comp") == ["block"]:
            self._blocks[query["blockid"][0]] = body
            return 201, {}, b""
        if query.get("comp") == ["blocklist"]:
            body = b"".join(self._blocks.pop(block) for block in re.findall(r"<(?:\w+)>([^<]+)</", body.decode()))
        known = self.blobs.get(name)
        if headers.get("if-none-match") == "*" and known is not None:
            return 409, {}, b"<Error><Code>BlobAlreadyExists</Code></Error>"
        if "if-match" in headers and (known is None or headers["if-match"] != known[1]):
            return 412, {}, b"<Error><Code>ConditionNotMet</Code></Error>"
        etag = f'"{next(self._etags):x}"'
        self.blobs[name] = (body, etag)
        return 201, {"ETag": etag, "Last-Modified": MODIFIED}, b""

    def _batch(self, body: bytes) -> Answer:
        """Deletions, which clients send in one request even where there is one of them."""
        answers = []
        for number, target in enumerate(re.findall(r"^DELETE (\S+) HTTP/1.1", body.decode(), re.MULTILINE)):
            name = unquote(urlsplit(target).path).removeprefix(f"/{self.container}/")
            is_there = self.blobs.pop(name, None) is not None
            told = (
                "HTTP/1.1 202 Accepted\r\n" if is_there else "HTTP/1.1 404 Missing\r\nx-ms-error-code: BlobNotFound\r\n"
            )
            answers.append(f"--b\r\nContent-Type: application/http\r\nContent-ID: {number}\r\n\r\n{told}\r\n")
        return 202, {"Content-Type": "multipart/mixed; boundary=b"}, ("".join(answers) + "--b--\r\n").encode()

    def _got(self, name: str, headers: dict[str, str]) -> Answer:
        data, etag = self.blobs[name]
        told = {"ETag": etag, "Last-Modified": MODIFIED}
        wanted = headers.get("range") or headers.get("x-ms-range")
        if wanted is None:
            return 200, told, data
        first, last = (int(part) for part in wanted.removeprefix("bytes=").split("-"))
        return 206, told | {"Content-Range": f"bytes {first}-{last}/{len(data)}"}, data[first : last + 1]

    def _listed(self, query: dict[str, list[str]]) -> bytes:
        prefix, delimiter = query.get("prefix", [""])[0], query.get("delimiter", [""])[0]
        rest = {name: name.removeprefix(prefix) for name in sorted(self.blobs) if name.startswith(prefix)}
        folders = {part.split(delimiter)[0] for part in rest.values() if delimiter and delimiter in part}
        found = "".join(
            f"<Blob><Name>{escape(name)}</Name><Properties><Last-Modified>{MODIFIED}</Last-Modified><Content-Length>"
            f"{len(self.blobs[name][0])}</Content-Length><Content-Type>x</Content-Type><Etag>{self.blobs[name][1]}"
            "</Etag></Properties></Blob>"
            for name, part in rest.items()
            if not delimiter or delimiter not in part
        )
        found += "".join(
            f"<BlobPrefix><Name>{escape(prefix + folder + delimiter)}</Name></BlobPrefix>" for folder in sorted(folders)
        )
        return f"<EnumerationResults><Blobs>{found}</Blobs><NextMarker/></EnumerationResults>".encode()
