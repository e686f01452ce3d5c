"""A queued job as it is given to a node: which one, under which token, with which files."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.utils.crypto import salted_hmac

from gpu_node.contracts.jobs import JobSpec
from gpu_node.contracts.node_api import ClaimedJob
from orchestrator import ledger
from orchestrator.attempts import bring_up_to_date, hash_of, lease
from orchestrator.demand import claimable
from orchestrator.models import Attempt, Job, JobBlob, Node
from orchestrator.settings import fleet_settings
from orchestrator.signed_urls import Use, sign
from orchestrator.states import Cause


def begin(job: Job, node: Node, boot_id: str, claim_id: str, now: datetime) -> ClaimedJob:
    """The next attempt at a job that has just been made running; the node's row is locked."""
    # What the node idled for too long before this is a failure, whoever notices it.
    bring_up_to_date(node.pk, now)
    number = Attempt.objects.filter(job=job).count() + 1
    attempt = Attempt.objects.create(
        job=job,
        node=node,
        number=number,
        token_hash=hash_of(_token(job.pk, number, claim_id)),
        boot_id=boot_id,
        claim_id=claim_id,
        claimed_at=now,
        lease_until=now + lease(),
        steps_before=job.steps,
    )
    Node.objects.filter(pk=node.pk).update(busy_until=now)
    ledger.enter(node.pk, Cause.JOB, now, job.pk)
    return handed_out(attempt, now)


def _token(job_id: UUID, number: int, claim_id: str) -> str:
    """The attempt's token: secret, and the same each time its claim is answered."""
    said = f"{job_id}:{number}:{claim_id}"
    return salted_hmac("orchestrator.attempt", said, algorithm="sha256").hexdigest()


def handed_out(attempt: Attempt, now: datetime) -> ClaimedJob:
    """What its node is told of it, the same each time but for fresh URLs."""
    settings = fleet_settings()
    job = attempt.job
    spec = spec_of(job)
    return ClaimedJob(
        job=str(job.pk),
        attempt=attempt.number,
        token=_token(job.pk, attempt.number, attempt.claim_id),
        lease_seconds=settings.fleet_lease_seconds,
        heartbeat_seconds=settings.fleet_heartbeat_seconds,
        spec=spec,
        downloads=downloads(spec, now),
    )


def best(kinds: Sequence[str], now: datetime) -> Job | None:
    """The best job that no other transaction is writing.

    Whoever waited for one while holding a node could be waited for in turn, by a transaction
    that cancels several jobs. SQLite has one writer at a time, and leaves the lock out.
    """
    return (
        claimable(kinds, now)
        .select_for_update(skip_locked=True, no_key=True)
        .order_by("-priority", "created_at", "pk")
        .first()
    )


def downloads(spec: JobSpec, now: datetime) -> dict[str, str]:
    """Fresh signed URLs of a job's inputs."""
    settings = fleet_settings()
    return {
        name: sign(settings.site_url, Use.READ, blob, now, settings.blob_url_seconds)
        for name, blob in spec.inputs.items()
    }


def spec_of(job: Job) -> JobSpec:
    """The job as it is handed to a node."""
    inputs = job.blobs.filter(direction=JobBlob.IN).select_related("blob")
    return JobSpec(payload=job.payload, inputs={row.name: row.as_blob() for row in inputs})
