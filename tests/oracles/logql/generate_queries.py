"""Random queries, made by the grammar from the words that `generate_entries` uses. Start at `QueryGenerator`.

Regular expressions are of the kind that Python and RE2 read alike. Windows are powers of two seconds, so that rates
come out exactly whatever the order of operations.
"""

from __future__ import annotations

from random import Random

from lodur.model.go_strings import quote
from tests.oracles.logql.generate_entries import FIELDS, METADATA, STREAM_LABELS

_NAMES = (*FIELDS, "app", "env", "pod", "trace", "detected_level", "app_extracted", "level_extracted", "o_z", "o_n",
          "a_b", "_1st", "node", "missing")  # fmt: skip
_NUMERIC = ("n", "n", "n", "n", "status", "status", "took", "size", "o_n", "missing")
_ADDRESSES = ("10.0.0.0/8", "10.0.0.1", "192.168.4.1-192.168.4.9", "::1", "2001:db8::/32", "0.0.0.0/0")
_NEEDLES = (
    "error",
    "level",
    "=",
    '"',
    "e",
    "a",
    "n",
    "",
    "needle",
    "ünï",
    "10.0",
    "info",
    "{",
    "zzz",
    "timeout",
    " ",
    "\\",
    "GET /a",
)
_LINE_REGEXPS = ("err(or)?", "(?i)error", "[0-9]+ms", "^GET", "level=(info|warn)", "n[=:]", "", "x{2}", "日本|zoë",
                 "\\{\"", "status.+500", "\\bfrom\\b", "(info|error|debug)", "needle.*xx", "(?i)NEEDLE")  # fmt: skip
_VALUE_REGEXPS = (
    "info|error",
    "[a-z]+",
    ".+",
    "[0-9]+",
    "",
    "/.",
    "(?i)INFO",
    "e[a-z]{4}",
    "[^a]+",
    "p[01]",
    "ann|",
    "日本",
)
_PATTERNS = ("<_>error<_>", "<_> - <_>", "level=<_>", "{<_>}", "<_>", "GET<_>", "", "<_>=<_>", '<_>"GET <_>" <_>')
_LABEL_PATTERNS = ('<addr> - [<user>] "<_> <path>" <status> <took>', "level=<level> <rest>", "<first> <_>", "{<body>}",
                   "<_>=<n> <more>", "<addr> <_>")  # fmt: skip
_LABEL_REGEXPS = ("level=(?P<level>[a-z]+)", "(?P<method>GET|POST) (?P<path>[^ ]+)", "(?P<n>[0-9]+)",
                  "^(?P<first>[^ ]*) ?(?P<more>x)?", "(?P<status>[0-9]{3})")  # fmt: skip
_LINE_TEMPLATES = ("{{.level}}:{{.n}}", "{{ __line__ | upper }}", "constant", "", "level={{.level}} n={{ .n }}",
                   "{{ if .level }}has {{.level}}{{ else }}none{{ end }}", '{{ .path | replace "/" "-" }}',
                   '{"level":"{{.level}}","n":"{{.status}}"}', "{{ alignLeft 6 .user }}|{{ alignRight 4 .n }}",
                   '{{ .missing | default "none" }}', "{{ trimPrefix \"in\" .level | ToUpper }}",
                   "{{ repeat 2 .app }}", "{{ __line__ }} app={{.app}}")  # fmt: skip
_LABEL_TEMPLATES = ("{{.level}}-{{.n}}", "fixed", "{{ .status | lower }}", "{{.missing}}", "{{ ToUpper .level }}",
                    "{{.n}}",
                    "{{ if .took }}{{ .took }}{{ else }}0s{{ end }}", '{{ TrimPrefix .path "/" }}')  # fmt: skip
