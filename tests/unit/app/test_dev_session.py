"""A whole run of `lodur dev` with children that only look like Lodur: order of start and stop, words, exit codes."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

CHILD = """\
#!{python}
import signal, sys, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
import yaml

role = sys.argv[3]
config = Path(sys.argv[4].removeprefix("-config.file="))
diary = config.parent / "diary"
note = lambda text: diary.open("a").write(f"{{role}} {{text}}\\n")
note("starts")
print(f"{{role}} speaks", flush=True)
if role == "{broken}":
    print("cannot go on", flush=True)
    sys.exit(3)
done = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: done.set())
signal.signal(signal.SIGINT, lambda *_: note("is interrupted"))
if role == "serve":
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = "lodur_x 1\\nloki_distributor_lines_received_total{{tenant=\\"fake\\"}} 1234\\n"
            if self.path.startswith("/loki/api/v1/query"):
                body = '{{"data":{{"result":[{{"value":[1,"5678"]}}]}}}}'
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body.encode())
        def log_message(self, *args):
            pass
    port = yaml.safe_load(config.read_text())["server"]["http_listen_port"]
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
done.wait(60)
note("ends")
"""

Start = Callable[[str], subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[subprocess.Popen[str]] = []

    def start_dev(broken: str) -> subprocess.Popen[str]:
        child = tmp_path / "child"
        child.write_text(CHILD.format(python=sys.executable, broken=broken))
        child.chmod(child.stat().st_mode | stat.S_IXUSR)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        program = (
            "import sys; from pathlib import Path; from lodur.app.dev import DevOptions, run;"
            f" sys.executable = {str(child)!r};"
            f" sys.exit(run(DevOptions(Path({str(tmp_path / 'data')!r}), {port})))"
        )
        dev = subprocess.Popen(
            [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, process_group=0
        )
        started.append(dev)
        return dev

    yield start_dev
    for dev in started:
        if dev.poll() is None:
            dev.kill()
        dev.communicate()


def read_until(dev: subprocess.Popen[str], text: str) -> str:
    assert dev.stdout is not None
    read = ""
    while text not in read:
        line = dev.stdout.readline()
        assert line, f"ended before {text!r}; said {read!r}"
        read += line
    return read


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_whole_run(start: Start, tmp_path: Path, number: signal.Signals) -> None:
    dev = start("")
    hints = read_until(dev, "--since 15m")
    assert "curl -sG http://127.0.0.1:" in hints
    assert "lodur query --addr http://127.0.0.1:" in hints
    # As a terminal does it: the signal goes to the whole group, which the children are not in.
    os.killpg(dev.pid, number)
    _, said = dev.communicate(timeout=30)
    assert dev.returncode == 0
    diary = (tmp_path / "data" / "diary").read_text().splitlines()
    assert diary == ["serve starts", "agent starts", "agent ends", "serve ends"]
    assert (tmp_path / "data" / "lodur.log").read_text() == "serve speaks\n"
    assert (tmp_path / "data" / "agent.log").read_text() == "agent speaks\n"
    for words in ("server is ready at", "found 5,678 lines of the last day", "1,234 lines shipped", "stopped\n"):
        assert words in said


@pytest.mark.parametrize(("broken", "name"), [("serve", "server"), ("agent", "agent")])
def test_a_child_that_ends_ends_the_run(start: Start, tmp_path: Path, broken: str, name: str) -> None:
    dev = start(broken)
    _, said = dev.communicate(timeout=30)
    assert dev.returncode == 1
    assert f"Error: the {name} has ended with code 3; the end of" in said
    assert "  cannot go on\n" in said
    if broken == "agent":
        assert said.index("  cannot go on") < said.index("stopped\n")
        assert (tmp_path / "data" / "diary").read_text().splitlines()[-1] == "serve ends"
