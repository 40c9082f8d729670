"""`lodur rules`, against files and a fake server."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.cli.fake_loki import Cli, FakeLoki

RULES = "/loki/api/v1/rules"

SHOP = """\
groups:
  - name: errors
    interval: 1m
    rules:
      - alert: ManyErrors
        expr: sum by (pod) (rate({app="shop"} |= "error" [5m])) > 0.1
        for: 10m
        labels: {severity: page}
        annotations: {summary: '{{ $labels.pod }}: {{ $value | humanize }} a second'}
      - record: shop:errors:rate5m
        expr: sum by (pod) (rate({app="shop"} |= "error" [5m]))
"""

TESTS = """\
rule_files: [shop.yaml]
tests:
  - name: errors
    input_streams:
      - labels: {app: shop, pod: a}
        lines:
          - {line: 'error: no stock', to: 30m, every: 5s}
      - labels: {app: shop, pod: b}
        lines:
          - {line: 'error: once', at: 3m, metadata: {trace: x}}
          - {line: 'fine', from: 1m, to: 30m, every: 1s}
    alert_rule_test:
      - {eval_time: 5m, alertname: ManyErrors}
      - eval_time: 16m
        alertname: ManyErrors
        exp_alerts:
          - exp_labels: {pod: a, severity: page}
            exp_annotations: {summary: 'a: 200m a second'}
    record_rule_test:
      - eval_time: 5m
        record: shop:errors:rate5m
        exp_samples:
          - {labels: {pod: a}, value: 0.2}
          - {labels: {pod: b}, value: 0.0033333333333}
    logql_expr_test:
      - expr: sum(count_over_time({app="shop"} |= "fine" [30m]))
        eval_time: 30m
        exp_samples: [{value: 1741}]
"""

ON_SERVER = """\
shop:
  - name: errors
    rules:
      - {alert: ManyErrors, expr: vector(1)}
  - name: old
    rules: []
other/ns:
  - name: g
    interval: 30s
    rules: []
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shop.yaml").write_text(SHOP)
    (tmp_path / "shop_test.yaml").write_text(TESTS)
    return tmp_path


def test_good_files_are_passed_over(offline: Cli, folder: Path) -> None:
    result = offline("rules", "lint", str(folder / "shop.yaml"))
    assert (result.exit_code, result.output) == (0, "")


def test_what_is_wrong_is_told_by_line(offline: Cli, folder: Path) -> None:
    file = folder / "bad.yaml"
    file.write_text(
        """\
groups:
  - name: a
    rules:
      - {alert: A, expr: '{app="x"}'}
      - {alert: B, expr: 'sum('}
      - {record: c-d, expr: 'vector(1)', for: 1m}
  - name: a
    rules: []
"""
    )
    result = offline("rules", "lint", str(file))
    assert result.exit_code == 1
    told = [line.removeprefix(f"{file}:") for line in result.stderr.splitlines()]
    assert [line.partition(":")[0] for line in told] == ["4", "5", "6", "6", "7"]
    assert "selects lines" in told[0]
    assert "could not parse expression for alert 'B' in group 'a': parse error" in told[1]
    assert "is repeated in the same file" in told[4]
    file.write_text("groups: [{name: a, rulez: []}]")
    assert "field rulez not found" in offline("rules", "lint", str(file)).stderr


def test_tests_that_pass(offline: Cli, folder: Path) -> None:
    result = offline("rules", "test", str(folder / "shop_test.yaml"))
    assert result.output == f"ok    {folder / 'shop_test.yaml'}: errors\n"
    assert result.exit_code == 0


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ("value: 0.2}", "value: 0.3}", ['expected {pod="a"} 0.3', 'got      {pod="a"} 0.2']),
        ("200m", "201m", ['summary="a: 201m a second"', 'summary="a: 200m a second"']),
        ("eval_time: 16m", "eval_time: 8m", ["ManyErrors at 8m", "got      nothing"]),
        ("{eval_time: 5m,", "{eval_time: 20m,", ["ManyErrors at 20m", "expected nothing"]),
        ("value: 1741", "value: 1", ["expected {} 1", "got      {} 1741"]),
        ("alertname: ManyErrors}", "alertname: No}", ["there is no alert No"]),
        ("record: shop:errors:rate5m", "record: no", ["there is no recording rule no"]),
        ("at: 3m", "at: soon", ["not a valid duration string"]),
        ("to: 30m, every: 5s", "to: 30m", ["needs 'at', or 'to' and 'every'"]),
        ("to: 30m, every: 5s", "to: 10w, every: 1ms", ["at most 1000000 are made"]),
    ],
)
def test_tests_that_fail(offline: Cli, folder: Path, right: str, wrong: str, told: list[str]) -> None:
    assert right in TESTS
    (folder / "shop_test.yaml").write_text(TESTS.replace(right, wrong))
    result = offline("rules", "test", str(folder / "shop_test.yaml"))
    assert result.exit_code == 1
    assert result.output.startswith("FAIL")
    assert [text for text in told if text not in result.output] == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("tests: [{nam: x}]", "unknown field `nam`"),
        ("rule_files: [none.yaml]", "none.yaml"),
        ("evaluation_interval: 0s", "evaluation_interval is 0"),
        ("[", "while parsing"),
    ],
)
def test_files_of_tests_that_are_wrong(offline: Cli, folder: Path, text: str, told: str) -> None:
    (folder / "shop_test.yaml").write_text(text)
    result = offline("rules", "test", str(folder / "shop_test.yaml"))
    assert result.exit_code == 1
    assert told in result.stderr