_JSON_PATHS = (
    "level",
    "o.z",
    "o.k[0]",
    "o.k[2].x",
    'o["z"]',
    "o",
    "o.k",
    "nothing",
    "n",
    '["a.b"]',
    "deep.o.n",
    "list[1]",
)
_RANGES_S = (1, 4, 8, 16, 32, 32, 64, 64, 128, 128)
_NUMBERS = ("1", "2", "0.5", "3.25", "10", "200", "-4", "0", "1e3")
_DURATIONS = ("10ms", "1s", "1.5s", "1m", "-1s", "250us")
_SIZES = ("1KB", "512B", "2KiB", "1MB")
_COUNTED = ("count_over_time", "rate", "bytes_over_time", "bytes_rate")
_UNWRAPPED = ("sum_over_time", "avg_over_time", "min_over_time", "max_over_time", "stdvar_over_time",
              "stddev_over_time", "first_over_time", "last_over_time", "rate", "rate_counter",
              "quantile_over_time")  # fmt: skip
_GROUPED = _UNWRAPPED[1:8]
_REDUCERS = ("sum", "sum", "avg", "min", "max", "count", "stddev", "stdvar")
_ARITHMETIC = ("+", "-", "*", "/", "%", "^")
_COMPARISONS = ("==", "!=", ">", ">=", "<", "<=")


