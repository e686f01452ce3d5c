"""One table of situations and what follows from each."""

from __future__ import annotations

import pytest

from gpu_node.contracts.node_api import WorkerState
from orchestrator.policy.planner import backoff, plan
from orchestrator.policy.site import Site
from orchestrator.policy.steps import (
    Call,
    ExpireLease,
    Finish,
    Move,
    NoteWake,
    Resolve,
    Ring,
    SettleAsleep,
    Step,
    Why,
)
from orchestrator.policy.views import FleetView, Worker
from orchestrator.states import CloudStatus, Gate, OperationKind, OperationOutcome, Wanted
from tests.orchestrator.policy.nodes import (
    NOW,
    ago,
    booting,
    fleet,
    leased,
    node,
    operation,
    ready,
)

UNSHELVE, SHELVE = OperationKind.UNSHELVE, OperationKind.SHELVE
LONG = 15 * 60 + 1
STOPPED = Worker("boot-0001", WorkerState.STOPPED, NOW)
BROKEN = Worker("boot-0001", WorkerState.BROKEN, NOW)
SILENT = Worker("boot-0001", WorkerState.READY, ago(31))
LOST = Worker("boot-0001", WorkerState.READY, ago(301))


def drain(why: Why) -> Move:
    return Move("gpu-1", Gate.OPEN, Gate.DRAINING, why)


