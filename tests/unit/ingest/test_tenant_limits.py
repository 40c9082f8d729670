"""Labels that each stream must carry cannot be feigned by values that look like them."""

from __future__ import annotations

import json

import pytest

from lodur.ingest.tenant_limits import TenantLimits
from lodur.kernels.push_decode import ContentEncoding, PushFormat
from lodur.model.errors import InvalidRequest
from lodur.model.limits import IngestLimits
from lodur.model.tenant import TenantId
from lodur.store.journal import NoJournal
from lodur.store.tenant_store import HeadBytes, TenantStore
from lodur.store.wal_marks import WalMarks
from lodur.wire.push_body import DecodedPush, PushForm, PushLimits, decode

TENANT = TenantId("t")


def push_of(labels: dict[str, str]) -> DecodedPush:
    body = json.dumps({"streams": [{"stream": labels, "values": [["1", "line"]]}]}).encode()
    return decode(body, PushForm(PushFormat.LOKI_JSON, ContentEncoding.IDENTITY), PushLimits.unchecked(), 1)


def check(labels: dict[str, str]) -> None:
    limits = TenantLimits(TENANT, IngestLimits(required_label_names=("env", "team")), 0.0)
    limits.check(push_of(labels), TenantStore(TENANT, NoJournal(), WalMarks(), HeadBytes()), 0.0)


@pytest.mark.parametrize("labels", [{"env": "prod", "team": "a"}, {"app": "x", "env": '"', "team": "{"}])
def test_streams_with_them_pass(labels: dict[str, str]) -> None:
    check(labels)


@pytest.mark.parametrize(
    "labels",
    [
        {"app": "x"},
        {"env": "prod"},
        {"not_env": "prod", "team": "a"},
        {"app": ", env=", "team": "a"},
        {"app": '", env="prod', "team": "a"},
        {"app": '\\", env=', "team": "a"},
    ],
)
def test_streams_without_them_do_not(labels: dict[str, str]) -> None:
    with pytest.raises(InvalidRequest, match="missing required labels"):
        check(labels)
