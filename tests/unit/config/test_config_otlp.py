"""`otlp_config`: the list of the distributor and a tenant's rules come to one mapping."""

from __future__ import annotations

import pytest

from lodur.config.blocks.limits_ingest import ingest_limits
from lodur.config.errors import ConfigError
from lodur.config.loading import parse_config_text
from lodur.model.otlp import DEFAULT_INDEX_LABELS, OtlpAction, OtlpMapping, OtlpRule

DEFAULT = OtlpRule(OtlpAction.INDEX_LABEL, DEFAULT_INDEX_LABELS)


def mapping_of(text: str) -> OtlpMapping:
    values, ignored = parse_config_text(text, "loki.yaml")
    assert ignored == ()
    return ingest_limits(values).otlp


def test_rules_follow_the_default_list() -> None:
    text = """
limits_config:
  otlp_config:
    resource_attributes:
      attributes_config:
        - {action: index_label, attributes: [service.group, host.name]}
        - {action: drop, regex: "process[.].*"}
    scope_attributes: [{action: drop, attributes: method.name}]
    log_attributes: [{action: structured_metadata, attributes: [user.id]}, {action: index_label, regex: log.*}]
    severity_text_as_label: true
"""
    assert mapping_of(text) == OtlpMapping(
        resource=(
            DEFAULT,
            OtlpRule(OtlpAction.INDEX_LABEL, ("service.group", "host.name")),
            OtlpRule(OtlpAction.DROP, regex="process[.].*"),
        ),
        scope=(OtlpRule(OtlpAction.DROP, ("method.name",)),),
        log=(
            OtlpRule(OtlpAction.STRUCTURED_METADATA, ("user.id",)),
            OtlpRule(OtlpAction.INDEX_LABEL, regex="log.*"),
        ),
        severity_text_as_label=True,
    )


def test_the_default_list_can_be_replaced_or_ignored() -> None:
    distributor = "distributor: {otlp_config: {default_resource_attributes_as_index_labels: [a.b]}}\n"
    assert mapping_of(distributor).resource == (OtlpRule(OtlpAction.INDEX_LABEL, ("a.b",)),)
    ignoring = "limits_config: {otlp_config: {resource_attributes: {ignore_defaults: true}}}"
    assert mapping_of(distributor + ignoring).resource == ()
    assert mapping_of("limits_config: {otlp_config: }") == OtlpMapping()


@pytest.mark.parametrize(
    ("rules", "text"),
    [
        ("resource_attributes: {attributes_config: [{action: keep, attributes: [a]}]}", "unsupported action 'keep'"),
        ("resource_attributes: {attributes_config: [{attributes: [a]}]}", "unsupported action ''"),
        ("scope_attributes: [{action: index_label, attributes: [a]}]", "use one of structured_metadata, drop"),
        ("log_attributes: [{action: drop}]", "use either attributes or regex"),
        ("log_attributes: [{action: drop, regex: a, attributes: [a]}]", "use either attributes or regex"),
        ("log_attributes: [{action: drop, regex: '('}]", "missing closing"),
        ("log_attributes: [{action: drop, regexp: a}]", "field regexp not found in type push.AttributesConfig"),
        ("span_attributes: []", "field span_attributes not found in type push.OTLPConfig"),
    ],
)
def test_wrong_rules_are_refused_with_their_line(rules: str, text: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parse_config_text(f"limits_config:\n  otlp_config:\n    {rules}\n", "loki.yaml")
    assert "line 3" in str(raised.value)
    assert text in str(raised.value)
