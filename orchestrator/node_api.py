"""The node API: what a GPU node's worker calls. The shapes are in `gpu_node.contracts.node_api`."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, JsonResponse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError
from ninja.parser import Parser
from ninja.security import HttpBearer

from gpu_node.contracts.node_api import (
    ClaimReply,
    ClaimRequest,
    Completion,
    Failure,
    JobBeat,
    JobOrders,
    NodeBeat,
    NodeOrders,
    Refusal,
    RefusalReason,
    Release,
    UploadReply,
    UploadRequest,
)
from orchestrator import blobs, handing_out, jobs, sftp_links, store, strict_json, worker_beats
from orchestrator.attempts import Refused
from orchestrator.clock import DATABASE_CLOCK
from orchestrator.enrol import node_of
from orchestrator.models import Node
from orchestrator.policy.planner import must_give_back
from orchestrator.settings import fleet_settings
from orchestrator.signed_urls import Use, sign
from orchestrator.states import Gate

_STATUS = {RefusalReason.JOB_UNKNOWN: 404, RefusalReason.OUTPUT_MISSING: 422}


class NodeRequest(HttpRequest):
    """A request whose node is known."""

    auth: Node


class NodeToken(HttpBearer):
    def authenticate(self, request: HttpRequest, token: str) -> Node | None:  # noqa: ARG002  # ninja's signature
        return node_of(token)


class StrictParser(Parser):
    """Nothing comes in that could not be stored."""

    def parse_body(self, request: HttpRequest) -> Any:
        return strict_json.parse(request.body)


api = NinjaAPI(
    title="Dubfleet node API",
    version="1",
    auth=NodeToken(),
    parser=StrictParser(),
    urls_namespace="node_api",
    docs_url=None,
)


@api.post("/heartbeat", response=NodeOrders)
def heartbeat(request: NodeRequest, said: NodeBeat) -> NodeOrders:
    """The worker is there."""
    with store.atomic():
        return worker_beats.beat(request.auth, said, DATABASE_CLOCK.now())


@api.post("/claim", response=ClaimReply)
def claim(request: NodeRequest, wish: ClaimRequest) -> ClaimReply:
    """Hand out the best job."""
    with store.atomic():
        now = DATABASE_CLOCK.now()
        job = jobs.claim(request.auth, wish.boot_id, wish.kinds, now, wish.claim_id)
        node = Node.objects.get(pk=request.auth.pk)
    if job is not None:
        links = sftp_links.downloads(node.name, job.spec.inputs, job.downloads)
        job = job.model_copy(update={"downloads": links})
    return ClaimReply(job=job, draining=node.gate != Gate.OPEN or node.parked)


@api.post("/jobs/{job_id}/heartbeat", response=JobOrders)
def job_heartbeat(request: NodeRequest, job_id: UUID, beat: JobBeat) -> JobOrders:
    """The job goes on."""
    with store.atomic():
        now = DATABASE_CLOCK.now()
        attempt = jobs.heartbeat(request.auth, job_id, beat, now)
        gate = Node.objects.filter(pk=request.auth.pk).values_list("gate", "gate_why")[0]
        spec = handing_out.spec_of(attempt.job)
        orders = JobOrders(
            downloads=handing_out.downloads(spec, now),
            give_back=must_give_back(Gate(gate[0]), gate[1]),
        )
    links = sftp_links.downloads(request.auth.name, spec.inputs, orders.downloads)
    return orders.model_copy(update={"downloads": links})


@api.post("/jobs/{job_id}/uploads", response=UploadReply)
def uploads(request: NodeRequest, job_id: UUID, wish: UploadRequest) -> UploadReply:
    """Where results may be put."""
    settings = fleet_settings()
    if any(blob.size > settings.blob_max_bytes for blob in wish.blobs):
        raise Refused(RefusalReason.TOO_LARGE, "A result is larger than may be stored.")
    with store.atomic():
        now = DATABASE_CLOCK.now()
        jobs.require_attempt(request.auth, job_id, wish.token, now)
    there = blobs.have(blob.digest for blob in wish.blobs)
    signed = {
        blob.digest: sign(settings.site_url, Use.WRITE, blob, now, settings.blob_url_seconds)
        for blob in wish.blobs
        if blob.digest not in there
    }
    return UploadReply(urls=sftp_links.uploads(request.auth.name, wish.blobs, signed, now))


@api.post("/jobs/{job_id}/complete", response={200: None})
def complete(request: NodeRequest, job_id: UUID, completion: Completion) -> None:
    """Accept the result."""
    with store.atomic():
        jobs.complete(request.auth, job_id, completion, DATABASE_CLOCK.now())


@api.post("/jobs/{job_id}/fail", response={200: None})
def fail(request: NodeRequest, job_id: UUID, failure: Failure) -> None:
    """Note that it could not be done."""
    with store.atomic():
        jobs.fail(request.auth, job_id, failure, DATABASE_CLOCK.now())


@api.post("/jobs/{job_id}/release", response={200: None})
def release(request: NodeRequest, job_id: UUID, given_back: Release) -> None:
    """Take it back."""
    with store.atomic():
        jobs.release(request.auth, job_id, given_back.token, DATABASE_CLOCK.now())


@api.exception_handler(Refused)
def _refused(_: HttpRequest, error: Refused) -> HttpResponse:
    return _refusal(_STATUS.get(error.reason, 409), error.reason, error.sentence)


@api.exception_handler(AuthenticationError)
def _unauthorised(_: HttpRequest, __: AuthenticationError) -> HttpResponse:
    return _refusal(401, RefusalReason.NODE_UNKNOWN, "This node's token is not known.")


@api.exception_handler(ValidationError)
def _invalid(_: HttpRequest, error: ValidationError) -> HttpResponse:
    """Say where it is wrong, never what was sent: that may hold a token."""
    places = [".".join(str(part) for part in e["loc"][1:]) for e in error.errors]
    if any(place.endswith("contract_version") for place in places):
        # 426: Upgrade Required.
        return _refusal(
            426, RefusalReason.CONTRACT_UNKNOWN, "The node speaks another version: upgrade it."
        )
    if "path.job_id" in [".".join(str(part) for part in e["loc"]) for e in error.errors]:
        return _refusal(404, RefusalReason.JOB_UNKNOWN, "There is no such job.")
    where = ", ".join(places[:5]) or "the request"
    return _refusal(422, RefusalReason.MALFORMED, f"This is not understood: {where}.")


@api.exception_handler(HttpError)
def _http_error(_: HttpRequest, error: HttpError) -> HttpResponse:
    return _refusal(error.status_code, RefusalReason.MALFORMED, "The request is not understood.")


@api.exception_handler(RequestDataTooBig)
def _too_big(_: HttpRequest, __: RequestDataTooBig) -> HttpResponse:
    return _refusal(413, RefusalReason.TOO_LARGE, "The request is larger than this server takes.")


def _refusal(status: int, reason: RefusalReason, sentence: str) -> HttpResponse:
    said = Refusal(reason=reason, sentence=sentence)
    return JsonResponse(said.model_dump(mode="json"), status=status)
