"""As much of Google Cloud Storage's XML interface as an object store needs, in memory. Writes have generations."""

from __future__ import annotations

import itertools
import json
import threading
from http.server import ThreadingHTTPServer
from typing import Self
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from tests.servers.http_handler import answering_handler

CONDITION = "x-goog-if-generation-match"


class FakeGcs:
    """A server with one bucket; to be used in a `with`."""

    bucket = "logs"

    def __init__(self) -> None:
        self.objects: dict[str, tuple[bytes, int]] = {}
        """Bytes and generation."""
        self._parts: dict[int, bytes] = {}
        """Of the one upload in parts that may be under way."""
        self._generations = itertools.count(1000)
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), answering_handler(self.answer))
        self._server.daemon_threads = True
        self._server.block_on_close = False

    def service_account(self) -> str:
        """A key that sends clients here, without asking anybody for a token."""
        url = f"http://127.0.0.1:{self._server.server_address[1]}"
        key = {"gcs_base_url": url, "disable_oauth": True, "client_email": "", "private_key": "", "private_key_id": ""}
        return json.dumps(key)

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(
        self, method: str, target: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body."""
        url = urlsplit(target)
        bucket, _, name = unquote(url.path).lstrip("/").partition("/")
        if bucket != self.bucket:
            return (
                404,
                {},
                b"<Error><Code>NoSuchBucket</Code><Message>The specified bucket does not exist.</Message></Error>",
            )
        with self._lock:
            query = parse_qs(url.query, keep_blank_values=True)
            if not name:
                return 200, {}, self._listed(query)
            if "uploads" in query or "uploadId" in query:
                return self._upload(name, method, query, headers, body)
            if method == "PUT":
                return self._put(name, headers, body)
            if name not in self.objects:
                return 404, {}, b"<Error><Code>NoSuchKey</Code></Error>"
            if method == "DELETE":
                del self.objects[name]
                return 204, {}, b""
            return self._got(name, headers)

    def _put(self, name: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        wanted = headers.get(CONDITION)
        if wanted is not None and int(wanted) != self.objects.get(name, (b"", 0))[1]:
            return 412, {}, b"<Error><Code>PreconditionFailed</Code></Error>"
        generation = next(self._generations)
        self.objects[name] = (body, generation)
        return 200, {"ETag": f'"{generation:x}"', "x-goog-generation": str(generation)}, b""

    def _upload(
        self, name: str, method: str, query: dict[str, list[str]], headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        if "uploads" in query:
            self._parts.clear()
            return 200, {}, b"<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>"
        if method == "PUT":
            self._parts[int(query["partNumber"][0])] = body
            return 200, {"ETag": '"part"'}, b""
        status, told, _ = self._put(name, headers, b"".join(part for _, part in sorted(self._parts.items())))
        answer = f"<CompleteMultipartUploadResult><ETag>{told['ETag']}</ETag></CompleteMultipartUploadResult>"
        return status, told, answer.encode()

    def _got(self, name: str, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        data, generation = self.objects[name]
        told = {
            "ETag": f'"{generation:x}"',
            "x-goog-generation": str(generation),
            "Last-Modified": "Wed, 21 Oct 2015 07:28:00 GMT",
        }
        if "range" not in headers:
            return 200, told, data
        first, last = (int(part) for part in headers["range"].removeprefix("bytes=").split("-"))
        return 206, told | {"Content-Range": f"bytes {first}-{last}/{len(data)}"}, data[first : last + 1]

    def _listed(self, query: dict[str, list[str]]) -> bytes:
        prefix, delimiter = query.get("prefix", [""])[0], query.get("delimiter", [""])[0]
        rest = {name: name.removeprefix(prefix) for name in sorted(self.objects) if name.startswith(prefix)}
        folders = {part.split(delimiter)[0] for part in rest.values() if delimiter and delimiter in part}
        found = "".join(
            f"<Contents><Key>{escape(name)}</Key><LastModified>2015-10-21T07:28:00Z</LastModified>"
            f"<ETag>x</ETag><Size>{len(self.objects[name][0])}</Size></Contents>"
            for name, part in rest.items()
            if not delimiter or delimiter not in part
        )
        found += "".join(
            f"<CommonPrefixes><Prefix>{escape(prefix + folder + delimiter)}</Prefix></CommonPrefixes>"
            for folder in sorted(folders)
        )
        return f"<ListBucketResult><Name>logs</Name>{found}</ListBucketResult>".encode()
