"""A look at the cloud, written down. The number of statements does not grow with the fleet."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet

from orchestrator.clock import Clock
from orchestrator.models import FleetState, Node, NodeEvent
from orchestrator.providers.port import CloudError, CloudErrorKind, Provider, ServerFacts
from orchestrator.retired import active_nodes
from orchestrator.states import CloudStatus

log = logging.getLogger(__name__)

_LONGEST_FAULT = 500


class CloudLook:
    """Notes what the cloud says. When it says nothing, what was known stays."""

    def __init__(self, provider: Provider, clock: Clock, still_mine: Callable[[], None]) -> None:
        self._provider = provider
        self._clock = clock
        self._still_mine = still_mine
        self.servers: Sequence[ServerFacts] = ()
        """What the last look saw."""

    def look(self) -> str:
        """Ask for all servers at once. What is wrong with the cloud, in a sentence, or nothing."""
        asked_at = self._clock.now()
        self.servers = ()
        try:
            servers = self._provider.list()
            lost = self._not_listed(servers)
        except CloudError as error:
            log.warning("the cloud cannot be asked: %s (%s)", error.sentence, error.kind)
            self._still_mine()
            self._note_trouble(error, asked_at)
            return error.sentence
        # What took so long that another has looked since is not written over the newer.
        self._still_mine()
        FleetState.objects.filter(pk=1).exclude(cloud_error="").update(
            cloud_error="", cloud_sentence="", cloud_error_since=None
        )
        self.servers = servers = [*servers, *lost]
        known = self._note(servers, asked_at)
        _note_strangers([server for server in servers if server.server_id not in known])
        return ""

    def _not_listed(self, servers: Sequence[ServerFacts]) -> Sequence[ServerFacts]:
        """Our servers that the list leaves out and that are there: under another name, say."""
        listed = {server.server_id for server in servers} | {server.name for server in servers}
        missing = active_nodes().exclude(server_id="").exclude(cloud_status=CloudStatus.DELETED)
        asked = [node.server_id for node in missing if node.server_id not in listed]
        return [server for one in asked if (server := self._one(one)) is not None]

    def _one(self, server_id: str) -> ServerFacts | None:
        try:
            return self._provider.get(server_id)
        except CloudError as error:
            if error.kind is CloudErrorKind.GONE:
                return None
            raise

    def _note_trouble(self, error: CloudError, now: datetime) -> None:
        row = FleetState.objects.filter(pk=1)
        row.update(cloud_error=error.kind, cloud_sentence=error.sentence[:_LONGEST_FAULT])
        row.filter(cloud_error_since__isnull=True).update(cloud_error_since=now)

    def _note(self, servers: Sequence[ServerFacts], asked_at: datetime) -> frozenset[str]:
        """Write down what is new; the ids of the servers that are nodes."""
        by_id = {server.server_id: server for server in servers}
        nodes = list(active_nodes())
        _link(nodes, servers)
        linked = [node for node in nodes if node.server_id]
        changed = [node for node in linked if _changed(node, by_id.get(node.server_id))]
        events = [
            NodeEvent(node=node, at=asked_at, what=f"cloud_{status.lower()}")
            for node in changed
            if (status := _status(by_id.get(node.server_id))) != node.cloud_status
        ]
        _write(changed, by_id, asked_at)
        NodeEvent.objects.bulk_create(events)
        _older(linked, asked_at).update(cloud_seen_at=asked_at)
        _note_awake(linked, asked_at)
        return frozenset(node.server_id for node in linked)


@dataclass(frozen=True, slots=True)
class _Facts:
    status: CloudStatus
    task: str = ""
    locked: bool = False
    fault: str = ""


def _link(nodes: Sequence[Node], servers: Sequence[ServerFacts]) -> None:
    """A node that was enrolled with its server's name, or none, is given the cloud's own id.

    Only where there is no doubt: one server of that name, and no other node that has it.
    """
    by_id = {server.server_id for server in servers}
    count = Counter(server.name for server in servers)
    by_name: Mapping[str, ServerFacts] = {
        server.name: server for server in servers if count[server.name] == 1
    }
    taken = {node.server_id for node in nodes}
    for node in nodes:
        server = by_name.get(node.server_id or node.name)
        if server is None or node.server_id in by_id or server.server_id in taken:
            continue
        Node.objects.filter(pk=node.pk).update(server_id=server.server_id)
        node.server_id = server.server_id
        taken.add(server.server_id)


def _note_awake(nodes: Iterable[Node], asked_at: datetime) -> None:
    """A server that runs is watched from the moment we see it, whoever woke it."""
    running = [n for n in nodes if n.cloud_status == CloudStatus.ACTIVE and not n.cloud_task]
    new = [node.pk for node in running if node.active_since is None]
    if new:
        Node.objects.filter(pk__in=new, active_since__isnull=True).update(active_since=asked_at)
        Node.objects.filter(pk__in=new, awake_since__isnull=True).update(awake_since=asked_at)


def _note_strangers(servers: Sequence[ServerFacts]) -> None:
    """Servers that cost money and are nobody's: counted, for one may just be being enrolled."""
    state = FleetState.objects.filter(pk=1).first()
    if state is None or not (servers or state.strangers):
        return
    seen = {
        server.server_id: {
            "name": server.name,
            "status": server.status,
            "times": min(state.strangers.get(server.server_id, {"times": 0})["times"] + 1, 1000),
        }
        for server in servers
    }
    if seen != state.strangers:
        FleetState.objects.filter(pk=1).update(strangers=seen)


def _status(server: ServerFacts | None) -> CloudStatus:
    return server.status if server is not None else CloudStatus.DELETED


def _facts(server: ServerFacts | None) -> _Facts:
    if server is None:
        return _Facts(CloudStatus.DELETED)
    return _Facts(
        server.status, server.task_state or "", server.locked, server.fault[:_LONGEST_FAULT]
    )


def _address(node: Node, server: ServerFacts | None) -> str:
    """As the cloud says, or, where it says nothing, as it was written down by hand."""
    return server.address or node.address if server is not None else ""


def _changed(node: Node, server: ServerFacts | None) -> bool:
    known = _Facts(
        CloudStatus(node.cloud_status), node.cloud_task, node.cloud_locked, node.cloud_fault
    )
    return known != _facts(server) or node.address != _address(node, server)


def _write(nodes: Sequence[Node], by_id: Mapping[str, ServerFacts], asked_at: datetime) -> None:
    """One statement for all nodes of which the cloud says the same."""
    alike: dict[_Facts, list[Node]] = {}
    for node in nodes:
        server = by_id.get(node.server_id)
        alike.setdefault(_facts(server), []).append(node)
        if node.address != (address := _address(node, server)):
            _older([node], asked_at).update(address=address)
    for facts, same in alike.items():
        _older(same, asked_at).update(
            cloud_status=facts.status,
            cloud_task=facts.task,
            cloud_locked=facts.locked,
            cloud_fault=facts.fault,
        )
        for node in same:
            node.cloud_status, node.cloud_task = facts.status, facts.task


def _older(nodes: Iterable[Node], asked_at: datetime) -> QuerySet[Node]:
    """Those of which nothing newer was written since the cloud was asked."""
    unseen = Q(cloud_seen_at__isnull=True) | Q(cloud_seen_at__lt=asked_at)
    return Node.objects.filter(unseen, pk__in=[node.pk for node in nodes])
