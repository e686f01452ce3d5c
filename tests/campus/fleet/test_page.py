"""The fleet's page: what it shows, and to whom."""

from __future__ import annotations

import pytest
from django.db import transaction
from django.test import Client

from campus.accounts.models import User
from campus.accounts.roles import Role
from orchestrator import jobs, ledger
from orchestrator.clock import DATABASE_CLOCK
from orchestrator.models import Node
from orchestrator.states import Cause, CloudStatus, Wanted
from tests.orchestrator.rows import ManualClock, enrolled, order

pytestmark = pytest.mark.django_db


def logged_in(role: Role) -> Client:
    user = User.objects.create_user(role.value, "a good long password", role)
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def node() -> Node:
    clock = ManualClock()
    clock.time = DATABASE_CLOCK.now()
    return enrolled("gpu-1", clock)


def test_a_node_and_the_queue(node: Node) -> None:
    now = DATABASE_CLOCK.now()
    ledger.enter(node.pk, Cause.BOOT, now)
    clock = ManualClock()
    labels = {"lesson": "Über <b>Mut</b>", "language": "Spanish"}
    with transaction.atomic():
        jobs.submit(order(clock, inputs={}, labels=labels), now)
    page = logged_in(Role.OPS).get("/ops/")
    text = page.content.decode()
    assert page.status_code == 200
    assert "starting" in text
    assert "Über &lt;b&gt;Mut&lt;/b&gt;" in text
    assert 'class="fleet-boot"' in text


def test_the_living_part_comes_alone(node: Node) -> None:
    text = logged_in(Role.OPS).get("/ops/state/").content.decode()
    assert "gpu-1" in text
    assert "<html" not in text


def test_without_a_node_it_says_so() -> None:
    assert "No nodes are known" in logged_in(Role.OPS).get("/ops/").content.decode()


@pytest.mark.parametrize(
    ("what", "wanted", "parked"),
    [("hold", Wanted.HELD, False), ("drain", Wanted.ASLEEP, True)],
)
def test_an_operator_gives_an_order_and_takes_it_back(
    node: Node, what: str, wanted: Wanted, parked: bool
) -> None:
    client = logged_in(Role.OPS)
    assert client.post(f"/ops/nodes/gpu-1/{what}/").status_code == 302
    node.refresh_from_db()
    assert (node.wanted, node.parked, node.note.endswith("by ops.")) == (wanted, parked, True)
    assert "Release" in client.get("/ops/").content.decode()
    client.post("/ops/nodes/gpu-1/release/")
    node.refresh_from_db()
    assert (node.wanted, node.parked) == (Wanted.AWAKE, False)
    assert node.cloud_status == CloudStatus.ACTIVE


def test_an_admin_sees_it_but_does_not_operate_it(node: Node) -> None:
    client = logged_in(Role.ADMIN)
    assert "Hold" not in client.get("/ops/").content.decode()
    assert client.post("/ops/nodes/gpu-1/hold/").status_code == 403


@pytest.mark.parametrize("role", [Role.PARTNER, Role.REVIEWER])
def test_others_do_not_see_it(node: Node, role: Role) -> None:
    assert logged_in(role).get("/ops/").status_code == 403


def test_strangers_are_asked_who_they_are(node: Node) -> None:
    assert Client().get("/ops/").status_code == 302
    assert Client().post("/ops/nodes/gpu-1/hold/").status_code == 302


@pytest.mark.parametrize(
    "path", ["/ops/nodes/gpu-9/hold/", "/ops/nodes/gpu-1/explode/", "/ops/nodes/../hold/"]
)
def test_other_orders_are_404(node: Node, path: str) -> None:
    assert logged_in(Role.OPS).post(path).status_code == 404


def test_an_order_is_not_given_by_a_link(node: Node) -> None:
    assert logged_in(Role.OPS).get("/ops/nodes/gpu-1/hold/").status_code == 405
