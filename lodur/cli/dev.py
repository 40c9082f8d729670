"""`lodur dev`: the server and an agent on this machine's own logs, to try Lodur with."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.command(name="dev")
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("data"),
    show_default=True,
    help="Where everything is kept; a second start finds it again.",
)
@click.option("--port", type=click.IntRange(1, 65535), default=3100, show_default=True, help="Listen on this port.")
def command(*, data_dir: Path, port: int) -> None:
    """Start a server and an agent that ships this machine's own logs.

    The server listens on 127.0.0.1 alone. The agent ships /var/log and the server's own log. Both are told what to do
    by files in the data directory (serve.yaml, agent.yaml), which are written anew at each start and worth a look.
    Ctrl-C stops both.

    \b
    Examples:
      lodur dev
      lodur dev --port 3200 --data-dir /tmp/lodur
    """
    # Imported here: help needs none of it.
    from lodur.app.dev import DevOptions, run

    sys.exit(run(DevOptions(data_dir=data_dir, port=port)))
