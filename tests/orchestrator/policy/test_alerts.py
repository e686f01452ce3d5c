"""What a person is told, and when."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_node.contracts.node_api import WorkerState
from orchestrator.policy.alerts import AlertKind, CloudTrouble, alerts
from orchestrator.policy.budget import Budget, Spent
from orchestrator.policy.views import FleetView, Worker
from orchestrator.states import CloudStatus, Gate, OperationKind, Wanted
from tests.orchestrator.policy.nodes import (
    NOW,
    POLICY,
    ago,
    booting,
    demand,
    fleet,
    leased,
    node,
    operation,
    ready,
)

SILENT = Worker("boot-0001", WorkerState.READY, ago(300))
TIGHT = replace(POLICY, budget=Budget(month=Decimal(100)))
SHELVE = OperationKind.SHELVE


def kinds(
    view: FleetView,
    cause_since: float | None = None,
    trouble: CloudTrouble | None = None,
) -> set[AlertKind]:
    since: dict[str, datetime] = {}
    if cause_since is not None:
        since = {one.name: ago(cause_since) for one in view.nodes}
    return {one.kind for one in alerts(view, trouble, since)}


@pytest.mark.parametrize(
    "view",
    [
        fleet(node()),
        fleet(node(), queue=demand(3)),
        fleet(ready(idle=800)),
        fleet(leased()),
        fleet(booting()),
        fleet(node(not_before=ago(-60))),
        fleet(ready(gate=Gate.DRAINING, gate_since=ago(30))),
    ],
)
def test_nothing_is_said_while_all_is_well(view: FleetView) -> None:
    assert kinds(view, cause_since=30) == set()


def test_a_node_that_is_paid_for_and_does_nothing() -> None:
    silent = fleet(ready(idle=300, worker=SILENT))
    assert kinds(silent, cause_since=239) == set()
    assert kinds(silent, cause_since=241) == {AlertKind.FAILURE_BILLED}


def test_an_idle_node_that_was_not_put_to_sleep_counts_from_when_it_should_have_been() -> None:
    assert kinds(fleet(ready(idle=15 * 60 + 10 + 241)), cause_since=1200) == {
        AlertKind.FAILURE_BILLED
    }


def test_a_shelving_that_does_not_succeed() -> None:
    stuck = fleet(ready(gate=Gate.STOPPING, gate_since=ago(386)))
    assert kinds(stuck, cause_since=386) == {AlertKind.SHELVE_FAILS}
    assert kinds(fleet(ready(gate=Gate.STOPPING, gate_since=ago(380))), cause_since=380) == set()


def test_a_shelving_that_uploads_a_large_disk_is_given_its_time() -> None:
    def uploading(minutes: float) -> FleetView:
        return fleet(
            ready(
                gate=Gate.STOPPING,
                gate_since=ago(minutes * 60),
                task="shelving_image_uploading",
                operation=operation(SHELVE),
            )
        )

    assert kinds(uploading(50), cause_since=3000) == set()
    assert kinds(uploading(61), cause_since=3660) == {AlertKind.SHELVE_FAILS}


@pytest.mark.parametrize(
    ("view", "kind"),
    [
        (fleet(ready(cloud=CloudStatus.ERROR)), AlertKind.SERVER_ERROR),
        (fleet(node(cloud=CloudStatus.DELETED)), AlertKind.SERVER_GONE),
        (fleet(ready(locked=True)), AlertKind.LOCKED),
        (fleet(node(quarantined_until=ago(-10))), AlertKind.QUARANTINED),
        (fleet(node(not_before=ago(-10)), queue=demand(1)), AlertKind.NO_CAPACITY),
        (fleet(policy=TIGHT, spent=Spent(month=Decimal(85))), AlertKind.BUDGET_LOW),
        (fleet(policy=TIGHT, spent=Spent(month=Decimal(100))), AlertKind.BUDGET_EMPTY),
    ],
)
def test_what_is_said_at_once(view: FleetView, kind: AlertKind) -> None:
    assert kinds(view, cause_since=1) == {kind}


def test_a_held_node_is_mentioned_when_it_is_held_for_long() -> None:
    held = fleet(ready(wanted=Wanted.HELD))
    assert kinds(held, cause_since=899) == set()
    assert kinds(held, cause_since=901) == {AlertKind.HELD}


def test_a_cloud_that_refuses_us_is_said_at_once_and_one_that_is_away_later() -> None:
    refused = CloudTrouble(True, "The cloud refuses us.", ago(1))
    away = CloudTrouble(False, "The cloud does not answer.", ago(239))
    assert kinds(fleet(), trouble=refused) == {AlertKind.CLOUD_REFUSES}
    assert kinds(fleet(), trouble=away) == set()
    assert kinds(fleet(), trouble=replace(away, since=ago(241))) == {AlertKind.CLOUD}


@given(
    st.sampled_from(CloudStatus),
    st.sampled_from(Gate),
    st.sampled_from(Wanted),
    st.booleans(),
    st.floats(0, 1e5),
)
def test_an_alert_is_a_sentence_about_somebody(
    cloud: CloudStatus, gate: Gate, wanted: Wanted, locked: bool, age: float
) -> None:
    view = fleet(ready(cloud=cloud, gate=gate, wanted=wanted, locked=locked, idle=age))
    said = alerts(view, None, {"gpu-1": NOW - timedelta(seconds=age)})
    assert all(one.sentence.endswith(".") and one.subject in one.sentence for one in said)
    assert len({(one.kind, one.subject) for one in said}) == len(said)
