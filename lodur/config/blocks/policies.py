"""`limits_config`, what is asked of streams by policies: names that selectors give them."""

from __future__ import annotations

from lodur.config.errors import BadValue, Problem
from lodur.config.kinds import COUNT, TEXT, TEXTS, TIME
from lodur.config.records import map_of, record_list
from lodur.config.schema import Entry, Schema, Setting, inert_keys
from lodur.config.values import Values
from lodur.logql.parser import parse_selector
from lodur.model.errors import QuerySyntaxError
from lodur.model.limits import PolicySelector, PushPolicy

_SELECTOR = Setting("selector", TEXT, "", "Streams.")
_PRIORITY = Setting("priority", COUNT, "0", "The highest wins.")


def _policy_selector(values: Values) -> PolicySelector:
    try:
        selector = parse_selector(values.get(_SELECTOR))
    except QuerySyntaxError as error:
        raise BadValue(Problem(0, f"invalid labels matchers: {error}")) from error
    return PolicySelector(selector.matchers, values.get(_PRIORITY))


POLICY_STREAM = Schema.of((_SELECTOR, _PRIORITY), {"": "validation.PriorityStream"})

MAPPING = Setting(
    "limits_config.policy_stream_mapping",
    map_of(record_list("selectors", POLICY_STREAM, _policy_selector)),
    "{}",
    "Policies, which are names for streams: lists of `selector` and `priority`. Of several that choose a stream the "
    "highest priority wins, then the first name.",
)
LABELS = Setting(
    "limits_config.policy_enforced_labels",
    map_of(TEXTS),
    "{}",
    "Labels that each stream of a policy must have, besides `enforced_labels`; those under `*` are asked of all.",
)
BLOCKED = Setting(
    "limits_config.block_ingestion_policy_until",
    map_of(TIME),
    "{}",
    "Refuse the streams of a policy until this time; under `*` those without a policy.",
)

ENTRIES: tuple[Entry, ...] = (
    MAPPING,
    LABELS,
    BLOCKED,
    *inert_keys("limits_config", "limits hold for the tenant as a whole", "policy_override_limits"),
)


def policies(values: Values) -> tuple[PushPolicy, ...]:
    """The policies of a tenant."""
    return tuple(PushPolicy(name, selectors) for name, selectors in values.get(MAPPING))