class QueryGenerator:
    """Draws query texts; equal seeds give equal queries."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def log_query(self) -> str:
        return self._selector() + self._pipeline(4)

    def metric_query(self) -> str:
        return self._metric(self._random.choice((0, 1, 1, 2, 2, 3)))

    def _chance(self, probability: float) -> bool:
        return self._random.random() < probability

    def _pick(self, options: tuple[str, ...]) -> str:
        return self._random.choice(options)

    def _some(self, options: tuple[str, ...], most: int) -> list[str]:
        return [self._pick(options) for _ in range(self._random.randint(1, most))]

    def _text(self, text: str) -> str:
        return f"`{text}`" if "`" not in text and self._chance(0.4) else quote(text)

    def _selector(self) -> str:
        matchers = [
            self._pick(('app=~".+"', 'app=~".+"', 'app="api"', 'app=~"api|web"', 'env="prod"', 'app=~"[aw].*"'))
        ]
        if self._chance(0.2):
            name = self._pick(tuple(STREAM_LABELS))
            op = self._pick(("=", "!=", "=~", "!~"))
            value = self._pick(STREAM_LABELS[name] if op in ("=", "!=") else ("p[01]", "info|", ".*", "dev|prod", "x"))
            matchers.append(f"{name}{op}{self._text(value)}")
        self._random.shuffle(matchers)
        return "{" + self._pick((",", ", ")).join(matchers) + "}"

    def _pipeline(self, most: int) -> str:
        stages: list[str] = []
        for _ in range(self._random.randint(0, most)):
            stage = self._stage()
            # Behind `drop a`, an inequality is a part of that stage.
            if stage[:2] not in ("!=", "!~") or not stages or stages[-1][2:6] not in ("drop", "keep"):
                stages.append(stage)
        return "".join(f" {stage}" for stage in stages)

    def _stage(self) -> str:
        kind = self._random.random()
        if kind < 0.18:
            return self._line_filter()
        if kind < 0.62:
            return f"| {self._parser()}"
        if kind < 0.8:
            return f"| {self._label_filter(2)}"
        if kind < 0.84:
            return "| decolorize"
        if kind < 0.88:
            return f"| line_format {self._text(self._pick(_LINE_TEMPLATES))}"
        if kind < 0.93:
            return f"| label_format {self._changes()}"
        return f"| {self._pick(('drop', 'keep'))} {self._targets()}"

    def _targets(self) -> str:
        return ", ".join(
            self._matcher() if self._chance(0.25) else name for name in self._some((*_NAMES, "__error__"), 4)
        )

    def _changes(self) -> str:
        names = self._random.sample((*_NAMES[:9], "app", "new"), self._random.randint(1, 3))
        changes: list[str] = []
        for name in names:
            source = self._pick(_NAMES)
            renames = self._chance(0.4) and source != name
            changes.append(f"{name}={source if renames else self._text(self._pick(_LABEL_TEMPLATES))}")
        return ", ".join(changes)

    def _line_filter(self) -> str:
        op = self._pick(("|=", "|=", "!=", "|~", "|~", "!~", "|>", "!>", "!>"))
        options = {"~": _LINE_REGEXPS, ">": _PATTERNS}.get(op[1], _NEEDLES)
        if op in ("|=", "!=") and self._chance(0.15):
            return f'{op} ip("{self._pick(_ADDRESSES)}")'
        return f"{op} " + " or ".join(map(self._text, self._some(options, 1 if self._chance(0.7) else 3)))

    def _parser(self) -> str:
        kind = self._random.random()
        if kind < 0.3:
            return "json"
        if kind < 0.4:
            return "json " + ", ".join(f"{name}={quote(self._pick(_JSON_PATHS))}" for name in self._some(_NAMES, 3))
        if kind < 0.7:
            return "logfmt" + self._pick(("", "", " --strict", " --keep-empty", " --strict --keep-empty"))
        if kind < 0.78:
            return "logfmt " + ", ".join(
                self._pick((name, f'{name}="{self._pick(_NAMES)}"')) for name in self._some(_NAMES, 3)
            )
        if kind < 0.86:
            return f"regexp {self._text(self._pick(_LABEL_REGEXPS))}"
        if kind < 0.94:
            return f"pattern {self._text(self._pick(_LABEL_PATTERNS))}"
        return "unpack"

    def _matcher(self) -> str:
        name = self._pick(_NAMES)
        if self._chance(0.6):
            values = FIELDS.get(name) or STREAM_LABELS.get(name) or METADATA.get(name) or ("q", "v", "3")
            return f"{name}{self._pick(('=', '!=', '!='))}{self._text(self._pick((*values, '')))}"
        return f"{name}{self._pick(('=~', '!~'))}{self._text(self._pick(_VALUE_REGEXPS))}"

    def _label_filter(self, depth: int) -> str:
        if depth and self._chance(0.3):
            joint = self._pick((" and ", " or ", ", ", " "))
            joined = self._label_filter(depth - 1) + joint + self._label_filter(depth - 1)
            return f"({joined})" if self._chance(0.4) else joined
        kind = self._random.random()
        if kind < 0.45:
            return self._matcher()
        if kind < 0.55:
            return self._pick(('__error__=""', '__error__!=""', '__error__!="JSONParserErr"', '__error__=~".*Err"'))
        if kind < 0.62:
            return f'{self._pick(("addr", "addr", "user"))}{self._pick(("=", "!="))}ip("{self._pick(_ADDRESSES)}")'
        name, op = self._pick(_NUMERIC), self._pick((*_COMPARISONS, "="))
        return f"{name} {op} {self._pick(self._pick_kind(name))}"

    def _pick_kind(self, name: str) -> tuple[str, ...]:
        fitting = {"took": _DURATIONS, "size": _SIZES}.get(name, _NUMBERS)
        return fitting if self._chance(0.85) else self._random.choice((_DURATIONS, _SIZES, _NUMBERS))

    def _grouping(self) -> str:
        names = self._random.sample(sorted({*_NAMES, "__error__"}), self._random.randint(0, 3))
        if self._chance(0.5):
            names = [name for name in names if name not in ("__error__", "missing")] + ["app"]
        return f"{self._pick(('by', 'by', 'without'))} ({', '.join(dict.fromkeys(names))})"

    def _metric(self, depth: int) -> str:
        if depth == 0:
            return f"vector({self._pick(('0', '1', '2.5'))})" if self._chance(0.03) else self._range_aggregation()
        kind = self._random.random()
        if kind < 0.5:
            return self._vector_aggregation(depth)
        if kind < 0.62:
            return self._label_replace(depth)
        if kind < 0.78:
            return self._with_number(depth)
        if kind < 0.9:
            return self._sides(self._pick(_ARITHMETIC + _COMPARISONS), depth, joins=True)
        return self._sides(self._pick(("and", "or", "unless")), depth, joins=False)

    def _label_replace(self, depth: int) -> str:
        regexp, new = self._random.choice(
            (("(.*)", "$1"), ("(.)(.*)", "$2-${1}"), ("a(?P<x>.*)", "${x}"), ("x", "y"), ("", "none"))
        )
        target, source = self._pick(("new", "app", "level")), self._pick(("app", "level", "missing", "pod"))
        return f'label_replace({self._metric(depth - 1)}, "{target}", "{new}", "{source}", "{regexp}")'

    def _with_number(self, depth: int) -> str:
        operand, number = self._metric(depth - 1), self._pick(("2", "0.5", "3", "0", "100", "7.25"))
        op = self._pick(_ARITHMETIC + _COMPARISONS)
        modifier = " bool" if op in _COMPARISONS and self._chance(0.4) else ""
        sides = (operand, number) if self._chance(0.7) else (number, operand)
        return f"({sides[0]} {op}{modifier} {sides[1]})"

    def _sides(self, op: str, depth: int, *, joins: bool) -> str:
        modifier = " bool" if op in _COMPARISONS and self._chance(0.4) else ""
        kind = self._random.random()
        if kind < 0.5:
            same = self._vector_aggregation(depth), self._vector_aggregation(depth)
            matching = f" {self._pick(('on', 'ignoring'))} ({self._pick(('app', 'app, level', 'level', ''))})"
            group = self._pick((" group_left", " group_right (env)", " group_left (level)", "", "")) if joins else ""
            return f"({same[0]} {op}{modifier}{matching}{group} {same[1]})"
        if kind < 0.8:
            by = self._grouping()
            sides = [f"sum {by} ({self._range_aggregation()})" for _ in range(2)]
        else:
            sides = [self._metric(depth - 1), self._metric(depth - 1)]
        return f"({sides[0]} {op}{modifier} {sides[1]})"

    def _vector_aggregation(self, depth: int) -> str:
        operand = self._metric(depth - 1)
        kind = self._random.random()
        if kind < 0.06:
            return f"{self._pick(('sort', 'sort_desc'))}({operand})"
        if kind < 0.16:
            operand = f"{self._random.randint(1, 4)}, {operand}"
        name = self._pick(("topk", "bottomk") if kind < 0.16 else _REDUCERS)
        grouping = self._grouping() if self._chance(0.75) else ""
        if self._chance(0.5):
            return f"{name} {grouping} ({operand})"
        return f"{name}({operand}) {grouping}".rstrip()

    def _range_aggregation(self) -> str:
        kind = self._random.random()
        if kind < 0.05:
            return f"absent_over_time({self._log_range('')})"
        if kind < 0.5:
            return f"{self._pick(_COUNTED)}({self._log_range('')})"
        name = self._pick(_UNWRAPPED)
        parameter = f"{self._pick(('0', '0.5', '0.9', '1', '2'))}, " if name == "quantile_over_time" else ""
        grouping = f" {self._grouping()}" if name in (*_GROUPED, "quantile_over_time") and self._chance(0.4) else ""
        return f"{name}({parameter}{self._log_range(self._unwrap())}){grouping}"

    def _unwrap(self) -> str:
        label = self._pick(_NUMERIC)
        fitting = {"took": "duration", "size": "bytes"}.get(label, "")
        if not self._chance(0.9):
            fitting = self._pick(("duration_seconds", "bytes", ""))
        clean = ' | __error__=""'
        filters = self._pick((clean, clean, clean, "", f" | {self._label_filter(1)}"))
        return f" | unwrap {fitting}({label}){filters}" if fitting else f" | unwrap {label}{filters}"

    def _log_range(self, unwrap: str) -> str:
        selector, stages = self._selector(), self._pipeline(self._random.choice((0, 1, 1, 2, 3)))
        if unwrap and self._chance(0.9):
            stages += f" | {self._pick(('logfmt', 'logfmt', 'json', 'json | drop __error__ | logfmt', self._parser()))}"
        if self._chance(0.6):
            stages += ' | __error__=""'
        window = f"[{self._random.choice(_RANGES_S)}s]"
        offset = f" offset {self._pick(('1s', '10s', '-5s', '500ms', '1m'))}" if self._chance(0.15) else ""
        kind = self._random.random()
        if kind < 0.8:
            return f"{selector}{stages}{unwrap} {window}{offset}"
        if kind < 0.9:
            return f"{selector}{window}{offset}{stages}{unwrap}"
        return f"({selector}{stages}{unwrap}){window}{offset}"
