"""`lodur query` in parts: what is asked for, the files, their order, and going on after an interruption."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.cli.fake_loki import Cli, FakeLoki

S = 1_000_000_000
T0 = 1_730_000_000 * S
SPAN = ("--from", "1730000000", "--to", "1730000090", "--timezone", "UTC", "-o", "raw")
PARTS = ("--parallel-duration", "30s")


@pytest.fixture
def lines(loki: FakeLoki) -> FakeLoki:
    loki.entries = [(T0 + second * S, {"app": "a"}, f"line {second}") for second in range(90)]
    return loki


def test_parts_are_files_with_their_times(cli: Cli, lines: FakeLoki, tmp_path: Path) -> None:
    result = cli("query", '{app="a"}', *SPAN, *PARTS, "--part-path-prefix", str(tmp_path / "p"), "--forward")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == [
        "p_20241027T033320_20241027T033350.part",
        "p_20241027T033350_20241027T033420.part",
        "p_20241027T033420_20241027T033450.part",
    ]
    assert "".join(file.read_text() for file in files) == "".join(f"line {second}\n" for second in range(90))


@pytest.mark.parametrize("forward", [True, False])
def test_workers_print_in_order_without_a_prefix(cli: Cli, lines: FakeLoki, forward: bool) -> None:
    order = ("--forward",) if forward else ()
    result = cli("query", '{app="a"}', *SPAN, *PARTS, "--parallel-max-workers", "3", *order)
    seconds = range(90) if forward else range(89, -1, -1)
    assert result.stdout == "".join(f"line {second}\n" for second in seconds)


def test_complete_parts_are_not_asked_for_again(cli: Cli, lines: FakeLoki, tmp_path: Path) -> None:
    words = ("query", '{app="a"}', *SPAN, *PARTS, "--part-path-prefix", str(tmp_path / "p"), "--forward")
    cli(*words)
    gone = tmp_path / "p_20241027T033350_20241027T033420.part"
    gone.unlink()
    lines.received.clear()
    again = cli(*words, "--merge-parts", "--keep-parts")
    assert [request.param("start") for request in lines.received] == [str(T0 + 30 * S)]
    assert again.stdout == "".join(f"line {second}\n" for second in range(90))
    assert "is there already" in again.stderr
    assert len(list(tmp_path.iterdir())) == 3
    merged = cli(*words, "--merge-parts", "--overwrite-completed-parts")
    assert merged.stdout == again.stdout
    assert len(lines.received) == 4
    assert list(tmp_path.iterdir()) == []


def test_a_part_that_cannot_be_read_leaves_no_complete_file(cli: Cli, loki: FakeLoki, tmp_path: Path) -> None:
    loki.will_answer("/loki/api/v1/query_range", "broken", status=500)
    result = cli("query", '{app="a"}', *SPAN, *PARTS, "--part-path-prefix", str(tmp_path / "p"))
    assert result.exit_code == 1
    assert "answered 500: broken" in result.stderr
    assert [file.suffix for file in tmp_path.iterdir() if file.suffix != ".tmp"] == []


def test_files_that_cannot_be_written_are_named(cli: Cli, lines: FakeLoki) -> None:
    result = cli("query", '{app="a"}', *SPAN, *PARTS, "--part-path-prefix", "/no/such/folder/p")
    assert result.exit_code == 1
    assert "/no/such/folder/p_20241027T" in result.stderr
    assert "cannot be written: No such file or directory" in result.stderr


def test_limit_counts_for_each_part(cli: Cli, lines: FakeLoki) -> None:
    result = cli("query", '{app="a"}', *SPAN, *PARTS, "--parallel-max-workers", "2", "--limit", "2", "--forward")
    assert result.stdout.splitlines() == ["line 0", "line 1", "line 30", "line 31", "line 60", "line 61"]


def test_metrics_and_arrays_have_no_parts(cli: Cli, loki: FakeLoki) -> None:
    data = {"resultType": "matrix", "result": [], "stats": {}}
    loki.will_answer("/loki/api/v1/query_range", {"status": "success", "data": data})
    refused = cli("query", 'rate({app="a"}[1m])', *SPAN, *PARTS, "--parallel-max-workers", "2")
    assert refused.exit_code == 1
    assert "parts are for log lines" in refused.stderr
    array = cli("query", '{app="a"}', "-o", "json", "--parallel-max-workers", "2")
    assert array.exit_code == 2


def test_too_many_parts_are_refused(cli: Cli) -> None:
    result = cli("query", '{app="a"}', "--since", "365d", "--parallel-duration", "1s", "--parallel-max-workers", "2")
    assert result.exit_code == 2
    assert "31536000 parts" in result.stderr


def test_json_is_one_array(cli: Cli, lines: FakeLoki) -> None:
    result = cli("query", '{app="a"}', *SPAN, "-o", "json", "--limit", "25", "--batch", "10", "--forward")
    assert [entry["line"] for entry in json.loads(result.stdout)] == [f"line {second}" for second in range(25)]
    assert cli("query", '{app="a"}', "-o", "json").stdout == "[]\n"


def test_a_server_that_gives_less_at_once_is_asked_for_less(cli: Cli, lines: FakeLoki) -> None:
    lines.limit_max = 40
    result = cli("query", '{app="a"}', *SPAN, "--limit", "0", "--forward")
    assert result.stdout == "".join(f"line {second}\n" for second in range(90))
    assert {request.param("limit") for request in lines.received} == {"1000", "40"}


def test_labels_are_padded(cli: Cli, lines: FakeLoki) -> None:
    result = cli(
        "query", '{app="a"}', *SPAN, "-o", "default", "--limit", "1", "--include-common-labels", "--labels-length", "12"
    )
    assert result.stdout == '2024-10-27T03:34:49Z {app="a"}    line 89\n'
