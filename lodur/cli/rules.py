"""`lodur rules`: check and test rule files, and make a server's rules those of files."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lodur.cli.connection import Connection, connection_options
from lodur.cli.terminal import write_err, write_out
from lodur.model.errors import InvalidRequest

if TYPE_CHECKING:
    from lodur.cli.rules_client import RulesClient
    from lodur.ruler.written import WrittenGroup

FILES = click.argument(
    "files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE..."
)
PRUNE = click.option("--prune", is_flag=True, help="Delete the groups of namespaces that no file names, too.")


@click.group(name="rules")
def command() -> None:
    """Check, test, list and change rules.

    A file has `groups:` at the top, and belongs to the namespace that its `namespace:` names, else to that of its name
    without the ending.

    \b
    Examples:
      lodur rules lint rules/*.yaml
      lodur rules test tests/shop.yaml
      lodur rules diff rules/*.yaml
      lodur rules sync rules/*.yaml
      lodur rules get shop
    """


@command.command(name="lint")
@FILES
def lint(*, files: tuple[Path, ...]) -> None:
    """Tell all that is wrong in rule files; exit with 1 where something is."""
    from lodur.cli.rule_files import lint_file

    defects = [f"{file}:{defect.line}: {defect.text}\n" for file in files for defect in lint_file(file)]
    write_err("".join(defects))
    if defects:
        sys.exit(1)


@command.command(name="test")
@FILES
def test(*, files: tuple[Path, ...]) -> None:
    """Run tests of rules: lines in, alerts and samples out; exit with 1 where one fails."""
    from lodur.ruler.unit_test_run import run_tests

    has_failed = False
    for file in files:
        for outcome in asyncio.run(run_tests(file)):
            has_failed = has_failed or bool(outcome.failures)
            write_out(f"{'FAIL' if outcome.failures else 'ok  '}  {file}: {outcome.name}\n")
            for failure in outcome.failures:
                write_out("".join(f"      {line}\n" for line in failure.splitlines()))
    if has_failed:
        sys.exit(1)


@command.command(name="list")
@connection_options
def list_groups(*, connection: Connection) -> None:
    """List the server's groups, one a line."""
    from lodur.model.durations import format_prometheus_duration

    with _server(connection) as server:
        namespaces = server.namespaces()
    write_out(f"{'NAMESPACE':<24} {'GROUP':<32} {'RULES':>5} INTERVAL\n")
    for namespace, groups in namespaces.items():
        for group in groups:
            interval = format_prometheus_duration(group.interval_ns) if group.interval_ns else "-"
            write_out(f"{namespace:<24} {group.name:<32} {len(group.rules):>5} {interval}\n")


@command.command(name="get")
@click.argument("namespace")
@click.argument("group", required=False)
@connection_options
def get(*, namespace: str, group: str | None, connection: Connection) -> None:
    """Print a namespace as a rule file, or one group of it."""
    from lodur.ruler.written import file_yaml, group_yaml

    with _server(connection) as server:
        groups = server.namespaces().get(namespace, ())
    found = [one for one in groups if group in (None, one.name)]
    if not found:
        raise InvalidRequest(f"there is no {f'group {group} in ' if group else ''}namespace {namespace}")
    write_out(file_yaml(found) if group is None else group_yaml(found[0]))


@command.command(name="delete")
@click.argument("namespace")
@click.argument("group", required=False)
@connection_options
def delete(*, namespace: str, group: str | None, connection: Connection) -> None:
    """Delete a namespace, or one group of it."""
    with _server(connection) as server:
        server.delete(namespace, group)


@command.command(name="diff")
@FILES
@PRUNE
@connection_options
def diff(*, files: tuple[Path, ...], prune: bool, connection: Connection) -> None:
    """Tell what `sync` would change; exit with 1 where it would change something."""
    from lodur.cli.rule_files import shown_change
    from lodur.ruler.rule_diff import changes_between

    wanted = _namespaces_of(files)
    with _server(connection) as server:
        changes = changes_between(server.namespaces(), wanted, prune=prune)
    for change in changes:
        write_out(shown_change(change))
    if changes:
        sys.exit(1)


@command.command(name="sync")
@FILES
@PRUNE
@connection_options
def sync(*, files: tuple[Path, ...], prune: bool, connection: Connection) -> None:
    """Make the namespaces that the files name on the server what the files say.

    Groups that are not in the files any more are deleted. Nothing is changed where a file is wrong.
    """
    from lodur.ruler.rule_diff import changes_between

    wanted = _namespaces_of(files)
    with _server(connection) as server:
        for change in changes_between(server.namespaces(), wanted, prune=prune):
            if change.after is None:
                server.delete(change.namespace, change.name)
            else:
                server.put(change.namespace, change.after)
            write_out(f"{change.kind:<6}  {change.namespace}  {change.name}\n")


def _namespaces_of(files: tuple[Path, ...]) -> dict[str, tuple[WrittenGroup, ...]]:
    from lodur.cli.rule_files import namespaces_of

    return namespaces_of(files)


@contextmanager
def _server(connection: Connection) -> Iterator[RulesClient]:
    from lodur.cli.client import LokiClient
    from lodur.cli.rules_client import RulesClient

    with closing(LokiClient(connection)) as client:
        yield RulesClient(connection, client)
