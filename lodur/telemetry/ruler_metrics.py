"""Counters of the ruler, named as those of Loki's."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

SECONDS_BUCKETS = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0)


class RulerMetrics:
    """What rules, notifications and recorded samples count."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, doc: str, labels: Iterable[str] = ()) -> Counter:
            return Counter(name, doc, labels, registry=registry)

        def gauge(name: str, doc: str, labels: Iterable[str] = ()) -> Gauge:
            return Gauge(name, doc, labels, registry=registry)

        def histogram(name: str, doc: str, labels: Iterable[str] = ()) -> Histogram:
            return Histogram(name, doc, labels, buckets=SECONDS_BUCKETS, registry=registry)

        group = ("user", "rule_group")
        rules, told, sent = "loki_prometheus_rule", "loki_prometheus_notifications", "loki_ruler_wal_prometheus"
        self.group_rules = gauge(f"{rules}_group_rules", "Rules of a group.", group)
        self.group_interval = gauge(f"{rules}_group_interval_seconds", "Interval of a group.", group)
        self.group_duration = gauge(f"{rules}_group_last_duration_seconds", "How long its last turn took.", group)
        self.group_time = gauge(f"{rules}_group_last_evaluation_timestamp_seconds", "When it was evaluated.", group)
        self.group_turns = counter(f"{rules}_group_iterations_total", "Turns of a group, missed ones too.", group)
        self.group_missed = counter(f"{rules}_group_iterations_missed_total", "Turns passed over.", group)
        self.evaluations = counter(f"{rules}_evaluations_total", "Rules evaluated.", group)
        self.failures = counter(f"{rules}_evaluation_failures_total", "Rules that failed.", group)
        self.turn_seconds = histogram(f"{rules}_group_duration_seconds", "Time of a group's turn.")
        self.notifications_sent = counter(f"{told}_sent_total", "Alerts sent.", ("user", "alertmanager"))
        self.notification_errors = counter(f"{told}_errors_total", "Alerts not taken.", ("user", "alertmanager"))
        self.notifications_dropped = counter(f"{told}_dropped_total", "Alerts given up.", ("user",))
        self.notifications_waiting = gauge(f"{told}_queue_length", "Alerts that wait.", ("user",))
        self.alertmanagers = gauge(f"{told}_alertmanagers_discovered", "Alertmanagers that are told.", ("user",))
        self.notification_seconds = histogram(
            f"{told}_latency_seconds", "Time of a request to an Alertmanager.", ("user", "alertmanager")
        )
        self.samples_appended = counter("loki_ruler_wal_samples_appended_total", "Samples recorded.", ("tenant",))
        client = ("tenant", "client")
        storage = f"{sent}_remote_storage"
        self.samples_sent = counter(f"{storage}_samples_total", "Samples sent.", client)
        self.samples_retried = counter(f"{storage}_samples_retried_total", "Samples sent again.", client)
        self.samples_failed = counter(f"{storage}_samples_failed_total", "Samples refused for good.", client)
        self.samples_dropped = counter(f"{storage}_samples_dropped_total", "Samples too old or too many.", client)
        self.samples_waiting = gauge(f"{storage}_samples_pending", "Samples that wait.", client)
        self.sent_until = gauge(
            f"{storage}_queue_highest_sent_timestamp_seconds", "Time of the newest sample sent.", client
        )
        self.wal_failures = counter(
            "loki_ruler_wal_write_failures_total", "Samples that could not be kept on disk.", ("tenant",)
        )
        self.groups_held = gauge("lodur_ruler_groups", "Groups that this process evaluates.")
        self.sync_failures = counter("lodur_ruler_sync_failures_total", "Times that rules could not be read.")

    def forget_group(self, user: str, group: str) -> None:
        """A group is no more."""
        for metric in (
            self.group_rules,
            self.group_interval,
            self.group_duration,
            self.group_time,
            self.group_turns,
            self.group_missed,
            self.evaluations,
            self.failures,
        ):
            metric.remove(user, group)
