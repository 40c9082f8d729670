"""`lodur delete`: ask for entries to be deleted, see what becomes of it, and change one's mind."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, tzinfo
from typing import TypeVar

import click
import msgspec

from lodur.cli.client import LokiClient, Params
from lodur.cli.connection import Connection, connection_options
from lodur.cli.query_errors import pointing_at_syntax, read_query
from lodur.cli.terminal import write_err, write_out
from lodur.cli.times import format_time, option_moment, zone_option
from lodur.model.durations import NS_PER_MS, NS_PER_S
from lodur.model.errors import Unavailable

DELETE_PATH = "/loki/api/v1/delete"
AUDIT_PATH = "/lodur/api/v1/deletes/audit"
ID_HEADER = "x-delete-request-id"


class ListedRequest(msgspec.Struct, frozen=True):
    """A delete request as servers list it; times are Unix seconds."""

    request_id: str
    start_time: float
    end_time: float
    query: str
    status: str
    created_at: float


class Cancelled(msgspec.Struct, frozen=True):
    at: float
    by: str
    forced: bool


class Removal(msgspec.Struct, frozen=True):
    """Entries that went with one rewriting of a segment."""

    segment: str
    entries: int
    at: float
    by: str
    into: list[str]


class AuditedRequest(msgspec.Struct, frozen=True):
    """A delete request and all that became of it."""

    request_id: str
    start_time: float
    end_time: float
    query: str
    created_at: float
    created_by: str
    started_at: float | None
    processed_at: float | None
    cancelled: Cancelled | None
    removed_entries: int
    removals: list[Removal]
    unread_segments: list[str] = []


_LISTED = msgspec.json.Decoder(list[ListedRequest])
_AUDITED = msgspec.json.Decoder(list[AuditedRequest])

T = TypeVar("T")


@click.group(name="delete")
def command() -> None:
    """Ask for entries to be deleted, list such requests, and cancel them.

    What a request names is seen no more as soon as it is made. After the server's cancel period it is removed from the
    store, and until then the request can be cancelled. The server must have retention enabled.

    \b
    Examples:
      lodur delete add '{app="shop"} |= "4111 1111"' --from -7d
      lodur delete add '{app="shop"} | json | user_id="17"' --from 2026-01-01 --to 2026-02-01
      lodur delete list
      lodur delete list --audit
      lodur delete cancel 17171a0c
    """


@command.command(name="add")
@click.argument("query")
@click.option(
    "--from",
    "from_text",
    metavar="TIME",
    required=True,
    help="The first entries that are meant: RFC 3339, Unix seconds or nanoseconds, -7d, or now.",
)
@click.option("--to", "to_text", metavar="TIME", help="The last ones; same forms.  [default: now]")
@click.option("--max-interval", metavar="DURATION", help="Passed on to servers that divide requests by time.")
@zone_option
@connection_options
def add(
    *, query: str, from_text: str, to_text: str | None, max_interval: str | None, connection: Connection, zone: tzinfo
) -> None:
    """Delete the entries that QUERY shows, and print the request's id.

    QUERY is a selector, with or without a pipeline: what `lodur query` prints for it is what goes.
    """
    params = [("query", query), ("start", _sent_time(option_moment("--from", from_text, zone)))]
    if to_text is not None:
        params.append(("end", _sent_time(option_moment("--to", to_text, zone))))
    if max_interval is not None:
        params.append(("max_interval", max_interval))
    with closing(LokiClient(connection)) as client, pointing_at_syntax(query, read=read_query):
        answer = client.send("POST", DELETE_PATH, params)
    write_out(f"{answer.headers.get(ID_HEADER, '')}\n")


@command.command(name="list")
@click.option("--audit", is_flag=True, help="All requests that ever were: by whom, and what was removed when.")
@zone_option
@connection_options
def list_requests(*, audit: bool, connection: Connection, zone: tzinfo) -> None:
    """List the requests that were not cancelled, in the order in which they were made."""
    with closing(LokiClient(connection)) as client:
        if audit:
            trails = _decoded(client.get(AUDIT_PATH), _AUDITED, client.url)
            write_out("\n".join(_audited(trail, zone) for trail in trails))
            return
        requests = _decoded(client.get(DELETE_PATH), _LISTED, client.url)
    if not requests:
        write_err("there are no delete requests\n")
        return
    write_out(f"{'ID':<8}  {'STATUS':<13}  {'MADE':<25}  {'FROM':<25}  {'TO':<25}  QUERY\n")
    for one in requests:
        times = "  ".join(f"{_shown(at, zone):<25}" for at in (one.created_at, one.start_time, one.end_time))
        write_out(f"{one.request_id:<8}  {one.status:<13}  {times}  {one.query}\n")


@command.command(name="cancel")
@click.argument("request_id", metavar="ID")
@click.option("--force", is_flag=True, help="Even if some of its entries are removed already: they do not come back.")
@connection_options
def cancel(*, request_id: str, force: bool, connection: Connection) -> None:
    """Cancel a request: what it has not removed yet is seen again."""
    params: Params = [("request_id", request_id), *([("force", "true")] if force else [])]
    with closing(LokiClient(connection)) as client:
        client.send("DELETE", DELETE_PATH, params)


def _decoded(body: bytes, decoder: msgspec.json.Decoder[T], url: str) -> T:
    try:
        return decoder.decode(body)
    except msgspec.DecodeError as error:
        raise Unavailable(f"{url} answered something else than a Loki-compatible server would: {error}") from error


def _sent_time(ts_ns: int) -> str:
    return format_time(ts_ns, UTC, nanos=True)


def _shown(seconds: float, zone: tzinfo) -> str:
    return format_time(round(seconds * (NS_PER_S // NS_PER_MS)) * NS_PER_MS, zone, nanos=False)


def _audited(trail: AuditedRequest, zone: tzinfo) -> str:
    lines = [
        f"{trail.request_id}  {trail.query}",
        f"  from {_shown(trail.start_time, zone)} to {_shown(trail.end_time, zone)}",
        f"  made      {_shown(trail.created_at, zone)} by {trail.created_by or 'unknown'}",
    ]
    if trail.started_at is not None:
        lines.append(f"  started   {_shown(trail.started_at, zone)}")
    lines += [
        f"  removed   {_shown(one.at, zone)} {one.entries} entries of {one.segment}, the rest in "
        f"{', '.join(one.into) or 'no segment'}, by {one.by}"
        for one in trail.removals
    ]
    lines += [
        f"  unread    {path}: damaged or missing, it may have entries of this request" for path in trail.unread_segments
    ]
    if trail.processed_at is not None:
        lines.append(f"  processed {_shown(trail.processed_at, zone)}")
    if trail.cancelled is not None:
        forced = " by force" if trail.cancelled.forced else ""
        lines.append(f"  cancelled {_shown(trail.cancelled.at, zone)}{forced} by {trail.cancelled.by}")
    lines.append(f"  {trail.removed_entries} entries removed")
    return "\n".join(lines) + "\n"
