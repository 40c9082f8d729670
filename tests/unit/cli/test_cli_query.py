"""`lodur query` against a server of Loki's shapes: what is asked, and what is printed."""

from __future__ import annotations

import json

import pytest

from tests.unit.cli.fake_loki import Cli, FakeLoki

RANGE = "/loki/api/v1/query_range"
S = 1_000_000_000
T0 = 1_730_000_000 * S
SPAN = ("--from", "1730000000", "--to", "1730000100", "--timezone", "UTC")
API = {"app": "api", "env": "prod"}
WEB = {"app": "web", "env": "prod", "pod": "w-1"}


@pytest.fixture
def shop(loki: FakeLoki) -> FakeLoki:
    loki.entries = [
        (T0, API, "first"),
        (T0 + S, WEB, "second\n"),
        (T0 + 2 * S + 500_000_000, API, 'third "quoted" \x1b[31mred\x1b[0m'),
    ]
    return loki


def test_default_output_has_common_labels_once_and_times_in_the_zone(cli: Cli, shop: FakeLoki) -> None:
    result = cli("query", '{env="prod"}', *SPAN)
    assert result.exit_code == 0
    assert result.stderr == 'Common labels: {env="prod"}\n'
    assert result.stdout.splitlines() == [
        '2024-10-27T03:33:22Z {app="api"}            third "quoted" \x1b[31mred\x1b[0m',
        '2024-10-27T03:33:21Z {app="web", pod="w-1"} second',
        '2024-10-27T03:33:20Z {app="api"}            first',
    ]


def test_request_is_logclis(cli: Cli, shop: FakeLoki) -> None:
    cli("query", '{env="prod"}', *SPAN, "--step", "30s", "--interval", "5s")
    (request,) = shop.received
    assert (request.method, request.path) == ("GET", RANGE)
    assert request.params == [
        ("query", '{env="prod"}'),
        ("start", str(T0)),
        ("end", str(T0 + 100 * S)),
        ("limit", "30"),
        ("direction", "BACKWARD"),
        ("step", "30s"),
        ("interval", "5s"),
    ]


def test_forward_prints_the_oldest_first(cli: Cli, shop: FakeLoki) -> None:
    result = cli("query", '{env="prod"}', *SPAN, "--forward", "-o", "raw", "--limit", "2")
    assert result.stdout == "first\nsecond\n"
    assert shop.received[0].param("direction") == "FORWARD"


def test_raw_output_changes_no_byte_of_the_lines(cli: Cli, shop: FakeLoki) -> None:
    result = cli("query", '{env="prod"}', *SPAN, "-o", "raw")
    assert result.stdout_bytes == b'third "quoted" \x1b[31mred\x1b[0m\nsecond\nfirst\n'


def test_jsonl_output_has_all_labels_and_nanoseconds(cli: Cli, shop: FakeLoki) -> None:
    result = cli("query", '{env="prod"}', *SPAN, "-o", "jsonl")
    assert [json.loads(line) for line in result.stdout.splitlines()] == [
        {"labels": API, "line": 'third "quoted" \x1b[31mred\x1b[0m', "timestamp": "2024-10-27T03:33:22.5Z"},
        {"labels": WEB, "line": "second\n", "timestamp": "2024-10-27T03:33:21Z"},
        {"labels": API, "line": "first", "timestamp": "2024-10-27T03:33:20Z"},
    ]


@pytest.mark.parametrize(
    ("options", "last_line"),
    [
        (("--no-labels",), "2024-10-27T03:33:20Z first"),
        (("--include-label", "env", "--include-common-labels"), '2024-10-27T03:33:20Z {env="prod"} first'),
        (("--exclude-label", "pod"), '2024-10-27T03:33:20Z {app="api"} first'),
        (("--include-common-labels", "--exclude-label", "pod"), '2024-10-27T03:33:20Z {app="api", env="prod"} first'),
        (("--no-labels", "--timezone", "Europe/Berlin"), "2024-10-27T04:33:20+01:00 first"),
    ],
)
def test_label_and_time_options(cli: Cli, shop: FakeLoki, options: tuple[str, ...], last_line: str) -> None:
    assert cli("query", '{env="prod"}', *SPAN, *options).stdout.splitlines()[-1] == last_line


def test_nanoseconds_on_demand(cli: Cli, shop: FakeLoki) -> None:
    result = cli("query", '{env="prod"}', *SPAN, "--no-labels", "--output-timestamp-format", "rfc3339nano")
    assert result.stdout.startswith("2024-10-27T03:33:22.5Z third")


def test_quiet_prints_only_the_result(cli: Cli, shop: FakeLoki) -> None:
    assert cli("query", '{env="prod"}', *SPAN, "-q").stderr == ""


