"""The doorbell: what it is told, and that it never holds anybody up."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from celery import current_app

from campus import celery_settings
from campus.celery import BrokerAway, Doorbell, app
from campus.queues import CONTROL_QUEUE, SITE_QUEUE
from orchestrator.settings import fleet_settings


def test_only_json_is_spoken() -> None:
    assert app.conf.accept_content == ["json"]
    assert app.conf.task_serializer == "json"
    assert not app.conf.task_acks_late


def test_every_tick_is_known_and_expires_with_the_next() -> None:
    app.loader.import_default_modules()
    rows: dict[str, Any] = app.conf.beat_schedule
    assert {row["task"] for row in rows.values()} <= set(app.tasks)
    assert all(row["options"]["expires"] == row["schedule"] for row in rows.values())
    assert rows["orchestrator"]["schedule"] == fleet_settings().fleet_tick_seconds
    queues = {name: row["options"]["queue"] for name, row in rows.items()}
    assert queues.pop("orchestrator") == CONTROL_QUEUE
    assert set(queues.values()) == {SITE_QUEUE}


def test_every_thread_finds_this_app() -> None:
    found: list[bool] = []
    other = threading.Thread(target=lambda: found.append(current_app == app))
    other.start()
    other.join()
    assert found == [True]


@pytest.fixture
def silent() -> Iterator[str]:
    """A broker that takes the call and then says nothing."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield f"redis://127.0.0.1:{server.getsockname()[1]}/0"


@pytest.fixture
def closed() -> Iterator[str]:
    """A port that nobody listens on."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"redis://127.0.0.1:{held.getsockname()[1]}/0"


def bell(url: str) -> Doorbell:
    made = Doorbell("test", broker=url, set_as_current=False)
    made.conf.broker_transport_options = celery_settings.IMPATIENT
    return made


def ring(made: Doorbell) -> tuple[float, Exception | None]:
    began = time.monotonic()
    try:
        made.send_task("x", retry=False)
    except Exception as error:
        return time.monotonic() - began, error
    return time.monotonic() - began, None


def test_a_broker_that_is_gone_is_noticed_at_once(closed: str) -> None:
    seconds, error = ring(bell(closed))
    assert error is not None
    assert seconds < 2


def test_a_silent_broker_is_waited_for_once(silent: str) -> None:
    made = bell(silent)
    seconds, error = ring(made)
    assert error is not None
    assert seconds < 4
    seconds, error = ring(made)
    assert isinstance(error, BrokerAway)
    assert seconds < 0.1
