"""The word people see, and the cause the bill gives."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gpu_node.contracts.node_api import WorkerState
from orchestrator.policy.phase import Account, Phase, account, phase
from orchestrator.policy.views import NodeView, Worker
from orchestrator.states import Cause, CloudStatus, Gate, OperationKind, Wanted
from tests.orchestrator.policy.nodes import (
    NOW,
    POLICY,
    ago,
    booting,
    leased,
    node,
    operation,
    ready,
)

BROKEN = Worker("boot-0001", WorkerState.BROKEN, NOW)
SILENT = Worker("boot-0001", WorkerState.READY, ago(31))

CASES: dict[str, tuple[NodeView, Phase, Cause | None]] = {
    "asleep": (node(), Phase.ASLEEP, None),
    "never seen": (node(cloud=CloudStatus.UNKNOWN), Phase.UNKNOWN, None),
    "deleted": (node(cloud=CloudStatus.DELETED), Phase.ERROR, None),
    "asked to wake": (
        node(operation=operation(OperationKind.UNSHELVE)),
        Phase.WAKING,
        Cause.BOOT,
    ),
    "woken by somebody else": (node(task="unshelving"), Phase.WAKING, Cause.EXTERNAL),
    "booting": (booting(), Phase.BOOTING, Cause.BOOT),
    "up, but broken": (booting(worker=BROKEN), Phase.BROKEN, Cause.FAILURE),
    "idle": (ready(), Phase.IDLE, Cause.IDLE),
    "working": (leased(), Phase.WORKING, Cause.JOB),
    "working, and to be drained": (leased(gate=Gate.DRAINING), Phase.WORKING, Cause.JOB),
    "silent": (ready(worker=SILENT), Phase.SILENT, Cause.FAILURE),
    "broken later": (ready(worker=BROKEN), Phase.BROKEN, Cause.FAILURE),
    "draining": (ready(gate=Gate.DRAINING), Phase.DRAINING, Cause.DRAIN),
    "stopping": (ready(gate=Gate.STOPPING), Phase.STOPPING, Cause.DRAIN),
    "asked to sleep": (
        ready(operation=operation(OperationKind.SHELVE), gate=Gate.STOPPING),
        Phase.SHELVING,
        Cause.SHELVING,
    ),
    "shelved by somebody else": (ready(task="shelving"), Phase.SHELVING, Cause.SHELVING),
    "powered off": (ready(cloud=CloudStatus.SHUTOFF), Phase.ERROR, Cause.FAILURE),
    "held, idle": (ready(wanted=Wanted.HELD), Phase.IDLE, Cause.HOLD),
    "held, working": (leased(wanted=Wanted.HELD), Phase.WORKING, Cause.JOB),
    "held, asleep": (node(wanted=Wanted.HELD), Phase.ASLEEP, None),
}


@pytest.mark.parametrize("case", CASES)
def test_phase_and_cause(case: str) -> None:
    seen, where, cause = CASES[case]
    assert phase(seen, POLICY, NOW) is where
    assert account(seen, POLICY, NOW).cause is cause


def test_idle_beyond_the_limit_is_a_failure_from_the_limit_on() -> None:
    limit = POLICY.idle + POLICY.tick
    inside = ready(idle=limit.total_seconds())
    beyond = ready(idle=limit.total_seconds() + 100)
    assert account(inside, POLICY, NOW) == Account(Cause.IDLE, NOW)
    assert account(beyond, POLICY, NOW) == Account(Cause.FAILURE, NOW - timedelta(seconds=100))


def test_a_boot_that_takes_too_long_is_a_failure_from_the_limit_on() -> None:
    late = booting(since=POLICY.boot.total_seconds() + 7)
    assert account(late, POLICY, NOW) == Account(Cause.FAILURE, NOW - timedelta(seconds=7))
