"""Whatever happens, and in whatever order: nothing is lost, doubled, or billed without a cause."""

from __future__ import annotations

import pytest
from django.db import transaction
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from orchestrator.ledger import stretches
from orchestrator.models import LedgerEntry
from orchestrator.providers.local_state import Fault
from tests.orchestrator.simulation.world import BEAT, NAMES, World

names = st.sampled_from(NAMES)


class Histories(RuleBasedStateMachine):
    """Each rule is something that a real fleet has lived through."""

    def __init__(self) -> None:
        super().__init__()
        self._block = transaction.atomic()
        self._block.__enter__()
        self.world = World()

    def teardown(self) -> None:
        try:
            self.world.settle()
            self._the_bill_agrees()
        finally:
            transaction.set_rollback(True)
            self._block.__exit__(None, None, None)

    @rule(beats=st.integers(1, 40))
    def time_passes(self, beats: int) -> None:
        self.world.live(beats)

    @rule(priority=st.integers(0, 2))
    def somebody_presses_the_button(self, priority: int) -> None:
        self.world.submit(priority)

    @rule(choice=st.integers(0, 9))
    def somebody_cancels(self, choice: int) -> None:
        self.world.cancel(choice)

    @rule(name=names)
    def a_worker_is_killed(self, name: str) -> None:
        self.world.kill(name)

    @rule(name=names)
    def a_line_breaks_or_is_mended(self, name: str) -> None:
        self.world.cut(name)

    @rule(name=names, what=st.sampled_from(["hold", "drain", "release"]))
    def an_operator_acts(self, name: str, what: str) -> None:
        self.world.order(name, what)

    @rule(name=names, fault=st.sampled_from(Fault))
    def something_will_go_wrong(self, name: str, fault: Fault) -> None:
        self.world.fault(name, fault)

    @rule()
    def an_answer_will_be_lost(self) -> None:
        self.world.cloud.lost_answers = 1

    @rule(site=st.booleans(), orchestrator=st.booleans(), cloud=st.booleans())
    def something_goes_or_comes(self, site: bool, orchestrator: bool, cloud: bool) -> None:
        self.world.go_away(site=site, orchestrator=orchestrator, cloud=cloud)

    @rule(looks=st.integers(1, 40))
    def the_orchestrator_is_killed(self, looks: int) -> None:
        self.world.tick_and_die(looks)
        self.world.check()

    @rule()
    def somebody_rings(self) -> None:
        if self.world.orchestrator_up:
            self.world.tick()
            self.world.check()

    def _the_bill_agrees(self) -> None:
        """Ours begins with the request and ends when the sleep is seen: it is never the shorter."""
        entries = stretches(LedgerEntry.objects.all())
        ours = sum(
            (entry.end - entry.start).total_seconds() for entry in entries if entry.end is not None
        )
        theirs = sum(server.billed for server in self.world.cloud.servers.values())
        assert ours >= theirs
        if self.world.calm:
            assert ours <= theirs + 2 * BEAT * len(entries)


def _run(examples: int, steps: int, *, search: bool) -> None:
    """`search`: other histories each time, and the shortest one that fails, which takes minutes."""
    run_state_machine_as_test(
        Histories,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            derandomize=not search,
            database=None,
            phases=list(Phase) if search else [Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.django_db
def test_whatever_happens() -> None:
    _run(examples=10, steps=20, search=False)


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.django_db
def test_whatever_happens_for_long() -> None:
    _run(examples=1000, steps=60, search=True)
