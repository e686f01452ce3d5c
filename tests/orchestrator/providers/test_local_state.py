"""What a local server does, step by step."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.providers.local_state import (
    NO_CAPACITY,
    SHELVE_FAILED,
    Fault,
    Guest,
    Order,
    ServerState,
    Task,
    Timing,
    WorkerFacts,
    action_facts,
    advance,
    ask_shelve,
    ask_unshelve,
    facts,
)
from orchestrator.providers.port import ActionResult, CloudError, CloudErrorKind
from orchestrator.states import CloudStatus, OperationKind

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
TIMING = Timing(boot=timedelta(seconds=4), stop=timedelta(seconds=55))
GONE = WorkerFacts()
UP = WorkerFacts(running=True)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def awake(*faults: Fault) -> ServerState:
    """ACTIVE since noon, and booted."""
    state = ServerState(faults=faults)
    state = ask_unshelve(state, "req-wake", at(-10))
    for seconds in (-10, -5):
        state, _ = advance(state, GONE, TIMING, at(seconds))
    return state


def test_a_server_nobody_has_heard_of_sleeps() -> None:
    said = facts("gpu-1", ServerState())
    assert (said.status, said.task_state, said.locked) == (
        CloudStatus.SHELVED_OFFLOADED,
        None,
        False,
    )


def test_the_request_is_only_written_down() -> None:
    state = ask_unshelve(ServerState(), "req-1", NOON)
    assert state.status is CloudStatus.SHELVED_OFFLOADED
    assert state.task_state is Task.UNSHELVING
    [action] = action_facts(state)
    assert (action.request_id, action.kind, action.result) == (
        "req-1",
        OperationKind.UNSHELVE,
        None,
    )


def test_active_comes_before_the_worker() -> None:
    state = ask_unshelve(ServerState(), "req-1", NOON)
    state, order = advance(state, GONE, TIMING, at(0.1))
    assert (state.task_state, order) == (Task.SPAWNING, Order.NOTHING)
    state, order = advance(state, GONE, TIMING, at(2.0))
    assert (state.task_state, order) == (Task.SPAWNING, Order.NOTHING)
    state, order = advance(state, GONE, TIMING, at(2.1))
    assert (state.status, state.task_state, order) == (CloudStatus.ACTIVE, None, Order.NOTHING)
    assert action_facts(state)[0].result is ActionResult.OK
    assert advance(state, GONE, TIMING, at(4.0))[1] is Order.NOTHING
    assert advance(state, GONE, TIMING, at(4.1))[1] is Order.RUN
    assert advance(state, UP, TIMING, at(9.0)) == (state, Order.RUN)


def test_shelving_waits_for_the_worker_to_stop() -> None:
    state = ask_shelve(awake(), "req-2", NOON)
    assert advance(state, UP, TIMING, at(0.1)) == (state, Order.STOP)
    told = WorkerFacts(running=True, told_at=at(0.1))
    assert advance(state, told, TIMING, at(55.0)) == (state, Order.STOP)
    assert advance(state, told, TIMING, at(55.1)) == (state, Order.KILL)
    state, order = advance(state, GONE, TIMING, at(56))
    assert (state.status, state.task_state, order) == (
        CloudStatus.SHELVED_OFFLOADED,
        None,
        Order.NOTHING,
    )
    assert [one.result for one in action_facts(state)] == [ActionResult.OK, ActionResult.OK]


def test_without_capacity_it_silently_sleeps_on() -> None:
    state = ask_unshelve(ServerState(faults=(Fault.NO_CAPACITY,)), "req-1", NOON)
    state, order = advance(state, GONE, TIMING, at(0.1))
    assert (state.status, state.task_state, order) == (
        CloudStatus.SHELVED_OFFLOADED,
        None,
        Order.NOTHING,
    )
    assert (state.actions[0].result, state.actions[0].message) == (ActionResult.FAILED, NO_CAPACITY)
    state = ask_unshelve(state, "req-2", at(1))
    assert advance(state, GONE, TIMING, at(1.1))[0].task_state is Task.SPAWNING


def test_a_hung_boot_is_active_and_has_no_worker() -> None:
    state = awake(Fault.BOOT_HANGS)
    assert (state.status, state.guest, state.faults) == (CloudStatus.ACTIVE, Guest.HUNG, ())
    assert advance(state, GONE, TIMING, at(1000)) == (state, Order.NOTHING)
    state = ask_shelve(state, "req-2", at(1000))
    assert advance(state, GONE, TIMING, at(1000))[0].status is CloudStatus.SHELVED_OFFLOADED


def test_a_failed_shelving_leaves_it_active_and_off() -> None:
    state = ask_shelve(awake(Fault.SHELVE_FAILS), "req-2", NOON)
    state, _ = advance(state, GONE, TIMING, at(1))
    assert (state.status, state.task_state) == (CloudStatus.ACTIVE, None)
    assert (state.actions[0].result, state.actions[0].message) == (
        ActionResult.FAILED,
        SHELVE_FAILED,
    )
    assert advance(state, GONE, TIMING, at(1000)) == (state, Order.NOTHING)
    state = ask_shelve(state, "req-3", at(1001))
    assert advance(state, GONE, TIMING, at(1001))[0].status is CloudStatus.SHELVED_OFFLOADED


def test_faults_of_a_sort_happen_in_order_and_once() -> None:
    faults = (Fault.SHELVE_FAILS, Fault.BOOT_HANGS, Fault.NO_CAPACITY)
    state = ask_unshelve(ServerState(faults=faults), "req-1", NOON)
    state, _ = advance(state, GONE, TIMING, at(0))
    assert state.task_state is Task.SPAWNING  # the lack of capacity is for the next time
    state, _ = advance(state, GONE, TIMING, at(2))
    assert (state.guest, state.faults) == (Guest.HUNG, (Fault.SHELVE_FAILS, Fault.NO_CAPACITY))


def test_a_worker_of_a_sleeping_server_is_stopped() -> None:
    # The file was lost while the worker ran: what is written down is what counts.
    assert advance(ServerState(), UP, TIMING, NOON) == (ServerState(), Order.STOP)


@pytest.mark.parametrize("ask", [ask_shelve, ask_unshelve])
@pytest.mark.parametrize("task", list(Task))
@pytest.mark.parametrize("status", [CloudStatus.ACTIVE, CloudStatus.SHELVED_OFFLOADED])
def test_nothing_is_taken_while_something_is_done(
    ask: object, task: Task, status: CloudStatus
) -> None:
    assert callable(ask)
    with pytest.raises(CloudError) as refusal:
        ask(ServerState(status=status, task_state=task), "req-1", NOON)
    assert refusal.value.kind is CloudErrorKind.CONFLICT


@pytest.mark.parametrize("status", list(CloudStatus))
def test_each_request_wants_its_own_statuses(status: CloudStatus) -> None:
    state = ServerState(status=status)
    wakes = status in (CloudStatus.SHELVED, CloudStatus.SHELVED_OFFLOADED)
    sleeps = status in (
        CloudStatus.ACTIVE,
        CloudStatus.SHUTOFF,
        CloudStatus.PAUSED,
        CloudStatus.SUSPENDED,
    )
    for ask, allowed in ((ask_unshelve, wakes), (ask_shelve, sleeps)):
        if allowed:
            assert ask(state, "req-1", NOON).task_state is not None
            continue
        with pytest.raises(CloudError) as refusal:
            ask(state, "req-1", NOON)
        assert refusal.value.kind is CloudErrorKind.CONFLICT


def test_a_locked_server_refuses_both() -> None:
    for ask, status in (
        (ask_unshelve, CloudStatus.SHELVED_OFFLOADED),
        (ask_shelve, CloudStatus.ACTIVE),
    ):
        with pytest.raises(CloudError) as refusal:
            ask(ServerState(status=status, locked=True), "req-1", NOON)
        assert refusal.value.kind is CloudErrorKind.LOCKED
