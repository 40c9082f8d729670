"""Files of overrides that change, break and are mended while they are in force."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from lodur.app.limits_in_force import LimitsInForce
from lodur.config.blocks.runtime import RuntimeOptions
from lodur.config.errors import ConfigError
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
