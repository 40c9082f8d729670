"""`lodur agent`: the collector."""

from __future__ import annotations

import sys

import click

from lodur.cli.go_flags import Flag, GoFlagsCommand


class AgentCommand(GoFlagsCommand):
    flags = (
        Flag("-config.file=FILE", "The Promtail configuration to run."),
        Flag("-config.expand-env=true", "Replace ${VAR} and ${VAR:-default} in the file before it is read."),
        Flag("-log.level=info", "Write log lines from this level on: debug, info, warn or error."),
    )


@click.command(name="agent", cls=AgentCommand, add_help_option=False)
def command(argv: tuple[str, ...]) -> None:
    """Collect logs and ship them to a server.

    Runs an existing promtail.yaml as it is: follows the files of its `__path__` globs across rotation, remembers how
    far it came in the file of `positions`, and tries again while the server cannot be reached.

    \b
    A file to begin with:
      positions:
        filename: ./positions.yaml
      clients:
        - url: http://127.0.0.1:3100/loki/api/v1/push
      scrape_configs:
        - job_name: system
          static_configs:
            - targets: [localhost]
              labels: {job: varlogs, __path__: /var/log/**/*.log}

    \b
    Examples:
      lodur agent -config.file=promtail.yaml
      lodur agent -config.file=promtail.yaml -config.expand-env=true
    """
    # Imported here: help needs nothing of the agent.
    from lodur.app.agent import run

    sys.exit(run(argv))
