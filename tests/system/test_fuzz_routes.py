"""Any request to any route is answered or refused, never with a server error."""

from __future__ import annotations

import os

import pytest

from tests.conftest import StartLodur
from tests.fuzz_routes.__main__ import server_errors
from tests.fuzz_routes.fuzzing import Fuzzer
from tests.fuzz_routes.routes import ALL_ON, lodur_routes
from tests.servers.memory import peak_bytes

SECONDS = float(os.environ.get("LODUR_FUZZ_ROUTES_SECONDS", "15"))
"""Of one run; a soak takes ten minutes (and is better made by `python -m tests.fuzz_routes`)."""

PEAK_MAX_BYTES = 2**30


@pytest.mark.timeout(SECONDS + 120)
def test_no_request_is_a_server_error(lodur_server: StartLodur) -> None:
    server = lodur_server(config_text=ALL_ON)
    routes = lodur_routes()
    tally = Fuzzer(server, routes, seed=1).run(SECONDS)
    print(f"{tally.statuses.total()} requests: {dict(sorted(tally.statuses.items()))}")
    assert {200, 204, 400, 401, 404, 405} <= set(tally.statuses)
    assert len(tally.successes) > len({route.path for route in routes}) // 2
    assert server_errors(server) == []
    assert peak_bytes(server) < PEAK_MAX_BYTES


@pytest.mark.timeout(SECONDS + 120)
def test_nor_is_one_where_features_are_off(lodur_server: StartLodur) -> None:
    server = lodur_server(config_text="auth_enabled: true\n")
    tally = Fuzzer(server, lodur_routes(), seed=2).run(SECONDS / 3)
    assert {200, 204, 400, 401, 404} <= set(tally.statuses)
    assert server_errors(server) == []
