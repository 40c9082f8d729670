"""Limits on streams refuse the streams concerned: the others of a push are kept, now and after a restart."""

from __future__ import annotations

import orjson

from tests.conftest import StartLodur
from tests.system.conftest import Connect
from tests.system.pushing import Client, config_text

JSON = {"Content-Type": "application/json"}


def push(client: Client, now_ns: int, apps: dict[str, str]) -> str:
    """Push a line to each app's stream; the answer's text."""
    streams = [{"stream": {"app": app}, "values": [[str(now_ns), line]]} for app, line in apps.items()]
    return client.request("POST", "/loki/api/v1/push", orjson.dumps({"streams": streams}), JSON).decode()


def found(client: Client, now_ns: int) -> list[str]:
    return sorted(client.lines('{app=~".+"}', now_ns - 10**9, now_ns + 10**9))


def test_new_streams_beyond_the_limit_are_refused_alone(
    lodur_server: StartLodur, connect: Connect, now_ns: int
) -> None:
    limited = config_text(flush_on_shutdown=False).replace(
        "limits_config:\n", "limits_config:\n  max_global_streams_per_user: 2\n"
    )
    server = lodur_server(config_text=limited)
    client = connect(server)
    text = push(client, now_ns, {"a": "in a", "b": "in b", "c": "in c"})
    assert client.status == 429
    assert text.startswith('maximum active stream limit exceeded when trying to create stream {app="c"')
    assert found(client, now_ns) == ["in a", "in b"]
    # As agents do: the whole push again, of which two thirds are there.
    assert push(client, now_ns, {"a": "in a", "b": "in b", "c": "in c"}) == text
    assert found(client, now_ns) == ["in a", "in b"]
    assert push(client, now_ns, {"a": "more in a"}) == ""
    assert client.status == 204
    metrics = client.request("GET", "/metrics").decode()
    assert 'loki_discarded_samples_total{reason="stream_limit",tenant="fake"} 2.0' in metrics
    server.restart()
    assert found(connect(server), now_ns) == ["in a", "in b", "more in a"]


def test_a_stream_over_its_rate_is_refused_alone(lodur_server: StartLodur, connect: Connect, now_ns: int) -> None:
    limited = config_text(flush_on_shutdown=False)
    limited = limited.replace("per_stream_rate_limit: 1GB", "per_stream_rate_limit: 1KB")
    server = lodur_server(
        config_text=limited.replace("per_stream_rate_limit_burst: 1GB", "per_stream_rate_limit_burst: 1KB")
    )
    client = connect(server)
    text = push(client, now_ns, {"loud": "x" * 2000, "quiet": "in quiet"})
    assert client.status == 429
    assert text.startswith("entry with timestamp ")
    assert 'Per stream rate limit exceeded (limit: 1KB/sec) while attempting to ingest for stream \'{app="loud"' in text
    assert text.endswith('total ignored: 1 out of 1 for stream: {app="loud", service_name="loud"}\n')
    assert found(client, now_ns) == ["in quiet"]
    server.restart()
    assert found(connect(server), now_ns) == ["in quiet"]
