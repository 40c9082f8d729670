"""`limits_config`, what is asked of streams by policies: names that selectors give them."""

from __future__ import annotations

from lodur.config.blocks.stream_selectors import PRIORITY, SELECTOR, chosen_by
from lodur.config.kinds import TEXTS, TIME
from lodur.config.records import map_of, record_list
from lodur.config.schema import Entry, Schema, Setting, inert_keys
from lodur.config.values import Values
from lodur.model.limits import PolicySelector, PushPolicy


def _policy_selector(values: Values) -> PolicySelector:
    return PolicySelector(chosen_by(values), values.get(PRIORITY))


POLICY_STREAM = Schema.of((SELECTOR, PRIORITY), {"": "validation.PriorityStream"})

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
