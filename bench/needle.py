"""`python -m bench.needle`: a needle in a hundred compacted segments in an S3 bucket.

One segment is made of the corpus by a server that compacts it (or given with `--segment`), and put into the bucket of a
local S3 server under many names, so that each is an object of its own for whoever reads it. A server without a cache
then looks for hexadecimal ids that occur nowhere. Requests and bytes are those that the server counts in `/metrics`;
what it reads is set against what the bucket holds. The exit status is 1 where a bar is missed.
"""

from __future__ import annotations

import http.client
import os
import shutil
import statistics
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from urllib.parse import urlencode

import click
import orjson
from prometheus_client.parser import text_string_to_metric_families

from bench.corpus import CACHE, find_generator, prepare
from bench.process_facts import cpu_s
from bench.server import STILL_FLUSHING
from lodur.kernels.segment import Segment
from lodur.store.days import day_name, day_of
from lodur.store.manifest import Manifest, SegmentMeta, encode_manifest
from tests.servers.lodur import LodurServer
from tests.servers.process import wait_until
from tests.servers.s3 import S3Server, s3_server_program

TENANT = "fake"
BUCKET = "needle"

READ_SHARE_MAX = 0.005
"""Bar: of the stored bytes, what a needle reads with cold caches."""

WARM_S_MAX = 0.05
"""Bar: a needle in 50 GB of raw lines with warm caches."""

RAW_BYTES_OF_BAR = 50e9

BUILD_S_MAX = 1200.0

COMPACTING = """\
auth_enabled: false
common: {path_prefix: data}
limits_config:
  reject_old_samples: false
  ingestion_rate_mb: 8192
  ingestion_burst_size_mb: 8192
  per_stream_rate_limit: 8GB
  per_stream_rate_limit_burst: 8GB
  max_global_streams_per_user: 0
compactor: {compaction_interval: 1s}
lodur:
  compactor: {settled_after: 0s, cold_zstd_level: 0, reader_grace: 0s, target_bytes: 4GiB}
"""

READING = """\
auth_enabled: false
server: {{log_level: warn}}
common: {{path_prefix: data}}
storage_config:
  aws:
    endpoint: {endpoint}
    region: {region}
    bucketnames: {bucket}
    access_key_id: {access_key}
    secret_access_key: {secret_key}
    s3forcepathstyle: true
    insecure: true
schema_config:
  configs: [{{from: "2020-01-01", store: tsdb, object_store: s3, schema: v13}}]
compactor: {{compaction_interval: 24h}}
"""


@dataclass(frozen=True, slots=True)
class Asked:
    """One query."""

    wall_s: float
    requests: float
    read_bytes: float


@click.command()
@click.option("--segments", default=100, show_default=True, help="Objects in the bucket.")
@click.option("--mb", default=512, show_default=True, help="MiB of raw lines in each.")
@click.option("--segment", type=click.Path(path_type=Path, exists=True), help="A compacted segment that is there.")
@click.option("--repeat", default=10, show_default=True, help="Times that the warm needle is asked.")
@click.option("--directory", type=click.Path(path_type=Path), default=CACHE / "needle", help="Where data go meanwhile.")
def main(segments: int, mb: int, segment: Path | None, repeat: int, directory: Path) -> None:
    """Measure what a needle reads of a bucket with cold caches, and how long it takes with warm ones."""
    directory = directory.resolve()
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    source = segment or _compacted(directory / "build", mb)
    with _bucket(directory / "s3", source, segments) as (s3, meta):
        stored_bytes = meta.file_bytes * segments
        raw_bytes = meta.line_bytes * segments
        _say(f"{segments} segments, {stored_bytes / 1e9:.2f} GB stored, {raw_bytes / 1e9:.1f} GB of raw lines")
        cold, warm = _measure(directory / "reader", s3, meta, repeat)
    shutil.rmtree(directory, ignore_errors=True)
    share = cold.read_bytes / stored_bytes
    is_small, is_fast = share < READ_SHARE_MAX, warm * RAW_BYTES_OF_BAR / raw_bytes < WARM_S_MAX
    _say(f"cold: {share:.3%} of the stored bytes (bar {READ_SHARE_MAX:.1%}): {'met' if is_small else 'MISSED'}")
    _say(f"warm: {warm * 1e3:.1f} ms; for 50 GB {warm * RAW_BYTES_OF_BAR / raw_bytes * 1e3:.1f} ms "
         f"(bar {WARM_S_MAX * 1e3:.0f} ms): {'met' if is_fast else 'MISSED'}")  # fmt: skip
    sys.exit(0 if is_small and is_fast else 1)


def _measure(directory: Path, s3: S3Server, meta: SegmentMeta, repeat: int) -> tuple[Asked, float]:
    """The cold needle, and the best time of the warm one: others may use the machine meanwhile."""
    directory.mkdir()
    text = READING.format(
        endpoint=s3.endpoint,
        region=s3.region,
        bucket=BUCKET,
        access_key=s3.access_key,
        secret_key=s3.secret_key,
    )
    server = LodurServer(directory, config_text=text)
    started_s = time.perf_counter()
    server.start()
    try:
        _say(f"start: {time.perf_counter() - started_s:.2f} s, {_shown(_counted(server))}")
        cold = _told("cold needle", _ask(server, meta, "cold"))
        before_s = cpu_s(server.process.pid)
        warm = [_ask(server, meta, "cold").wall_s for _ in range(repeat)]
        used_s = (cpu_s(server.process.pid) - before_s) / repeat
        best_ms, median_ms = min(warm) * 1e3, statistics.median(warm) * 1e3
        _say(f"the same again, {repeat} times: best {best_ms:.1f} ms, median {median_ms:.1f} ms")
        _say(f"CPU of each, with the reading of /metrics around it: {used_s * 1e3:.1f} ms")
        _told("another needle, directories warm", _ask(server, meta, "other"))
        server.terminate()
        server.start()
        _told("the first needle after a restart, disk cache warm", _ask(server, meta, "cold"))
    finally:
        server.kill()
    return cold, min(warm)


