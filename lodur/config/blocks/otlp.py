"""`otlp_config`: where the attributes of OpenTelemetry logs go.

The list of `distributor` and the rules of `limits_config` make one mapping; the list comes first, as in Loki.
"""

from __future__ import annotations

from lodur.config.errors import BadValue, Problem
from lodur.config.kinds import BOOL, TEXT, TEXTS
from lodur.config.records import record_list
from lodur.config.schema import Entry, Schema, Setting
from lodur.config.values import Values
from lodur.model.errors import InvalidRequest
from lodur.model.otlp import DEFAULT_INDEX_LABELS, OtlpAction, OtlpMapping, OtlpRule
from lodur.wire.otlp import check_rule

_ACTION = Setting("action", TEXT, "", "index_label, structured_metadata or drop.")
_ATTRIBUTES = Setting("attributes", TEXTS, "[]", "Names of attributes.")
_REGEX = Setting("regex", TEXT, "", "An expression that matches whole names of attributes.")

_RULE = Schema.of((_ACTION, _ATTRIBUTES, _REGEX), {"": "push.AttributesConfig"})

TYPE_NAMES = {
    "distributor.otlp_config": "push.GlobalOTLPConfig",
    "limits_config.otlp_config": "push.OTLPConfig",
    "limits_config.otlp_config.resource_attributes": "push.ResourceAttributesConfig",
}


def _rule(values: Values) -> OtlpRule:
    return _checked(values, tuple(OtlpAction))


def _scope_rule(values: Values) -> OtlpRule:
    return _checked(values, (OtlpAction.STRUCTURED_METADATA, OtlpAction.DROP))


def _checked(values: Values, actions: tuple[OtlpAction, ...]) -> OtlpRule:
    named = values.get(_ACTION)
    action = next((action for action in actions if action.value == named), None)
    if action is None:
        raise BadValue(Problem(0, f"unsupported action '{named}', use one of {', '.join(actions)}"))
    rule = OtlpRule(action, values.get(_ATTRIBUTES), values.get(_REGEX))
    if bool(rule.attributes) == bool(rule.regex):
        raise BadValue(Problem(0, "use either attributes or regex"))
    try:
        check_rule(rule)
    except InvalidRequest as error:
        raise BadValue(Problem(0, str(error))) from error
    return rule


DEFAULTS = Setting(
    "distributor.otlp_config.default_resource_attributes_as_index_labels",
    TEXTS,
    "[" + ", ".join(DEFAULT_INDEX_LABELS) + "]",
    "Attributes of resources that become labels.",
)
IGNORE_DEFAULTS = Setting(
    "limits_config.otlp_config.resource_attributes.ignore_defaults",
    BOOL,
    "false",
    "Forget the list of `distributor.otlp_config`.",
)
RESOURCE = Setting(
    "limits_config.otlp_config.resource_attributes.attributes_config",
    record_list("attribute rules", _RULE, _rule),
    "[]",
    "Rules for attributes of resources: `action` and either `attributes` or `regex`; the first that fits decides.",
)
SCOPE = Setting(
    "limits_config.otlp_config.scope_attributes",
    record_list("attribute rules", _RULE, _scope_rule),
    "[]",
    "Rules for attributes of scopes, without the action `index_label`.",
)
LOG = Setting(
    "limits_config.otlp_config.log_attributes",
    record_list("attribute rules", _RULE, _rule),
    "[]",
    "Rules for attributes of log records.",
)
SEVERITY = Setting(
    "limits_config.otlp_config.severity_text_as_label",
    BOOL,
    "false",
    "Make `severity_text` a label, so that each severity has a stream.",
    ("limits.otlp-config.severity-text-as-label",),
)

ENTRIES: tuple[Entry, ...] = (DEFAULTS, IGNORE_DEFAULTS, RESOURCE, SCOPE, LOG, SEVERITY)


def otlp_mapping(values: Values) -> OtlpMapping:
    """The mapping that the settings make."""
    defaults = () if values.get(IGNORE_DEFAULTS) else values.get(DEFAULTS)
    first = (OtlpRule(OtlpAction.INDEX_LABEL, defaults),) if defaults else ()
    return OtlpMapping(
        resource=(*first, *values.get(RESOURCE)),
        scope=values.get(SCOPE),
        log=values.get(LOG),
        severity_text_as_label=values.get(SEVERITY),
    )
