from datetime import timedelta

import pytest
from celery import current_app
from django.test import override_settings

from sources import checks


def test_it_finds_nothing_wrong_with_the_shipped_limits() -> None:
    assert checks.limits_are_ordered() == []


def test_it_finds_a_hard_limit_below_the_soft_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(current_app.tasks["sources.tasks.import_chunk"], "time_limit", 10)
    assert [found.id for found in checks.limits_are_ordered()] == ["sources.E001"]


def test_it_finds_a_sweep_that_is_rarer_than_leases_lapse() -> None:
    with override_settings(JOB_SWEEP=timedelta(minutes=2), JOB_LEASE=timedelta(minutes=1)):
        assert [found.id for found in checks.limits_are_ordered()] == ["sources.E002"]