def test_colours_are_one_for_each_stream(cli: Cli, shop: FakeLoki) -> None:
    third, second, first = cli("query", '{env="prod"}', *SPAN, "--colored-output").stdout.splitlines()
    assert third.startswith("\x1b[34m2024-10-27T03:33:22Z\x1b[0m \x1b[")
    colour = [line.split("\x1b[")[3].split("m")[0] for line in (third, second, first)]
    assert colour[0] == colour[2] != colour[1]
    assert "\x1b" not in cli("query", '{env="prod"}', *SPAN, "--no-color", "--limit", "1", "--forward").stdout


def test_few_streams_have_different_colours(cli: Cli, loki: FakeLoki) -> None:
    loki.entries = [(T0 + n, {"app": f"a{n % 8}"}, "x") for n in range(16)]
    lines = cli("query", "{}", *SPAN, "--colored-output").stdout.splitlines()
    assert len({line.split("\x1b[")[3].split("m")[0] for line in lines}) == 8
    loki.entries = [(T0 + n, {"app": f"a{n}"}, "x") for n in range(12)]
    assert len(cli("query", "{}", *SPAN, "--colored-output").stdout.splitlines()) == 12


def test_pages_follow_each_other_without_gap_or_repetition(cli: Cli, loki: FakeLoki) -> None:
    loki.entries = [(T0 + (n // 3) * S, {"app": f"a{n % 2}"}, f"line {n}") for n in range(100)]
    for words in (("--forward",), ()):
        loki.received.clear()
        result = cli("query", '{app=~".+"}', *SPAN, "--limit", "0", "--batch", "7", "-o", "raw", *words)
        assert result.exit_code == 0
        assert sorted(result.stdout.splitlines()) == sorted(f"line {n}" for n in range(100))
        assert len(loki.received) > 10
        assert {request.param("limit") for request in loki.received} == {"7"}


def test_seam_of_pages_is_the_last_timestamp(cli: Cli, loki: FakeLoki) -> None:
    loki.entries = [(T0 + n * S, {"app": "a"}, f"line {n}") for n in range(10)]
    cli("query", "{}", *SPAN, "--limit", "0", "--batch", "4", "--forward")
    assert [request.param("start") for request in loki.received] == [str(T0 + n * S) for n in (0, 3, 6, 9)]
    loki.received.clear()
    cli("query", "{}", *SPAN, "--limit", "0", "--batch", "4")
    assert [request.param("end") for request in loki.received] == [
        str(T0 + 100 * S),
        *(str(T0 + n * S + 1) for n in (6, 3, 0)),
    ]


def test_limit_over_several_pages_is_exact(cli: Cli, loki: FakeLoki) -> None:
    loki.entries = [(T0 + n * S, {"app": "a"}, f"line {n}") for n in range(50)]
    result = cli("query", "{}", *SPAN, "--limit", "25", "--batch", "10", "-o", "raw")
    assert result.stdout.splitlines() == [f"line {n}" for n in range(49, 24, -1)]
    assert [request.param("limit") for request in loki.received] == ["10", "10", "7"]


def test_equal_entries_at_a_seam_are_counted_not_merged(cli: Cli, loki: FakeLoki) -> None:
    loki.entries = [(T0 + S, {"app": "a"}, line) for line in ("x", "y", "y", "z")] + [(T0, {"app": "a"}, "w")]
    result = cli("query", "{}", *SPAN, "--limit", "0", "--batch", "5", "-o", "raw")
    assert sorted(result.stdout.split()) == ["w", "x", "y", "y", "z"]
    assert len(loki.received) == 2


def test_more_entries_at_one_time_than_a_page_holds(cli: Cli, loki: FakeLoki) -> None:
    loki.entries = [(T0, {"app": "a"}, f"line {n}") for n in range(20)]
    result = cli("query", "{}", *SPAN, "--limit", "0", "--batch", "5", "-o", "raw")
    assert result.exit_code == 1
    assert result.stderr == (
        f"Error: more than 5 entries share the timestamp {T0}, so there is no next page;"
        " ask again with --batch above 5, or with more selective matchers or filters\n"
    )


def test_header_is_printed_again_where_common_labels_change(cli: Cli, loki: FakeLoki) -> None:
    loki.entries = [(T0, WEB, "w")] + [(T0 + n * S, API, f"line {n}") for n in (1, 2, 3)]
    result = cli("query", "{}", *SPAN, "--limit", "0", "--batch", "3")
    assert result.stderr.splitlines() == [
        'Common labels: {app="api", env="prod"}',
        'Common labels: {app="web", env="prod", pod="w-1"}',
    ]


MATRIX = {
    "status": "success",
    "data": {
        "resultType": "matrix",
        "result": [
            {"metric": {"app": "api"}, "values": [[1730000000, "1"], [1730000015.5, "22.5"]]},
            {"metric": {}, "values": [[1730000000, "+Inf"]]},
        ],
        "stats": {},
    },
}


@pytest.mark.parametrize(
    ("options", "printed"),
    [
        (
            (),
            '{app="api"}\n  2024-10-27T03:33:20Z     1\n  2024-10-27T03:33:35.5Z  22.5\n'
            "{}\n  2024-10-27T03:33:20Z  +Inf\n",
        ),
        (("-o", "raw"), '{app="api"}\t1730000000\t1\n{app="api"}\t1730000015.5\t22.5\n{}\t1730000000\t+Inf\n'),
        (
            ("-o", "jsonl"),
            '{"metric":{"app":"api"},"values":[[1730000000,"1"],[1730000015.5,"22.5"]]}\n'
            '{"metric":{},"values":[[1730000000,"+Inf"]]}\n',
        ),
    ],
)
def test_metric_outputs(cli: Cli, loki: FakeLoki, options: tuple[str, ...], printed: str) -> None:
    loki.will_answer(RANGE, MATRIX)
    result = cli("query", "rate({}[1m])", *SPAN, *options)
    assert (result.exit_code, result.stdout, len(loki.received)) == (0, printed, 1)


def test_statistics_of_pages_are_added_up(cli: Cli, loki: FakeLoki) -> None:
    loki.entries = [(T0 + n * S, {"app": "a"}, f"line {n}") for n in range(6)]
    result = cli("query", "{}", *SPAN, "--stats", "-q", "--limit", "0", "--batch", "4")
    assert len(loki.received) == 2
    width = len("querier.store.chunk.decompressedBytes")
    assert result.stderr.splitlines() == [
        f"{name.ljust(width)}  {value}"
        for name, value in (
            ("summary.bytesProcessedPerSecond", "2,000"),
            ("summary.linesProcessedPerSecond", "20"),
            ("summary.totalBytesProcessed", "2,000"),
            ("summary.totalLinesProcessed", "20"),
            ("summary.execTime", "1.000000"),
            ("querier.store.chunk.decompressedBytes", "1,800"),
        )
    ]


def test_warnings_go_to_standard_error(cli: Cli, loki: FakeLoki) -> None:
    loki.will_answer(RANGE, MATRIX | {"warnings": ["partial results"]})
    assert cli("query", "rate({}[1m])").stderr == "warning: partial results\n"


def test_long_queries_travel_in_the_body(cli: Cli, loki: FakeLoki) -> None:
    query = '{app="x"} |= "' + "y" * 5000 + '"'
    assert cli("query", query).exit_code == 0
    (request,) = loki.received
    assert (request.method, request.param("query")) == ("POST", query)


def test_relative_times(cli: Cli, loki: FakeLoki) -> None:
    cli("query", "{}", "--from", "-2h", "--to", "-1h30m")
    cli("query", "{}", "--since", "15m")
    first, second = loki.received
    assert int(first.param("end")) - int(first.param("start")) == 1800 * S
    assert int(second.param("end")) - int(second.param("start")) == 900 * S


def test_empty_result_prints_nothing(cli: Cli, loki: FakeLoki) -> None:
    result = cli("query", "{}")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("query",), "Missing argument 'QUERY'"),
        (("query", "{}", "--since", "tomorrow"), "'tomorrow' is not a duration; give one like 30s, 5m, 1h30m or 7d"),
        (("query", "{}", "--from", "soon"), "Invalid value for --from: 'soon' is not a time"),
        (("query", "{}", "--from", "2026-02-30T00:00:00Z"), "Invalid value for --from"),
        (("query", "{}", "--from", "now", "--to", "-1h"), "lies after --to"),
        (("query", "{}", "--timezone", "Mars/Olympus"), "'Mars/Olympus' is not a time zone"),
        (("query", "{}", "--addr", "ftp://x"), "'ftp://x' is not an address"),
        (("query", "{}", "--addr", "http://x:port"), "'http://x:port' is not an address"),
        (("query", "{}", "--bearer-token", "t", "--username", "u"), "either --bearer-token or --username"),
        (("query", "{}", "-o", "xml"), "'xml' is not one of"),
        (("qury", "{}"), "no such command 'qury': did you mean 'query'?"),
    ],
)
def test_wrong_usage_exits_with_2(offline: Cli, words: tuple[str, ...], complaint: str) -> None:
    result = offline(*words)
    assert result.exit_code == 2
    assert complaint in result.stderr
    assert result.stdout == ""
