"""The way from a worker to the node API: cut, lost, doubled, and answered by one that dies."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from orchestrator import store
from orchestrator.attempts import Refused
from orchestrator.models import Node
from orchestrator.simulator.processes import Killed, Unreachable
from orchestrator.simulator.worker import Host

if TYPE_CHECKING:
    from orchestrator.simulator.world import World

Act = Callable[[Node, datetime], Any]

Tried = tuple[str, int] | None
"""The job and the number of the attempt whose result is sent, if one is."""


class Requests:
    """What workers say."""

    def __init__(self, world: World) -> None:
        self._world = world

    def send(self, host: Host, what: str, act: Act, completes: Tried = None) -> Any:
        """Raises Unreachable; whether it was heard is not known then."""
        world = self._world
        rng, odds = world.rng, world.odds
        if not world.site_up or host.cut:
            raise Unreachable
        if odds.lose_request and rng.random() < odds.lose_request:
            world.saw(f"request lost: {what}")
            world.faults += 1
            raise Unreachable
        if odds.double_request and rng.random() < odds.double_request:
            world.saw(f"request doubled: {what}")
            world.faults += 1
            world.after(rng.uniform(0.1, 120.0), lambda: self._again(host, act, completes))
        answer = self._serve(host, act, completes)
        if odds.lose_answer and rng.random() < odds.lose_answer:
            world.saw(f"answer lost: {what}")
            world.faults += 1
            raise Unreachable
        return answer

    def _serve(self, host: Host, act: Act, completes: Tried) -> Any:
        world = self._world
        accepted = world.checks.was_accepted(completes)

        def handle() -> Any:
            with store.atomic():
                now = world.now()
                return act(Node.objects.get(pk=host.pk), now)

        try:
            kill = world.odds.kill_request
            if not kill:
                return handle()
            return world.run(world.process("request", kill, most=25), handle)
        except Killed:
            raise Unreachable from None
        except Refused:
            world.checks.refused(accepted)
            raise

    def _again(self, host: Host, act: Act, completes: Tried) -> None:
        """A message that arrives a second time, late."""
        try:
            self._serve(host, act, completes)
        except (Refused, Unreachable):
            self._world.saw("late request: refused")
        else:
            self._world.saw("late request: taken")