CASES: dict[str, tuple[FleetView, tuple[Step, ...]]] = {
    "all sleeps and nothing is to do": (fleet(node()), ()),
    "a job wakes a node": (fleet(node(), queued=1), (Call("gpu-1", UNSHELVE, Why.DEMAND),)),
    "one job wakes one node": (
        fleet(node(), node(name="gpu-2"), queued=1),
        (Call("gpu-1", UNSHELVE, Why.DEMAND),),
    ),
    "two jobs wake two": (
        fleet(node(), node(name="gpu-2"), queued=2),
        (Call("gpu-1", UNSHELVE, Why.DEMAND), Call("gpu-2", UNSHELVE, Why.DEMAND)),
    ),
    "a booting node counts as capacity": (fleet(booting(), node(name="gpu-2"), queued=1), ()),
    "a waking node counts as capacity": (
        fleet(node(operation=operation(UNSHELVE), task="unshelving"), queued=1),
        (),
    ),
    "a working node does not": (
        fleet(leased(), node(name="gpu-2"), queued=1),
        (Call("gpu-2", UNSHELVE, Why.DEMAND),),
    ),
    "the node that failed less is woken": (
        fleet(node(failures=1), node(name="gpu-2"), queued=1),
        (Call("gpu-2", UNSHELVE, Why.DEMAND),),
    ),
    "a node that failed is left alone for a while": (
        fleet(node(not_before=ago(-1)), queued=1),
        (),
    ),
    "and then tried again": (
        fleet(node(not_before=ago(0)), queued=1),
        (Call("gpu-1", UNSHELVE, Why.DEMAND),),
    ),
    "a held node is not woken": (fleet(node(wanted=Wanted.HELD), queued=1), ()),
    "a parked node is not woken": (fleet(node(parked=True), queued=1), ()),
    "a locked server is not touched": (fleet(node(locked=True), queued=1), ()),
    "an idle node is told of work": (fleet(ready(), queued=1), (Ring("gpu-1"),)),
    "a node below the idle limit stays": (fleet(ready(idle=899)), ()),
    "an idle node is drained": (fleet(ready(idle=LONG)), (drain(Why.IDLE),)),
    "not while there is work": (fleet(ready(idle=LONG), queued=1), (Ring("gpu-1"),)),
    "not one that has a job": (fleet(leased(ready_at=ago(LONG))), ()),
    "not one whose job has just ended": (fleet(ready(idle=LONG, busy_until=ago(5))), ()),
    "not a held one": (fleet(ready(idle=LONG, wanted=Wanted.HELD)), ()),
    "not a locked one": (fleet(ready(idle=LONG, locked=True)), ()),
    "not while the site has just come back": (
        fleet(ready(idle=LONG), site=Site(ago(89), ago(1))),
        (),
    ),
    "nor while it is away": (fleet(ready(idle=LONG), site=Site(None, ago(1))), ()),
    "a parked node is drained at once": (fleet(ready(parked=True)), (drain(Why.PARKED),)),
    "even when there is work": (fleet(ready(parked=True), queued=1), (drain(Why.PARKED),)),
    "a draining node waits for its job": (fleet(leased(gate=Gate.DRAINING)), ()),
    "a draining node without a job is stopped": (
        fleet(ready(gate=Gate.DRAINING)),
        (Move("gpu-1", Gate.DRAINING, Gate.STOPPING, Why.IDLE),),
    ),
    "work opens the gate again": (
        fleet(ready(gate=Gate.DRAINING), queued=1),
        (Move("gpu-1", Gate.DRAINING, Gate.OPEN, Why.DEMAND),),
    ),
    "not for a parked node": (
        fleet(ready(gate=Gate.DRAINING, parked=True), queued=1),
        (Move("gpu-1", Gate.DRAINING, Gate.STOPPING, Why.IDLE),),
    ),
    "not for one whose worker is silent": (
        fleet(ready(gate=Gate.DRAINING, worker=SILENT), queued=1),
        (Move("gpu-1", Gate.DRAINING, Gate.STOPPING, Why.IDLE),),
    ),
    "a stopping worker is waited for": (fleet(ready(gate=Gate.STOPPING, gate_since=ago(5))), ()),
    "once it has stopped the server is shelved": (
        fleet(ready(gate=Gate.STOPPING, worker=STOPPED)),
        (Call("gpu-1", SHELVE, Why.STOPPED),),
    ),
    "or once it is silent": (
        fleet(ready(gate=Gate.STOPPING, worker=SILENT)),
        (Call("gpu-1", SHELVE, Why.STOPPED),),
    ),
    "or when it takes too long": (
        fleet(ready(gate=Gate.STOPPING, gate_since=ago(56))),
        (Call("gpu-1", SHELVE, Why.STOPPED),),
    ),
    "work beyond the point of no return is noted": (
        fleet(ready(gate=Gate.STOPPING, worker=STOPPED), queued=1),
        (NoteWake("gpu-1"),),
    ),
    "and does not stop the shelving": (
        fleet(ready(gate=Gate.STOPPING, worker=STOPPED, wake_requested=True), queued=1),
        (Call("gpu-1", SHELVE, Why.STOPPED),),
    ),
    "a stopping node with a live lease is not shelved": (
        fleet(leased(gate=Gate.STOPPING, worker=STOPPED)),
        (),
    ),
    "an expired lease is taken": (fleet(leased(until=-1)), (ExpireLease("gpu-1", 1),)),
    "not when the site was away": (fleet(leased(until=-1), site=Site(ago(89), ago(1))), ()),
    "a node that does not come up is drained": (
        fleet(booting(since=301)),
        (drain(Why.BOOT_TIMEOUT),),
    ),
    "a broken one too": (fleet(booting(since=301, worker=BROKEN)), (drain(Why.WORKER_BROKEN),)),
    "but it gets its time": (fleet(booting(since=299, worker=BROKEN)), ()),
    "one that breaks later is drained, however much waits": (
        fleet(ready(worker=BROKEN, idle=301), queued=1),
        (drain(Why.WORKER_BROKEN),),
    ),
    "it gets its time, too": (fleet(ready(worker=BROKEN, idle=299), queued=1), ()),
    "a gate does not open for a server that was powered off": (
        fleet(ready(gate=Gate.DRAINING, cloud=CloudStatus.SHUTOFF), queued=1),
        (Move("gpu-1", Gate.DRAINING, Gate.STOPPING, Why.IDLE),),
    ),
    "a worker that was lost is given up": (
        fleet(ready(worker=LOST, idle=400)),
        (drain(Why.WORKER_SILENT),),
    ),
    "a short silence is not death": (fleet(ready(worker=SILENT, idle=100)), ()),
    "a server that was powered off is drained": (
        fleet(ready(cloud=CloudStatus.SHUTOFF)),
        (drain(Why.NOT_RUNNING),),
    ),
    "a server in error is left to people": (fleet(ready(cloud=CloudStatus.ERROR)), ()),
    "somebody else's task is waited for": (fleet(ready(idle=LONG, task="rebooting")), ()),
    "an intent without a request is followed up": (
        fleet(node(operation=operation(UNSHELVE, outcome=OperationOutcome.INTENDED, sent_at=None))),
        (Finish("gpu-1", 7),),
    ),
    "an unshelve that worked": (
        fleet(booting(operation=operation(UNSHELVE))),
        (Resolve("gpu-1", 7, True, Why.DONE),),
    ),
    "an unshelve that nobody had room for": (
        fleet(node(operation=operation(UNSHELVE))),
        (Resolve("gpu-1", 7, False, Why.NO_CAPACITY),),
    ),
    "what was seen before the request says nothing": (
        fleet(node(operation=operation(UNSHELVE), cloud_seen_at=ago(6))),
        (),
    ),
    "a shelve that worked": (
        fleet(node(operation=operation(SHELVE), gate=Gate.STOPPING)),
        (Resolve("gpu-1", 7, True, Why.DONE),),
    ),
    "a shelve that failed": (
        fleet(ready(operation=operation(SHELVE), gate=Gate.STOPPING)),
        (Resolve("gpu-1", 7, False, Why.OPERATION_FAILED),),
    ),
    "a shelve that is under way": (
        fleet(ready(operation=operation(SHELVE), task="shelving", gate=Gate.STOPPING)),
        (),
    ),
    "shelved but not offloaded is still billed": (
        fleet(ready(operation=operation(SHELVE), cloud=CloudStatus.SHELVED, gate=Gate.STOPPING)),
        (Resolve("gpu-1", 7, False, Why.NOT_OFFLOADED),),
    ),
    "a call that never ends": (
        fleet(ready(operation=operation(SHELVE, deadline=ago(1)), task="shelving")),
        (Resolve("gpu-1", 7, False, Why.OPERATION_TIMEOUT),),
    ),
    "asleep, it is made ready for the next waking": (
        fleet(node(gate=Gate.STOPPING, worker=STOPPED)),
        (SettleAsleep("gpu-1"),),
    ),
    "and is woken only after that": (
        fleet(node(gate=Gate.STOPPING, worker=STOPPED, wake_requested=True), queued=1),
        (SettleAsleep("gpu-1"),),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_follows(case: str) -> None:
    view, steps = CASES[case]
    assert plan(view) == steps


@pytest.mark.parametrize(
    ("failures", "minutes"), [(1, 1), (2, 2), (3, 5), (4, 10), (5, 30), (9, 30)]
)
def test_backoff(failures: int, minutes: int) -> None:
    assert backoff(failures).total_seconds() == minutes * 60
