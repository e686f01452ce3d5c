"""What the planner wants of nodes and their workers, apart from calls to the cloud."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import datetime

from django.db.models import F

from orchestrator import doorbell, store, waking
from orchestrator.accounting import account
from orchestrator.clock import Clock
from orchestrator.errands import Errand, Then
from orchestrator.models import Attempt, Node, NodeEvent
from orchestrator.policy import planner, steps
from orchestrator.policy.traces import ASLEEP, NOT_AWAKE
from orchestrator.policy.views import FleetView
from orchestrator.states import AttemptOutcome, Gate, Wanted

log = logging.getLogger(__name__)

Shell = Callable[[str, str], str]
"""Restart the worker of a node (name, address) over SSH; what came of it, in a sentence."""

_WHATEVER_IT_SAYS = frozenset(
    {steps.Why.PARKED, steps.Why.NOT_RUNNING, steps.Why.QUARANTINE, steps.Why.MAX_UPTIME}
)
"""Drained for these, it does not matter what its worker could tell us."""

_COUNTS_AS_FAILURE = frozenset(
    {steps.Why.BOOT_TIMEOUT, steps.Why.WORKER_BROKEN, steps.Why.WORKER_DEAF}
)


def no_shell(name: str, address: str) -> str:
    """Where nobody has set up SSH."""
    return f"{name} ({address}) is not reached over SSH here."


class Gates:
    """Opens and closes nodes for work, and keeps what is known of them in order."""

    def __init__(
        self, clock: Clock, shell: Shell, site_settled: Callable[[datetime], bool] = lambda _: True
    ) -> None:
        """`site_settled`: whether a worker's silence, or its idleness, means something now."""
        self._clock = clock
        self._shell = shell
        self._site_settled = site_settled

    def do(self, step: steps.Step) -> bool:
        """Carry out one step; False when its premise no longer holds."""
        match step:
            case steps.Move():
                return self._move(step)
            case steps.NoteWake():
                gone = Node.objects.filter(name=step.node, gate=Gate.STOPPING, wake_requested=False)
                return gone.update(wake_requested=True) == 1
            case steps.SettleAsleep():
                return self._settle_asleep(step)
            case steps.Ring():
                return self._ring(step)
        return False

    def restart(self, step: steps.Restart) -> Errand | None:
        """It hears nothing although it is there: how its process is started anew, if it can be."""
        if self._shell is no_shell:
            return None
        now = self._clock.now()
        node = Node.objects.get(name=step.node)
        tried = Node.objects.filter(pk=node.pk, restarts=node.restarts)
        if not tried.update(restarts=node.restarts + 1, restarted_at=now):
            return None
        return Errand(lambda: self._ask_restart(node))

    def forget_rings(self, fleet: FleetView, planned: Iterable[steps.Step]) -> None:
        """Who need not be rung any more has not failed to hear."""
        rung = {step.node for step in planned if isinstance(step, steps.Ring)}
        stale = [node.name for node in fleet.nodes if node.rung_at and node.name not in rung]
        if stale:
            Node.objects.filter(name__in=stale).update(rung_at=None)

    def _move(self, step: steps.Move) -> bool:
        with store.atomic():
            now = self._clock.now()
            mine = Node.objects.filter(name=step.node, gate=step.old).exclude(wanted=Wanted.HELD)
            if not mine.update(touched_at=now):
                return False
            judges = step.new is Gate.DRAINING and step.why not in _WHATEVER_IT_SAYS
            if judges and not self._site_settled(now):
                store.roll_back()
                return False
            node = Node.objects.get(name=step.node)
            # What it idled for too long before the gate moves is a failure, and no drain.
            account(node, now)
            node.gate, node.gate_since = step.new, now
            node.gate_why = "" if step.new is Gate.OPEN else step.why
            node.save(update_fields=["gate", "gate_since", "gate_why"])
            busy = Attempt.objects.filter(node=node, outcome=AttemptOutcome.RUNNING).exists()
            if step.new is Gate.STOPPING and busy:
                store.roll_back()
                return False
            if step.why in _COUNTS_AS_FAILURE and step.new is Gate.DRAINING:
                node.failures += 1
                node.not_before = now + planner.backoff(node.failures)
                node.save(update_fields=["failures", "not_before"])
            # From this moment on it is another cause, whoever comes to write down the next.
            account(node, now)
            NodeEvent.objects.create(node=node, at=now, what=f"gate_{step.new}", sentence=step.why)
        # Only hints, outside the transaction: the gate in the database is what counts.
        if step.new is Gate.DRAINING:
            doorbell.stop_consuming(step.node)
        if step.new is Gate.OPEN:
            doorbell.consume_again(step.node)
        return True

    def _settle_asleep(self, step: steps.SettleAsleep) -> bool:
        with store.atomic():
            now = self._clock.now()
            asleep = Node.objects.filter(
                name=step.node,
                cloud_status__in=sorted(NOT_AWAKE),
            ).exclude(wanted=Wanted.HELD)
            # What that boot says later is nobody's word; what a server says that was thought to be
            # gone, and is there again, is its own.
            shelved = asleep.filter(cloud_status__in=sorted(ASLEEP)).exclude(boot_id="")
            shelved.update(gone_boot=F("boot_id"))
            return asleep.update(touched_at=now, wanted=Wanted.ASLEEP, **waking.OVER) == 1

    def _ring(self, step: steps.Ring) -> bool:
        now = self._clock.now()
        Node.objects.filter(name=step.node, rung_at__isnull=True).update(rung_at=now)
        doorbell.ring_node(step.node)
        return False

    def _ask_restart(self, node: Node) -> Then:
        said = self._shell(node.name, node.address)
        return lambda: self._restarted(node, said)

    def _restarted(self, node: Node, said: str) -> None:
        log.warning("%s did not hear the doorbell: %s", node.name, said)
        now = self._clock.now()
        NodeEvent.objects.create(node=node, at=now, what="worker_restarted", sentence=said)
