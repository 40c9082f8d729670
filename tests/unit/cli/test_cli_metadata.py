"""`lodur instant-query|labels|series|version|completion|serve|agent` and the group itself."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from lodur.app.agent_flags import parse_flags as parse_agent_flags
from lodur.cli.agent import AgentCommand
from lodur.cli.go_flags import GoFlagsCommand
from lodur.cli.main import COMMANDS, lodur
from lodur.cli.serve import ServeCommand
from lodur.config.blocks.all_blocks import CONFIG_FILE
from lodur.config.flags import parse_flags as parse_server_flags
from tests.unit.cli.fake_loki import Cli, FakeLoki

QUERY = "/loki/api/v1/query"


def vector(*samples: tuple[dict[str, str], str]) -> object:
    result = [{"metric": metric, "value": [1730000000.25, value]} for metric, value in samples]
    stats = {"summary": {"totalLinesProcessed": 7}}
    return {"status": "success", "data": {"resultType": "vector", "result": result, "stats": stats}}


@pytest.mark.parametrize(
    ("options", "printed"),
    [
        ((), "app    level  value\napi    error     12\nweb-1           3.5\n"),
        (("-o", "raw"), '{app="api", level="error"}\t1730000000.25\t12\n{app="web-1"}\t1730000000.25\t3.5\n'),
        (
            ("-o", "jsonl"),
            '{"metric":{"app":"api","level":"error"},"value":[1730000000.25,"12"]}\n'
            '{"metric":{"app":"web-1"},"value":[1730000000.25,"3.5"]}\n',
        ),
    ],
)
def test_instant_query(cli: Cli, loki: FakeLoki, options: tuple[str, ...], printed: str) -> None:
    loki.will_answer(QUERY, vector(({"app": "api", "level": "error"}, "12"), ({"app": "web-1"}, "3.5")))
    result = cli("instant-query", "sum(x)", "--now", "1730000000.25", *options)
    assert (result.exit_code, result.stdout, result.stderr) == (0, printed, "")
    (request,) = loki.received
    assert request.params == [
        ("query", "sum(x)"),
        ("time", "1730000000250000000"),
        ("limit", "30"),
        ("direction", "BACKWARD"),
    ]


def test_instant_query_of_a_scalar(cli: Cli, loki: FakeLoki) -> None:
    data = {"resultType": "scalar", "result": [1730000000000, "2"], "stats": {}}
    loki.will_answer(QUERY, {"status": "success", "data": data})
    assert cli("instant-query", "1+1").stdout == "2\n"
    assert cli("instant-query", "1+1", "-o", "raw").stdout == "{}\t1730000000\t2\n"


def test_instant_query_without_samples(cli: Cli, loki: FakeLoki) -> None:
    loki.will_answer(QUERY, vector())
    result = cli("instant-query", "sum(x)", "--stats")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "summary.totalLinesProcessed  7\n")


def test_instant_query_refused(cli: Cli, loki: FakeLoki) -> None:
    text = "log queries are not supported as an instant query type, please change your query to a range query type"
    loki.will_answer(QUERY, text, 400)
    result = cli("instant-query", '{app="x"}')
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: {loki.url} answered 400: {text}\nhint: `lodur query` asks for log lines")


def test_label_names(cli: Cli, loki: FakeLoki) -> None:
    loki.will_answer("/loki/api/v1/labels", {"status": "success", "data": ["app", "env"]})
    result = cli("labels", "--from", "1730000000", "--to", "1730000060", "--query", '{app="x"}')
    assert (result.exit_code, result.stdout) == (0, "app\nenv\n")
    assert loki.received[0].params == [
        ("start", "1730000000000000000"),
        ("end", "1730000060000000000"),
        ("query", '{app="x"}'),
    ]


def test_label_values(cli: Cli, loki: FakeLoki) -> None:
    loki.will_answer("/loki/api/v1/label/a%2Fb/values", {"status": "success", "data": ["1"]})
    assert cli("labels", "a/b").stdout == "1\n"


def test_no_labels(cli: Cli, loki: FakeLoki) -> None:
    loki.will_answer("/loki/api/v1/labels", {"status": "success"})
    result = cli("labels")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")


def test_series(cli: Cli, loki: FakeLoki) -> None:
    sets = [{"app": "web", "q": 'say "hi"\\\n\x00é\u2028'}, {"app": "api"}]
    loki.will_answer("/loki/api/v1/series", {"status": "success", "data": sets})
    result = cli("series", '{app="web"}', '{app="api"}')
    assert result.stdout == '{app="api"}\n{app="web", q="say \\"hi\\"\\\\\\n\\x00é\\u2028"}\n'
    assert [value for name, value in loki.received[0].params if name == "match[]"] == ['{app="web"}', '{app="api"}']


def test_series_analysis(cli: Cli, loki: FakeLoki) -> None:
    sets = [{"app": "web", "pod": str(n)} for n in range(12)] + [{"app": "api"}]
    loki.will_answer("/loki/api/v1/series", {"status": "success", "data": sets})
    assert cli("series", "{}", "--analyze-labels").stdout.splitlines() == [
        "streams  13",
        "labels   2",
        "",
        "label    values   streams",
        "pod          12        12",
        "app           2        13",
    ]


def test_series_needs_a_selector(offline: Cli) -> None:
    assert offline("series").exit_code == 2


def test_version(offline: Cli) -> None:
    result = offline("version")
    assert result.exit_code == 0
    assert result.stdout.startswith("lodur ")


@pytest.mark.parametrize(
    ("shell", "part"),
    [("bash", "complete -o nosort -F"), ("zsh", "#compdef lodur"), ("fish", "complete --no-files --command lodur")],
)
def test_completion(offline: Cli, shell: str, part: str) -> None:
    result = offline("completion", shell)
    assert result.exit_code == 0
    assert part in result.stdout
    assert "_LODUR_COMPLETE" in result.stdout


def test_completion_of_an_unknown_shell(offline: Cli) -> None:
    assert offline("completion", "tcsh").exit_code == 2


def test_completion_script_lists_commands_and_options() -> None:
    def complete(words: str, at: int) -> str:
        env = {"_LODUR_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(at)}
        return CliRunner(env=env).invoke(lodur, prog_name="lodur", complete_var="_LODUR_COMPLETE").output

    assert complete("lodur inst", 1) == "plain,instant-query\n"
    assert "plain,--analyze-labels" in complete("lodur series --an", 2)
    assert "plain,jsonl" in complete("lodur query -o js", 3)


def test_list_of_commands_says_what_each_says_of_itself() -> None:
    ctx = lodur.make_context("lodur", ["--help"], resilient_parsing=True)
    for entry in COMMANDS:
        command = lodur.get_command(ctx, entry.name)
        assert command is not None
        assert command.name == entry.name
        assert (command.help or "").split("\n\n")[0].replace("\n", " ") == entry.summary


@pytest.mark.parametrize("name", [None, *(entry.name for entry in COMMANDS)])
def test_every_help_has_an_example(offline: Cli, name: str | None) -> None:
    result = offline(*([name] if name else []), "--help")
    assert result.exit_code == 0
    assert "Examples:\n" in result.stdout
    assert f"    lodur {name or 'dev'}" in result.stdout or f"(lodur {name} " in result.stdout


@pytest.mark.parametrize("word", ["-h", "-help", "--help"])
def test_help_of_the_server_in_all_spellings(offline: Cli, word: str) -> None:
    result = offline("serve", "-config.file=x.yaml", word)
    assert result.exit_code == 0
    assert "-config.file=FILE" in result.stdout


def test_flags_of_server_and_agent_are_passed_on_untouched() -> None:
    seen = []

    class Probe(GoFlagsCommand):
        pass

    command = Probe("probe", callback=lambda argv: seen.append(argv), add_help_option=False)
    words = ["-config.file=a.yaml", "--target", "all", "-auth.enabled=false", "--", "-h2", "rest", "-abc"]
    result = CliRunner().invoke(command, words)
    assert result.exit_code == 0
    assert seen == [tuple(words)]


def flag_words(command: type[GoFlagsCommand]) -> list[str]:
    """The flags of a help as they would be typed, with values that make sense."""
    values = {"FILE": "x.yaml", "ADDR": "127.0.0.1", "URL": "http://x/loki/api/v1/push"}
    typed = []
    for flag in command.flags:
        name, equals, value = flag.usage.partition("=")
        typed.append(f"{name}{equals}{values.get(value, value)}")
    return typed


def test_flags_in_the_servers_help_are_known_to_it() -> None:
    parse_server_flags(flag_words(ServeCommand), CONFIG_FILE)


def test_flags_in_the_agents_help_are_known_to_it() -> None:
    parse_agent_flags(flag_words(AgentCommand))


def test_without_a_command_the_help_is_shown(offline: Cli) -> None:
    result = offline()
    assert result.exit_code == 2
    assert "instant-query" in result.output


def test_jsonl_lines_are_json(cli: Cli, loki: FakeLoki) -> None:
    loki.entries = [(1_730_000_000_000_000_000, {"a": "é"}, 'x\n"y"')]
    result = cli("query", "{}", "--from", "1730000000", "-o", "jsonl")
    assert json.loads(result.stdout)["line"] == 'x\n"y"'
    assert result.stdout.count("\n") == 1
