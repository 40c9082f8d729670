"""Where the attributes of OpenTelemetry logs go: labels of the stream, structured metadata, or nowhere.

Values only. The members' names and the words of `OtlpAction` stand in the write-ahead log (docs/formats/wal.md):
members may be added, with a default, but none may change its meaning.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

DEFAULT_INDEX_LABELS = (
    "service.name",
    "service.namespace",
    "service.instance.id",
    "deployment.environment",
    "deployment.environment.name",
    "cloud.region",
    "cloud.availability_zone",
    "k8s.cluster.name",
    "k8s.namespace.name",
    "k8s.pod.name",
    "k8s.container.name",
    "container.name",
    "k8s.replicaset.name",
    "k8s.deployment.name",
    "k8s.statefulset.name",
    "k8s.daemonset.name",
    "k8s.cronjob.name",
    "k8s.job.name",
)
"""Attributes of resources that become labels where nothing else is said."""


class OtlpAction(StrEnum):
    """What is done with an attribute."""

    INDEX_LABEL = "index_label"
    STRUCTURED_METADATA = "structured_metadata"
    DROP = "drop"


@dataclass(frozen=True, slots=True)
class OtlpRule:
    """An action for the attributes that it names, or whose whole name its regular expression matches."""

    action: OtlpAction
    attributes: tuple[str, ...] = ()
    regex: str = ""


@dataclass(frozen=True, slots=True)
class OtlpMapping:
    """Rules by the attributes' owner; the first that names an attribute decides, others become structured metadata."""

    resource: tuple[OtlpRule, ...] = (OtlpRule(OtlpAction.INDEX_LABEL, DEFAULT_INDEX_LABELS),)
    scope: tuple[OtlpRule, ...] = ()
    log: tuple[OtlpRule, ...] = ()
    severity_text_as_label: bool = False
    """Make the severity's text a label, so that each severity has a stream."""
