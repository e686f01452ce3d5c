"""The rules of the simulated world."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from orchestrator.settings import fleet_settings
from tests.orchestrator.simulation.world import BEAT, IDLE, LEASE


@pytest.fixture(autouse=True)
def rules_of_the_world(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("FLEET_IDLE_MINUTES", str(IDLE / 60))
    monkeypatch.setenv("FLEET_LEASE_SECONDS", str(LEASE))
    monkeypatch.setenv("FLEET_HEARTBEAT_SECONDS", str(BEAT))
    monkeypatch.setenv("FLEET_TICK_SECONDS", str(2 * BEAT))
    monkeypatch.setenv("FLEET_BOOT_SECONDS", "120")
    fleet_settings.cache_clear()
    yield
    fleet_settings.cache_clear()
