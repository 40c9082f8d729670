"""Queries that are wrong, each in its own way, with the answer that each must get. Start at `MALFORMED`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlencode

CONFIG = """
auth_enabled: true
"""

TENANT = {"X-Scope-OrgID": "outsider"}
JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}

API = "/loki/api/v1"
RANGE, INSTANT, SERIES, LABELS = f"{API}/query_range", f"{API}/query", f"{API}/series", f"{API}/labels"
VALUES, STATS, FORMAT = f"{API}/label/app/values", f"{API}/index/stats", f"{API}/format_query"

LOGS = '{app="x"}'
COUNTED = 'sum(count_over_time({app="x"}[1m]))'
BYTES_MAX = 131_072

BAD = 400


@dataclass(frozen=True, slots=True)
class Malformed:
    """A query and what its answer must be: a status, and a text that names the matter."""

    name: str
    target: str
    says: str
    status: int = BAD
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=lambda: TENANT)
    body: bytes | None = None


def _asked(name: str, path: str, says: str, **params: str) -> Malformed:
    return Malformed(name, f"{path}?{urlencode(params)}", says)


def _query(name: str, query: str, says: str) -> Malformed:
    """A text too long for a URL goes into the body."""
    if len(query) < 4000:
        return _asked(f"query: {name}", RANGE, says, query=query)
    return _form(f"query: {name}", urlencode({"query": query}).encode(), says)


def _form(name: str, body: bytes, says: str, path: str = RANGE, status: int = BAD) -> Malformed:
    return Malformed(name, path, says, status, "POST", TENANT | FORM, body)


def _param(name: str, says: str, query: str = LOGS, **params: str) -> Malformed:
    return _asked(f"param: {name}", RANGE, says, query=query, **params)


_SYNTAX = tuple(
    _query(name, query, says)
    for name, query, says in (
        ("nothing", "", "parse error : syntax error: unexpected $end"),
        ("a word", "hello", "parse error"),
        ("SQL", "SELECT * FROM logs", "parse error"),
        ("a selector left open", '{app="x"', "unexpected $end"),
        ("a selector without value", "{app=}", "expecting STRING"),
        ("a selector without quotes", "{app=x}", "unexpected IDENTIFIER"),
        ("single quotes", "{app='x'}", "parse error at line 1, col 6"),
        ("a comma at the end", '{app="x",}', "unexpected }"),
        ("two selectors", '{a="b"}{c="d"}', "unexpected {"),
        ("a text left open", '{app="x}', "parse error at line 1, col 6"),
        ("an unknown escape", r'{app="\q"}', "invalid char escape"),
        ("half a surrogate pair", r'{app="\ud800"}', "invalid char escape"),
        ("a NUL", '{app="a\0b"}', "NUL"),
        ("a pipe without a stage", '{app="x"} |', "unexpected $end"),
        ("an unknown stage", '{app="x"} | frobnicate', "parse error"),
        ("a filter without text", '{app="x"} |=', "expecting"),
        ("a filter with a number", '{app="x"} |= 5', "unexpected NUMBER"),
        ("an unknown function", 'increase({app="x"}[1m])', "parse error"),
        ("a function left open", 'rate({app="x"}[1m]', "unexpected $end"),
        ("a function without a range", 'rate({app="x"})', "parse error"),
        ("a range of a word", 'rate({app="x"}[soon])', 'not a valid duration string: "soon"'),
        ("a range without a unit", 'rate({app="x"}[5])', 'not a valid duration string: "5"'),
        ("a range with a fraction", 'rate({app="x"}[1.5h])', '"1.5h"'),
        ("a range of nothing", 'rate({app="x"}[])', "duration"),
        ("a negative range", 'rate({app="x"}[-5m])', "duration"),
        ("a range that overflows", f'rate({{app="x"}}[{"9" * 25}y])', "duration"),
        ("a range left open", 'rate({app="x"}[5m', "parse error"),
        ("a subquery", 'sum_over_time(rate({app="x"}[1m])[5m:1m])', "parse error"),
        ("an offset that overflows", f'rate({{app="x"}}[1m] offset {"9" * 25}h)', "parse error"),
        ("a number that overflows", f"vector({'9' * 400})", "unable to parse literal as a float"),
        ("an exponent without digits", "vector(1e)", "exponent has no digits"),
        ("hexadecimal", "vector(0x10)", "0x10"),
        ("NaN", "vector(NaN)", "expecting NUMBER"),
        ("a negative parameter", 'quantile_over_time(-1, {app="x"} | unwrap y [1m])', "parse error"),
        ("minus after minus", "--1", "parse error"),
        ("an operator without a right side", f"{COUNTED} +", "unexpected $end"),
        ("a grouping left open", 'sum by (a (rate({app="x"}[1m]))', "parse error"),
        ("a reserved label", '{by="x"}', "parse error"),
        ("blanks only", " \n\t ", "unexpected $end"),
        ("a comment only", "# nothing", "unexpected $end"),
        ("an emoji", '{app="x"} |= 🎉', "parse error at line 1, col 14"),
        ("a direction mark", '{app="x"}\u202e', "parse error"),
    )
)

_MEANING = tuple(
    _query(name, query, says)
    for name, query, says in (
        ("an empty selector", "{}", "at least one regexp or equality matcher"),
        ("matchers that all take the empty text", '{app=~".*", b!="c"}', "at least one regexp or equality matcher"),
        ("a pattern left open", '{app=~"("}', "error parsing regexp: missing closing )"),
        ("a pattern that looks ahead", '{app=~"(?=x)x"}', "error parsing regexp: invalid or unsupported Perl syntax"),
        ("a pattern that looks back", r'{app="x"} |~ "(a)\\1"', "error parsing regexp: invalid escape sequence"),
        ("a pattern repeated too often", '{app=~"a{1001}"}', "invalid repeat count"),
        ("a pattern of bombs", '{app="x"} |~ "((a{1000}){1000}){1000}"', "invalid repeat"),
        ("a pattern with a bad class", '{app="x"} |~ "[z-a]"', "invalid character class range"),
        ("a pattern with an unknown class", r'{app="x"} |~ "\\p{Klingon}"', "invalid character class range"),
        ("a pattern without a name", '{app="x"} | regexp "x"', "at least one named capture must be supplied"),
        ("a pattern with a name twice", '{app="x"} | regexp "(?P<a>x)(?P<a>y)"', "'a'"),
        ("captures side by side", '{app="x"} | pattern "<a><b>"', "found consecutive capture '<a><b>'"),
        ("a pattern parser without captures", '{app="x"} | pattern "x"', "at least one capture is required"),
        ("a pattern filter with names", '{app="x"} |> "<a>"', "parse error"),
        ("a broken path", '{app="x"} | json a="[[["', "cannot parse expression"),
        ("a path with a huge index", f'{{app="x"}} | json a="x[{"9" * 30}]"', "is too large"),
        ("a path of 1000 steps", f'{{app="x"}} | json a="{"[0]" * 1000}"', "more than 64 steps"),
        ("no address", '{app="x"} |= ip("300.1.1.1")', "ip: invalid pattern"),
        ("an address with a regexp", '{app="x"} |~ ip("10.0.0.0/8")', "ip: invalid operation"),
        ("a range of addresses backwards", '{app="x"} |= ip("10.0.0.9-10.0.0.1")', "ip: invalid pattern"),
        ("unwrap where nothing is unwrapped", 'rate({app="x"} | json | unwrap y | z [1m])', "parse error"),
        ("count of an unwrapped", 'count_over_time({app="x"} | unwrap y [1m])', "count_over_time with unwrap"),
        ("sum of what is not unwrapped", 'sum_over_time({app="x"}[1m])', "sum_over_time without unwrap"),
        ("a grouping that is not allowed", 'rate({app="x"}[1m]) by (a)', "grouping not allowed for rate"),
        ("a parameter that is missing", 'quantile_over_time({app="x"} | unwrap y [1m])', "parameter required"),
        ("a parameter that is not wanted", f"sum(5, {COUNTED})", "unsupported parameter"),
        ("topk of nothing", f"topk(0, {COUNTED})", "invalid parameter (must be greater than 0) topk(0"),
        ("topk of a half", f"topk(1.5, {COUNTED})", "invalid parameter topk(1.5,"),
        ("topk of too many", f"topk({'9' * 30}, {COUNTED})", "topk"),
        ("logs plus one", f"{LOGS} + 1", "unexpected type for left leg of binary operation"),
        ("one and a number", f"{COUNTED} and 1", "unexpected literal for right leg"),
        ("sum of logs", f"sum({LOGS})", "parse error"),
        ("a bad replacement", f'label_replace({COUNTED}, "a", "b", "c", "(")', "error parsing regexp"),
        ("a template with an unknown function", '{app="x"} | line_format "{{ dict }}"', 'function "dict" not defined'),
        ("a template left open", '{app="x"} | line_format "{{ .a "', "line_format"),
        ("a label formatted twice", '{app="x"} | label_format a=b, a=c', "multiple label name 'a'"),
        ("the error formatted", '{app="x"} | label_format __error__="x"', "__error__ cannot be formatted"),
        ("a text compared as a number", '{app="x"} | a > "b"', "parse error"),
        ("a bare label", '{app="x"} | json | a', "parse error"),
    )
)

_SIZES = tuple(
    _query(name, query, says)
    for name, query, says in (
        ("one byte too long", LOGS + " " * (BYTES_MAX + 1 - len(LOGS)), f"input size too long ({BYTES_MAX + 1} >"),
        ("bytes, not characters, too long", f'{{app="{"é" * 70_000}"}}', "input size too long"),
        ("open parentheses", "(" * 130_000, "parse error"),
        ("nested parentheses", "(" * 60_000 + "1" + ")" * 60_000, "nested too deeply"),
        ("nested sums", "sum(" * 20_000 + COUNTED + ")" * 20_000, "nested too deeply"),
        ("nested label filters", '{a="b"} | ' + "(" * 50_000 + 'a="b"' + ")" * 50_000, "nested too deeply"),
        ("a chain of sums", "vector(1)" + "+1" * 60_000, "nested too deeply"),
        ("a chain of powers", "1" + "^1" * 60_000, "nested too deeply"),
        ("nested groups in a pattern", '{a=~"' + "(" * 60_000 + ")" * 60_000 + '"}', "expression nests too deeply"),
        ("nested repeats in a pattern", '{a="b"} |~ "' + "(" * 900 + "a" + ")+" * 900 + '"', "error parsing regexp"),
        ("a pattern that compiles to much", r'{a="b"} |~ "' + r"\\pL{1000}" * 100 + '"', "error parsing regexp"),
        ("a selector pattern that compiles to much", r'{a=~"' + r"\\pL{1000}" * 100 + '"}', "error parsing regexp"),
        (
            "many groups",
            r'{a="b"} | regexp "' + "".join(f"(?P<g{n}>.)" for n in range(257)) + '"',
            "257 groups, at most 256",
        ),
        ("many stages", '{a="b"}' + ' | a="b"' * 10_000, "at most 256"),
        ("a path of 40000 steps", f'{{a="b"}} | json x="{"[0]" * 40_000}"', "more than 64 steps"),
        ("a quoted text of escapes left open", '{a="' + r"\n" * 60_000, "parse error"),
        ("many brackets", "[" * 130_000, "parse error"),
        ("a chain of minuses", "-" * 130_000, "parse error"),
        ("digits", "vector(" + "9" * 130_000 + ")", "unable to parse literal as a float"),
        ("digits of a range", 'rate({a="b"}[' + "9" * 130_000 + "h])", "duration"),
    )
)

_PARAMS = (
    _param(
        "start a word", """could not parse 'start' parameter: strconv.ParseInt: parsing "abc": invalid""", start="abc"
    ),
    _param("end a word", "could not parse 'end' parameter", end="tomorrow"),
    _param("start NaN", "could not parse 'start' parameter", start="NaN"),
    _param("start Inf", "could not parse 'start' parameter", start="Inf"),
    _param("start hexadecimal", "could not parse 'start' parameter", start="0x10"),
    _param("start of 65 bits", "value out of range", start="18446744073709551616"),
    _param("start of 10000 digits", "could not parse 'start' parameter", start="9" * 10_000),
    _param("start in a 13th month", "could not parse 'start' parameter", start="2026-13-01T00:00:00Z"),
    _param("start at 25 o'clock", "could not parse 'start' parameter", start="2026-01-01T25:00:00Z"),
    _param("start in year 0", "could not parse 'start' parameter", start="0000-01-01T00:00:00Z"),
    _param("start in Arabic digits", "could not parse 'start' parameter", start="١٢٣"),
    _param("end before start", "end timestamp must not be before or equal to start time", start="200", end="100"),
    _param("a span too long", "the query time range exceeds the limit", start="0", end="1790000000", step="30d"),
    _param("a span of all time", "exceeded maximum resolution", start="0", end="9223372036854775807", step="1"),
    _param(
        "since without a unit", """could not parse 'since' parameter: not a valid duration string: "10\"""", since="10"
    ),
    _param("since that overflows", "could not parse 'since' parameter", since="9" * 30 + "y"),
    _param("step a word", 'cannot parse "xx" to a valid duration', step="xx"),
    _param("step zero", "zero or negative query resolution step widths are not accepted", step="0"),
    _param("step negative", "zero or negative query resolution step widths are not accepted", step="-5"),
    _param("step NaN", "zero or negative query resolution step widths are not accepted", step="NaN"),
    _param("step Inf", 'cannot parse "Inf" to a valid duration', step="Inf"),
    _param("step that overflows", "overflows int64", step="1e300"),
    _param("step with a huge exponent", "overflows int64", step="1e999999999"),
    _param("step a tiny fraction", "zero or negative", step="1e-300"),
    _param("too many steps", "exceeded maximum resolution of 11,000 points", start="0", end="20000", step="1"),
    _param("step of 10000 digits", "to a valid duration", step="9" * 10_000),
    _param("interval a word", 'cannot parse "xx" to a valid duration', interval="xx"),
    _param("interval negative", "interval must be >= 0", interval="-1"),
    _param("limit a word", 'strconv.Atoi: parsing "x": invalid syntax', limit="x"),
    _param("limit NaN", 'strconv.Atoi: parsing "NaN": invalid syntax', limit="NaN"),
    _param("limit a fraction", 'strconv.Atoi: parsing "1.5": invalid syntax', limit="1.5"),
    _param("limit zero", "limit must be a positive value", limit="0"),
    _param("limit negative", "limit must be a positive value", limit="-1"),
    _param("limit of 65 bits", "value out of range", limit="18446744073709551616"),
    _param("limit of 10000 digits", "value out of range", limit="9" * 10_000),
    _param("limit beyond the tenant's", "limit > max_entries_limit_per_query (5001 > 5000)", limit="5001"),
    _param("direction a word", "invalid direction 'sideways'", direction="sideways"),
    _param("direction with a blank", "invalid direction ' forward'", direction=" forward"),
    _asked("param: time a word", INSTANT, 'parsing "noon": invalid syntax', query=COUNTED, time="noon"),
    _asked("param: limit of an instant query", INSTANT, 'parsing "x": invalid syntax', query=COUNTED, limit="x"),
)

