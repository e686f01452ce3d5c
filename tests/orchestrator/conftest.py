"""A clock that stands still until told, and settings that a test can choose."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.models import Node
from orchestrator.settings import fleet_settings
from tests.orchestrator.rows import ManualClock, enrolled


@pytest.fixture(autouse=True)
def fleet_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Every test's fleet has its own folders, and no broker that it could reach by mistake."""
    monkeypatch.setenv("BLOB_FOLDER", str(tmp_path / "blobs"))
    monkeypatch.setenv("FLEET_LOCAL_FOLDER", str(tmp_path / "cloud"))
    monkeypatch.setenv("SITE_URL", "http://site.test")
    fleet_settings.cache_clear()
    yield
    fleet_settings.cache_clear()


@pytest.fixture(autouse=True)
def rung(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which doorbells were rung. The broker itself is met in the tests of the whole system."""
    heard: list[str] = []

    def ring(_: str, which: str) -> None:
        heard.append(which)

    monkeypatch.setattr("orchestrator.doorbell._send", ring)
    monkeypatch.setattr("orchestrator.doorbell._control", ring)
    return heard


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def node(db: None, clock: ManualClock) -> Node:
    return enrolled("gpu-1", clock)
