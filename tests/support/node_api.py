"""A small main server, as far as a node can see it: the node API and signed URLs, over real HTTP.

It keeps the contract's promises (one token per attempt, 409 for what is superseded, 200 for an
accepted completion repeated), validates all it gets with the contract's models, and can be told to
misbehave (`faults`) or to be away (`close`, `open`).
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

from pydantic import BaseModel, ValidationError

from gpu_node.contracts.blobs import Blob
from gpu_node.contracts.jobs import JobSpec
from gpu_node.contracts.node_api import (
    ClaimedJob,
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
from tests.support.faults import Faults
from tests.support.node_api_http import Answer, HttpServer

Reply = BaseModel | None
_KEY = secrets.token_bytes(16)


class No(Exception):
    """A request that is not taken."""

    def __init__(self, status: int, reason: RefusalReason) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


@dataclass
class SiteJob:
    """A job as the site sees it. `token` is that of the attempt that counts, if there is one."""

    id: str
    spec: JobSpec
    state: str = "queued"
    token: str = ""
    attempts: int = 0
    old_tokens: set[str] = field(default_factory=set)
    cancelled_tokens: set[str] = field(default_factory=set)
    lease_until: float = 0.0
    lapsed: bool = False
    """A heartbeat has come after the lease had run out."""
    beats: list[JobBeat] = field(default_factory=list)
    completions: list[Completion] = field(default_factory=list)
    """Every one that was sent and accepted, repetitions too."""
    failures: list[Failure] = field(default_factory=list)
    releases: int = 0
    lost: int = 0
    """Attempts whose node claimed again without having ended them."""


class Site:
    """The main server. Everything in it may be read at any time, by the test's thread too."""

    def __init__(self, *, heartbeat: float = 0.2, lease: float = 60.0) -> None:
        self.token = secrets.token_urlsafe(24)
        self.heartbeat, self.lease = heartbeat, lease
        self.faults = Faults()
        self.beats: list[NodeBeat] = []
        self.claims: list[ClaimRequest] = []
        self.jobs: dict[str, SiteJob] = {}
        self.blobs: dict[str, bytes] = {}
        self.stop_ordered = False
        self.orders_claims = True
        self.wants_back = False
        """Whether the answer to a job's heartbeat asks for it to be given back."""
        self.link_generation = 0
        self.requests: list[str] = []
        self.on_request: Callable[[str], object] = lambda _: None
        """Called with each request's "METHOD path" before it is answered."""
        self.misunderstood: list[str] = []
        """What the contract's models did not accept: has to stay empty."""
        self._lock = threading.RLock()
        self._http = HttpServer(self.answer, self.faults)
        self.open()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.port}"

    def open(self) -> None:
        self._http.open()

    def close(self) -> None:
        """Be away: connections are refused."""
        self._http.close()

    # What a test does.

    def store(self, content: bytes, suffix: str = "") -> Blob:
        digest = hashlib.sha256(content).hexdigest()
        self.blobs[digest] = content
        return Blob(digest=digest, size=len(content), suffix=suffix)

    def submit(self, payload: Mapping[str, object], inputs: Mapping[str, Blob]) -> SiteJob:
        spec = JobSpec(payload=dict(payload), inputs=dict(inputs))
        job = SiteJob(str(uuid.uuid4()), spec)
        with self._lock:
            self.jobs[job.id] = job
        return job

    def cancel(self, job: SiteJob) -> None:
        with self._lock:
            job.cancelled_tokens.add(job.token)
            job.state, job.token = "cancelled", ""

    def supersede(self, job: SiteJob) -> None:
        """Another node has it from now on."""
        with self._lock:
            job.old_tokens.add(job.token)
            job.state, job.token = "elsewhere", secrets.token_urlsafe(24)

    def expire_links(self) -> None:
        """All signed URLs that have been given out are void."""
        self.link_generation += 1

    # What a node asks.

    def answer(self, method: str, target: str, bearer: str | None, body: bytes) -> Answer:
        """The answer to one request."""
        path = urlsplit(target).path
        with self._lock:
            self.requests.append(f"{method} {path}")
            self.on_request(self.requests[-1])
        try:
            if path.startswith("/blobs/"):
                return self._blob(method, target, body)
            if bearer != self.token:
                raise No(401, RefusalReason.NODE_UNKNOWN)
            with self._lock:
                return _json(200, self._api(path.removeprefix("/api/node/v1"), body))
        except No as no:
            return _json(no.status, Refusal(reason=no.reason, sentence="No."))
        except ValidationError as error:
            self.misunderstood.append(str(error))
            return _json(422, Refusal(reason=RefusalReason.MALFORMED, sentence="What?"))

    def _api(self, path: str, body: bytes) -> Reply:
        if path == "/heartbeat":
            return self._beat(NodeBeat.model_validate_json(body))
        if path == "/claim":
            return self._claim(ClaimRequest.model_validate_json(body))
        _, jobs, job, verb = path.split("/")
        assert jobs == "jobs"
        if job not in self.jobs:
            raise No(404, RefusalReason.JOB_UNKNOWN)
        verbs: Mapping[str, Callable[[SiteJob, bytes], Reply]] = {
            "heartbeat": self._job_beat,
            "uploads": self._uploads,
            "complete": self._complete,
            "fail": self._fail,
            "release": self._release,
        }
        return verbs[verb](self.jobs[job], body)

    def _beat(self, beat: NodeBeat) -> NodeOrders:
        self.beats.append(beat)
        waiting = any(job.state == "queued" for job in self.jobs.values())
        claim = self.orders_claims and waiting and not beat.busy and beat.state == "ready"
        return NodeOrders(stop=self.stop_ordered, claim=claim, heartbeat_seconds=self.heartbeat)

    def _claim(self, request: ClaimRequest) -> ClaimReply:
        self.claims.append(request)
        for job in self.jobs.values():
            if job.state == "running":
                job.lost += 1
                job.old_tokens.add(job.token)
                job.state, job.token = "queued", ""
        best = next((job for job in self.jobs.values() if job.state == "queued"), None)
        if best is None:
            return ClaimReply()
        return ClaimReply(job=self._begin(best))

    def _begin(self, job: SiteJob) -> ClaimedJob:
        job.state, job.attempts, job.token = "running", job.attempts + 1, secrets.token_urlsafe(24)
        job.lease_until = time.monotonic() + self.lease
        return ClaimedJob(
            job=job.id,
            attempt=job.attempts,
            token=job.token,
            lease_seconds=self.lease,
            heartbeat_seconds=self.heartbeat,
            spec=job.spec,
            downloads=self._downloads(job),
        )

    def _held(self, job: SiteJob, token: str) -> None:
        if token in job.cancelled_tokens:
            raise No(409, RefusalReason.CANCELLED)
        if job.state != "running" or token != job.token:
            raise No(409, RefusalReason.SUPERSEDED)

    def _job_beat(self, job: SiteJob, body: bytes) -> JobOrders:
        beat = JobBeat.model_validate_json(body)
        self._held(job, beat.token)
        job.lapsed = job.lapsed or time.monotonic() > job.lease_until
        job.lease_until = time.monotonic() + self.lease
        job.beats.append(beat)
        return JobOrders(downloads=self._downloads(job), give_back=self.wants_back)

    def _uploads(self, job: SiteJob, body: bytes) -> UploadReply:
        request = UploadRequest.model_validate_json(body)
        self._held(job, request.token)
        missing = [blob for blob in request.blobs if blob.digest not in self.blobs]
        return UploadReply(urls={blob.digest: self._sign("w", blob) for blob in missing})

    def _complete(self, job: SiteJob, body: bytes) -> None:
        completion = Completion.model_validate_json(body)
        if job.state == "succeeded" and completion == job.completions[0]:
            job.completions.append(completion)
            return
        self._held(job, completion.token)
        if any(blob.digest not in self.blobs for blob in completion.outputs.values()):
            raise No(422, RefusalReason.OUTPUT_MISSING)
        job.completions.append(completion)
        job.state = "succeeded"

    def _fail(self, job: SiteJob, body: bytes) -> None:
        failure = Failure.model_validate_json(body)
        self._held(job, failure.token)
        job.failures.append(failure)
        job.state = "failed"

    def _release(self, job: SiteJob, body: bytes) -> None:
        self._held(job, Release.model_validate_json(body).token)
        job.releases += 1
        job.old_tokens.add(job.token)
        job.state, job.token = "queued", ""

    def _downloads(self, job: SiteJob) -> dict[str, str]:
        return {name: self._sign("r", blob) for name, blob in job.spec.inputs.items()}

    def _sign(self, use: str, blob: Blob) -> str:
        said = f"u={use}&n={blob.size}&e={self.link_generation}"
        return f"{self.url}/blobs/{blob.digest}?{said}&s={_seal(said, blob.digest)}"

    def _blob(self, method: str, target: str, body: bytes) -> Answer:
        parts = urlsplit(target)
        digest = parts.path.rpartition("/")[2]
        said, _, seal = parts.query.rpartition("&s=")
        query = dict(parse_qsl(said))
        current = query.get("e") == str(self.link_generation)
        if not hmac.compare_digest(seal, _seal(said, digest)) or not current:
            raise No(403, RefusalReason.URL_INVALID)
        if method == "PUT":
            assert query["u"] == "w"
            if hashlib.sha256(body).hexdigest() != digest or len(body) != int(query["n"]):
                raise No(422, RefusalReason.BLOB_DIFFERS)
            self.blobs[digest] = body
            return Answer(201, b"")
        assert query["u"] == "r"
        if digest not in self.blobs:
            raise No(404, RefusalReason.OUTPUT_MISSING)
        return Answer(200, self.blobs[digest], "application/octet-stream", ranges=True)


def _seal(said: str, digest: str) -> str:
    return hmac.new(_KEY, f"{digest}{said}".encode(), hashlib.sha256).hexdigest()


def _json(status: int, said: Reply) -> Answer:
    return Answer(status, said.model_dump_json().encode() if said is not None else b"null")
