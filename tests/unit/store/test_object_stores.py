"""What every object store must do, asked of memory, of a directory, of real servers for S3 and Azure and of small ones
for Azure and Google; and whose day is whose."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from obstore.store import MemoryStore

from lodur.model.errors import InvalidRequest, LodurError, NotFound, Unauthenticated, Unavailable
from lodur.store.cloud_clients import open_object_store
from lodur.store.cloud_store import CloudStore, CloudTraits
from lodur.store.days import NS_PER_DAY, day_of, day_span
from lodur.store.filesystem_store import SPOOL_UNTOUCHED_S, FilesystemStore
from lodur.store.object_store import ObjectStore
from lodur.store.object_stores import ObjectStores
from lodur.store.options import AzureOptions, FilesystemOptions, GcsOptions, PeriodOptions, S3Options, StorageOptions
from tests.servers.azurite import AzuriteServer
from tests.servers.fake_azure import FakeAzure
from tests.servers.fake_gcs import FakeGcs
from tests.servers.s3 import S3Server

MakeStore = Callable[[Path], ObjectStore]

WRITERS = 8


@pytest.fixture(params=["memory", "filesystem", "s3", "gcs", "azure", "azurite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ObjectStore]:
    spool = tmp_path / "spool"
    made: ObjectStore
    if request.param == "memory":
        made = CloudStore(MemoryStore(), CloudTraits("memory"), spool_directory=spool)
    elif request.param == "filesystem":
        made = FilesystemStore(tmp_path / "objects")
    elif request.param == "azure":
        with FakeAzure() as azure:
            made = open_object_store(azure_options(azure), spool_directory=spool)
            made.check()
            yield made
        return
    elif request.param == "gcs":
        with FakeGcs() as fake:
            options = GcsOptions(fake.bucket, fake.service_account(), allow_http=True)
            made = open_object_store(options, spool_directory=spool)
            made.check()
            yield made
        return
    elif request.param == "azurite":
        service: AzuriteServer = request.getfixturevalue("azurite_server")
        made = open_object_store(azurite_options(service), spool_directory=spool)
    else:
        server = request.getfixturevalue("s3_server")
        made = open_object_store(s3_options(server, server.new_bucket()), spool_directory=spool)
    made.check()
    yield made


def azure_options(server: FakeAzure, *, container: str = "", account_key: str = "") -> AzureOptions:
    return AzureOptions(
        server.account,
        container or server.container,
        account_key or server.account_key,
        endpoint_url=server.endpoint,
        allow_http=True,
    )


def azurite_options(server: AzuriteServer) -> AzureOptions:
    return AzureOptions(
        server.account, server.new_container(), server.account_key, endpoint_url=server.endpoint, allow_http=True
    )


def s3_options(server: S3Server, bucket: str, *, secret: str = "") -> S3Options:
    return S3Options(
        bucket=bucket,
        region=server.region,
        endpoint_url=server.endpoint,
        access_key_id=server.access_key,
        secret_access_key=secret or server.secret_key,
        path_style=True,
        allow_http=True,
    )


def put(store: ObjectStore, path: str, data: bytes) -> None:
    spooled = store.spool(path)
    spooled.write_bytes(data)
    store.put_file(path, spooled)


def test_an_empty_store_has_nothing(store: ObjectStore) -> None:
    assert store.get("a/b") is None
    assert store.list_objects("a") == []
    assert store.list_folders("") == []
    store.delete("a/b")


def test_files_become_objects(store: ObjectStore) -> None:
    put(store, "t/segments/2024-01-01/x.parquet", b"0123456789")
    found = store.get("t/segments/2024-01-01/x.parquet")
    assert found is not None
    assert found.data == b"0123456789"
    assert not store.spool("t/segments/2024-01-01/x.parquet").exists()
    put(store, "t/segments/2024-01-01/x.parquet", b"new")
    assert store.get_ranges("t/segments/2024-01-01/x.parquet", [(0, 3)]) == [b"new"]


def test_large_objects_come_back_whole(store: ObjectStore) -> None:
    data = bytes(range(256)) * 50_000
    put(store, "large", data)
    assert store.get_ranges("large", [(len(data) - 3, 3), (0, 2)]) == [data[-3:], data[:2]]
    found = store.get("large")
    assert found is not None
    assert found.data == data


def test_ranges_come_in_the_order_asked_for(store: ObjectStore) -> None:
    put(store, "x", b"0123456789")
    ranges = [(5, 2), (0, 1), (9, 1)]
    assert store.get_ranges("x", ranges) == [b"56", b"0", b"9"]
    assert asyncio.run(store.read_ranges("x", ranges)) == [b"56", b"0", b"9"]


def test_a_missing_object_has_no_ranges(store: ObjectStore) -> None:
    with pytest.raises(NotFound):
        store.get_ranges("x", [(0, 1)])


def test_objects_and_folders_are_listed(store: ObjectStore) -> None:
    for path in ("b/manifest/2", "b/manifest/1", "b/segments/d/x", "a/manifest/1", "b!/x"):
        put(store, path, b"12")
    assert [listed.path for listed in store.list_objects("b/manifest")] == ["b/manifest/1", "b/manifest/2"]
    assert [listed.size_bytes for listed in store.list_objects("b")] == [2, 2, 2]
    assert store.list_folders("") == ["a", "b", "b!"]
    assert store.list_folders("b") == ["manifest", "segments"]


def test_a_folder_is_listed_while_objects_of_it_come_and_go(tmp_path: Path) -> None:
    store = FilesystemStore(tmp_path)
    put(store, "a/stays", b"1")

    def come_and_go() -> None:
        for _ in range(3000):
            (tmp_path / "a" / "goes").write_bytes(b"12")
            (tmp_path / "a" / "goes").unlink()

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(come_and_go)
        found = {listed.path for _ in iter(writing.done, True) for listed in store.list_objects("a")}
        writing.result()
    assert "a/stays" in found


def test_objects_of_a_folder_that_cannot_be_listed_are_not_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FilesystemStore(tmp_path)
    put(store, "a/b/x", b"1")
    scandir = os.scandir

    def refusing(path: str) -> object:
        if Path(path).name == "b":
            raise PermissionError(errno.EACCES, "permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(Unavailable, match="cannot be listed: permission denied"):
        store.list_objects("a")


def test_deleted_objects_are_gone(store: ObjectStore) -> None:
    put(store, "a/x", b"1")
    store.delete("a/x")
    assert store.get("a/x") is None
    assert store.list_objects("a") == []


def test_a_conditional_write_needs_the_version(store: ObjectStore) -> None:
    first = store.replace_if("m", b"1", None)
    assert first is not None
    assert store.replace_if("m", b"other", None) is None
    second = store.replace_if("m", b"2", first)
    assert second is not None
    assert store.replace_if("m", b"other", first) is None
    found = store.get("m")
    assert found is not None
    assert (found.data, found.version) == (b"2", second)


def test_an_object_that_is_gone_is_another_version(store: ObjectStore) -> None:
    version = store.replace_if("m", b"1", None)
    assert version is not None
    store.delete("m")
    assert store.replace_if("m", b"2", version) is None
    assert store.get("m") is None


def test_one_of_many_writers_wins(store: ObjectStore) -> None:
    version: str | None = None
    with ThreadPoolExecutor(WRITERS) as pool:
        for turn in range(5):
            known = version
            bodies = [b"%d by %d" % (turn, writer) for writer in range(WRITERS)]
            versions = list(pool.map(lambda body, known=known: store.replace_if("m", body, known), bodies))
            won = [(body, made) for body, made in zip(bodies, versions, strict=True) if made is not None]
            assert len(won) == 1
            found = store.get("m")
            assert found is not None
            assert (found.data, found.version) == won[0]
            version = found.version


def test_what_a_crash_left_in_the_spool_is_dropped(store: ObjectStore) -> None:
    left = store.spool("t/segments/d/0a0b0c0d-m1.parquet")
    left.write_bytes(b"half")
    assert store.list_objects("") == []
    store.check("0a0b0c0d")
    assert not left.exists()


def test_what_another_process_is_writing_is_left_alone(tmp_path: Path) -> None:
    """A start beside it removes nothing that a living process can be at, and what nobody can be at."""
    writing, starting = FilesystemStore(tmp_path), FilesystemStore(tmp_path)
    spooled = writing.spool("t/segments/d/0a0b0c0d-m1.parquet")
    spooled.write_bytes(b"whole")
    left = writing.spool("t/segments/d/0a0b0c0d-m2.parquet")
    left.write_bytes(b"half")
    hour_ago_s = left.stat().st_mtime - SPOOL_UNTOUCHED_S
    os.utime(left, (hour_ago_s - 60, hour_ago_s - 60))
    os.utime(spooled, (hour_ago_s + 60, hour_ago_s + 60))
    starting.check("11111111")
    assert not left.exists()
    writing.put_file("t/segments/d/0a0b0c0d-m1.parquet", spooled)
    assert [listed.path for listed in starting.list_objects("t")] == ["t/segments/d/0a0b0c0d-m1.parquet"]
    assert [path.name for path in tmp_path.rglob(".spool-*")] == []


def test_a_start_in_the_middle_of_a_write_harms_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FilesystemStore(tmp_path)
    starts = 0

    def start_of_another(descriptor: int) -> None:
        nonlocal starts
        starts += 1
        FilesystemStore(tmp_path).check("11111111")

    monkeypatch.setattr(os, "fsync", start_of_another)
    first = store.replace_if("t/manifest/d.json", b"1", None)
    assert first is not None
    assert store.replace_if("t/manifest/d.json", b"2", first) is not None
    found = store.get("t/manifest/d.json")
    assert found is not None
    assert found.data == b"2"
    assert starts >= 4
    assert list(tmp_path.rglob(".spool-*")) == []


@pytest.mark.parametrize("path", ["../x", "a/../../x", "/etc/x"])
def test_paths_stay_inside_a_directory(tmp_path: Path, path: str) -> None:
    with pytest.raises(InvalidRequest):
        FilesystemStore(tmp_path).get(path)


def test_a_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="file/objects is not usable"):
        FilesystemStore(tmp_path / "file" / "objects").check()


def test_a_missing_bucket_is_told(s3_server: S3Server, tmp_path: Path) -> None:
    store = open_object_store(s3_options(s3_server, "no-such-bucket"), spool_directory=tmp_path / "spool")
    with pytest.raises(NotFound, match="s3 bucket no-such-bucket: there is no such bucket; make it"):
        store.check()


def test_wrong_keys_are_told_without_them(s3_server: S3Server, tmp_path: Path) -> None:
    options = s3_options(s3_server, s3_server.new_bucket(), secret="wrong-secret-value")
    store = open_object_store(options, spool_directory=tmp_path / "spool")
    with pytest.raises(Unauthenticated, match="check the keys in storage_config") as raised:
        store.check()
    assert "wrong-secret-value" not in str(raised.value)
    assert s3_server.access_key not in str(raised.value)


def test_a_missing_container_is_told(tmp_path: Path) -> None:
    with FakeAzure() as azure:
        store = open_object_store(azure_options(azure, container="other"), spool_directory=tmp_path / "spool")
        with pytest.raises(NotFound, match="azure container other: there is no such bucket; make it"):
            store.check()


def test_a_wrong_key_of_azure_is_told_without_it(azurite_server: AzuriteServer, tmp_path: Path) -> None:
    options = replace(azurite_options(azurite_server), account_key="d3Jvbmcta2V5")
    with pytest.raises(Unauthenticated, match="check the keys in storage_config") as raised:
        open_object_store(options, spool_directory=tmp_path / "spool").check()
    assert options.account_key not in str(raised.value)


def test_a_missing_bucket_of_google_is_told(tmp_path: Path) -> None:
    with FakeGcs() as fake:
        options = GcsOptions("other", fake.service_account(), allow_http=True)
        with pytest.raises(NotFound, match="gcs bucket other: there is no such bucket; make it"):
            open_object_store(options, spool_directory=tmp_path / "spool").check()


def test_a_useless_key_of_google_is_told_without_it(tmp_path: Path) -> None:
    with pytest.raises(LodurError, match="gcs bucket b: its configuration") as raised:
        open_object_store(GcsOptions("b", '{"private_key": "hush'), spool_directory=tmp_path / "spool")
    assert "hush" not in str(raised.value)


def test_a_server_that_is_away_is_unavailable(tmp_path: Path) -> None:
    options = S3Options(
        bucket="b",
        endpoint_url="http://127.0.0.1:9",
        access_key_id="k",
        secret_access_key="s",
        path_style=True,
        allow_http=True,
    )
    with pytest.raises(Unavailable, match="s3 bucket b"):
        open_object_store(options, spool_directory=tmp_path).get("x")


def test_days_lie_in_the_store_of_their_period(tmp_path: Path) -> None:
    switch = day_of(1_700_000_000 * 10**9)
    first, second = FilesystemOptions(tmp_path / "first"), FilesystemOptions(tmp_path / "second")
    options = StorageOptions((PeriodOptions(0, first), PeriodOptions(day_span(switch).start_ns, second)))
    stores = ObjectStores.of(options, spool_directory=tmp_path / "spool")
    assert len(stores.each()) == 2
    assert stores.of_day(switch - 1) is stores.of_day(-5)
    assert stores.of_day(switch) is stores.of_day(switch + 100)
    assert stores.of_day(switch) is not stores.of_day(switch - 1)


def test_periods_of_one_place_share_a_client(tmp_path: Path) -> None:
    place = FilesystemOptions(tmp_path)
    options = StorageOptions((PeriodOptions(0, place), PeriodOptions(10, place)))
    assert len(ObjectStores.of(options, spool_directory=tmp_path / "spool").each()) == 1


def test_a_span_lies_in_the_stores_of_its_days(tmp_path: Path) -> None:
    first, second, third = (FilesystemStore(tmp_path / name) for name in ("first", "second", "third"))
    noon_ns = NS_PER_DAY // 2
    # The day on whose noon the third one begins belongs to the second still.
    stores = ObjectStores([(0, first), (10 * NS_PER_DAY, second), (20 * NS_PER_DAY + noon_ns, third)])
    assert stores.of_span(0, 10 * NS_PER_DAY) == (first,)
    assert stores.of_span(0, 10 * NS_PER_DAY + 1) == (first, second)
    assert stores.of_span(-(2**63), 2**63 - 1) == (first, second, third)
    assert stores.of_span(20 * NS_PER_DAY, 21 * NS_PER_DAY) == (second,)
    assert stores.of_span(20 * NS_PER_DAY, 21 * NS_PER_DAY + 1) == (second, third)
    assert stores.of_span(30 * NS_PER_DAY, 30 * NS_PER_DAY) == ()
    for start_ns, end_ns in ((-5, 3), (9, 31), (12, 12), (19, 23)):
        days = range(day_of(start_ns * NS_PER_DAY), day_of(end_ns * NS_PER_DAY - 1) + 1)
        by_day = tuple(dict.fromkeys(stores.of_day(day) for day in days))
        assert stores.of_span(start_ns * NS_PER_DAY, end_ns * NS_PER_DAY) == by_day


def test_buckets_of_one_name_are_told_apart(tmp_path: Path) -> None:
    options = [S3Options("logs", endpoint_url=f"http://{host}", region="x", allow_http=True) for host in ("a", "b")]
    periods = [PeriodOptions(number, option) for number, option in enumerate([*options, options[0]])]
    stores = ObjectStores.of(StorageOptions(tuple(periods)), spool_directory=tmp_path)
    assert [stores.name_of(store) for store in stores.each()] == ["s3 bucket logs", "s3 bucket logs (2)"]
