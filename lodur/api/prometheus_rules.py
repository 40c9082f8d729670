"""How rules fare, and alerts, in the form of Prometheus' API: what Grafana's alert pages read."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lodur.api.endpoint import Endpoint
from lodur.api.loki_rules import json_status, one_tenant, rules_error
from lodur.api.params import Params, query_params
from lodur.api.tenant import Tenancy
from lodur.logql.parser import parse_tree
from lodur.model.durations import NS_PER_S
from lodur.model.errors import InvalidRequest, LodurError, QuerySyntaxError
from lodur.model.go_strings import quote
from lodur.model.tenant import TenantId
from lodur.ruler.alerts import Alert, rule_phase
from lodur.ruler.group_state import GroupState, RuleState
from lodur.ruler.groups import AlertingRule, Rule, RuleGroup, rule_keys
from lodur.ruler.template.values import shortest_exponent

ROOTS = ("/prometheus/api/v1", "/api/prom/api/v1")

NEVER = "0001-01-01T00:00:00Z"
"""Go's zero time: not evaluated yet."""

_BAD_REQUEST = 400
_LIMIT_DIGITS_MAX = 9
"""Of a number of groups; more digits mean all as well."""
_TRUE = frozenset({"1", "t", "true"})
_TYPES = {"": (True, True), "alert": (True, False), "record": (False, True)}

GroupsOf: TypeAlias = Callable[[TenantId], Awaitable[list[tuple[RuleGroup, GroupState]]]]
"""A tenant's groups with how they have fared. Raises LodurError."""


def routes(groups_of: GroupsOf, tenancy: Tenancy) -> list[Route]:
    """The routes of this module."""
    pages = _Pages(groups_of)
    return [
        Route(f"{root}/{name}", _endpoint(page, tenancy), methods=["GET"])
        for root in ROOTS
        for name, page in (("rules", pages.rules), ("alerts", pages.alerts))
    ]


_Page: TypeAlias = Callable[[TenantId, Params], Awaitable[Response]]


def _endpoint(page: _Page, tenancy: Tenancy) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        try:
            return await page(one_tenant(request, tenancy), query_params(request))
        except LodurError as error:
            return rules_error(error)

    return endpoint


@dataclass(frozen=True, slots=True)
class _Filter:
    """Which rules a request asks for; empty sets stand for all."""

    alerting: bool
    recording: bool
    files: frozenset[str]
    groups: frozenset[str]
    names: frozenset[str]
    with_alerts: bool

    @classmethod
    def of(cls, params: Params) -> _Filter | None:
        """What the parameters say; None for a type that there is not."""
        kinds = _TYPES.get(params.text("type").lower())
        if kinds is None:
            return None
        files, groups, names = (
            frozenset(params.texts(name, f"{name}[]")) for name in ("file", "rule_group", "rule_name")
        )
        return cls(*kinds, files, groups, names, params.text("exclude_alerts").lower() not in _TRUE)

    def takes_group(self, group: RuleGroup) -> bool:
        return (not self.files or group.id.namespace in self.files) and (
            not self.groups or group.id.name in self.groups
        )

    def takes(self, rule: Rule) -> bool:
        is_wanted = self.alerting if isinstance(rule, AlertingRule) else self.recording
        return is_wanted and (not self.names or rule.name in self.names)

    @property
    def takes_all(self) -> bool:
        """Whether groups without any rule are to be seen."""
        return self.alerting and self.recording and not self.names


@dataclass(frozen=True, slots=True)
class _Pages:
    groups_of: GroupsOf

    async def rules(self, tenant: TenantId, params: Params) -> Response:
        wanted = _Filter.of(params)
        if wanted is None:
            text = f"not supported value {quote(params.text('type'))}"
            return json_status("error", "bad_data", text, status=_BAD_REQUEST)
        shown: list[dict[str, object]] = []
        for group, state in await self.groups_of(tenant):
            rules = _rules(group, state, wanted) if wanted.takes_group(group) else []
            if rules or (wanted.takes_group(group) and wanted.takes_all):
                shown.append(_group(group, state, rules))
        try:
            page, next_token = _page(shown, params)
        except InvalidRequest as error:
            return json_status("error", "bad_data", str(error), status=_BAD_REQUEST)
        return _data({"groups": page, **({"groupNextToken": next_token} if next_token else {})})

    async def alerts(self, tenant: TenantId, _: Params) -> Response:
        found = [
            _alert(alert)
            for _group_, state in await self.groups_of(tenant)
            for rule in state.rules
            for alert in _active(rule)
        ]
        return _data({"alerts": found})


