"""Where commands ask, as whom, and what they say when that does not work."""

from __future__ import annotations

import base64
import subprocess
import sys

import pytest

from tests.unit.cli.fake_loki import Cli, FakeLoki

LABELS = "/loki/api/v1/labels"


@pytest.mark.parametrize("name", ["LODUR_ADDR", "LOKI_ADDR"])
def test_address_from_the_environment(loki: FakeLoki, offline: Cli, name: str) -> None:
    loki.will_answer(LABELS, {"status": "success", "data": ["app"]})
    settings = {"LODUR_ADDR": None, name: loki.url}
    assert offline("labels", env=settings).stdout == "app\n"


def test_lodurs_own_variable_wins_and_the_option_over_both(loki: FakeLoki, offline: Cli) -> None:
    loki.will_answer(LABELS, {"status": "success", "data": ["app"]})
    nowhere = "http://127.0.0.1:1"
    assert offline("labels", env={"LODUR_ADDR": loki.url, "LOKI_ADDR": nowhere}).exit_code == 0
    assert offline("labels", "--addr", loki.url, env={"LODUR_ADDR": nowhere}).exit_code == 0


def test_address_without_scheme_and_with_prefix(loki: FakeLoki, offline: Cli) -> None:
    loki.will_answer(f"/logs{LABELS}", {"status": "success", "data": ["app"]})
    address = loki.url.removeprefix("http://") + "/logs/"
    assert offline("labels", "--addr", address).stdout == "app\n"


@pytest.mark.parametrize(
    ("words", "env", "header", "value"),
    [
        (("--org-id", "team-a"), {}, "X-Scope-OrgID", "team-a"),
        ((), {"LOKI_ORG_ID": "team-b"}, "X-Scope-OrgID", "team-b"),
        ((), {"LODUR_ORG_ID": "team-c"}, "X-Scope-OrgID", "team-c"),
        (("--bearer-token", "t0k"), {}, "Authorization", "Bearer t0k"),
        ((), {"LOKI_BEARER_TOKEN": "t1k"}, "Authorization", "Bearer t1k"),
        (
            ("--username", "ann", "--password", "pä:ss"),
            {},
            "Authorization",
            "Basic " + base64.b64encode("ann:pä:ss".encode()).decode(),
        ),
        (
            (),
            {"LOKI_USERNAME": "ann", "LOKI_PASSWORD": "x"},
            "Authorization",
            "Basic " + base64.b64encode(b"ann:x").decode(),
        ),
    ],
)
def test_credentials(
    cli: Cli, loki: FakeLoki, words: tuple[str, ...], env: dict[str, str], header: str, value: str
) -> None:
    loki.will_answer(LABELS, {"status": "success"})
    assert cli("labels", *words, env=env).exit_code == 0
    assert loki.received[0].headers[header] == value


def test_credentials_in_the_address(loki: FakeLoki, offline: Cli) -> None:
    loki.will_answer(LABELS, {"status": "success"})
    offline("labels", "--addr", loki.url.replace("http://", "http://ann:p%40ss@"))
    assert loki.received[0].headers["Authorization"] == "Basic " + base64.b64encode(b"ann:p@ss").decode()


def test_no_headers_of_nobody(cli: Cli, loki: FakeLoki) -> None:
    loki.will_answer(LABELS, {"status": "success"})
    cli("labels")
    assert not {"X-Scope-OrgID", "Authorization"} & set(loki.received[0].headers)


def test_server_that_is_not_there(offline: Cli) -> None:
    result = offline("query", '{app="x"}')
    assert result.exit_code == 1
    assert result.stderr == (
        "Error: cannot reach http://127.0.0.1:1: connection refused: is `lodur serve` running at http://127.0.0.1:1?;"
        " --addr or LODUR_ADDR names another server\n"
    )


def test_host_that_has_no_address(offline: Cli) -> None:
    result = offline("labels", "--addr", "http://no-such-host.invalid:3100")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: cannot reach http://no-such-host.invalid:3100: ")


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (401, "no org id\n", "answered 401: no org id; name a tenant with --org-id"),
        (404, "404 page not found\n", "answered 404: 404 page not found; is this the address of a Loki-compatible"),
        (
            404,
            "could not find delete request with given id\n",
            "answered 404: could not find delete request with given id\n",
        ),
        (429, "too many outstanding requests", "answered 429: too many outstanding requests"),
        (500, "", "answered 500: no reason given"),
        (503, "Ingester not ready", "answered 503: Ingester not ready"),
        (504, "request timed out", "answered 504: request timed out"),
    ],
)
def test_refusals(cli: Cli, loki: FakeLoki, status: int, body: str, said: str) -> None:
    loki.will_answer(LABELS, body, status)
    result = cli("labels")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: {loki.url} {said}")


@pytest.mark.parametrize(
    "body",
    ["<html>hello</html>", '{"status":"success","data":[1]}', '{"status":"error"}', "", '{"status":"success","data":'],
)
def test_answers_that_are_no_lokis(cli: Cli, loki: FakeLoki, body: str) -> None:
    loki.will_answer(LABELS, body)
    result = cli("labels")
    assert result.exit_code == 1
    assert "answered something else than a Loki-compatible server would" in result.stderr


def test_connection_is_kept_for_all_pages(cli: Cli, loki: FakeLoki) -> None:
    loki.entries = [(1_730_000_000_000_000_000 + n, {"a": "b"}, str(n)) for n in range(9)]
    result = cli("query", "{}", "--from", "1730000000", "--limit", "0", "--batch", "3", "-o", "raw")
    assert result.exit_code == 0
    assert len(loki.received) > 2


@pytest.mark.parametrize("words", [["--help"], ["query", "--help"], ["labels", "--addr", "http://127.0.0.1:1"]])
def test_only_what_is_needed_is_imported(words: list[str]) -> None:
    program = (
        "import sys\n"
        "from lodur.cli.main import lodur\n"
        f"lodur({words!r}, standalone_mode=False) if '--help' in {words!r} else lodur({words!r}, prog_name='lodur')"
    )
    code = (
        "import sys, atexit\n"
        "heavy = ('httpx', 'numpy', 'starlette', 'granian', 'obstore', 'rich', 'structlog', 'asyncio', 'yaml',"
        " 'lodur.kernels', 'lodur.app', 'lodur.query', 'lodur.logql')\n"
        "atexit.register(lambda: print('HEAVY', [name for name in heavy if name in sys.modules]))\n" + program
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.splitlines()[-1] == "HEAVY []"