def test_list_and_get(cli: Cli, loki: FakeLoki) -> None:
    loki.will_answer(RULES, ON_SERVER)
    listed = cli("rules", "list").output.splitlines()
    assert [line.split() for line in listed[1:]] == [
        ["shop", "errors", "1", "-"],
        ["shop", "old", "0", "-"],
        ["other/ns", "g", "0", "30s"],
    ]
    assert cli("rules", "get", "other/ns").output == "groups:\n  - name: g\n    interval: 30s\n    rules: []\n"
    assert cli("rules", "get", "other/ns", "g").output == "name: g\ninterval: 30s\nrules: []\n"
    missing = cli("rules", "get", "shop", "none")
    assert missing.exit_code == 1
    assert "there is no group none in namespace shop" in missing.stderr


def test_a_server_without_rules(cli: Cli, loki: FakeLoki) -> None:
    loki.will_answer(RULES, "no rule groups found\n", status=404)
    assert len(cli("rules", "list").output.splitlines()) == 1
    loki.answers[RULES].clear()
    loki.will_answer(RULES, "404 page not found\n", status=404)
    assert "is this the address of a Loki-compatible server?" in cli("rules", "list").stderr


def test_diff_tells_what_sync_does(cli: Cli, loki: FakeLoki, folder: Path) -> None:
    loki.will_answer(RULES, ON_SERVER)
    for path in (f"{RULES}/shop", f"{RULES}/shop/old", f"{RULES}/other%2Fns/g"):
        loki.will_answer(path, "{}", status=202)
    shop = str(folder / "shop.yaml")
    diff = cli("rules", "diff", shop)
    assert diff.exit_code == 1
    assert [line for line in diff.output.splitlines() if not line.startswith(" ")] == ["~ shop/errors", "- shop/old"]
    assert "    -  - alert: ManyErrors" not in diff.output
    assert "    -    expr: vector(1)" in diff.output
    assert cli("rules", "sync", shop).output == "change  shop  errors\ndelete  shop  old\n"
    changes = [(one.method, one.path) for one in loki.received if one.method != "GET"]
    assert changes == [("POST", f"{RULES}/shop"), ("DELETE", f"{RULES}/shop/old")]
    assert cli("rules", "sync", "--prune", shop).output.splitlines()[0] == "delete  other/ns  g"


def test_nothing_is_changed_where_a_file_is_wrong(cli: Cli, loki: FakeLoki, folder: Path) -> None:
    (folder / "bad.yaml").write_text("groups: [{name: g, rules: [{alert: A}]}]")
    result = cli("rules", "sync", str(folder / "shop.yaml"), str(folder / "bad.yaml"))
    assert result.exit_code == 1
    assert "bad.yaml:1: field 'expr' must be set in rule" in result.stderr
    assert loki.received == []


def test_a_file_names_its_namespace(cli: Cli, loki: FakeLoki, folder: Path) -> None:
    (folder / "named.yaml").write_text("namespace: a b\ngroups: [{name: g, rules: []}]")
    loki.will_answer(RULES, "{}")
    loki.will_answer(f"{RULES}/a%20b", "{}", status=202)
    assert cli("rules", "sync", str(folder / "named.yaml")).output == "add     a b  g\n"
    loki.answers[RULES].clear()
    loki.will_answer(RULES, "a b:\n- {name: g, rules: []}\n")
    same = cli("rules", "diff", str(folder / "named.yaml"))
    assert (same.exit_code, same.output) == (0, "")


def test_delete(cli: Cli, loki: FakeLoki) -> None:
    loki.will_answer(f"{RULES}/a%2Fb", "{}", status=202)
    loki.will_answer(f"{RULES}/a%2Fb/g", "group does not exist\n", status=404)
    assert cli("rules", "delete", "a/b").exit_code == 0
    refused = cli("rules", "delete", "a/b", "g")
    assert refused.exit_code == 1
    assert "group does not exist" in refused.stderr
