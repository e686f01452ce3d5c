"""Who may read the metrics."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from campus.site_settings import SiteSettings, site_settings
from gpu_node.contracts.settings import SettingError, load
from orchestrator.models import Node

pytestmark = pytest.mark.django_db

SHOWN = "what a reader shows, and a test knows"


@pytest.fixture(autouse=True)
def own_settings() -> Iterator[None]:
    site_settings.cache_clear()
    yield
    site_settings.cache_clear()


@pytest.fixture
def token(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("METRICS_TOKEN", SHOWN)
    return SHOWN


def test_without_a_token_this_machine_reads_them(node: Node) -> None:
    answer = Client().get("/ops/metrics")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    names = {one.name for one in text_string_to_metric_families(answer.content.decode())}
    assert {"fleet_nodes", "fleet_billed_seconds", "fleet_tick_age_seconds"} <= names


@pytest.mark.parametrize("address", ["192.0.2.7", "10.0.0.1", "::ffff:192.0.2.7", "", "unix:"])
def test_without_a_token_nobody_else_does(address: str) -> None:
    answer = Client(REMOTE_ADDR=address).get("/ops/metrics")
    assert answer.status_code == 403
    assert b"fleet_" not in answer.content


@pytest.mark.parametrize("header", ["X-Forwarded-For", "X-Real-IP", "Forwarded", "Via"])
def test_who_comes_through_a_proxy_on_this_machine_is_somebody_else(header: str) -> None:
    assert Client().get("/ops/metrics", headers={header: "127.0.0.1"}).status_code == 403


def test_the_token_opens_the_door_from_anywhere(token: str) -> None:
    stranger = Client(REMOTE_ADDR="192.0.2.7")
    shown = {"Authorization": f"Bearer {token}"}
    assert stranger.get("/ops/metrics", headers=shown).status_code == 200


@pytest.mark.parametrize(
    "shown", ["", "Bearer", "Bearer ", f"Basic {SHOWN}", f"Bearer {SHOWN}x", "Bearer ü", SHOWN]
)
def test_with_a_token_set_nothing_else_does(token: str, shown: str) -> None:
    answer = Client().get("/ops/metrics", headers={"Authorization": shown})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert token not in answer.content.decode()


def test_a_short_token_is_refused_at_start() -> None:
    with pytest.raises(SettingError, match="METRICS_TOKEN"):
        load(SiteSettings, {"SECRET_KEY": "x" * 40, "METRICS_TOKEN": "short"})


def test_metrics_are_read_and_never_written() -> None:
    assert Client().post("/ops/metrics").status_code == 405
