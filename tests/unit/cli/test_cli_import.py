"""`lodur import` against a server of Loki's shapes: what is read, what is sent, and what becomes of bad rows."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.unit.cli.fake_loki import Cli, FakeLoki, Received

PUSH = "/loki/api/v1/push"
T0 = 1_730_000_000_000_000_000
OURS = [
    {
        "timestamp": "2024-10-27T03:33:20.000000001Z",
        "labels": {"app": "a"},
        "line": 'x "y"\n',
        "structured_metadata": {"trace_id": "t1"},
    },
    {"timestamp": "2024-10-27T03:33:21Z", "labels": {"app": "b"}, "line": ""},
]


@pytest.fixture
def taking(loki: FakeLoki) -> FakeLoki:
    loki.will_answer(PUSH, "", 204)
    return loki


def sent(loki: FakeLoki) -> list[tuple[dict[str, str], list[object]]]:
    """Each entry that was pushed, with its labels."""
    bodies = [json.loads(request.body) for request in loki.received]
    return [(one["stream"], value) for body in bodies for one in body["streams"] for value in one["values"]]


def written(path: Path, records: list[object]) -> str:
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records))
    return str(path)


def test_lines_of_an_export_come_back(cli: Cli, taking: FakeLoki, tmp_path: Path) -> None:
    result = cli("import", written(tmp_path / "x.jsonl", [*OURS]))
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("imported 2 entries (0.0 MB) in ")
    assert sent(taking) == [
        ({"app": "a"}, [str(T0 + 1), 'x "y"\n', {"trace_id": "t1"}]),
        ({"app": "b"}, [str(T0 + 10**9), ""]),
    ]


@pytest.mark.parametrize(
    ("suffix", "compress"), [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)]
)
def test_compressed_lines(
    cli: Cli, taking: FakeLoki, tmp_path: Path, suffix: str, compress: Callable[[bytes], bytes]
) -> None:
    packed = tmp_path / f"x.jsonl{suffix}"
    packed.write_bytes(compress(json.dumps(OURS[0]).encode()))
    assert cli("import", str(packed)).exit_code == 0
    assert len(sent(taking)) == 1


def test_lines_of_zstd(cli: Cli, taking: FakeLoki, tmp_path: Path) -> None:
    packed = tmp_path / "x.jsonl.zst"
    packed.write_bytes(pa.compress(json.dumps(OURS[0]).encode(), codec="zstd", asbytes=True))
    assert cli("import", str(packed)).exit_code == 0
    assert len(sent(taking)) == 1


def test_docker_records_are_joined(cli: Cli, taking: FakeLoki, tmp_path: Path) -> None:
    records = [
        {"log": "long ", "stream": "stdout", "time": "2024-10-27T03:33:20.5Z"},
        {"log": "other\n", "stream": "stderr", "time": "2024-10-27T03:33:20.6Z", "attrs": {"tag": "v1"}},
        {"log": "line\n", "stream": "stdout", "time": "2024-10-27T03:33:20.7Z"},
    ]
    cli("import", written(tmp_path / "c-json.log", [*records]), "--format", "jsonl", "--label", "app=web")
    assert sent(taking) == [
        ({"app": "web", "stream": "stderr"}, [str(T0 + 600_000_000), "other", {"tag": "v1"}]),
        ({"app": "web", "stream": "stdout"}, [str(T0 + 500_000_000), "long line"]),
    ]


def test_any_records_by_the_names_of_their_members(cli: Cli, taking: FakeLoki, tmp_path: Path) -> None:
    record = {"at": 1730000000123, "text": "hi", "level": "info", "k8s": {"pod": "p-1"}, "n": 3, "none": None}
    words = ("--timestamp-field", "at", "--line-field", "text", "--label-field", "level")
    more = ("--label-field", "pod=k8s.pod", "--metadata-field", "n", "--metadata-field", "none")
    cli("import", written(tmp_path / "x.ndjson", [record]), *words, *more)
    assert sent(taking) == [({"level": "info", "pod": "p-1"}, [str(T0 + 123_000_000), "hi", {"n": "3"}])]


def test_a_record_is_its_own_line(cli: Cli, taking: FakeLoki, tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    file.write_text('{"@timestamp": "2024-10-27T05:33:20+02:00",  "m": 1}\n')
    cli("import", str(file))
    assert sent(taking) == [
        ({"job": "lodur-import"}, [str(T0), '{"@timestamp": "2024-10-27T05:33:20+02:00",  "m": 1}'])
    ]


@pytest.mark.parametrize(
    ("value", "form", "offset_ns"),
    [
        (1730000000, "auto", 0),
        (1730000000.25, "auto", 250_000_000),
        ("1730000000.000000007", "auto", 7),
        (1730000000001, "auto", 1_000_000),
        (1730000000000002, "auto", 2000),
        (1730000000000000003, "auto", 3),
        ("2024-10-27T03:33:20.000000009Z", "auto", 9),
        (1730000000, "unix", 0),
        ("1730000000001", "unix_ms", 1_000_000),
        (1730000000000002, "unix_us", 2000),
        (1730000000000000003, "unix_ns", 3),
        ("2024-10-27T03:33:20Z", "rfc3339", 0),
    ],
)
def test_times(cli: Cli, taking: FakeLoki, tmp_path: Path, value: object, form: str, offset_ns: int) -> None:
    cli("import", written(tmp_path / "x.jsonl", [{"ts": value, "line": "x"}]), "--timestamp-format", form)
    assert [entry[0] for _, entry in sent(taking)] == [str(T0 + offset_ns)]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("nonsense", "JSON is malformed"),
        ("[1]", "a record is a JSON object"),
        ('{"line": "x"}', "no time: --timestamp-field names it"),
        ('{"ts": "soon", "line": "x"}', "'soon' is not a time"),
        ('{"ts": true, "line": "x"}', "True is not a time"),
        ('{"ts": -5, "line": "x"}', "the time -5 lies outside of 1970 to 2262"),
        ('{"ts": 1, "line": "x", "labels": 7}', "labels and structured metadata are objects"),
        ('{"log": 1, "time": 1}', "the member 'log' is not text"),
    ],
)
def test_bad_rows_end_an_import_or_are_told(cli: Cli, taking: FakeLoki, tmp_path: Path, text: str, reason: str) -> None:
    file = tmp_path / "x.jsonl"
    good = json.dumps(OURS[0])
    file.write_text(f"{good}\n\n{text}\n{good}\n")
    ended = cli("import", str(file))
    assert ended.exit_code == 1
    assert f"{file}:3: {reason}" in ended.stderr
    assert len(sent(taking)) == 1
    taking.received.clear()
    skipped = cli("import", str(file), "--skip-bad")
    assert skipped.exit_code == 0
    assert f"{file}:3: {reason}" in skipped.stderr
    assert ", 1 left out" in skipped.stdout
    assert len(sent(taking)) == 2


def refuse_bad_lines(loki: FakeLoki, monkeypatch: pytest.MonkeyPatch, text: str = "line is bad") -> None:
    def answer(request: Received) -> tuple[int, str, dict[str, str]]:
        return (400, text, {}) if b"bad" in request.body else (204, "", {})

    monkeypatch.setattr(loki, "answer", answer)


def test_rows_that_the_server_refuses_are_found(
    cli: Cli, loki: FakeLoki, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_bad_lines(loki, monkeypatch)
    records = [{"ts": 1730000000 + n, "line": "bad" if n in (20, 70, 71) else f"line {n}"} for n in range(100)]
    file = written(tmp_path / "x.jsonl", [*records])
    skipped = cli("import", file, "--skip-bad")
    assert skipped.exit_code == 0
    assert skipped.stdout.startswith("imported 97 entries")
    assert ", 3 left out" in skipped.stdout
    assert [line.split(":")[1] for line in skipped.stderr.splitlines()[1:]] == ["21", "71", "72"]
    ended = cli("import", file)
    assert ended.exit_code == 1
    assert f"{file}:21: {loki.url} answered 400: line is bad" in ended.stderr


def test_old_entries_are_refused_with_advice(
    cli: Cli, loki: FakeLoki, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_bad_lines(loki, monkeypatch, "entry for stream '{}' has timestamp too old")
    result = cli("import", written(tmp_path / "x.jsonl", [{"ts": 1, "line": "bad"}]))
    assert "limits_config.reject_old_samples: false" in result.stderr


def test_state_goes_on_where_it_was(cli: Cli, loki: FakeLoki, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lodur.cli.import_rows.BATCH_ROWS_MAX", 10)
    records = [{"ts": 1730000000 + n, "line": "bad" if n == 25 else f"line {n}"} for n in range(40)]
    file = written(tmp_path / "x.jsonl", [*records])
    state = str(tmp_path / "state")
    refuse_bad_lines(loki, monkeypatch)
    assert cli("import", file, "--state", state).exit_code == 1
    loki.received.clear()
    resumed = cli("import", file, "--state", state, "--skip-bad")
    assert resumed.stdout.startswith("imported 19 entries")
    loki.received.clear()
    assert cli("import", file, "--state", state).stdout.startswith("imported 0 entries")
    assert loki.received == []
    (tmp_path / "state").write_text("{")
    assert "is not the state of an import" in cli("import", file, "--state", state).stderr


def test_raw_lines_have_ascending_times(cli: Cli, taking: FakeLoki, tmp_path: Path) -> None:
    file = tmp_path / "x.log"
    file.write_bytes(b"one\n\nthr\xffee")
    cli("import", str(file), "--start", "2024-10-27T03:33:20Z", "--label", "app=raw")
    assert sent(taking) == [
        ({"app": "raw"}, [str(T0), "one"]),
        ({"app": "raw"}, [str(T0 + 1), ""]),
        ({"app": "raw"}, [str(T0 + 2), "thr�ee"]),
    ]


def test_standard_input(cli: Cli, taking: FakeLoki) -> None:
    result = cli("import", "-", "--format", "jsonl", typed=json.dumps(OURS[1]))
    assert result.exit_code == 0
    assert len(sent(taking)) == 1


def test_compressed_requests(cli: Cli, taking: FakeLoki, tmp_path: Path) -> None:
    cli("import", written(tmp_path / "x.jsonl", [*OURS]), "--compress")
    (request,) = taking.received
    assert request.headers["Content-Encoding"] == "gzip"
    assert json.loads(gzip.decompress(request.body))["streams"]


def test_foreign_parquet(cli: Cli, taking: FakeLoki, tmp_path: Path) -> None:
    columns = {
        "when": pa.array([T0 // 1000, T0 // 1000 + 1], pa.timestamp("us")),
        "text": pa.array(["one", b"two".decode()]),
        "svc": pa.array(["a", None]).dictionary_encode(),
        "code": pa.array([200, 500]),
    }
    file = tmp_path / "x.parquet"
    pq.write_table(pa.table(columns), file)
    words = ("--timestamp-field", "when", "--line-field", "text", "--label-field", "service=svc")
    result = cli("import", str(file), *words, "--metadata-field", "code")
    assert result.exit_code == 0, result.stderr
    assert sent(taking) == [
        ({"service": "a"}, [str(T0), "one", {"code": "200"}]),
        ({"job": "lodur-import"}, [str(T0 + 1000), "two", {"code": "500"}]),
    ]
    unnamed = cli("import", str(file))
    assert "none of the columns timestamp, @timestamp, time, ts: name one with --timestamp-field" in unnamed.stderr
    unknown = cli("import", str(file), *words, "--label-field", "host")
    assert "has no column 'host'; it has code, svc, text, when" in unknown.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("x.bin",), "its name does not tell"),
        (("-",), "its name does not tell"),
        (("-", "--format", "parquet"), "cannot come from standard input"),
        (("x.bin", "--format", "parquet"), "is not a Parquet file"),
        (("x.bin", "--format", "raw", "--label", "7=x"), "'7=x' is not NAME=VALUE"),
    ],
)
def test_what_cannot_be_imported(cli: Cli, tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    (tmp_path / "x.bin").write_bytes(b"\x00\x01")
    result = cli("import", *(str(tmp_path / word) if word == "x.bin" else word for word in words))
    assert result.exit_code != 0
    assert said in result.stderr


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_segment_is_read_by_its_directory(cli: Cli, taking: FakeLoki, version: str) -> None:
    folder = Path(__file__).parents[2] / "compat" / "segment" / version
    result = cli("import", str(folder / "entries.parquet"), "--label", "restored=yes")
    assert (result.exit_code, result.stderr) == (0, "")
    expected = [
        ({**stream["stream"], "restored": "yes"}, [ts_ns, line, *([texts] if texts else [])])
        for stream in json.loads((folder / "entries.json").read_text())
        for ts_ns, line, *more in stream["values"]
        for texts in [more[0].get("structuredMetadata", {}) if more else {}]
    ]
    assert sorted(sent(taking), key=str) == sorted(expected, key=str)


def test_columns_of_a_segment_may_be_named(cli: Cli, taking: FakeLoki) -> None:
    segment = Path(__file__).parents[2] / "compat" / "segment" / "v2" / "entries.parquet"
    assert cli("import", str(segment), "--label-field", "app").exit_code == 0
    assert {tuple(labels) for labels, _ in sent(taking)} == {("app",)}


def test_a_damaged_segment_is_told(cli: Cli, tmp_path: Path) -> None:
    segment = Path(__file__).parents[2] / "compat" / "segment" / "v2" / "entries.parquet"
    data = segment.read_bytes()
    place = int(pq.ParquetFile(segment).metadata.metadata[b"lodur.directory"].split()[0])
    (tmp_path / "x.parquet").write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
    result = cli("import", str(tmp_path / "x.parquet"))
    assert result.exit_code != 0
    assert "x.parquet" in result.stderr