_KINDS = (
    _asked("instant: a log query", INSTANT, "log queries are not supported as an instant query type", query=LOGS),
    _asked("instant: nothing", INSTANT, "unexpected $end"),
    _asked("labels: a pipeline", LABELS, "only label matchers are supported", query=f'{LOGS} |= "x"'),
    _asked("values: a metric", VALUES, "only label matchers are supported", query=COUNTED),
    _asked("values: broken", VALUES, "parse error", query="{"),
    _asked("series: a pipeline", SERIES, "only label matchers are supported", match=f'{LOGS} |= "x"'),
    _asked("series: broken", SERIES, "parse error", **{"match[]": "{app"}),
    _asked("series: a span backwards", SERIES, "end timestamp must not be before", start="200", end="100"),
    _asked("series: a span too long", SERIES, "exceeds the limit", start="0", end="1790000000"),
    _asked("stats: nothing", STATS, "parse error"),
    _asked("stats: a metric", STATS, "only label matchers are supported", query=COUNTED),
    _asked("format: broken", FORMAT, "parse error", query="{"),
)

_REQUESTS = (
    Malformed("request: no tenant", f"{RANGE}?{urlencode({'query': LOGS})}", "no org id", 401, headers={}),
    Malformed("request: no tenant for labels", LABELS, "no org id", 401, headers={}),
    Malformed("request: a tenant above", LABELS, "unsupported character '/'", headers={"X-Scope-OrgID": "a/../b"}),
    Malformed("request: a wrong method", RANGE, "", 405, method="DELETE"),
    Malformed("request: an unknown path", f"{API}/nothing", "404 page not found", 404),
    Malformed("request: a path with a slash too many", f"{RANGE}/", "404 page not found", 404),
    Malformed("request: bytes that are not UTF-8", f"{RANGE}?query=%7Ba%3D%22%FF%22%7D", "invalid UTF-8"),
    Malformed("request: an escaped byte", f"{RANGE}?query={{app=%22%ff%22}}", "invalid UTF-8"),
    Malformed("request: 2000 parameters", RANGE + "?" + "a=b&" * 2000, "more than 1000 parameters"),
    _form("form: not UTF-8", b"query=%7Bapp=%22\xff\xfe%22%7D", "invalid UTF-8"),
    _form("form: JSON", b'{"query":"{app=\\"x\\"}"}', "unexpected $end"),
    _form("form: empty", b"", "unexpected $end"),
    _form("form: noise", bytes(range(256)), "invalid semicolon separator in query"),
    _form("form: 2000 parameters", b"a=b&" * 2000, "more than 1000 parameters"),
    _form("form: larger than it may be", b"query=" + b"x" * 11_000_000, "request body too large"),
    _form("form: many long selectors", b"&".join([b"match[]=" + b"%7B" * 40_000] * 60), "parse error", SERIES),
    Malformed("form: JSON by type", RANGE, "unexpected $end", BAD, "POST", TENANT | JSON, b'{"query":"x"}'),
    Malformed("form: no type", RANGE, "unexpected $end", BAD, "POST", TENANT, b"query=x"),
)  # fmt: skip

MALFORMED: Sequence[Malformed] = (*_SYNTAX, *_MEANING, *_SIZES, *_PARAMS, *_KINDS, *_REQUESTS)
