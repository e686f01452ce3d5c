"""The operators' page."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.db import transaction
from django.test import Client

from campus.fleet.presenting import orders
from orchestrator import ledger
from orchestrator.models import Node, NodeEvent
from orchestrator.settings import fleet_settings
from orchestrator.states import Cause, Wanted
from tests.campus.conftest import Browser
from tests.campus.making import asked, claimed, now
from tests.campus.people import People


@pytest.fixture
def client(people: People, browser: Browser) -> Client:
    return browser(people.ops)


def test_a_site_without_nodes_says_so(client: Client) -> None:
    page = client.get("/ops/").content.decode()
    assert "No nodes are known." in page
    assert "The queue is empty." in page


def test_it_shows_nodes_jobs_and_money(
    people: People, client: Client, video: Path, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLEET_PRICE_PER_HOUR", "100")
    fleet_settings.cache_clear()
    claimed(asked(people, video), node)
    asked(people, video)
    with transaction.atomic():
        ledger.enter(node.pk, Cause.IDLE, now())
    page = client.get("/ops/").content.decode()
    assert "gpu-1" in page
    assert "Working" in page
    assert "Lesson 1, Spanish" in page
    assert "Waiting for the GPU node to be free" in page
    assert "idle" in page


def test_it_is_asked_again_while_somebody_looks(client: Client) -> None:
    page = client.get("/ops/state/")
    assert page.status_code == 200
    assert b"every 5s" in page.content


@pytest.mark.parametrize(
    ("what", "wanted", "parked"),
    [("hold", Wanted.HELD, False), ("drain", Wanted.ASLEEP, True)],
)
def test_an_operator_holds_and_drains(
    client: Client, node: Node, what: str, wanted: Wanted, parked: bool
) -> None:
    said = client.post(f"/ops/nodes/gpu-1/{what}/", follow=True).content.decode()
    assert "gpu-1" in said
    node.refresh_from_db()
    assert (node.wanted, node.parked) == (wanted, parked)
    assert "ops" in NodeEvent.objects.latest("pk").sentence
    client.post("/ops/nodes/gpu-1/release/")
    node.refresh_from_db()
    assert not node.parked
    assert node.wanted != Wanted.HELD


def test_what_is_no_order_or_no_node_is_not_there(client: Client, node: Node) -> None:
    assert client.post("/ops/nodes/gpu-1/explode/").status_code == 404
    assert client.post("/ops/nodes/gpu-9/hold/").status_code == 404
    assert client.get("/ops/nodes/gpu-1/hold/").status_code == 405


def test_admins_look_without_buttons(people: People, browser: Browser, node: Node) -> None:
    page = browser(people.admin).get("/ops/").content.decode()
    assert "gpu-1" in page
    assert "/ops/nodes/" not in page


@pytest.mark.parametrize(
    ("facts", "offered"),
    [
        ({"wanted": Wanted.AWAKE}, ("hold", "drain")),
        ({"wanted": Wanted.ASLEEP}, ("hold", "drain")),
        ({"wanted": Wanted.HELD}, ("release", "drain")),
        ({"wanted": Wanted.ASLEEP, "parked": True}, ("release",)),
        ({"not_before": True}, ("retry", "hold", "drain")),
        ({"quarantined_until": True, "parked": True}, ("retry", "release")),
    ],
)
def test_only_what_makes_sense_is_offered(
    facts: dict[str, object], offered: tuple[str, ...]
) -> None:
    at = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
    later = at + timedelta(minutes=1)
    moments = {"not_before", "quarantined_until"}
    node = Node(**{key: later if key in moments else value for key, value in facts.items()})
    assert orders(node, at) == offered
    assert "retry" not in orders(node, later + timedelta(seconds=1))


def test_the_admin_shows_rows_and_no_secrets(
    people: People, client: Client, video: Path, node: Node
) -> None:
    made = asked(people, video)
    claimed(made, node)
    for page in (
        f"job/{made.job_id}",
        f"node/{node.pk}",
        f"attempt/{made.job.attempts.get().pk}",
    ):
        shown = client.get(f"/admin/orchestrator/{page}/change/")
        assert shown.status_code == 200, page
        assert node.token_hash not in shown.content.decode()
        assert made.job.attempts.get().token_hash not in shown.content.decode()
        posted = client.post(f"/admin/orchestrator/{page}/change/", {"kind": "x"})
        assert posted.status_code == 403, page
        assert client.post(f"/admin/orchestrator/{page}/delete/").status_code == 403, page


@pytest.mark.parametrize(
    "query",
    [
        "job/?state__exact=queued",
        "ledgerentry/?cause__exact=job",
        "attempt/?outcome__exact=running",
        "job/?q=nothing",
    ],
)
def test_rows_can_be_filtered(client: Client, query: str) -> None:
    assert client.get(f"/admin/orchestrator/{query}").status_code == 200
