"""`lodur volume|volume_range|stats|detected-fields|patterns`."""

from __future__ import annotations

import json

from tests.unit.cli.fake_loki import Cli, FakeLoki

API = "/loki/api/v1"
SPAN = ("--from", "1730000000", "--to", "1730003600")
SPAN_PARAMS = [("start", "1730000000000000000"), ("end", "1730003600000000000")]


def test_volume(cli: Cli, loki: FakeLoki) -> None:
    result = [
        {"metric": {"app": "web"}, "value": [1730003600, "2048"]},
        {"metric": {"app": "api"}, "value": [1730003600, "7"]},
    ]
    data = {"resultType": "vector", "result": result, "stats": {}}
    loki.will_answer(f"{API}/index/volume", {"status": "success", "data": data})
    answer = cli("volume", '{app=~".+"}', *SPAN, "--targetLabels", "app,env", "--aggregateByLabels")
    assert (answer.exit_code, answer.stdout) == (0, "app  value\nweb   2048\napi      7\n")
    assert loki.received[0].params == [
        ("query", '{app=~".+"}'),
        *SPAN_PARAMS,
        ("limit", "30"),
        ("aggregateBy", "labels"),
        ("targetLabels", "app,env"),
    ]


def test_volume_range(cli: Cli, loki: FakeLoki) -> None:
    result = [{"metric": {"app": "web"}, "values": [[1730001799.999, "10"], [1730003600, "20"]]}]
    data = {"resultType": "matrix", "result": result, "stats": {}}
    loki.will_answer(f"{API}/index/volume_range", {"status": "success", "data": data})
    answer = cli("volume_range", "{}", *SPAN, "--step", "30m", "--limit", "5", "-o", "raw")
    assert answer.stdout == '{app="web"}\t1730001799.999\t10\n{app="web"}\t1730003600\t20\n'
    assert loki.received[0].params == [
        ("query", "{}"),
        *SPAN_PARAMS,
        ("limit", "5"),
        ("aggregateBy", "series"),
        ("step", "1800"),
    ]


def test_steps_of_less_than_a_second_are_refused(cli: Cli) -> None:
    answer = cli("volume_range", "{}", "--step", "500ms")
    assert answer.exit_code == 2
    assert "'500ms' is less than a second" in answer.stderr


def test_stats(cli: Cli, loki: FakeLoki) -> None:
    loki.will_answer(f"{API}/index/stats", {"streams": 9, "chunks": 12, "bytes": 63488, "entries": 4610})
    answer = cli("stats", '{app="web"}', *SPAN)
    assert answer.stdout == "bytes    63,488\nchunks   12\nstreams  9\nentries  4,610\n"
    assert loki.received[0].params == [("query", '{app="web"}'), *SPAN_PARAMS]


def test_detected_fields(cli: Cli, loki: FakeLoki) -> None:
    fields = [
        {"label": "took", "type": "duration", "cardinality": 12, "parsers": ["logfmt"]},
        {"label": "detected_level", "type": "string", "cardinality": 3, "parsers": None},
    ]
    loki.will_answer(f"{API}/detected_fields", {"fields": fields, "limit": 100})
    answer = cli("detected-fields", '{app="web"}', *SPAN)
    assert answer.stdout == (
        "label           type      values  parsers\n"
        "detected_level  string         3\n"
        "took            duration      12  logfmt\n"
    )
    assert loki.received[0].params[-2:] == [("limit", "100"), ("line_limit", "1000")]
    loki.will_answer(f"{API}/detected_field/took/values", {"values": ["5ms", "1s"], "limit": 100})
    assert cli("detected-fields", '{app="web"}', "took").stdout == "5ms\n1s\n"


def test_no_fields(cli: Cli, loki: FakeLoki) -> None:
    loki.will_answer(f"{API}/detected_fields", {})
    loki.will_answer(f"{API}/detected_field/x/values", {})
    assert cli("detected-fields", '{app="web"}').stdout == ""
    assert cli("detected-fields", '{app="web"}', "x").stdout == ""


def test_patterns(cli: Cli, loki: FakeLoki) -> None:
    data = [
        {"pattern": "job <_> done", "level": "info", "samples": [[1730000000, 3]]},
        {"pattern": "user <_> in", "level": "unknown", "samples": [[1730000000, 9], [1730000010, 4]]},
    ]
    loki.will_answer(f"{API}/patterns", {"status": "success", "data": data})
    assert cli("patterns", '{app="web"}', *SPAN).stdout == "13  unknown  user <_> in\n 3  info     job <_> done\n"


def test_lists_as_json(cli: Cli, loki: FakeLoki) -> None:
    loki.will_answer(f"{API}/labels", {"status": "success", "data": ["app", "env"]})
    loki.will_answer(f"{API}/series", {"status": "success", "data": [{"b": "2", "a": "1"}, {"a": "0"}]})
    loki.will_answer(f"{API}/index/stats", {"streams": 1, "chunks": 2, "bytes": 3, "entries": 4})
    loki.will_answer(f"{API}/detected_field/x/values", {})
    assert cli("labels", "-o", "jsonl").stdout == '"app"\n"env"\n'
    assert json.loads(cli("labels", "-o", "json").stdout) == ["app", "env"]
    assert json.loads(cli("series", "{}", "-o", "json").stdout) == [{"a": "0"}, {"a": "1", "b": "2"}]
    analysed = json.loads(cli("series", "{}", "--analyze-labels", "-o", "json").stdout)
    assert analysed == [{"label": "a", "values": 2, "streams": 2}, {"label": "b", "values": 1, "streams": 1}]
    assert json.loads(cli("stats", "{}", "-o", "jsonl").stdout) == {"streams": 1, "chunks": 2, "bytes": 3, "entries": 4}
    assert cli("detected-fields", "{}", "x", "-o", "json").stdout == "[]\n"
