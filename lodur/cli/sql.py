"""`lodur sql`: SQL over the segments of a store, with DuckDB."""

from __future__ import annotations

from contextlib import closing
from datetime import tzinfo

import click

from lodur.cli.extras import duck, missing
from lodur.cli.sql_views import SqlOutput, Statements, create_views
from lodur.cli.store_options import StorePlace, spool_directory, store_options
from lodur.cli.terminal import write_err
from lodur.cli.times import duration_value, resolve_span, zone_option
from lodur.model.errors import InvalidRequest
from lodur.model.tenant import TenantId
from lodur.model.time_span import TimeSpan


def _since(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    return None if value is None else duration_value(ctx, param, value)


@click.command(name="sql")
@click.argument("statements", metavar="SQL")
@click.option("--since", callback=_since, metavar="DURATION", help="Look back this far.  [default: look at all]")
@click.option("--from", "from_text", metavar="TIME", help="Look at entries from this time on.")
@click.option("--to", "to_text", metavar="TIME", help="Look at entries before this time.")
@zone_option
@click.option(
    "--tenant", "tenants", multiple=True, help="Whose logs; repeatable.  [default: the only tenant of the store]"
)
@click.option(
    "-o",
    "--output",
    "output",
    type=click.Choice([form.value for form in SqlOutput]),
    default=SqlOutput.TABLE.value,
    show_default=True,
    help="Form of the result.",
)
@click.option("--file", "target", default="-", type=click.Path(dir_okay=False), help="Write the result to this file.")
@click.option("--max-rows", type=click.IntRange(min=1), default=1000, show_default=True, help="Rows of a table.")
@click.option("-q", "--quiet", is_flag=True, help="Print nothing but the result.")
@store_options
def command(
    *,
    statements: str,
    since: int | None,
    from_text: str | None,
    to_text: str | None,
    zone: tzinfo,
    tenants: tuple[str, ...],
    output: str,
    target: str,
    max_rows: int,
    quiet: bool,
    place: StorePlace,
) -> None:
    """Run SQL over the segments of a store.

    `logs` is a tenant's entries: timestamp, ts_ns (the same in nanoseconds), line, detected_level, a column for each
    label and each frequent name of structured metadata, and structured_metadata, a map of the others. Only live
    segments are read, and of these only what the statement needs; --since and the like leave whole segments out. What
    delete requests hide is not there, nor are lines that the server has not flushed yet. Each tenant has a schema of
    its own, and of several `logs` is all of them with a column tenant. Statements are DuckDB's.

    \b
    Examples:
      lodur sql "select app, count(*) from logs group by app order by 2 desc"
      lodur sql --since 24h "select date_trunc('hour', timestamp) as hour, count(*) from logs
                             where line like '%timeout%' group by 1 order by 1"
      lodur sql --tenant team-a -o csv --file levels.csv "select detected_level, count(*) from logs group by 1"
      lodur sql --config-file loki.yaml "select * from logs where line like '%9f1c%' limit 5" -o jsonl
      lodur sql "describe logs"
    """
    span = _span(since, from_text, to_text, zone)
    form = SqlOutput(output)
    if target == "-" and form is SqlOutput.PARQUET:
        raise click.UsageError("a Parquet file is written with --file")
    with closing(duck("lodur sql")) as database, spool_directory() as spool:
        try:
            from lodur.app.segment_files import SCHEME, SegmentFilesystem, shown_files, stored_tenants
        except ImportError as error:
            raise missing("lodur sql", "sql") from error
        from lodur.app.deletion_modes import deletion_modes, overrides_now
        from lodur.store.inspection import check_tenant, tenant_names
        from lodur.store.object_stores import ObjectStores
        from lodur.telemetry.log import configure_log

        configure_log(level="warn", is_json=False)
        # Nothing is fetched from elsewhere: what is built in is enough.
        database.execute("set autoinstall_known_extensions = false; set autoload_known_extensions = false")
        database.execute("set TimeZone = 'UTC'")
        config = place.config()
        stores = ObjectStores.of(place.storage(config), spool_directory=spool)
        mode_of = deletion_modes(overrides_now(config))
        named = [TenantId(name) for name in tenants]
        for tenant in named:
            check_tenant(stores, tenant)
        chosen = named or list(stored_tenants(stores))
        if len(chosen) > 1 and not named:
            names = tenant_names(chosen)
            raise InvalidRequest(f"there are several tenants: choose with --tenant (repeatable): {names}")
        files = {tenant: shown_files(stores, tenant, span, mode_of(tenant), spool) for tenant in chosen}
        remote = [file for of_tenant in files.values() for file in of_tenant if file.path.startswith(f"{SCHEME}://")]
        if remote:
            database.register_filesystem(SegmentFilesystem(remote))
        paths = {tenant.value: [file.path for file in of_tenant] for tenant, of_tenant in files.items()}
        create_views(database, paths, span)
        told = Statements(database, form, target, max_rows).run(statements)
        if not chosen:
            told += "the store has no segments yet\n"
    if told and not quiet:
        write_err(told)


def _span(since: int | None, from_text: str | None, to_text: str | None, zone: tzinfo) -> TimeSpan | None:
    if since is None and from_text is None and to_text is None:
        return None
    return resolve_span(since or 0, from_text if from_text or since else "0", to_text, zone)
