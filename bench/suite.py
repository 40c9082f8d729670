"""The queries that are timed: those that have bars, and those that tell how the common shapes of LogQL fare.

The apps that they name occur in both corpora. `count` and the misses read all rows, the parsers those of one app.
"""

from __future__ import annotations

from dataclasses import dataclass

from bench.bars import FULL_SCAN, Bar, at_most_ms
from bench.corpus import Meta

EVERYTHING = '{cluster=~".+"}'
METRIC_STEP = "60s"
LIMIT = 100


@dataclass(frozen=True, slots=True)
class Case:
    """A query with its bar, if it has one. A bar in GB/s is of all raw lines over the wall time."""

    name: str
    query: str
    is_metric: bool = False
    bar: Bar | None = None


def suite(meta: Meta) -> tuple[Case, ...]:
    """All cases, for a corpus."""
    needle = meta.needles[0] if meta.needles else "needle-"
    return (*_log_cases(needle), *_metric_cases())


def chosen(cases: tuple[Case, ...], names: tuple[str, ...]) -> tuple[Case, ...]:
    """The cases of these names, all where none is named. Raises ValueError for a name that is none."""
    unknown = set(names) - {case.name for case in cases}
    if unknown:
        known = " ".join(case.name for case in cases)
        raise ValueError(f"no query is named {' '.join(sorted(unknown))}, there are: {known}")
    return tuple(case for case in cases if not names or case.name in names)


def _log_cases(needle: str) -> tuple[Case, ...]:
    return (
        Case("recent-100", EVERYTHING),
        Case("one-stream-100", '{pod="checkout-0-01"}'),
        Case("needle", f'{EVERYTHING} |= "{needle}"'),
        Case("substring-miss", f'{EVERYTHING} |= "zq-never-there"', bar=at_most_ms(20)),
        Case("regexp-miss", f'{EVERYTHING} |~ "time[dr]out of [0-9]{{9}}"', bar=at_most_ms(30)),
        Case("full-scan", f'{EVERYTHING} |~ "[a-z]{{3}}[0-9]zq"', bar=FULL_SCAN),
        Case("icase-regexp-app", '{app="nginx"} |~ "(?i)post /API/v1/PAYMENTS/zzz"'),
        Case("json-fields", '{app="checkout"} | json | duration_ms > 300 | path="/api/v1/orders/list"'),
    )


def _metric_cases() -> tuple[Case, ...]:
    nginx = '`<ip> - <user> [<_>] "<method> <path> <_>" <status> <size> <_>`'
    code_and_size = '`" (?P<code>\\d{3}) (?P<size>\\d+) `'
    return (
        Case("count", f"sum(count_over_time({EVERYTHING}[1m]))", True, at_most_ms(60)),
        Case("rate-by-app-error", f'sum by (app) (rate({EVERYTHING} |= "error" [1m]))', True),
        Case(
            "json-filter-sum",
            'sum by (status) (count_over_time({app="checkout"} | json | status >= 400 [1m]))',
            True,
            at_most_ms(80),
        ),
        Case(
            "logfmt-p99",
            'quantile_over_time(0.99, {app="scheduler"} | logfmt | unwrap duration(latency) [1m]) by (component)',
            True,
            at_most_ms(120),
        ),
        Case("logfmt-sum-by", 'sum by (component, level) (rate({app="loki-like"} | logfmt [1m]))', True),
        Case(
            "pattern-topk",
            f'topk(5, sum by (status, method) (count_over_time({{app="nginx"}} | pattern {nginx} [5m])))',
            True,
        ),
        Case(
            "regexp-bytes",
            f'sum by (code) (sum_over_time({{app="edge"}} | regexp {code_and_size} | unwrap size [5m]))',
            True,
        ),
    )
