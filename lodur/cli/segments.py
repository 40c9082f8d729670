"""`lodur segments`: list, describe and check the segments of a store, with or without a server that works on it."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from lodur.cli.store_options import StorePlace, opened_stores, store_options
from lodur.cli.terminal import write_err, write_out
from lodur.model.byte_size import format_byte_size
from lodur.model.errors import CorruptData
from lodur.model.tenant import TenantId

if TYPE_CHECKING:
    from lodur.store.inspection import StoredDay
    from lodur.store.manifest import SegmentMeta
    from lodur.store.object_stores import ObjectStores

STREAMS_SHOWN = 20
"""Of a segment that is described: those of most rows."""


@dataclass(frozen=True, slots=True)
class Where:
    """Which store, and which part of it."""

    place: StorePlace
    tenant: TenantId | None


_tenant_option = click.option("--tenant", help="Look at this tenant only.")


@click.group(name="segments")
@store_options
@_tenant_option
@click.pass_context
def command(ctx: click.Context, *, place: StorePlace, tenant: str | None) -> None:
    """List, describe and check the segments of a store.

    Without options: of the store that `lodur serve` uses when it is started in this directory. Nothing is changed, and
    a server may be at work meanwhile.

    \b
    Examples:
      lodur segments ls
      lodur segments ls --config-file loki.yaml --tenant team-a
      lodur segments inspect 0f6c1e2a-m3f2a9c41d07b8e65
      lodur segments verify
    """
    ctx.obj = Where(place, TenantId(tenant) if tenant else None)


def _asks_where(function: Callable[..., None]) -> Callable[..., None]:
    """Let the options that say where stand behind the sub-command as well as before it."""

    def asked(before: Where, /, *, place: StorePlace, tenant: str | None, **others: object) -> None:
        only = TenantId(tenant) if tenant else before.tenant
        function(Where(place if place.is_named else before.place, only), **others)

    functools.update_wrapper(asked, function)
    return store_options(_tenant_option(click.pass_obj(asked)))


@command.command(name="ls")
@_asks_where
def ls(where: Where) -> None:
    """List live segments by tenant and day, one a line, and below them what waits to be deleted."""
    count = raw_bytes = stored_bytes = waiting = 0
    with opened_stores(where.place) as stores:
        days = _days(stores, where)
        write_out(
            f"{'TENANT':<16} {'DAY':<10} {'LEVEL':>5} {'ZSTD':>4} {'ROWS':>11} {'RAW':>10} {'STORED':>10} "
            f"{'FROM':<8} {'TO':<8} ID\n"
        )
        for stored in days:
            for segment in stored.manifest.segments:
                write_out(_line(stored, segment))
                count += 1
                raw_bytes += segment.line_bytes
                stored_bytes += segment.file_bytes
            waiting += len(stored.manifest.removed)
    ratio = f", {raw_bytes / stored_bytes:.1f} to 1" if stored_bytes else ""
    write_err(
        f"{count} segments, {format_byte_size(raw_bytes)} of lines in {format_byte_size(stored_bytes)}{ratio}; "
        f"{waiting} replaced ones wait to be deleted\n"
    )


@command.command(name="inspect")
@click.argument("name", metavar="ID")
@_asks_where
def inspect(where: Where, name: str) -> None:
    """Describe a segment by its id, or the end of its path: sizes of its parts, columns, streams."""
    from lodur.store.whole_segments import opened_whole

    with opened_stores(where.place) as stores:
        for stored in _days(stores, where):
            for segment in stored.manifest.segments:
                if segment.id == name or segment.path.endswith(name):
                    with _problems_told(segment), opened_whole(stored.store, segment) as whole:
                        sizes, streams = whole.sizes, whole.streams()
                        facts = [
                            ("path", segment.path),
                            ("tenant", stored.tenant.value),
                            ("from", _time(segment.min_ts_ns)),
                            ("to", _time(segment.max_ts_ns)),
                            ("level", str(segment.level)),
                            ("codec", whole.codec),
                            ("rows", str(whole.rows)),
                            ("blocks", str(whole.blocks)),
                            ("raw lines", f"{whole.line_bytes} bytes"),
                            ("stored", f"{segment.file_bytes} bytes"),
                            ("  lines", f"{sizes.lines} bytes"),
                            ("  timestamps", f"{sizes.timestamps} bytes"),
                            ("  labels", f"{sizes.labels} bytes"),
                            ("  metadata", f"{sizes.metadata} bytes"),
                            ("  gram filter", f"{sizes.grams} bytes"),
                            ("metadata columns", ", ".join(map(_column, whole.metadata_columns())) or "none"),
                            ("streams", str(len(streams))),
                        ]
                    write_out("".join(f"{label:<17} {text}\n" for label, text in facts))
                    largest = sorted(streams, key=lambda stream: -stream[1])[:STREAMS_SHOWN]
                    write_out("".join(f"{rows:>12}  {labels}\n" for labels, rows in largest))
                    return
    raise click.ClickException(f"there is no live segment '{name}'; `lodur segments ls` lists them")


@contextmanager
def _problems_told(segment: SegmentMeta) -> Iterator[None]:
    from lodur.store.whole_segments import DamagedSegment, MissingSegment

    try:
        yield
    except (DamagedSegment, CorruptData) as error:
        raise click.ClickException(f"{segment.path} is damaged: {error}") from error
    except MissingSegment as error:
        raise click.ClickException(f"{segment.path} is missing") from error


@command.command(name="verify")
@_asks_where
def verify(where: Where) -> None:
    """Read every live segment from end to end and check it; exit with 1 where one is damaged or missing.

    Objects that no manifest names are told too: those of a flush under way, or of a crash.
    """
    from lodur.store.inspection import problem_of, unknown_objects

    count = damaged = 0
    tenants: dict[TenantId, None] = {}
    with opened_stores(where.place) as stores:
        for stored in _days(stores, where):
            tenants[stored.tenant] = None
            for segment in stored.manifest.segments:
                problem = problem_of(stored, segment)
                count += 1
                if problem is not None:
                    damaged += 1
                    write_out(f"damaged   {problem.path}: {problem.text}\n")
                else:
                    write_err(f"ok        {segment.path}: {segment.rows} rows\n")
        for tenant in tenants:
            for store in stores.each():
                for problem in unknown_objects(store, tenant):
                    write_out(f"unknown   {problem.path}: {problem.text}\n")
    write_err(f"{count} segments, {damaged} damaged\n")
    if damaged:
        sys.exit(1)


def _days(stores: ObjectStores, where: Where) -> Iterator[StoredDay]:
    """Raises NotFound for a tenant that is not there, and as `days_in`."""
    from lodur.store.inspection import check_tenant, days_in

    if where.tenant is not None:
        check_tenant(stores, where.tenant)
    return days_in(stores, where.tenant)


def _line(stored: StoredDay, segment: SegmentMeta) -> str:
    first, last = _time(segment.min_ts_ns), _time(segment.max_ts_ns)
    return (
        f"{stored.tenant.value:<16} {stored.manifest.day:<10} {segment.level:>5} {segment.zstd_level or '-':>4} "
        f"{segment.rows:>11} {format_byte_size(segment.line_bytes):>10} {format_byte_size(segment.file_bytes):>10} "
        f"{first[11:19]:<8} {last[11:19]:<8} {segment.id}\n"
    )


def _column(column: tuple[str, int | None]) -> str:
    name, values = column
    return name if values is None else f"{name} ({values} values)"


def _time(ts_ns: int) -> str:
    return datetime.fromtimestamp(ts_ns // 10**9, UTC).isoformat()
