"""`python-logging-loki`, a handler of Python's own logging, as a client of both push endpoints."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import orjson
import pytest
from logging_loki import LokiHandler

from tests.conftest import StartLodur
from tests.servers.lodur import LodurServer
from tests.system.conftest import Connect
from tests.system.pushing import config_text


@contextmanager
def logger_into(server: LodurServer, path: str, version: str) -> Iterator[logging.Logger]:
    handler = LokiHandler(url=f"{server.url}{path}", tags={"application": "shop"}, version=version)
    logger = logging.Logger(f"shop.v{version}")
    logger.addHandler(handler)
    yield logger
    handler.emitter.close()


# The old form's time is written by a library that uses what newer versions of Python warn of.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(("path", "version"), [("/loki/api/v1/push", "1"), ("/api/prom/push", "0")])
def test_what_is_logged_is_found(
    lodur_server: StartLodur, connect: Connect, now_ns: int, path: str, version: str
) -> None:
    server = lodur_server(config_text=config_text())
    with logger_into(server, path, version) as logger:
        logger.warning("cart of %s is slow", "ann", extra={"tags": {"order id": "o-1"}})
        logger.error('two\nlines "quoted" \N{SNOWMAN}')
    client = connect(server)
    span = {"start": str(now_ns - 10**9), "end": str(now_ns + 600 * 10**9), "direction": "forward"}
    answer = client.get("/loki/api/v1/query_range", {"query": '{service_name="shop"}', **span})
    found = orjson.loads(answer)["data"]["result"]
    labels = {"application": "shop", "service_name": "shop", "logger": f"shop.v{version}"}
    assert sorted(((each["stream"], each["values"][0][1]) for each in found), key=lambda each: each[1]) == [
        (
            labels | {"severity": "warning", "detected_level": "warn", "order_id": "o-1"},
            "cart of ann is slow",
        ),
        (labels | {"severity": "error", "detected_level": "error"}, 'two\nlines "quoted" \N{SNOWMAN}'),
    ]
