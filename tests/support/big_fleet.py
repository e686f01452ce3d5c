"""A fleet at work, as large as one likes, and a cloud that sees it run."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta

from gpu_node.contracts.node_api import WorkerState
from orchestrator.models import Attempt, Job, Node
from orchestrator.providers.port import (
    ActionFacts,
    CloudError,
    CloudErrorKind,
    Complaint,
    ServerFacts,
)
from orchestrator.states import CloudStatus, JobState, Wanted


class RunningServers:
    """A Provider that says the same each time: every server runs. It takes no requests."""

    def __init__(self, count: int) -> None:
        self._all = [
            ServerFacts(f"server-{n}", f"gpu-{n:04}", CloudStatus.ACTIVE, None, False)
            for n in range(count)
        ]

    def list(self) -> Sequence[ServerFacts]:
        return self._all

    def get(self, server_id: str) -> ServerFacts:
        for server in self._all:
            if server.server_id == server_id:
                return server
        raise CloudError(CloudErrorKind.GONE, f"There is no server {server_id}.")

    def unshelve(self, server_id: str) -> str:
        raise CloudError(CloudErrorKind.CONFLICT, f"{server_id} runs.")

    def shelve(self, server_id: str) -> str:
        raise CloudError(CloudErrorKind.CONFLICT, f"{server_id} is in use.")

    def actions(self, server_id: str) -> Sequence[ActionFacts]:
        raise CloudError(CloudErrorKind.GONE, f"Nothing was asked of {server_id}.")

    def action(self, server_id: str, request_id: str) -> ActionFacts:
        raise CloudError(CloudErrorKind.GONE, f"{server_id} knows of no {request_id}.")

    def check(self) -> Sequence[Complaint]:
        return ()


def fill(nodes: int, queued: int, kind: str, now: datetime) -> RunningServers:
    """Every node works on a job, and so many jobs more wait."""
    rows = [_node(n, kind, now) for n in range(nodes)]
    Node.objects.bulk_create(rows, batch_size=500)
    jobs = (_job(n, n < nodes, kind, now) for n in range(nodes + queued))
    Job.objects.bulk_create(jobs, batch_size=1000)
    Attempt.objects.bulk_create(
        (
            Attempt(
                job_id=uuid.UUID(int=n),
                node=node,
                number=1,
                token_hash=f"{n:064}",
                boot_id=node.boot_id,
                claimed_at=now,
                lease_until=now + timedelta(hours=1),
            )
            for n, node in enumerate(rows)
        ),
        batch_size=500,
    )
    return RunningServers(nodes)


def _node(number: int, kind: str, now: datetime) -> Node:
    return Node(
        name=f"gpu-{number:04}",
        server_id=f"server-{number}",
        token_hash=f"{number:064}",
        created_at=now,
        wanted=Wanted.AWAKE,
        cloud_status=CloudStatus.ACTIVE,
        cloud_seen_at=now,
        awake_since=now - timedelta(minutes=5),
        active_since=now - timedelta(minutes=4),
        ready_at=now - timedelta(minutes=3),
        boot_id=f"boot-{number:04}",
        worker_state=WorkerState.READY,
        worker_kinds=[kind],
        worker_seen_at=now,
    )


def _job(number: int, running: bool, kind: str, now: datetime) -> Job:
    return Job(
        id=uuid.UUID(int=number),
        kind=kind,
        payload={},
        state=JobState.RUNNING if running else JobState.QUEUED,
        priority=number % 3,
        media_seconds=600.0,
        created_at=now,
        not_before=now,
    )