def _page(groups: list[dict[str, object]], params: Params) -> tuple[list[dict[str, object]], str]:
    """The groups that `group_limit` and `group_next_token` ask for, and the token of the next ones.

    Raises InvalidRequest.
    """
    limit, token = params.text("group_limit"), params.text("group_next_token")
    if not limit:
        if token:
            raise InvalidRequest("group_limit needs to be set in order to paginate over the groups")
        return groups, ""
    if not (limit.isascii() and limit.isdigit() and int(limit[:_LIMIT_DIGITS_MAX]) > 0):
        raise InvalidRequest(f"group_limit needs to be a valid number greater than 0, not {quote(limit)}")
    tokens = [_token(group) for group in groups]
    if token and token not in tokens:
        raise InvalidRequest("invalid group_next_token: the group was deleted or renamed, begin anew without it")
    begin = tokens.index(token) if token else 0
    end = begin + int(limit[:_LIMIT_DIGITS_MAX])
    return groups[begin:end], tokens[end] if end < len(tokens) else ""


def _token(group: dict[str, object]) -> str:
    """Stands for a group where pages begin."""
    return hashlib.sha256(f"{group['file']}\0{group['name']}".encode("utf-8", "surrogateescape")).hexdigest()[:40]


def _data(data: dict[str, object]) -> Response:
    body = {"status": "success", "data": data, "errorType": "", "error": ""}
    return Response(orjson.dumps(body), headers={"Content-Type": "application/json"})


def _group(group: RuleGroup, state: GroupState, rules: list[dict[str, object]]) -> dict[str, object]:
    return {
        "name": group.id.name,
        "file": group.id.namespace,
        "rules": rules,
        "interval": _seconds(group.interval_ns),
        "limit": group.limit,
        "lastEvaluation": _time(state.evaluated_at_ns),
        "evaluationTime": state.duration_s,
    }


def _rules(group: RuleGroup, state: GroupState, wanted: _Filter) -> list[dict[str, object]]:
    known = {rule.key: rule for rule in state.rules}
    shown: list[dict[str, object]] = []
    for key, rule in zip(rule_keys(group.rules), group.rules, strict=True):
        if wanted.takes(rule):
            shown.append(_rule(rule, known.get(key, RuleState(key)), with_alerts=wanted.with_alerts))
    return shown


def _rule(rule: Rule, state: RuleState, *, with_alerts: bool) -> dict[str, object]:
    fared: dict[str, object] = {
        "health": state.health,
        "lastError": _text(state.error),
        "type": "alerting" if isinstance(rule, AlertingRule) else "recording",
        "lastEvaluation": _time(state.evaluated_at_ns),
        "evaluationTime": state.duration_s,
    }
    labels = {_text(name): _text(value) for name, value in rule.labels}
    if not isinstance(rule, AlertingRule):
        return {"name": rule.name, "query": _query(rule.expr), "labels": labels, **fared}
    active = _active(state)
    return {
        "state": rule_phase(active),
        "name": _text(rule.name),
        "query": _query(rule.expr),
        "duration": _seconds(rule.for_ns),
        "keepFiringFor": _seconds(rule.keep_firing_for_ns),
        "labels": labels,
        "annotations": {_text(name): _text(value) for name, value in rule.annotations},
        "alerts": [_alert(alert) for alert in active] if with_alerts else [],
        **fared,
    }


def _active(rule: RuleState) -> list[Alert]:
    return [alert for alert in rule.alerts if not alert.resolved_at_ns]


def _alert(alert: Alert) -> dict[str, object]:
    shown: dict[str, object] = {
        "labels": {_text(name): _text(value) for name, value in alert.labels},
        "annotations": {_text(name): _text(value) for name, value in alert.annotations},
        "state": alert.phase,
        "activeAt": _time(alert.active_at_ns),
        "value": shortest_exponent(alert.value),
    }
    if alert.absent_since_ns:
        shown["keepFiringSince"] = _time(alert.absent_since_ns)
    return shown


def _query(expr: str) -> str:
    """The expression as the server understands it."""
    try:
        return _text(str(parse_tree(expr)))
    except QuerySyntaxError:
        return _text(expr)


def _seconds(duration_ns: int) -> int | float:
    seconds, rest_ns = divmod(duration_ns, NS_PER_S)
    return seconds + rest_ns / NS_PER_S if rest_ns else seconds


def _time(time_ns: int) -> str:
    """RFC 3339 with as many decimals as there are."""
    if not time_ns:
        return NEVER
    seconds, rest_ns = divmod(time_ns, NS_PER_S)
    when = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    fraction = f".{rest_ns:09d}".rstrip("0") if rest_ns else ""
    return f"{when:%Y-%m-%dT%H:%M:%S}{fraction}Z"


def _text(text: str) -> str:
    """Text that JSON can hold: bytes that are not UTF-8 become U+FFFD."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
