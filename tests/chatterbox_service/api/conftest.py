"""A service that runs, with an engine that does as a test says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.chatterbox_service.scripted import ScriptedEngine
from tests.chatterbox_service.served import Served, reached, served


@pytest.fixture
def engine() -> ScriptedEngine:
    return ScriptedEngine()


@pytest.fixture
def site(tmp_path: Path, engine: ScriptedEngine) -> Iterator[Served]:
    with served(tmp_path, engine) as running:
        yield running


@pytest.fixture
def client(site: Served) -> Iterator[httpx.Client]:
    with site.client() as client:
        reached(lambda: client.get("/health").json()["status"] == "healthy")
        yield client
