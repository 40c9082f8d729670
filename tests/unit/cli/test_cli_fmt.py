"""`lodur fmt`: what it prints, checks and writes, and that it never loses a word."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.cli.fake_loki import Cli

UGLY = 'sum(rate({app="shop"}|json[5m]))by(level)'
NEAT = 'sum by (level)(rate({app="shop"} | json[5m]))\n'
LONG = (
    '{namespace="payments-production", container=~"one|two|three|four"} |= "error message text" | logfmt | status>=500'
)


def test_prints_the_query_laid_out(offline: Cli) -> None:
    result = offline("fmt", UGLY)
    assert (result.exit_code, result.stdout, result.stderr) == (0, NEAT, "")


def test_breaks_what_is_long(offline: Cli) -> None:
    assert offline("fmt", LONG).stdout.splitlines() == [
        '{namespace="payments-production", container=~"one|two|three|four"}',
        '  |= "error message text"',
        "  | logfmt",
        "  | status>=500",
    ]


@pytest.mark.parametrize("words", [("fmt",), ("fmt", "-")])
def test_reads_standard_input(offline: Cli, words: tuple[str, ...]) -> None:
    assert offline(*words, typed=f"\n{UGLY}\n\n").stdout == NEAT


def test_several_are_parted_by_a_blank_line(offline: Cli, tmp_path: Path) -> None:
    (tmp_path / "q.logql").write_text(UGLY)
    result = offline("fmt", str(tmp_path / "q.logql"), '{a="b"}')
    assert result.stdout == f'{NEAT}\n{{a="b"}}\n'


def test_check_names_what_is_not_formatted(offline: Cli, tmp_path: Path) -> None:
    ugly, neat = tmp_path / "ugly.logql", tmp_path / "neat.logql"
    ugly.write_text(UGLY)
    neat.write_text(NEAT)
    result = offline("fmt", "--check", str(ugly), str(neat))
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", f"{ugly}: not formatted\n")
    assert ugly.read_text() == UGLY
    assert offline("fmt", "--check", str(neat), NEAT.strip()).exit_code == 0
    assert offline("fmt", "--check", typed=NEAT).exit_code == 0


def test_write_changes_the_files_once(offline: Cli, tmp_path: Path) -> None:
    file = tmp_path / "q.logql"
    file.write_text(f"# who is slow\n\n#  and why\n{UGLY}\n")
    assert offline("fmt", "-w", str(file)).stderr == f"{file}: formatted\n"
    assert file.read_text() == f"# who is slow\n#  and why\n{NEAT}"
    again = offline("fmt", "--write", str(file))
    assert (again.exit_code, again.stdout, again.stderr) == (0, "", "")


@pytest.mark.parametrize("text", [f"{UGLY} # why", '{a="b"}\n# here\n| json', f"{UGLY}\n# below"])
def test_a_comment_that_would_be_lost_is_refused(offline: Cli, tmp_path: Path, text: str) -> None:
    file = tmp_path / "q.logql"
    file.write_text(text)
    result = offline("fmt", "--write", str(file))
    assert result.exit_code == 1
    assert "a comment within the query would be lost" in result.stderr
    assert file.read_text() == text


def test_a_mark_in_a_text_is_no_comment(offline: Cli) -> None:
    assert offline("fmt", '{a="b"}|="#1"').stdout == '{a="b"} |= "#1"\n'


def test_errors_have_a_caret_and_a_hint_and_do_not_stop_the_others(offline: Cli, tmp_path: Path) -> None:
    file = tmp_path / "q.logql"
    file.write_text('# count\nrate({app="shop"})\n')
    result = offline("fmt", str(file), UGLY)
    assert (result.exit_code, result.stdout) == (1, NEAT)
    assert result.stderr.splitlines() == [
        f"Error: {file}: parse error at line 2, col 18: syntax error: unexpected )",
        'rate({app="shop"})',
        "                 ^",
        "hint: a window is missing: rate({…}[5m])",
    ]


@pytest.mark.parametrize(
    "words", [("fmt", "--write", UGLY), ("fmt", "--write", "--check", "x"), ("fmt", "missing.logql"), ("fmt", "-w")]
)
def test_wrong_usage(offline: Cli, words: tuple[str, ...]) -> None:
    assert offline(*words, typed="").exit_code == 2


def test_a_file_that_is_not_utf_8(offline: Cli, tmp_path: Path) -> None:
    file = tmp_path / "q.logql"
    file.write_bytes(b'{a="\xff"}')
    result = offline("fmt", str(file))
    assert result.exit_code == 1
    assert "is not UTF-8: byte 4 is 0xff" in result.stderr
