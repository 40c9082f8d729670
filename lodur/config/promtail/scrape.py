"""The `scrape_configs` of a Promtail file: jobs that read files named by static targets."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lodur.agent.label_text import sort_labels
from lodur.agent.sources.file.glob import Glob, loose_stars, recursive_form
from lodur.agent.sources.file.options import (
    CHUNK_BYTES_MAX,
    Compression,
    Decompression,
    FileSourceOptions,
    FileTarget,
)
from lodur.config.kinds import BOOL, TEXT, TEXT_MAP, TEXTS
from lodur.config.promtail.durations import GO_DURATION_S
from lodur.config.section import Section
from lodur.model.errors import InvalidRequest

OTHER_TARGETS = (
    "journal",
    "syslog",
    "gcplog",
    "loki_push_api",
    "windows_events",
    "kafka",
    "azure_event_hubs",
    "gelf",
    "cloudflare",
    "heroku_drain",
    "docker_sd_configs",
    "file_sd_configs",
    "kubernetes_sd_configs",
    "consul_sd_configs",
    "consulagent_sd_configs",
    "dns_sd_configs",
    "ec2_sd_configs",
    "gce_sd_configs",
    "azure_sd_configs",
    "digitalocean_sd_configs",
    "openstack_sd_configs",
    "marathon_sd_configs",
    "nerve_sd_configs",
    "serverset_sd_configs",
    "triton_sd_configs",
)
"""Kinds of targets that Promtail has beside `static_configs`."""

_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


@dataclass(frozen=True, slots=True)
class ScrapeDefaults:
    """What all jobs share."""

    rescan_period_s: float
    poll_period_s: float
    chunk_bytes: int
    host_name: str


def read_scrape_configs(root: Section, defaults: ScrapeDefaults, warnings: list[str]) -> tuple[FileSourceOptions, ...]:
    """One source for each job."""
    sources: list[FileSourceOptions] = []
    seen: set[str] = set()
    for section in root.sections("scrape_configs", "scrapeconfig.plain"):
        job_name = section.get("job_name", TEXT, "")
        if not job_name:
            section.report("job_name is missing, each scrape config needs a name of its own")
        elif job_name in seen:
            section.report(f'found multiple scrape configs with job name "{job_name}"', "job_name")
        seen.add(job_name)
        sources.append(_read_job(section, job_name, defaults, warnings))
        section.finish()
    return tuple(sources)


def _read_job(section: Section, job_name: str, defaults: ScrapeDefaults, warnings: list[str]) -> FileSourceOptions:
    section.refuse("pipeline_stages", "relabel_configs", "encoding", *OTHER_TARGETS)
    if not any(section.has(name) for name in ("static_configs", *OTHER_TARGETS)):
        section.report(f'no valid target scrape config defined for "{job_name}"')
    targets: list[FileTarget] = []
    for group in section.sections("static_configs", "targetgroup.Group"):
        target = _read_group(group, job_name, defaults, warnings)
        if target is not None and target not in targets:
            targets.append(target)
    return FileSourceOptions(
        job_name=job_name,
        targets=tuple(targets),
        decompression=_read_decompression(section),
        rescan_period_s=defaults.rescan_period_s,
        poll_period_s=defaults.poll_period_s,
        chunk_bytes=min(defaults.chunk_bytes, CHUNK_BYTES_MAX),
    )


def _read_group(group: Section, job_name: str, defaults: ScrapeDefaults, warnings: list[str]) -> FileTarget | None:
    group.get("targets", TEXTS, ())
    labels = dict(group.get("labels", TEXT_MAP, ()))
    group.finish()
    for name in labels:
        if not _LABEL_NAME.fullmatch(name):
            group.report(f'labels: "{name}" is not a valid label name', "labels")
    path, exclude, host = (labels.get(name, "") for name in ("__path__", "__path_exclude__", "__host__"))
    if host and host != defaults.host_name:
        warnings.append(f"job {job_name}: target for host {host} dropped, this host is {defaults.host_name}")
        return None
    if not path:
        warnings.append(f"job {job_name}: target without __path__ dropped (line {group.line})")
        return None
    warnings.extend(
        f"job {job_name}: ** in {pattern} means * because it is not a whole path segment;"
        f" for all directories below write {recursive_form(pattern)}"
        for pattern in (path, exclude)
        if loose_stars(pattern)
    )
    try:
        return FileTarget(
            path=Glob.compile(path),
            exclude=Glob.compile(exclude) if exclude else None,
            labels=sort_labels({name: value for name, value in labels.items() if not name.startswith("__")}),
        )
    except InvalidRequest as error:
        group.report(f"__path__: {error}", "labels")
        return None


def _read_decompression(section: Section) -> Decompression | None:
    packed = section.section("decompression", "scrapeconfig.DecompressionConfig")
    is_enabled = packed.get("enabled", BOOL, False)
    delay_s = packed.get("initial_delay", GO_DURATION_S, 0.0)
    text = packed.get("format", TEXT, "")
    packed.finish()
    known = {compression.value: compression for compression in Compression}
    if is_enabled and text not in known:
        packed.report(f"format: {text!r} is not supported, use gz, z or bz2", "format")
    return Decompression(known[text], delay_s) if is_enabled and text in known else None
