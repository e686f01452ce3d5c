"""A worker that is heard and does not hear: started anew over SSH, where the cloud says it is."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from orchestrator.gates import Shell, no_shell
from orchestrator.models import Node, NodeEvent
from orchestrator.policy.steps import Why
from orchestrator.providers.port import ServerFacts
from orchestrator.reconciler import Reconciler
from orchestrator.states import CloudStatus, Gate
from tests.orchestrator.rows import ManualClock, beat, submitted
from tests.support.big_fleet import RunningServers

pytestmark = pytest.mark.django_db

ADDRESS = "203.0.113.7"


class OneServer(RunningServers):
    """It runs, and the cloud says where it is reached."""

    def list(self) -> Sequence[ServerFacts]:
        return [
            ServerFacts("server-gpu-1", "gpu-1", CloudStatus.ACTIVE, None, False, address=ADDRESS)
        ]


def ticks(clock: ManualClock, node: Node, seconds: float, shell: Shell) -> None:
    for _ in range(int(seconds / 10)):
        beat(node, clock)
        Reconciler(OneServer(0), clock, lambda: True, shell=shell).tick()
        clock.advance(10)
    node.refresh_from_db()


def test_it_is_started_anew_twice_and_then_put_to_sleep(clock: ManualClock, node: Node) -> None:
    asked: list[tuple[str, str]] = []

    def shell(name: str, address: str) -> str:
        asked.append((name, address))
        return "It was started anew."

    submitted(clock)
    ticks(clock, node, 60, shell)
    assert asked == []
    ticks(clock, node, 20, shell)
    assert asked == [("gpu-1", ADDRESS)]
    ticks(clock, node, 210, shell)
    assert asked == [("gpu-1", ADDRESS)] * 2
    assert node.gate == Gate.OPEN
    ticks(clock, node, 40, shell)
    assert (node.gate_why, node.failures) == (Why.WORKER_DEAF, 1)


def test_where_ssh_is_not_set_up_nothing_is_said_to_have_been_started(
    clock: ManualClock, node: Node
) -> None:
    submitted(clock)
    ticks(clock, node, 200, no_shell)
    assert node.restarts == 0
    assert not NodeEvent.objects.filter(what="worker_restarted").exists()
    ticks(clock, node, 140, no_shell)
    assert node.gate_why == Why.WORKER_DEAF
