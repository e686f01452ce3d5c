"""What operators can tell a node."""

from __future__ import annotations

from datetime import datetime

from orchestrator.accounting import account
from orchestrator.doorbell import ring_fleet_after_commit
from orchestrator.models import Node, NodeEvent
from orchestrator.states import CloudStatus, Gate, Wanted


def hold(node: Node, by: str, now: datetime) -> None:
    """Leave it as it is: neither woken nor shelved until released. A drain that has begun ends."""
    _lock(node, now)
    gate = Gate.OPEN if node.gate == Gate.DRAINING else Gate(node.gate)
    _write(node, now, f"Held by {by}.", "held", wanted=Wanted.HELD, parked=False, gate=gate)


def drain(node: Node, by: str, now: datetime) -> None:
    """Let it finish its job, shelve it, and leave it asleep until released."""
    _lock(node, now)
    _write(node, now, f"Drained by {by}.", "drained", wanted=Wanted.ASLEEP, parked=True)


def release(node: Node, by: str, now: datetime) -> None:
    """Give it back to the fleet."""
    _lock(node, now)
    asleep = node.cloud_status == CloudStatus.SHELVED_OFFLOADED
    wanted = Wanted.ASLEEP if asleep else Wanted.AWAKE
    back: dict[str, object] = {"wanted": wanted, "parked": False}
    if node.wanted == Wanted.HELD:
        # Its idle time begins anew: until now it was not idle but held.
        back["busy_until"] = now
    _write(node, now, f"Released by {by}.", "released", **back)


def _lock(node: Node, now: datetime) -> None:
    Node.objects.filter(pk=node.pk).update(touched_at=now)
    node.refresh_from_db()
    # What it idled for too long until now is a failure, whatever it is from now on.
    account(node, now)


def _write(node: Node, now: datetime, sentence: str, what: str, **changes: object) -> None:
    Node.objects.filter(pk=node.pk).update(note=sentence, **changes)
    node.refresh_from_db()
    NodeEvent.objects.create(node=node, at=now, what=what, sentence=sentence)
    account(node, now)
    ring_fleet_after_commit()
