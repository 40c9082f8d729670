"""`lodur agent`: the collector."""

from __future__ import annotations

import sys

import click

from lodur.cli.go_flags import Flag, GoFlagsCommand


class AgentCommand(GoFlagsCommand):
    flags = (
        Flag("-config.file=FILE", "The configuration to run (promtail.yaml); of several with commas, the first found."),
        Flag("-config.expand-env=true", "Replace ${VAR} and ${VAR:-default} in the file before it is read."),
        Flag("-client.url=URL", "Ship to this push address, besides those of the file; repeatable."),
        Flag("-dry-run", "Print the lines with their labels instead of shipping them, and remember no positions."),
        Flag("-check-syntax", "Check the configuration, print what is wrong with it, and exit (0 or 1)."),
        Flag("-print-config-stderr", "Print the configuration in force to standard error at start."),
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
