"""Templates of alerts: Go's syntax, Prometheus' functions, failures that stand in the text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodur.model.label_set import LabelSet
from lodur.ruler.template.alert_template import AlertTemplates, check_alert_template
from lodur.ruler.template.functions import FUNCTIONS

NOW_NS = 1_700_000_000 * 10**9


def expand(text: str, value: float = 1234.5, **labels: str) -> str:
    assert check_alert_template(text, "A") is None
    templates = AlertTemplates(LabelSet.of({"site": "north"}), "https://grafana.example/sub")
    series = LabelSet.of(labels or {"app": "shop", "instance": "db.example.org:9100"})
    ((_, expanded),) = templates.expand((("x", text),), alert="A", labels=series, value=value, now_ns=NOW_NS)
    return expanded


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("no template", "no template"),
        ("{{ $value }}", "1234.5"),
        ("{{ .Value }} of {{ .Labels.app }}", "1234.5 of shop"),
        ("{{ $labels.app }}{{ $labels.missing }}|", "shop|"),
        ("{{ $externalLabels.site }} {{ $externalURL }}", "north https://grafana.example/sub"),
        ("{{ externalURL }} {{ pathPrefix }}", "https://grafana.example/sub /sub"),
        ("{{ $labels }}", "map[app:shop instance:db.example.org:9100]"),
        ("{{- ` x ` -}}  y", " x y"),
        ("{{/* nothing */}}z", "z"),
        # Numbers.
        ('{{ printf "%.2f" $value }}', "1234.50"),
        ('{{ $value | printf "%06.1f|%-8.0f|%+.1e" 2.5 3.0 }}', "0002.5|3       |+1.2e+03"),
        ('{{ printf "%d %5d %-5s| %q" 7 42 "ab" "q" }}', '7    42 ab   | "q"'),
        ('{{ printf "%v %t %x %c %%" 1.0 true 255 65 }}', "1 true ff A %"),
        ('{{ printf "%d" 1.5 }} {{ printf "%s" }}', "%!d(float64=1.5) %!s(MISSING)"),
        ('{{ printf "a" 1 }}', "a%!(EXTRA int=1)"),
        ("{{ 1e6 }} {{ 100000.0 }} {{ 0.00001 }} {{ 1 }}", "1e+06 100000 1e-05 1"),
        ("{{ $value | humanize }} {{ humanize 0.0123 }} {{ humanize 0 }}", "1.234k 12.3m 0"),
        ("{{ humanize 1e12 }} {{ humanize `NaN` }} {{ humanize `+Inf` }}", "1T NaN +Inf"),
        ("{{ humanize1024 1048576 }} {{ humanize1024 0.5 }}", "1Mi 0.5"),
        ("{{ humanizeDuration 93784.3 }} {{ humanizeDuration 61 }}", "1d 2h 3m 4s 1m 1s"),
        ("{{ humanizeDuration 0.0123 }} {{ humanizeDuration 3.5 }}", "12.3ms 3.5s"),
        ("{{ humanizeDuration -7200 }}", "-2h 0m 0s"),
        ("{{ humanizePercentage 0.12345 }} {{ humanizePercentage 1 }}", "12.35% 100%"),
        ("{{ humanizeTimestamp 1435065584.128 }}", "2015-06-23 13:19:44.128 +0000 UTC"),
        ('{{ parseDuration "1h30m" }} {{ toDuration 90 }} {{ now }}', "5400 1m30s 1.7e+09"),
        # Texts.
        ('{{ title "hello wORLD" }} {{ toUpper "x" }}{{ toLower "Y" }}', "Hello WORLD Xy"),
        ("{{ $labels.instance | stripPort }} {{ $labels.instance | stripDomain }}", "db.example.org db:9100"),
        ('{{ stripDomain "1.2.3.4:80" }}', "1.2.3.4:80"),
        ('{{ match "^a.c" "xabc" }} {{ match "a.c" "xabcx" }}', "false true"),
        ('{{ reReplaceAll "(a)(b)" "$2-${1}" "xabyabz" }}', "xb-ayb-az"),
        ('{{ reReplaceAll "b*" "-" "abc" }} {{ reReplaceAll "x" "y" "abc" }}', "-a--c abc"),
        ('{{ urlQueryEscape "a b/&" }} {{ html "<a>" }}', "a+b%2F%26 &lt;a&gt;"),
        # Control.
        ("{{ if gt $value 1000.0 }}big{{ else }}small{{ end }}", "big"),
        ("{{ if false }}a{{ else if true }}b{{ else }}c{{ end }}", "b"),
        ("{{ range $k, $v := $labels }}{{ $k }}={{ $v }};{{ end }}", "app=shop;instance=db.example.org:9100;"),
        ("{{ range 5 }}{{ if eq . 1 }}{{ continue }}{{ end }}{{ . }}{{ end }}", "0234"),
        ("{{ range 5 }}{{ if eq . 3 }}{{ break }}{{ end }}{{ . }}{{ end }}", "012"),
        ("{{ range $labels.none }}a{{ else }}b{{ end }}", "<error expanding template"),
        ("{{ with $labels.app }}[{{ . }}]{{ end }}{{ with $labels.none }}x{{ else }}-{{ end }}", "[shop]-"),
        ('{{ define "t" }}<{{ . }}>{{ end }}{{ template "t" $value }}', "<1234.5>"),
        ('{{ block "t" $labels.app }}({{ . }}){{ end }}', "(shop)"),
        ("{{ $x := 1 }}{{ if true }}{{ $x = 2 }}{{ end }}{{ $x }}", "2"),
        ('{{ eq $labels.app "no" "shop" }} {{ and true "" }}| {{ or "" 5 }} {{ not 0 }}', "true | 5 true"),
        ('{{ len "häß" }} {{ index $labels "app" }} {{ slice "hello" 1 3 }} {{ print 1 2 "x" 3 }}', "5 shop el 1 2x3"),
        ('{{ ($labels.app | toUpper) }} {{ (args 1 "b").arg1 }}', "SHOP b"),
    ],
)  # fmt: skip
def test_templates(text: str, expanded: str) -> None:
    if expanded.startswith("<error"):
        assert expand(text).startswith(expanded)
    else:
        assert expand(text) == expanded


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{{ $value ", "template: __alert_A:1: unclosed action"),
        ("{{ nothing }}", 'template: __alert_A:1: function "nothing" not defined'),
        ("{{ $nobody }}", 'template: __alert_A:1: undefined variable "$nobody"'),
        ("{{ end }}", "template: __alert_A:1: unexpected {{end}}"),
        ("{{ upper $value }}", 'template: __alert_A:1: function "upper" not defined'),
    ],
)
def test_what_is_no_template_is_refused(text: str, problem: str) -> None:
    assert check_alert_template(text, "A") == problem


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{{ query "up" }}', "there are no queries in templates"),
        ("{{ humanize $labels.app }}", 'strconv.ParseFloat: parsing "shop": invalid syntax'),
        ("{{ $labels.app.name }}", "can't evaluate field name in type string"),
        ("{{ humanizeTimestamp 1e300 }}", "overflows int64"),
        ('{{ define "t" }}{{ template "t" }}{{ end }}{{ template "t" }}', "exceeded maximum template depth"),
        ("{{ range 20000 }}{{ range 20000 }}x{{ end }}{{ end }}", "more steps than a template may take"),
        ('{{ range 1000 }}{{ match "a" "b" }}{{ end }}', "more steps than a template may take"),
        ('{{ reReplaceAll "(" "" "a" }}', "error calling reReplaceAll"),
        ("{{ lt 1 2.0 }}", "incompatible types for comparison"),
        ("{{ index $labels 1 }}", "should be string"),
    ],
)
def test_a_failure_stands_in_the_text(text: str, reason: str) -> None:
    expanded = expand(text)
    assert expanded.startswith("<error expanding template: error executing template __alert_A: ")
    assert reason in expanded


WORDS = st.sampled_from(
    [
        *sorted(FUNCTIONS), "$value", "$labels", "$labels.app", ".", ".Labels", "|", "(", ")", '"a"', "1", "2.5", "nil",
        "true", "if", "range", "with", "end", "else", "define", "break", "$x", ":=", "=", ",", "}}", "{{",
        "}}{{", "`r`",
    ]
)  # fmt: skip


@given(st.lists(WORDS, max_size=12))
def test_whatever_is_a_template_gives_text(words: list[str]) -> None:
    text = "{{ " + " ".join(words) + " }}"
    if check_alert_template(text, "A") is None:
        assert isinstance(expand(text), str)
