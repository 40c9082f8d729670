"""The same metric query with and without kept results, and against the entries that a log query finds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from lodur.model.durations import NS_PER_HOUR
from lodur.model.tenant import TenantId
from lodur.query.evaluate.matrix import Matrix
from tests.compacting_node import Row
from tests.faults.process import Process
from tests.faults.violation import Violation

COUNTS = 'sum by (app) (count_over_time({app=~".+"}[2h]))'

STEP_NS = 2 * NS_PER_HOUR


def check_counts(
    process: Process,
    tenant: TenantId,
    rows: Sequence[Row],
    start_ns: int,
    *,
    known: tuple[frozenset[str], int],
    may_count_twice: bool,
    keeps: bool,
) -> None:
    """What a process counts is what it shows, and the same where results are kept. Raises Violation."""
    start_ns = start_ns // STEP_NS * STEP_NS
    end_ns = (process.clock.now_ns() // STEP_NS + 2) * STEP_NS
    counted = process.series(tenant, COUNTS, start_ns, end_ns, STEP_NS, keeping=False)
    kept = process.series(tenant, COUNTS, start_ns, end_ns, STEP_NS, keeping=True) if keeps else counted
    if process.known(tenant) != known:
        return
    if not _equal(counted, kept):
        raise Violation(f"kept results differ: {_totals(kept)} instead of {_totals(counted)}")
    wanted, found = Counter(app for app, _, _ in rows), _totals(counted)
    is_right = all(found[app] >= count for app, count in wanted.items()) if may_count_twice else found == wanted
    if not is_right:
        raise Violation(f"a metric query counts {found} entries, a log query finds {wanted}")


def _equal(one: Matrix, other: Matrix) -> bool:
    return (
        one.labels == other.labels
        and np.array_equal(one.present, other.present)
        and np.array_equal(one.values[one.present], other.values[other.present])
    )


def _totals(matrix: Matrix) -> Counter[str]:
    totals = np.where(matrix.present, matrix.values, 0).sum(axis=1)
    return Counter({dict(labels)["app"]: int(total) for labels, total in zip(matrix.labels, totals, strict=True)})
