"""`lodur verify`: check a store from end to end, with or without a server that works on it."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click

from lodur.cli.progress_lines import ProgressLines
from lodur.cli.store_options import StorePlace, opened_stores, store_options
from lodur.cli.terminal import write_err, write_out
from lodur.model.byte_size import format_byte_size
from lodur.model.errors import LodurError
from lodur.model.tenant import TenantId

if TYPE_CHECKING:
    from lodur.store.verification import Counts, Finding

LOST, UNCHECKED = 1, 3
"""Exit codes: entries cannot be read; the store could not be checked."""


@click.command(name="verify")
@store_options
@click.option("--tenant", help="Look at this tenant only.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", help="How findings are printed.")
@click.option("-q", "--quiet", is_flag=True, help="No progress and no sum, findings only.")
def command(*, place: StorePlace, tenant: str | None, output: str, quiet: bool) -> None:
    """Check every checksum and every reference of a store.

    The whole store is read, and objects that no manifest names are told too.

    Without options: the store that `lodur serve` uses when it is started in this directory. Nothing is changed, and a
    server may be at work meanwhile. Findings are `damaged` or `missing` (entries cannot be read), `unknown` (an object
    that no manifest names) and `aside` (damaged bytes that were kept).

    \b
    Exit codes: 0 every entry can be read, 1 damaged or missing ones, 3 the store could not be checked
    (or has nothing of that tenant).

    \b
    Examples:
      lodur verify
      lodur verify --config-file loki.yaml --tenant team-a
      lodur verify --directory ./data/store -o json
    """
    from lodur.store.verification import Verification

    progress = ProgressLines(is_quiet=quiet)

    def checked(counts: Counts, path: str) -> None:
        size = format_byte_size(counts.bytes)
        progress.say(lambda: f"{counts.segments} segments, {size}, {counts.losses} problems; {path}")

    found: list[Finding] = []
    try:
        with opened_stores(place) as stores:
            verification = Verification(stores, TenantId(tenant) if tenant else None, checked)
            for finding in verification.run():
                progress.end()
                found.append(finding)
                if output == "text":
                    text = finding.text if finding.path in finding.text else f"{finding.path}: {finding.text}"
                    write_out(f"{finding.kind.value:<8} {text}\n")
    except (LodurError, OSError) as error:
        raise Unchecked(f"the store could not be checked: {error}") from error
    progress.end()
    counts = verification.counts
    if output == "json":
        write_out(_json(found, counts))
    elif not quiet:
        write_err(
            f"{counts.segments} segments of {counts.manifests} days and {counts.tenants} tenants, "
            f"{format_byte_size(counts.bytes)}, {counts.rows} rows: {counts.losses} damaged or missing\n"
        )
    sys.exit(LOST if counts.losses else 0)


class Unchecked(click.ClickException):
    """The store could not be checked."""

    exit_code = UNCHECKED


def _json(found: list[Finding], counts: Counts) -> str:
    findings = [
        {"kind": one.kind.value, "tenant": one.tenant, "path": one.path, "offset": one.offset, "text": one.text}
        for one in found
    ]
    checked = {
        "tenants": counts.tenants,
        "manifests": counts.manifests,
        "segments": counts.segments,
        "bytes": counts.bytes,
        "rows": counts.rows,
        "damaged_or_missing": counts.losses,
    }
    return json.dumps({"checked": checked, "findings": findings}, indent=1) + "\n"
