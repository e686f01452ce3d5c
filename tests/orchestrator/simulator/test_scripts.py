"""Histories that chance meets too seldom, told on purpose."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random

import pytest

from orchestrator.memory_store import Moment
from orchestrator.models import CloudOperation, Node
from orchestrator.simulator.mutants import MUTANTS
from orchestrator.simulator.processes import Violation
from orchestrator.simulator.rules import Odds, Rules
from orchestrator.simulator.stores import InMemory
from orchestrator.simulator.surroundings import Bells, surroundings
from orchestrator.simulator.world import World
from orchestrator.states import CloudStatus, OperationKind, OperationOutcome, Wanted

NODE = "gpu-1"


@contextmanager
def told(rules: Rules) -> Iterator[World]:
    """A world in which nothing goes wrong by itself."""
    place, bells = InMemory(), Bells()
    with place.open(), surroundings(1, rules, bells):
        world = World(Random(1), place, rules, Odds(), bells)  # noqa: S311  # repeatable
        world.pass_time(60)
        yield world
        place.watch = None


def once_intended(world: World, kind: OperationKind, then: Callable[[], None]) -> None:
    """Do something right after a call of this kind was written down, before it is made."""
    watch, waiting = world.place.watch, [then]

    def look(moment: Moment) -> None:
        if watch is not None:
            watch(moment)
        if moment is not Moment.COMMITTED or not waiting:
            return
        if any(
            row["kind"] == kind and row["outcome"] == OperationOutcome.INTENDED
            for row in world.place.all(CloudOperation).values()
        ):
            controller, world.current = world.current, None
            waiting.pop()()
            world.current = controller

    world.place.watch = look


def held_at(world: World, kind: OperationKind) -> None:
    """An operator holds the node between the intent and the call; later it is released."""
    once_intended(world, kind, lambda: world.order(NODE, "hold"))
    world.submit()
    world.pass_time(400)
    [node] = world.place.all(Node).values()
    server = world.server(NODE)
    assert node["wanted"] == Wanted.HELD
    asked = [action.kind for action in server.actions]
    if kind is OperationKind.UNSHELVE:
        assert (server.status, asked) == (CloudStatus.SHELVED_OFFLOADED, [])
    else:
        assert (server.status, asked) == (CloudStatus.ACTIVE, [OperationKind.UNSHELVE])
    world.order(NODE, "release")
    world.settle()
    world.settle_the_bill()
    world.checks.in_the_end()


@pytest.mark.parametrize("at_once", [1, 8])
@pytest.mark.parametrize("kind", list(OperationKind))
def test_a_hold_counts_for_a_call_that_was_intended_before(
    kind: OperationKind, at_once: int
) -> None:
    with told(Rules(nodes=1, idle=60.0, at_once=at_once)) as world:
        held_at(world, kind)


def test_and_is_missed_where_it_does_not() -> None:
    late_hold = next(mutant for mutant in MUTANTS if mutant.name == "late-hold")
    with (
        pytest.raises(Violation) as caught,
        late_hold.planted(),
        told(Rules(nodes=1, idle=60.0)) as world,
    ):
        held_at(world, OperationKind.SHELVE)
    assert late_hold.explains(str(caught.value))


def test_a_worker_that_does_not_hear_is_started_anew_over_ssh() -> None:
    with told(Rules(nodes=1, idle=600.0, reachable=True)) as world:
        world.submit()
        world.pass_time(240)
        world.machines.deafen_worker(world.hosts[NODE])
        world.submit()
        world.pass_time(150)
        assert world.seen["worker restarted over SSH"] == 1
        world.settle()


def test_servers_that_are_nobodys_are_mentioned_whatever_they_are_called() -> None:
    with told(Rules(nodes=1, strangers=("a", "x" * 120))) as world:
        world.pass_time(120)
        assert world.seen["alert: server_unknown"] == 2
