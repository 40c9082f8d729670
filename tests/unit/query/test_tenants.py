"""Which of several tenants a selector chooses."""

from __future__ import annotations

import pytest

from lodur.logql.parser import parse_log_query
from lodur.model.errors import InvalidRequest, LodurError
from lodur.model.tenant import TenantId
from lodur.query.plan.nodes import LogScan
from lodur.query.tenants import chosen_tenants

TENANTS = tuple(map(TenantId, ("shop", "shop-eu", "bank")))


def chosen(selector: str) -> list[str]:
    scan, tenants = chosen_tenants(LogScan(parse_log_query(selector)), TENANTS)
    assert "__tenant_id__" not in str(scan.query.selector)
    return [tenant.value for tenant in tenants]


@pytest.mark.parametrize(
    ("matcher", "names"),
    [
        ('__tenant_id__="shop"', ["shop"]),
        ('__tenant_id__!="shop"', ["shop-eu", "bank"]),
        ('__tenant_id__=~"shop"', ["shop"]),
        ('__tenant_id__=~"shop.*"', ["shop", "shop-eu"]),
        ('__tenant_id__!~"shop.*"', ["bank"]),
        ('__tenant_id__=~"(?i)BANK|x"', ["bank"]),
        ('__tenant_id__=~"[[:alpha:]]+"', ["shop", "bank"]),
        ('__tenant_id__=~"shop.*", __tenant_id__!="shop"', ["shop-eu"]),
        ('__tenant_id__="none"', []),
    ],
)
def test_matchers_choose_tenants(matcher: str, names: list[str]) -> None:
    assert chosen(f'{{app="x", {matcher}}}') == names


def test_patterns_that_make_backtracking_engines_hang_do_not() -> None:
    long = TenantId("a" * 150)
    scan = LogScan(parse_log_query('{app="x", __tenant_id__=~"(a*)*b"}'))
    assert chosen_tenants(scan, [long, *TENANTS])[1] == ()


def test_a_selector_of_tenants_alone_chooses_no_streams() -> None:
    with pytest.raises(InvalidRequest, match="log selector is invalid after matcher update"):
        chosen('{__tenant_id__="shop"}')


def test_a_wrong_pattern_is_the_clients_error() -> None:
    with pytest.raises(LodurError):
        chosen('{app="x", __tenant_id__=~"(?P<a>x"}')
