"""The node's log beside an attempt that failed: fetched once, and only while it says something."""

from __future__ import annotations

import pytest

from gpu_node.contracts.errors import Reason
from gpu_node.contracts.node_api import Failure
from orchestrator import jobs
from orchestrator.models import Attempt, Node
from orchestrator.reconciler import Reconciler
from orchestrator.states import CloudStatus
from tests.orchestrator.rows import ManualClock, claimed, submitted
from tests.support.big_fleet import RunningServers

pytestmark = pytest.mark.django_db


@pytest.fixture
def asked() -> list[tuple[str, str]]:
    return []


def fail(node: Node, clock: ManualClock) -> None:
    job = submitted(clock)
    held = claimed(node, clock)
    said = Failure(token=held.token, reason=Reason.ENGINE_FAILED, sentence="It broke.", detail="")
    jobs.fail(node, job.pk, said, clock.now())


def tick(clock: ManualClock, asked: list[tuple[str, str]]) -> None:
    def log_of(name: str, address: str) -> str:
        asked.append((name, address))
        return "CUDA out of memory"

    Reconciler(RunningServers(0), clock, lambda: True, log_of=log_of).tick()


def test_it_is_fetched_once(clock: ManualClock, node: Node, asked: list[tuple[str, str]]) -> None:
    Node.objects.update(server_id="", address="192.0.2.7")
    fail(node, clock)
    for _ in range(2):
        tick(clock, asked)
    assert asked == [("gpu-1", "192.0.2.7")]
    assert Attempt.objects.get().log == "CUDA out of memory"


def test_a_node_that_sleeps_or_has_no_address_is_not_asked(
    clock: ManualClock, node: Node, asked: list[tuple[str, str]]
) -> None:
    Node.objects.update(server_id="")
    fail(node, clock)
    tick(clock, asked)
    Node.objects.update(address="192.0.2.7", cloud_status=CloudStatus.SHELVED_OFFLOADED)
    tick(clock, asked)
    assert asked == []


def test_what_failed_long_ago_is_left_alone(
    clock: ManualClock, node: Node, asked: list[tuple[str, str]]
) -> None:
    Node.objects.update(server_id="", address="192.0.2.7")
    fail(node, clock)
    clock.advance(601)
    tick(clock, asked)
    assert asked == []
