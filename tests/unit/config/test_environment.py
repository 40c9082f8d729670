"""Expansion of environment variables: the table of the reference page, and what the table implies."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodur.config.environment import EXPANDED_CHARS_MAX, NESTING_MAX, ExpansionError, expand_env

ENVIRON = {"VAR": "Value", "EMPTY": "", "DOLLAR": "${VAR}", "PATHS": "a/b/a", "_x1": "u"}

CASES = [
    ("${VAR}", "Value"),
    ("${MISSING}", ""),
    ("${EMPTY}", ""),
    ("a ${VAR} b ${_x1} c", "a Value b u c"),
    ("${MISSING:-d}", "d"),
    ("${EMPTY:-d}", "d"),
    ("${VAR:-d}", "Value"),
    ("${MISSING:=d}", "d"),
    ("${EMPTY:=d}", "d"),
    ("${VAR:=d}", "Value"),
    ("${MISSING:?is not set}", "is not set"),
    ("${VAR:?is not set}", "Value"),
    ("${MISSING:-}", ""),
    ("${MISSING:-a b: c}", "a b: c"),
    ("${VAR^^}", "VALUE"),
    ("${VAR,,}", "value"),
    ("${#VAR}", "5"),
    ("${#MISSING}", "0"),
    ("${VAR:0:3}", "Val"),
    ("${VAR:1}", "alue"),
    ("${VAR:9:3}", ""),
    ("${VAR: -3:2}", "lu"),
    ("${VAR:1:-1}", "alu"),
    ("${VAR/al/o}", "Voue"),
    ("${PATHS/a/c}", "c/b/a"),
    ("${VAR/l}", "Vaue"),
    ("${VAR/zz/o}", "Value"),
    ("$VAR", "$VAR"),
    ("$", "$"),
    ("a$ b$1 $(c)", "a$ b$1 $(c)"),
    ("$${VAR}", "${VAR}"),
    ("$$VAR", "$VAR"),
    ("$$$${VAR}", "$${VAR}"),
    ("$$${VAR}", "$Value"),
    ("${DOLLAR}", "${VAR}"),
    ("${MISSING:-${VAR}}", "Value"),
    ("${MISSING:-x${MISSING:-y}z}", "xyz"),
    ("${MISSING:-$$}", "$"),
    ("no variables: {a: b} }", "no variables: {a: b} }"),
    ("\\${VAR}", "\\Value"),
]


@pytest.mark.parametrize(("text", "expanded"), CASES)
def test_table(text: str, expanded: str) -> None:
    assert expand_env(text, ENVIRON) == expanded


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("${VAR-d}", 1, "missing closing brace"),
        ("a: 1\nb: ${VAR", 2, "missing closing brace"),
        ("${VAR:-d", 1, "missing closing brace"),
        ("${VAR/a", 1, "missing closing brace"),
        ("${VAR^}", 1, "missing closing brace"),
        ("${VAR:x}", 1, "missing closing brace"),
        ("${#VAR:-1}", 1, "missing closing brace"),
        ("\n\n${}", 3, "bad substitution: ${ must be followed by a variable's name"),
        ("${ VAR}", 1, "bad substitution: ${ must be followed by a variable's name"),
        ("${1}", 1, "bad substitution: ${ must be followed by a variable's name"),
        ("${A:-" * (NESTING_MAX + 2), 1, f"variables nested deeper than {NESTING_MAX} levels"),
    ],
)
def test_errors_name_the_line(text: str, line: int, problem: str) -> None:
    with pytest.raises(ExpansionError) as caught:
        expand_env(text, ENVIRON)
    assert (caught.value.line, caught.value.problem) == (line, problem)


def test_the_result_is_bounded() -> None:
    with pytest.raises(ExpansionError, match="more than"):
        expand_env("${LONG}" * 100, {"LONG": "x" * (EXPANDED_CHARS_MAX // 50)})


@given(st.text())
def test_doubled_dollars_give_the_text_back(text: str) -> None:
    assert expand_env(text.replace("$", "$$"), ENVIRON) == text


@given(st.text().filter(lambda text: "${" not in text and "$$" not in text))
def test_text_without_variables_stays(text: str) -> None:
    assert expand_env(text, ENVIRON) == text


@given(st.text(), st.text().map(lambda text: text.replace("$", "").replace("{", "")))
def test_values_are_put_in_as_they_are(value: str, around: str) -> None:
    assert expand_env(f"{around}${{V}}{around}", {"V": value}) == f"{around}{value}{around}"


@given(st.text(alphabet="${}:-=?^,#/AB01 \n"), st.dictionaries(st.sampled_from(["A", "B", "AB"]), st.text()))
def test_any_text_expands_or_is_refused(text: str, environ: dict[str, str]) -> None:
    with suppress(ExpansionError):
        expand_env(text, environ)
