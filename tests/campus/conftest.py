"""People, browsers, a video, and folders of each test's own. No broker: it is met elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.test import Client
from pytest_django import Settings

from campus.accounts.models import User
from orchestrator.models import Node
from orchestrator.settings import fleet_settings
from tests.campus import making
from tests.campus.films import film
from tests.campus.people import People, make_people

Browser = Callable[[User], Client]


@pytest.fixture(autouse=True)
def own_folders(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, tmp_path: Path
) -> Iterator[None]:
    monkeypatch.setenv("BLOB_FOLDER", str(tmp_path / "blobs"))
    monkeypatch.setenv("FLEET_LOCAL_FOLDER", str(tmp_path / "cloud"))
    settings.HOST_FOLDER = str(tmp_path / "host")
    settings.HOST_PROCESSING_SECONDS = 0
    fleet_settings.cache_clear()
    yield
    fleet_settings.cache_clear()


@pytest.fixture(autouse=True)
def rung(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was asked of the broker."""
    heard: list[str] = []

    def ring(task: str, *_: object) -> None:
        heard.append(task)

    monkeypatch.setattr("orchestrator.doorbell._send", ring)
    monkeypatch.setattr("orchestrator.doorbell._control", ring)
    monkeypatch.setattr("campus.queues._ring", ring)
    return heard


@pytest.fixture
def people(db: None) -> People:
    return make_people()


@pytest.fixture
def browser() -> Browser:
    """A browser in which somebody is logged in."""

    def open_for(user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return open_for


@pytest.fixture(scope="session")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return film(tmp_path_factory.mktemp("films"))


@pytest.fixture
def node(db: None) -> Node:
    return making.node()
