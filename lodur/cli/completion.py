"""`lodur completion`: scripts that complete commands and options in a shell."""

from __future__ import annotations

import click
from click.shell_completion import BashComplete, FishComplete, ShellComplete, ZshComplete

from lodur.cli.terminal import write_out

_SHELLS: dict[str, type[ShellComplete]] = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}


@click.command(name="completion")
@click.argument("shell", type=click.Choice(list(_SHELLS)))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the completion script for a shell.

    \b
    Examples:
      eval "$(lodur completion bash)"                # for this shell; put it into ~/.bashrc to keep it
      eval "$(lodur completion zsh)"                 # the same for ~/.zshrc
      lodur completion fish > ~/.config/fish/completions/lodur.fish
    """
    root = ctx.find_root().command
    write_out(_SHELLS[shell](root, {}, "lodur", "_LODUR_COMPLETE").source())
