"""Whatever happens, and in whatever order; Hypothesis looks for the shortest history that fails."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import wraps
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from orchestrator.simulator.mutants import MUTANTS
from orchestrator.simulator.processes import Violation
from orchestrator.simulator.rules import Odds, Rules
from orchestrator.simulator.servers import Fault
from orchestrator.simulator.stores import InMemory
from orchestrator.simulator.surroundings import Bells, surroundings
from orchestrator.simulator.worker import Fate, Host
from orchestrator.simulator.world import World

NAMES = ("gpu-1", "gpu-2")
names = st.sampled_from(NAMES)


def _told(act: Callable[..., None]) -> Callable[..., None]:
    """Hypothesis makes exceptions smaller; a violation is none, so that nobody catches it."""

    @wraps(act)
    def acted(*args: Any, **kwargs: Any) -> None:
        try:
            act(*args, **kwargs)
        except Violation as violation:
            raise AssertionError(str(violation)) from None

    return acted


class Histories(RuleBasedStateMachine):
    """Each rule is something that a real fleet has lived through."""

    @initialize(seed=st.integers(0, 1000))
    @_told
    def begin(self, seed: int) -> None:
        self._stack = ExitStack()
        rules, place, bells = Rules(idle=60.0, controllers=2), InMemory(), Bells()
        self._stack.enter_context(place.open())
        self._stack.enter_context(surroundings(seed, rules, bells))
        chance = Random(seed)  # noqa: S311  # it has to be repeatable
        self.world = World(chance, place, rules, Odds(), bells)
        self.world.pass_time(60)

    @_told
    def teardown(self) -> None:
        if not hasattr(self, "_stack"):
            return
        with self._stack:
            self.world.settle()
            self.world.checks.in_the_end()

    @rule(seconds=st.floats(0.1, 400))
    @_told
    def time_passes(self, seconds: float) -> None:
        self.world.pass_time(seconds)

    @rule(fate=st.sampled_from(Fate), priority=st.integers(0, 2))
    @_told
    def somebody_presses_the_button(self, fate: Fate, priority: int) -> None:
        self.world.submit(fate, priority)

    @rule(choice=st.integers(0, 9))
    @_told
    def somebody_cancels(self, choice: int) -> None:
        self.world.cancel(choice)

    @rule(name=names)
    @_told
    def a_worker_is_killed(self, name: str) -> None:
        self.world.kill_worker(self._host(name))

    @rule(name=names, seconds=st.floats(5, 200))
    @_told
    def a_worker_hangs(self, name: str, seconds: float) -> None:
        self.world.freeze_worker(self._host(name), seconds)

    @rule(name=names)
    @_told
    def a_line_breaks_or_is_mended(self, name: str) -> None:
        self._host(name).cut ^= True
        self.world.disturbed("a line")

    @rule(name=names, what=st.sampled_from(["hold", "drain", "release"]))
    @_told
    def an_operator_acts(self, name: str, what: str) -> None:
        self.world.order(name, what)

    @rule(name=names, fault=st.sampled_from(Fault))
    @_told
    def something_will_go_wrong(self, name: str, fault: Fault) -> None:
        self.world.fault(name, fault)

    @rule(site=st.booleans(), orchestrator=st.booleans(), cloud=st.booleans())
    @_told
    def something_goes_or_comes(self, site: bool, orchestrator: bool, cloud: bool) -> None:
        world = self.world
        world.disturbed("something goes or comes")
        world.site_up, world.orchestrator_up, world.cloud_away = site, orchestrator, cloud

    @rule(kill=st.sampled_from([0.0, 0.3]), pause=st.sampled_from([0.0, 0.3]))
    @_told
    def controllers_are_in_trouble(self, kill: float, pause: float) -> None:
        self.world.odds = Odds(kill_tick=kill, pause_tick=pause, cloud_answer_lost=kill)

    def _host(self, name: str) -> Host:
        return self.world.hosts[name]


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


def test_whatever_happens_in_whatever_order() -> None:
    _run(examples=25, steps=25, search=False)


def test_a_planted_bug_is_found_by_any_history_too() -> None:
    idle_clock = MUTANTS[0]
    with idle_clock.planted(), pytest.raises(AssertionError) as caught:
        _run(examples=50, steps=25, search=False)
    assert idle_clock.explains(str(caught.value))


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_whatever_happens_for_long() -> None:
    _run(examples=2000, steps=60, search=True)
