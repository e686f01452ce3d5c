"""What a node's worker says about itself, and what it is told in return."""

from __future__ import annotations

from datetime import datetime

from gpu_node.contracts.base import CONTRACT_VERSION
from gpu_node.contracts.node_api import NodeBeat, NodeOrders, WorkerState
from orchestrator.accounting import account
from orchestrator.attempts import quarantined
from orchestrator.demand import claimable
from orchestrator.doorbell import ring_fleet_after_commit
from orchestrator.models import Node, NodeEvent
from orchestrator.settings import fleet_settings
from orchestrator.states import Gate


def beat(node: Node, said: NodeBeat, now: datetime) -> NodeOrders:
    """Note what the worker says; its orders are the answer.

    A worker that says STOPPED is not believed to be another boot's end: only the boot that was
    heard last counts, so a late last word of an old process changes nothing. Nor does any other
    late word of a boot that ended when the server was put to sleep.
    """
    Node.objects.filter(pk=node.pk).update(touched_at=now)
    node.refresh_from_db()
    if said.boot_id == node.gone_boot:
        return _orders(node, said, now)
    ending = said.state in (WorkerState.STOPPED, WorkerState.STOPPING)
    if ending and node.boot_id and node.boot_id != said.boot_id:
        return _orders(node, said, now)
    ready = said.state is WorkerState.READY and node.ready_at is None
    if ready:
        # What it booted for too long is a failure, although it has come to its end.
        account(node, now)
    news = node.worker_state != said.state or node.boot_id != said.boot_id
    if news or node.worker_state_since is None:
        node.worker_state_since = now
    node.boot_id = said.boot_id
    node.worker_state = said.state
    node.worker_sentence = said.sentence
    node.worker_version = said.program_version
    node.worker_contract = CONTRACT_VERSION
    node.worker_kinds = list(said.kinds)
    node.worker_gpu = said.gpu.model_dump() if said.gpu is not None else None
    node.worker_seen_at = now
    if ready:
        node.ready_at = now
    node.save(
        update_fields=[
            "boot_id",
            "worker_state",
            "worker_state_since",
            "worker_sentence",
            "worker_version",
            "worker_contract",
            "worker_kinds",
            "worker_gpu",
            "worker_seen_at",
            "ready_at",
        ]
    )
    if news:
        NodeEvent.objects.create(
            node=node, at=now, what=f"worker_{said.state}", sentence=said.sentence
        )
        account(node, now)
        ring_fleet_after_commit()
    return _orders(node, said, now)


def _orders(node: Node, said: NodeBeat, now: datetime) -> NodeOrders:
    takes = (
        node.gate == Gate.OPEN
        and not node.parked
        and not quarantined(node, now)
        and said.state is WorkerState.READY
    )
    waiting = takes and not said.busy and claimable(said.kinds, now).exists()
    return NodeOrders(
        stop=node.gate == Gate.STOPPING,
        claim=waiting,
        heartbeat_seconds=fleet_settings().fleet_heartbeat_seconds,
    )