def _ask(server: LodurServer, meta: SegmentMeta, seed: str) -> Asked:
    """Look for 32 hexadecimal digits that occur nowhere in all segments."""
    needle = blake2b(seed.encode(), digest_size=16).hexdigest()
    params = {
        "query": f'{{app=~".+"}} |= "{needle}"',
        "start": str(meta.min_ts_ns),
        "end": str(meta.max_ts_ns + 1),
        "limit": "100",
    }
    before = _counted(server)
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=600)
    started_s = time.perf_counter()
    connection.request("GET", f"/loki/api/v1/query_range?{urlencode(params)}")
    answer = connection.getresponse()
    body = answer.read()
    wall_s = time.perf_counter() - started_s
    connection.close()
    if answer.status != 200 or orjson.loads(body)["data"]["result"]:
        raise click.ClickException(f"the query answered {answer.status}: {body[:300]!r}")
    after = _counted(server)
    return Asked(wall_s, after["requests"] - before["requests"], after["bytes"] - before["bytes"])


def _counted(server: LodurServer) -> dict[str, float]:
    """Requests and bytes of the object store that the server has counted."""
    with urllib.request.urlopen(f"{server.url}/metrics", timeout=60) as answer:
        text = answer.read().decode()
    counted = {"requests": 0.0, "bytes": 0.0}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == "lodur_object_store_requests_total":
                counted["requests"] += sample.value
            elif sample.name == "lodur_object_store_read_bytes_total":
                counted["bytes"] += sample.value
    return counted


def _shown(counted: Mapping[str, float]) -> str:
    return f"{counted['requests']:.0f} requests, {counted['bytes'] / 1e6:.2f} MB read"


def _told(what: str, asked: Asked) -> Asked:
    _say(f"{what}: {asked.wall_s * 1e3:.1f} ms, {asked.requests:.0f} requests, {asked.read_bytes / 1e6:.2f} MB read")
    return asked


@contextmanager
def _bucket(directory: Path, source: Path, segments: int) -> Iterator[tuple[S3Server, SegmentMeta]]:
    """An S3 server whose bucket has the segment under many names, and their manifest; one of them."""
    directory.mkdir()
    server = S3Server(s3_server_program(), directory)
    server.start()
    try:
        client = server.client()
        client.create_bucket(Bucket=BUCKET)
        metas = [_described(source, number) for number in range(segments)]
        client.upload_file(str(source), BUCKET, metas[0].path)
        for meta in metas[1:]:
            _doubled(directory, metas[0].path, meta.path)
        day = day_name(day_of(metas[0].min_ts_ns))
        manifest = encode_manifest(Manifest(day, tuple(metas), revision=1))
        client.put_object(Bucket=BUCKET, Key=f"{TENANT}/manifest/{day}.json", Body=manifest)
        yield server, metas[0]
    finally:
        server.stop()


def _doubled(directory: Path, first: str, other: str) -> None:
    """One more name for the file of an object (and for what the server keeps beside it)."""
    for root in ("objects", "metadata"):
        source, target = directory / root / BUCKET / first, directory / root / BUCKET / other
        if source.is_dir():
            shutil.copytree(source, target)
        elif source.exists():
            os.link(source, target)


def _described(source: Path, number: int) -> SegmentMeta:
    segment = Segment.open_file(source)
    name = f"0000beef-m{number:015x}"
    return SegmentMeta(
        id=name,
        path=f"{TENANT}/segments/{day_name(day_of(segment.min_ts_ns))}/{name}.parquet",
        min_ts_ns=segment.min_ts_ns,
        max_ts_ns=segment.max_ts_ns,
        rows=segment.rows,
        line_bytes=segment.line_bytes,
        file_bytes=source.stat().st_size,
        streams=len(segment.streams()),
        level=1,
        zstd_level=3,
    )


def _compacted(directory: Path, mb: int) -> Path:
    """One segment of a whole corpus."""
    directory.mkdir()
    corpus = prepare(mb, find_generator(None, os.environ))
    server = LodurServer(directory, config_text=COMPACTING)
    server.start()
    try:
        bodies = corpus.bodies()
        # At least two segments, so that there is something to merge.
        for half in (bodies[: len(bodies) // 2], bodies[len(bodies) // 2 :]):
            _push(server, half)
        wait_until(lambda: len(_merged(server)) == 1, deadline_s=BUILD_S_MAX, what="one merged segment")
    finally:
        server.terminate()
    (only,) = _merged(server)
    return only


def _push(server: LodurServer, bodies: Sequence[Path]) -> None:
    """Push some bodies and flush what is in memory then."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=600)
    for body in bodies:
        connection.request("POST", "/loki/api/v1/push", body.read_bytes(), {"Content-Type": "application/x-protobuf"})
        answer = connection.getresponse()
        if answer.read() or answer.status != 204:
            raise click.ClickException(f"a push was answered with {answer.status}")
    status = int(STILL_FLUSHING)
    while status == STILL_FLUSHING:
        connection.request("POST", "/flush")
        answer = connection.getresponse()
        answer.read()
        status = answer.status
    connection.close()


def _merged(server: LodurServer) -> list[Path]:
    """All segments, once there is none left as it was flushed."""
    found = list(server.data.rglob("*.parquet"))
    return found if all("-m" in segment.name for segment in found) else []


def _say(text: str) -> None:
    click.echo(text)


if __name__ == "__main__":
    main()
