"""What people do: submit and cancel jobs, and give orders about nodes."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING
from uuid import UUID

from gpu_node.contracts.blobs import Blob
from gpu_node.contracts.jobs import Payload
from orchestrator import fleet_control, jobs, store
from orchestrator.models import Node, StoredBlob
from orchestrator.simulator.processes import Violation
from orchestrator.simulator.worker import Fate, Work
from orchestrator.states import ACTIVE_JOB_STATES

if TYPE_CHECKING:
    from orchestrator.simulator.world import World

KINDS = ("dub", "narrate")


class People:
    """None of them dies in the middle of it."""

    def __init__(self, world: World) -> None:
        self._world = world

    def submit(self, fate: Fate = Fate.WELL, priority: int = 0, steps: int = 4) -> None:
        """Somebody presses the button."""
        world = self._world
        source = self.blob("lesson")
        with store.atomic():
            order = jobs.JobOrder(
                payload=Payload(kind=world.rng.choice(KINDS), version=1),
                inputs={"lesson": source},
                priority=priority,
                media_seconds=60.0 * steps,
            )
            job = jobs.submit(order, world.now()).job
        world.new_work = True
        world.work[str(job.pk)] = Work(steps, world.rng.uniform(3, 15), fate)
        world.note(f"submitted {str(job.pk)[:8]}: {fate}, {steps} steps")

    def submit_work(self, seconds: float) -> None:
        """A job that takes so long, in one piece."""
        self.submit(steps=1)
        work = self._world.work
        work[next(reversed(work))].seconds = seconds

    def cancel(self, choice: int) -> None:
        """Somebody does not want one any more: one that is not over yet, if there is any."""
        world = self._world
        active = {
            str(row["id"])
            for row in world.checks.jobs().values()
            if row["state"] in ACTIVE_JOB_STATES
        }
        keys = [key for key in world.work if key in active] or [*world.work]
        if not keys:
            return
        key = keys[choice % len(keys)]
        world.note(f"somebody cancels {key[:8]}")
        if key in active:
            world.cancelled.add(key)
        if jobs.cancel(UUID(key), world.now()) is not (key in active):
            raise Violation(f"a job was not cancelled, or was over and was\n{world.describe()}")

    def order(self, name: str, what: str) -> None:
        """What an operator says: hold, drain or release."""
        world = self._world
        world.disturbed(f"operator: {what} {name}")
        acts = {
            "hold": fleet_control.hold,
            "drain": fleet_control.drain,
            "release": fleet_control.release,
        }
        with store.atomic():
            node = Node.objects.get(pk=world.hosts[name].pk)
            acts[what](node, "ops", world.now())

    def blob(self, content: str) -> Blob:
        """A file that was uploaded."""
        digest = hashlib.sha256(content.encode()).hexdigest()
        StoredBlob.objects.get_or_create(
            digest=digest, defaults={"size": len(content), "created_at": self._world.now()}
        )
        return Blob(digest=digest, size=len(content))
