"""`lodur serve`: the server."""

from __future__ import annotations

import sys

import click

from lodur.cli.go_flags import Flag, GoFlagsCommand


class ServeCommand(GoFlagsCommand):
    flags = (
        Flag(
            "-config.file=FILE", "Read a configuration of Loki's shape; of several names with commas, the first found."
        ),
        Flag("-config.expand-env=true", "Replace ${VAR} and ${VAR:-default} in the file before it is read."),
        Flag("-target=all", "What this process does: all, read, write, backend, or one of Loki's finer names."),
        Flag("-server.http-listen-address=ADDR", "Listen on this address only."),
        Flag("-server.http-listen-port=3100", "Listen on this port."),
        Flag("-auth.enabled=false", "Whether each request must name its tenant."),
        Flag("-log.level=info", "Write log lines from this level on: debug, info, warn or error."),
        Flag("-verify-config", "Check the configuration, print what is wrong with it, and exit (0 or 1)."),
        Flag("-print-config-stderr", "Print the configuration in force to standard error at start."),
    )


@click.command(name="serve", cls=ServeCommand, add_help_option=False)
def command(argv: tuple[str, ...]) -> None:
    """Start the server.

    Without flags: one process that does everything, on port 3100, with its data in ./data and no authentication.
    Every setting of the file is a flag too, named as in Loki; a flag wins over the file.

    \b
    Examples:
      lodur serve
      lodur serve -server.http-listen-port=3200
      lodur serve -config.file=loki.yaml -config.expand-env=true
      lodur serve -config.file=loki.yaml -verify-config

    \b
    Then, from another terminal:
      curl http://127.0.0.1:3100/ready
      lodur push /var/log/dpkg.log
      lodur query '{job="lodur-push"}'
    """
    # Imported here: the server is most of Lodur, and help needs none of it.
    from lodur.app import garbage

    garbage.put_off()
    from lodur.app.serve import run

    sys.exit(run(argv))
