"""Queries over several tenants: which of them a selector means, and the label that tells their results apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lodur.logql.parser import parse_selector
from lodur.logql.selector import Selector
from lodur.model.errors import InvalidRequest, QuerySyntaxError
from lodur.model.label_set import LabelSet
from lodur.model.tenant import TenantId
from lodur.query.evaluate.matrix import Matrix
from lodur.query.plan.nodes import LogScan
from lodur.store.label_matching import accepts

TENANT_LABEL = "__tenant_id__"
"""Where several tenants are asked, each series and stream carries its tenant under this name."""

ORIGINAL_TENANT_LABEL = "original___tenant_id__"
"""A label of that name that was there before."""


def labelled(matrix: Matrix, tenant: TenantId) -> Matrix:
    """The series of one tenant, as the answer to a query over several shows them."""
    return matrix.with_labels(labelled_set(labels, tenant) for labels in matrix.labels)


def labelled_set(labels: LabelSet, tenant: TenantId) -> LabelSet:
    """The labels with the tenant's."""
    renamed = [(ORIGINAL_TENANT_LABEL if name == TENANT_LABEL else name, value) for name, value in labels]
    return LabelSet.of([*renamed, (TENANT_LABEL, tenant.value)])


def chosen_tenants(scan: LogScan, tenants: Sequence[TenantId]) -> tuple[LogScan, tuple[TenantId, ...]]:
    """The tenants that the scan's selector accepts, and the scan without its matchers on the tenant label.

    Raises InvalidRequest where what is left of the selector chooses nothing.
    """
    selector, accepted = selected_tenants(scan.query.selector, tenants)
    return replace(scan, query=replace(scan.query, selector=selector)), accepted


def selected_tenants(selector: Selector, tenants: Sequence[TenantId]) -> tuple[Selector, tuple[TenantId, ...]]:
    """The tenants that the matchers on the tenant label accept, and the selector without those matchers.

    Raises InvalidRequest where what is left of the selector chooses nothing.
    """
    about = [matcher for matcher in selector.matchers if matcher.name == TENANT_LABEL]
    if not about:
        return selector, tuple(tenants)
    rest = Selector(tuple(matcher for matcher in selector.matchers if matcher.name != TENANT_LABEL))
    try:
        parse_selector(str(rest))
    except QuerySyntaxError as error:
        raise InvalidRequest(f"log selector is invalid after matcher update: {error}") from error
    return rest, tuple(tenant for tenant in tenants if all(accepts(matcher, tenant.value) for matcher in about))
