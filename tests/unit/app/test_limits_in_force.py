"""Files of overrides that change, break and are mended while they are in force."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from lodur.app.limits_in_force import OUTLASTING, LimitsInForce
from lodur.config.blocks.runtime import RuntimeOptions
from lodur.config.errors import ConfigError
from lodur.config.loading import load_server_config
from lodur.config.tenant_settings import tenant_settings
from lodur.config.values import Values
from lodur.model.tenant import TenantId
from lodur.telemetry.runtime_config_metrics import RuntimeConfigMetrics

TENANT = TenantId("a")


class Site:
    """A file of overrides, and the limits that hold."""

    def __init__(self, directory: Path, text: str) -> None:
        self.file = directory / "overrides.yaml"
        self.file.write_text(text)
        self.registry = CollectorRegistry()
        options = RuntimeOptions((self.file,), period_s=0.01)
        self.limits = LimitsInForce(options, tenant_settings(Values()), RuntimeConfigMetrics(self.registry))

    def series_max(self) -> int:
        return self.limits.query(TENANT).series_max

    def is_successful(self) -> float | None:
        return self.registry.get_sample_value("loki_runtime_config_last_reload_successful")


def test_a_change_is_taken_and_a_mistake_is_not(tmp_path: Path) -> None:
    site = Site(tmp_path, "overrides: {a: {max_query_series: 1}}")
    assert (site.series_max(), site.is_successful()) == (1, 1)
    assert site.registry.get_sample_value("lodur_runtime_config_tenants") == 1
    site.file.write_text("overrides: {a: {max_query_series: 2}}")
    assert site.limits.reload()
    assert site.series_max() == 2
    for broken in ("overrides: {a: {max_query_series: x}}", "overrides: {a: {max_query_series: 3}", "\0"):
        site.file.write_text(broken)
        # Twice: what is known to be broken is not read again, and still no success.
        assert not site.limits.reload()
        assert not site.limits.reload()
        assert (site.series_max(), site.is_successful()) == (2, 0)
    site.file.unlink()
    assert not site.limits.reload()
    site.file.write_text("overrides: {a: {max_query_series: 2}}")
    assert site.limits.reload()
    assert (site.series_max(), site.is_successful()) == (2, 1)
    site.file.write_text("")
    assert site.limits.reload()
    assert site.series_max() == 500


def test_what_is_in_force_stays_the_same_object_until_it_changes(tmp_path: Path) -> None:
    site = Site(tmp_path, "overrides: {a: {max_query_series: 1}}")
    before = site.limits.of(TENANT)
    assert site.limits.reload()
    assert site.limits.of(TENANT) is before
    assert site.limits.of(TenantId("b")) is site.limits.of(TenantId("c"))


def test_a_broken_file_at_start_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="line 1"):
        Site(tmp_path, "overrides: {a: {max_query_series: x}}")


def test_without_files_there_is_nothing_to_follow() -> None:
    limits = LimitsInForce(RuntimeOptions(), tenant_settings(Values()), RuntimeConfigMetrics(CollectorRegistry()))
    assert not limits.has_files
    assert limits.query(TENANT).series_max == 500


@pytest.mark.parametrize(
    ("common", "overrides", "said"),
    [
        ("1m", "", []),
        ("15m", "", []),
        ("901s", "", [("15m1s", None, None)]),
        ("0s", "", [("none", None, None)]),
        ("1m", "a: {query_timeout: 15m}, b: {max_query_series: 1}", []),
        ("1m", "a: {query_timeout: 16m}, b: {query_timeout: 1h}", [("1h", "b", 2)]),
        ("1h", "a: {query_timeout: 1h}, b: {query_timeout: 1m}", [("1h", None, None)]),
        ("1h", "a: {query_timeout: 0s}", [("1h", None, None), ("none", "a", 1)]),
    ],
)
def test_queries_that_may_outlast_what_they_read_are_told(
    tmp_path: Path, common: str, overrides: str, said: list[tuple[str, str | None, int | None]]
) -> None:
    file = tmp_path / "overrides.yaml"
    file.write_text(f"overrides: {{{overrides}}}")
    (tmp_path / "config.yaml").write_text(
        f"runtime_config: {{file: {file}}}\nlimits_config: {{query_timeout: {common}}}"
    )
    config = load_server_config([], {}, tmp_path).config
    metrics = RuntimeConfigMetrics(CollectorRegistry())
    with capture_logs() as logged:
        LimitsInForce(config.runtime, config.tenants, metrics, reader_grace_ns=config.compactor.reader_grace_ns)
    told = [event for event in logged if event["event"] == OUTLASTING]
    assert [(one["query_timeout"], one.get("tenant"), one.get("times")) for one in told] == said
    assert {one["reader_grace"] for one in told} <= {"15m"}
