"""Whatever is asked of a local server, and whatever goes wrong."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from orchestrator.providers.local_state import (
    Fault,
    Guest,
    Order,
    ServerState,
    Timing,
    WorkerFacts,
    advance,
    ask_shelve,
    ask_unshelve,
)
from orchestrator.providers.port import CloudError
from orchestrator.states import CloudStatus

TIMING = Timing(boot=timedelta(seconds=6), stop=timedelta(seconds=55))


class AnyServer(RuleBasedStateMachine):
    """A server with its cloud, its host, and a worker that may or may not listen."""

    def __init__(self) -> None:
        super().__init__()
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.state = ServerState()
        self.worker = WorkerFacts()
        self.deaf = False
        self.ids = itertools.count()

    @rule(fault=st.sampled_from(Fault))
    def inject(self, fault: Fault) -> None:
        self.state = self.state.model_copy(update={"faults": (*self.state.faults, fault)})

    @rule(wake=st.booleans())
    def ask(self, wake: bool) -> None:
        request, before = f"req-{next(self.ids)}", self.state
        ask = ask_unshelve if wake else ask_shelve
        try:
            self.state = ask(before, request, self.now)
        except CloudError:
            assert before.task_state or (before.status is CloudStatus.ACTIVE) is wake
            return
        assert self.state.status is before.status
        assert self.state.actions[0].request_id == request

    @rule(seconds=st.floats(min_value=0.0, max_value=80.0))
    def host_looks(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        before, had = self.state, self.worker.running
        self.state, order = advance(before, self.worker, TIMING, self.now)
        if before.status is CloudStatus.ACTIVE and self.state.status is not CloudStatus.ACTIVE:
            assert not had
        if order is Order.RUN:
            assert self.state.status is CloudStatus.ACTIVE
            assert (self.state.task_state, self.state.guest) == (None, Guest.RUNNING)
        self._obey(order)

    def _obey(self, order: Order) -> None:
        match order:
            case Order.RUN:
                self.worker = self.worker if self.worker.running else WorkerFacts(running=True)
            case Order.STOP if not self.deaf:
                self.worker = WorkerFacts()
            case Order.STOP:
                told = self.worker.told_at or self.now
                self.worker = WorkerFacts(running=True, told_at=told)
            case Order.KILL:
                self.worker = WorkerFacts()

    @rule(deaf=st.booleans())
    def worker_goes_deaf(self, deaf: bool) -> None:
        self.deaf = deaf

    @rule()
    def worker_dies(self) -> None:
        self.worker = WorkerFacts()

    @rule()
    def host_is_killed_and_comes_back(self) -> None:
        """All that is left is what was written down."""
        self.worker = WorkerFacts()
        self.state = ServerState.model_validate_json(self.state.model_dump_json())

    @precondition(lambda self: self.state.task_state is not None)
    @rule()
    def nothing_takes_for_ever(self) -> None:
        for _ in range(6):
            self.host_looks(60.0)
        assert self.state.task_state is None

    @invariant()
    def only_the_newest_action_is_open(self) -> None:
        unfinished = [one.result is None for one in self.state.actions]
        assert not any(unfinished[1:])
        assert any(unfinished[:1]) is (self.state.task_state is not None)

    @invariant()
    def it_is_awake_or_asleep(self) -> None:
        assert self.state.status in (CloudStatus.ACTIVE, CloudStatus.SHELVED_OFFLOADED)
        if self.state.status is CloudStatus.SHELVED_OFFLOADED:
            assert not self.worker.running


TestAnyServer = AnyServer.TestCase
TestAnyServer.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
