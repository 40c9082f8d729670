"""The layout of formatted queries, a kind of node at a time."""

from __future__ import annotations

import pytest

from lodur.logql.parser import parse_query, parse_tree
from lodur.logql.pretty import LINE_BYTES_MAX, format_query

_LONG = '{namespace="payments-production", container="checkout-frontend-server-with-a-very-long-name-indeed"}'


def test_what_fits_stays_on_one_line() -> None:
    name = "a" * (LINE_BYTES_MAX - len('{="b"} | json'))
    assert format_query(parse_query(f'{{ {name} = "b" }}|json')) == f'{{{name}="b"}} | json'
    assert format_query(parse_query(f'{{ {name}x = "b" }}|json')) == f'{{{name}x="b"}}\n  | json'


def test_width_is_counted_in_bytes() -> None:
    wide = "ä" * (LINE_BYTES_MAX // 2)
    assert "\n" in format_query(parse_query(f'{{a="{wide}"}} | json'))


@pytest.mark.parametrize(
    ("query", "lines"),
    [
        (_LONG, [_LONG]),
        (
            _LONG + ' |= "a" != "b"|json|= ip("::1") | x > 1 and y="z"',
            [_LONG, '  |= "a" != "b"', "  | json", '  |= ip("::1")', '  | ( x>1 , y="z" )'],
        ),
        (
            f"quantile_over_time(0.99, {_LONG} | json | unwrap duration(took) | __error__=``[5m] offset 1h) by (a,b)",
            [
                "quantile_over_time(",
                "  0.99,",
                f"  {_LONG}",
                "    | json",
                "    | unwrap duration(took)",
                '    | __error__="" [5m] offset 1h0m0s',
                ") by (a, b)",
            ],
        ),
        (
            f"topk(3, sum(rate({_LONG}[5m])) without (a, b))",
            [
                "topk(",
                "  3,",
                "  sum without (a, b)(",
                "    rate(",
                f"      {_LONG} [5m]",
                "    )",
                "  )",
                ")",
            ],
        ),
        (
            f'label_replace(vector(1) or rate({_LONG}[5m]), "to", "$1", "from", "(.*)")',
            [
                "label_replace(",
                "    vector(1.000000)",
                "  or",
                "    rate(",
                f"      {_LONG} [5m]",
                "    ),",
                '  "to",',
                '  "$1",',
                '  "from",',
                '  "(.*)"',
                ")",
            ],
        ),
        (
            'variants(rate({a="b"}[5m])) of ({a="b"}|json|unwrap x[5m])',
            [
                "variants(",
                '  rate({a="b"}[5m])',
                ") of (",
                '  {a="b"} | json',
                "    | unwrap x [5m]",
                ")",
            ],
        ),
    ],
)
def test_what_does_not_fit_is_broken(query: str, lines: list[str]) -> None:
    assert format_query(parse_query(query)).splitlines() == lines


def test_an_operation_on_lines_of_its_own_keeps_its_parentheses() -> None:
    count = f"rate({_LONG}[5m])"
    formatted = format_query(parse_query(f"({count} or vector(1)) * on (a, b) group_left () (vector(2) + {count})"))
    broken = ["rate(", f"  {_LONG} [5m]", ")"]
    assert formatted.splitlines() == [
        "  (",
        *(f"      {line}" for line in broken),
        "    or",
        "      vector(1.000000)",
        "  )",
        "* on (a, b) group_left ()",
        "  (",
        "      vector(2.000000)",
        "    +",
        *(f"      {line}" for line in broken),
        "  )",
    ]


def test_operators_that_bind_tighter_need_none() -> None:
    count = f"rate({_LONG}[5m])"
    formatted = format_query(parse_query(f"{count} > bool 2 or {count} unless ignoring (a) {count}"))
    assert "(\n" not in formatted.replace("rate(\n", "")
    assert [line.strip() for line in formatted.splitlines() if line.strip()[0] in "uo>"] == [
        "> bool",
        "or",
        "unless ignoring (a)",
    ]


def test_nested_operations_are_laid_out_once() -> None:
    """Each level costs as much as the one below, not twice as much: this deep nobody would wait for the end."""
    depth = 60
    text = (
        "1 + (" * depth
        + 'sum(count_over_time({app="a"}[1h])) / on (app) sum by (app) (rate({b="c"}[1h]))'
        + ")" * depth
    )
    formatted = format_query(parse_tree(text))
    assert formatted.count("(\n") > depth - 10
    assert str(parse_tree(formatted)) == str(parse_tree(text))
