"""At start a writer drops segments that it never committed, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

from lodur.kernels.push_decode import ContentEncoding, PushFormat
from lodur.kernels.wal import Wal, WalOptions
from lodur.model.tenant import TenantId
from lodur.store.days import day_name
from lodur.store.filesystem_store import FilesystemStore
from lodur.store.journal import NoJournal
from lodur.store.object_store import StoredObject
from lodur.store.object_stores import ObjectStores
from lodur.store.store import Store
from lodur.wire.push_body import DecodedPush, PushForm, PushLimits, decode

TENANT = TenantId("t")
NOW_NS = 1_790_000_000_000_000_000
BODY = json.dumps({"streams": [{"stream": {"app": "x"}, "values": [[str(NOW_NS), "line"]]}]}).encode()


def decoded() -> DecodedPush:
    form = PushForm(PushFormat.LOKI_JSON, ContentEncoding.IDENTITY)
    return decode(BODY, form, PushLimits.unchecked(), NOW_NS)


def opened(directory: Path, *periods: tuple[int, str]) -> Store:
    """The store of these periods, loaded, with its WAL."""
    stores = ObjectStores([(start_ns, FilesystemStore(directory / name)) for start_ns, name in periods])
    store = Store(stores, Wal.open(WalOptions(directory / "wal")))
    store.load()
    return store


def flushed(directory: Path, *periods: tuple[int, str]) -> None:
    """Keep one line in a segment."""
    store = opened(directory, *periods)
    tenant_store = store.tenant(TENANT)
    tenant_store.append(decoded(), kind=0, payload=BODY, accepted_at_ns=NOW_NS, now_s=0.0)
    generation = tenant_store.freeze()
    assert generation is not None
    store.writer.flush(tenant_store, generation, {})
    store.close()


def segments(directory: Path) -> list[Path]:
    return sorted((directory / "t" / "segments").rglob("*.parquet"))


def test_a_committed_segment_outlives_a_change_of_periods(tmp_path: Path) -> None:
    flushed(tmp_path, (0, "old"))
    before = segments(tmp_path / "old")
    assert len(before) == 1
    opened(tmp_path, (0, "old"), (NOW_NS - 10**18, "new")).close()
    assert segments(tmp_path / "old") == before
    again = opened(tmp_path, (0, "old"))
    metas, _ = again.tenant(TENANT).snapshot(0, 2**62)
    again.close()
    assert [meta.rows for meta in metas] == [1]


def test_what_was_never_committed_is_removed(tmp_path: Path) -> None:
    flushed(tmp_path, (0, "old"))
    committed = segments(tmp_path / "old")[0]
    orphan = committed.with_name(committed.name.replace("-", "-f"))
    foreign = committed.with_name("00000000-0000000000000001.parquet")
    for path in (orphan, foreign):
        path.write_bytes(b"x")
    opened(tmp_path, (0, "old")).close()
    assert segments(tmp_path / "old") == sorted([committed, foreign])


def test_a_tenant_may_be_called_like_a_file_being_written(tmp_path: Path) -> None:
    tenant = tmp_path / ".spool-x" / "segments" / day_name(0)
    tenant.mkdir(parents=True)
    left = tenant / ".spool-0a0b0c0d-m1.parquet"
    left.write_bytes(b"half")
    FilesystemStore(tmp_path).check("0a0b0c0d")
    assert tenant.is_dir()
    assert not left.exists()


class _Watched(FilesystemStore):
    """Remembers what is read."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.read: list[str] = []

    def get(self, path: str) -> StoredObject | None:
        self.read.append(path)
        return super().get(path)


def test_manifests_of_others_are_not_read_for_a_writer_that_is_gone(tmp_path: Path) -> None:
    flushed(tmp_path, (0, "old"))
    committed = segments(tmp_path / "old")[0]
    orphan = committed.with_name(f"00000000{committed.name[8:]}")
    orphan.write_bytes(b"x")
    watched = _Watched(tmp_path / "old")
    store = Store(ObjectStores([(0, watched)]), NoJournal())
    store.delete_orphans_of("11111111-1111-4111-8111-111111111111")
    assert watched.read == []
    store.delete_orphans_of("00000000-1111-4111-8111-111111111111")
    assert segments(tmp_path / "old") == [committed]
    store.close()
