"""Which status and body each class of errors is answered with."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from lodur.api.errors import AnsweredError, error_response, status_of
from lodur.api.tenant import Tenancy
from lodur.model.errors import (
    CorruptData,
    DeadlineExceeded,
    InvalidRequest,
    LimitExceeded,
    LodurError,
    NotFound,
    QuerySyntaxError,
    Unauthenticated,
    Unavailable,
)
from lodur.model.tenant import ANONYMOUS, TenantId
from lodur.query.evaluate.matching import MatchingConflict
from lodur.query.limit_checks import FeatureDisabled


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InvalidRequest("x"), 400),
        (QuerySyntaxError("x"), 400),
        (LimitExceeded("x", limit="l"), 400),
        (LimitExceeded("x", limit="l", retryable=True), 429),
        (Unauthenticated("x"), 401),
        (NotFound("x"), 404),
        (Unavailable("x"), 503),
        (DeadlineExceeded("x"), 504),
        (CorruptData("x"), 500),
        (MatchingConflict("x"), 400),
        (FeatureDisabled("x"), 400),
        (AnsweredError("x", status=500), 500),
    ],
)
def test_status(error: LodurError, status: int) -> None:
    assert status_of(error) == status


def test_bodies_are_plain_text() -> None:
    response = error_response(InvalidRequest("limit must be a positive value"))
    assert response.body == b"limit must be a positive value"
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert error_response(InvalidRequest("x"), newline=True).body == b"x\n"
    assert error_response(Unauthenticated("no org id")).body == b"no org id\n"


def test_who_should_come_back_is_told_when() -> None:
    assert error_response(Unavailable("x", retry_after_s=1.2)).headers["retry-after"] == "2"


def request(tenant: str | None) -> Request:
    headers = [] if tenant is None else [(b"x-scope-orgid", tenant.encode())]
    return Request({"type": "http", "headers": headers})


def test_without_authentication_everybody_is_the_same() -> None:
    assert Tenancy(auth_enabled=False).one(request("a|b")) == ANONYMOUS
    assert Tenancy(auth_enabled=False).all(request(None)) == (ANONYMOUS,)


def test_tenants_of_a_request() -> None:
    tenancy = Tenancy(auth_enabled=True, multi_tenant_queries=True)
    assert tenancy.one(request("a:sub")) == TenantId("a")
    assert tenancy.all(request("b|a|b")) == (TenantId("a"), TenantId("b"))
    assert tenancy.all(request("a|")) == (TenantId("a"),)
    with pytest.raises(InvalidRequest, match="multiple org IDs present"):
        tenancy.one(request("a|b"))
    for nobody in (None, "", "|"):
        with pytest.raises(Unauthenticated, match="no org id"):
            tenancy.all(request(nobody))


def test_several_tenants_are_a_feature() -> None:
    with pytest.raises(InvalidRequest, match="multiple org IDs present"):
        Tenancy(auth_enabled=True).all(request("a|b"))
