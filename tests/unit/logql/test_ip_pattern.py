from __future__ import annotations

from ipaddress import ip_address

import pytest

from lodur.logql.ip_pattern import parse_ip_pattern


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("10.0.0.1", "10.0.0.1", "10.0.0.1"),
        ("10.1.2.3/8", "10.0.0.0", "10.255.255.255"),
        ("10.0.0.1-10.0.0.9", "10.0.0.1", "10.0.0.9"),
        ("::1", "::1", "::1"),
        ("2001:db8::/32", "2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("::1-::ff", "::1", "::ff"),
    ],
)
def test_patterns(text: str, first: str, last: str) -> None:
    pattern = parse_ip_pattern(text)
    assert (pattern.first, pattern.last) == (int(ip_address(first)), int(ip_address(last)))
    assert pattern.is_v6 is (":" in text)
    assert str(pattern) == f'ip("{text}")'


@pytest.mark.parametrize(
    "text",
    ["", "x", "1.2.3.4/99", "1.2.3.4/255.0.0.0", "1.2.3.4/", "2.2.2.2-1.1.1.1", "1.1.1.1-::1", "1.1.1.1-", "1.2.3"],
)
def test_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+") as refused:
        parse_ip_pattern(text)
    assert str(refused.value) == f'ip: invalid pattern: "{text}"'
