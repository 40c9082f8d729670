from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodur.logql.template_syntax import TemplateSyntaxError, check_template


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("{{", "1: unclosed action"),
        ("{{.x", "1: unclosed action"),
        ("a\nb{{.x", "2: unclosed action"),
        ("{{}}", "1: missing value for command"),
        ("{{if}}", "1: missing value for if"),
        ("{{ range }}", "1: missing value for range"),
        ("{{end}}", "1: unexpected {{end}}"),
        ("{{else}}", "1: unexpected {{else}}"),
        ("{{if .a}}{{else}}{{else}}{{end}}", "1: expected end; found {{else}}"),
        ("{{if .a}}x", "1: unexpected EOF"),
        ('{{dict "a"}}', '1: function "dict" not defined'),
        ("{{.a | nosuch}}", '1: function "nosuch" not defined'),
        ("{{$x}}", '1: undefined variable "$x"'),
        ("{{if $x := .a}}{{end}}{{$x}}", '1: undefined variable "$x"'),
        ('{{.a | "b"}}', "1: non executable command in pipeline stage 2"),
        ("{{(.a}}", "1: unclosed left paren"),
        ("{{.a)}}", "1: unexpected right paren"),
        ('{{"a}}', "1: unterminated quoted string"),
        ("{{'}}", "1: unterminated character constant"),
        ("{{/* a", "1: unclosed comment"),
        ("{{/* a */ b}}", "1: comment ends before closing delimiter"),
        ("{{#}}", '1: unexpected "#" in command'),
        ("{{\u00a0}}", "1: unrecognized character in action: U+00A0"),
        ("{{.a-b}}", "1: bad character U+002D '-'"),
        ("{{1.a}}", '1: bad number syntax: "1.a"'),
        ("{{089}}", '1: integer overflow: "089"'),
        ("{{99999999999999999999}}", '1: integer overflow: "99999999999999999999"'),
        ("{{1__0}}", '1: illegal number syntax: "1__0"'),
        ("{{'ab'}}", "1: malformed character constant: 'ab'"),
        ('{{"\\q"}}', "1: invalid syntax"),
        ('{{"a".b}}', '1: unexpected . after term "\\"a\\""'),
        ("{{.a..b}}", "1: unexpected <.> in operand"),
        ("{{$a, $b := .a}}", "1: too many declarations in command"),
        ("{{range $a, 5 := .}}{{end}}", "1: range can only initialize variables"),
        ('{{define "x"}}a{{end}}{{define "x"}}b{{end}}', '1: template: multiple definition of template "x"'),
        ('{{range .}}{{define "x"}}{{end}}{{end}}', "1: unexpected <define> in command"),
        ('a\n{{ .a \n "x', "3: unterminated quoted string in action started at line:2"),
        ("{{if .a}}" * 200, "1: nested too deeply: at most 100 levels are read"),
        ("{{| .a}}", '1: unexpected "|" in command'),
        ("{{print , .a}}", '1: unexpected "," in operand'),
        ("{{break}}", "1: {{break}} outside {{range}}"),
        (
            "{{" + "(" * 200 + "1" + ")" * 200 + "}}",
            "1: nested too deeply: at most 100 levels are read",
        ),
    ],
)
def test_errors_are_worded_as_in_go(text: str, error: str) -> None:
    with pytest.raises(TemplateSyntaxError) as refused:
        check_template(text, "line")
    assert str(refused.value) == f"template: line:{error}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no action } }}",
        "{{.a}} {{ .b | upper | trunc 3 }}",
        '{{ .a | replace "}}" "x" }}',
        "{{- .a -}}",
        "{{/* a }} comment */}}{{- /* b */ -}}",
        "{{if eq .a `b`}}x{{else if .c}}y{{else}}z{{end}}",
        "{{range $i, $e := fromJson .a}}{{$i}}{{$e.name}}{{break}}{{end}}",
        "{{with $x := .a}}{{$x}}{{$x = .b}}{{else}}{{end}}",
        "{{ $x := .a }}{{ $x }}{{ $ }}",
        "{{ div (sub 1.5 -2) 'a' }}",
        "{{ .x | }}",
        "{{ __line__ }}{{ __timestamp__ | unixEpoch }}",
        '{{ define "t" }}x{{ end }}{{ template "t" . }}{{ template "t" }}{{ block "u" .a }}{{ end }}',
        "{{ true }}{{ nil }}",
        "{{ (index .a 0).name }}",
        '{{ printf\n"%s" .a }}',
    ],
)
def test_accepted(text: str) -> None:
    check_template(text, "line")


@given(
    st.lists(
        st.sampled_from(
            [
                "{{",
                "}}",
                "{{- ",
                " -}}",
                "if",
                "end",
                "else",
                "range",
                ".a",
                "$x",
                ":=",
                "|",
                "(",
                ")",
                " ",
                "upper",
                '"',
                "`",
                "/*",
                "*/",
                "1",
                "define",
                ",",
            ]
        )
    ).map("".join)
)
def test_any_text_is_a_template_or_refused(text: str) -> None:
    try:
        check_template(text, "label")
    except TemplateSyntaxError as error:
        message = str(error)
    else:
        message = "template: label:"
    assert message.startswith("template: label:")
