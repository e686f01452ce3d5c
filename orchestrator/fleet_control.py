"""What operators can tell a node. All functions run in the caller's transaction."""

from __future__ import annotations

from datetime import datetime

from orchestrator import ledger
from orchestrator.accounting import account
from orchestrator.doorbell import ring_fleet_after_commit
from orchestrator.enrol import NAME
from orchestrator.models import Alert, Node, NodeEvent
from orchestrator.policy.phase import billed
from orchestrator.retired import RETIRED, retired_at
from orchestrator.settings import fleet_settings
from orchestrator.snapshot import node_view, policy_of
from orchestrator.states import CloudStatus, Gate, Wanted

_LONGEST_NAME = 63


class OrderRefused(Exception):
    """An order that cannot be followed now, and why, in a sentence."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


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


def retry(node: Node, by: str, now: datetime) -> None:
    """Forget what went wrong with it: it may be woken, and given work, at once."""
    _lock(node, now)
    _write(
        node,
        now,
        f"May be tried again at once, said {by}.",
        "retried",
        failures=0,
        not_before=None,
        quarantined_until=None,
        lost_jobs=[],
        restarts=0,
        restarted_at=None,
    )


def retire(node: Node, by: str, now: datetime) -> None:
    """Let it go for good. Its history stays, under another name; its own is free again.

    Its token counts no more, and its server is not looked at any more. Raises OrderRefused.
    """
    _lock(node, now)
    _refuse_unless_asleep(node, "retired")
    # Nobody will look at its server any more: the ledger stands as it is.
    ledger.settle_as_seen(node)
    if node.name in fleet_settings().fleet_servers:
        raise OrderRefused(f"Take {node.name} out of FLEET_SERVERS first: it would come back.")
    old, new = node.name, _name_of_retired(node.name, now)
    Alert.objects.filter(node=node, cleared_at__isnull=True).update(cleared_at=now)
    _write(
        node,
        now,
        f"Retired by {by}; it was called {old}.",
        "retired",
        name=new,
        server_id="",
        token_hash="",
        address="",
        wanted=Wanted.HELD,
        parked=False,
        gate=Gate.STOPPING,
        gate_since=now,
        gate_why=RETIRED,
        cloud_status=CloudStatus.UNKNOWN,
        cloud_task="",
        cloud_fault="",
        not_before=None,
        quarantined_until=None,
        worker_state="",
        worker_sentence="",
        worker_gpu=None,
        worker_seen_at=None,
    )


def rename(node: Node, new: str, by: str, now: datetime) -> None:
    """Call it something else; its worker has to be told so too (NODE_NAME). Raises OrderRefused."""
    _lock(node, now)
    if not NAME.fullmatch(new):
        raise OrderRefused("A node's name has small letters, digits and hyphens, at most 63.")
    if Node.objects.filter(name=new).exists():
        raise OrderRefused(f"There is a node called {new} already.")
    _refuse_unless_asleep(node, "renamed")
    old, settings = node.name, fleet_settings()
    if settings.fleet_provider == "local" and old in settings.fleet_servers:
        # There the server has the node's name; elsewhere it keeps its own.
        raise OrderRefused(f"Take {old} out of FLEET_SERVERS first: it would come back.")
    Alert.objects.filter(node=node, cleared_at__isnull=True).update(subject=new)
    _write(node, now, f"Renamed by {by}; it was called {old}.", "renamed", name=new)


def _refuse_unless_asleep(node: Node, what: str) -> None:
    view = node_view(node)
    if view.lease is not None:
        raise OrderRefused(f"{node.name} has a job: drain it before it is {what}.")
    if view.operation is not None or billed(view, policy_of(fleet_settings())):
        raise OrderRefused(f"{node.name} is awake: drain it before it is {what}.")


def _name_of_retired(name: str, now: datetime) -> str:
    """One that nobody has; the day, and a number for the second of a day."""
    tail = f"-retired-{now:%Y%m%d}"
    number = 1
    while True:
        ending = tail if number == 1 else f"{tail}-{number}"
        new = f"{name[: _LONGEST_NAME - len(ending)]}{ending}"
        if not Node.objects.filter(name=new).exists():
            return new
        number += 1


def _lock(node: Node, now: datetime) -> None:
    Node.objects.filter(pk=node.pk).update(touched_at=now)
    node.refresh_from_db()
    if retired_at(node) is not None:
        raise OrderRefused(f"{node.name} is retired: it can be enrolled anew.")
    # What it idled for too long until now is a failure, whatever it is from now on.
    account(node, now)


def _write(node: Node, now: datetime, sentence: str, what: str, **changes: object) -> None:
    Node.objects.filter(pk=node.pk).update(note=sentence, **changes)
    node.refresh_from_db()
    NodeEvent.objects.create(node=node, at=now, what=what, sentence=sentence)
    account(node, now)
    ring_fleet_after_commit()
