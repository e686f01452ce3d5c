"""The way from a controller to the cloud: slow, refused, cut after the effect."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from orchestrator.providers.port import (
    ActionFacts,
    CloudError,
    CloudErrorKind,
    Complaint,
    ServerFacts,
)

if TYPE_CHECKING:
    from orchestrator.simulator.world import World

_Answer = TypeVar("_Answer")

_REFUSALS = (
    (CloudErrorKind.TRANSIENT, 8),
    (CloudErrorKind.AUTH, 1),
    (CloudErrorKind.FATAL, 1),
)


class Line:
    """A Provider. Whoever calls may be killed before it, in it and after it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._slow_from = self._slow_until = -1.0

    def list(self) -> Sequence[ServerFacts]:
        return self._call("list", self._world.cloud.list)

    def get(self, server_id: str) -> ServerFacts:
        return self._call("get", lambda: self._world.cloud.get(server_id))

    def unshelve(self, server_id: str) -> str:
        return self._call("unshelve", lambda: self._world.cloud.unshelve(server_id))

    def shelve(self, server_id: str) -> str:
        return self._call("shelve", lambda: self._world.cloud.shelve(server_id))

    def actions(self, server_id: str) -> Sequence[ActionFacts]:
        return self._call("actions", lambda: self._world.cloud.actions(server_id))

    def action(self, server_id: str, request_id: str) -> ActionFacts:
        return self._call("action", lambda: self._world.cloud.action(server_id, request_id))

    def check(self) -> Sequence[Complaint]:
        return []

    def _call(self, what: str, effect: Callable[[], _Answer]) -> _Answer:
        world = self._world
        rng, odds = world.rng, world.odds
        began = self._began()
        world.call_moment()
        if world.cloud_away:
            raise CloudError(CloudErrorKind.TRANSIENT, "The cloud does not answer.")
        if rng.random() < odds.cloud_slow and began == world.seconds:
            world.saw("call: slow")
            world.stand_still(rng.uniform(0.5, world.rules.call * 0.9))
            self._slow_from, self._slow_until = began, world.seconds
        if world.seconds - began > world.rules.call:
            # Others stood still meanwhile, and it with them: its caller has given it up.
            raise CloudError(CloudErrorKind.TRANSIENT, "The call took too long.")
        if rng.random() < odds.cloud_refuses:
            kinds = [kind for kind, _ in _REFUSALS]
            kind = rng.choices(kinds, [weight for _, weight in _REFUSALS])[0]
            world.saw(f"call: {kind} before the effect")
            raise CloudError(kind, f"{what} was refused.")
        world.asked_at = world.at(began)
        answer = effect()
        world.call_moment()
        if rng.random() < odds.cloud_answer_lost:
            world.saw("call: answer lost")
            raise CloudError(CloudErrorKind.TRANSIENT, "The answer was lost.")
        return answer

    def _began(self) -> float:
        """Calls that are made together begin together, also with one that is slow."""
        world = self._world
        together = world.rules.at_once > 1 and self._slow_until == world.seconds
        return self._slow_from if together else world.seconds
