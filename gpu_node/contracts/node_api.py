"""What a node and the main server say to each other over HTTP.

Every request carries the node's own token as `Authorization: Bearer`; what is said about a job also
carries the attempt's token. A superseded attempt is answered 409 with a `Refusal`, and the node
then drops that work. All paths are below `API_ROOT`.
"""

from __future__ import annotations

import uuid
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from gpu_node.contracts.base import Contract, Document, Seconds
from gpu_node.contracts.blobs import Blob
from gpu_node.contracts.errors import Reason
from gpu_node.contracts.jobs import JobSpec

API_ROOT = "/api/node/v1"

WORK_TASK = "gpu_node.work"
"""The doorbell: a Celery message without arguments that says "claim now"."""

NODE_QUEUE_PREFIX = "node."
"""Each node has a queue of its own: this and its name."""

DOORBELL_SECONDS = 60
"""A doorbell not heard by then is of no use any more."""

BootId = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{8,64}$")]
"""New for every start of a worker: two boots are never the same worker."""

ClaimId = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{16,64}$")]

Kinds = Annotated[tuple[Annotated[str, Field(max_length=40)], ...], Field(max_length=100)]
"""Kinds of job that a worker does: few, and no longer than they are stored."""

BlobName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_.-]{0,63}$")]
Token = Annotated[str, Field(min_length=16, max_length=128)]


_MOST_ITEMS = 2.0**53
"""Up to here a float counts one by one."""


class WorkerState(StrEnum):
    """What the worker says of itself."""

    READY = "ready"
    """It proved itself (its engines are there) and takes jobs."""
    STOPPING = "stopping"
    """It was told to stop, or is being stopped, and takes no new job."""
    STOPPED = "stopped"
    """Its last word: nothing of it runs any more."""
    BROKEN = "broken"
    """It is up but cannot work; `sentence` says why."""


class GpuFacts(Contract):
    """A graphics card as its driver describes it. Megabytes are 2**20 bytes; degrees Celsius.

    Numbers have bounds: one that is beyond them is no measurement, and would break who reckons.
    """

    name: str = Field(max_length=100)
    use_percent: float = Field(ge=0, le=100)
    memory_used_mb: int = Field(ge=0, le=2**31)
    memory_total_mb: int = Field(ge=0, le=2**31)
    temperature: float = Field(ge=-300, le=1000)


class NodeBeat(Document):
    """POST /heartbeat: the worker is there. Sent every few seconds, also while it works."""

    boot_id: BootId
    state: WorkerState
    program_version: str = Field(max_length=40)
    kinds: Kinds
    busy: bool = False
    job: str | None = Field(default=None, max_length=64)
    """What it works on."""
    gpu: GpuFacts | None = None
    sentence: str = Field(default="", max_length=500)


class NodeOrders(Document):
    """The answer. `stop`: finish nothing new, leave. `claim`: there is work, ask for it."""

    stop: bool = False
    claim: bool = False
    heartbeat_seconds: float = 5.0


class ClaimRequest(Document):
    """POST /claim: give me the best job. Whoever claims has no job running.

    The same `claim_id` again is answered with the same attempt: an answer may have been lost.
    """

    boot_id: BootId
    kinds: Kinds
    claim_id: ClaimId = Field(default_factory=lambda: uuid.uuid4().hex)


class ClaimedJob(Contract):
    """A job and the attempt at it that is now ours until the lease ends, renewed by heartbeats."""

    job: str
    attempt: int
    token: Token
    lease_seconds: Seconds
    heartbeat_seconds: Seconds
    spec: JobSpec
    downloads: dict[BlobName, str]
    """Signed URLs of the inputs, by their names in `spec.inputs`."""


class ClaimReply(Document):
    """`job` is None when there is nothing to do, or the node must not take anything."""

    job: ClaimedJob | None = None
    draining: bool = False


class StageState(Contract):
    """How far one stage is, as the runner says it."""

    stage: str = Field(max_length=60)
    done: float = Field(ge=0, le=_MOST_ITEMS)
    total: float = Field(ge=0, le=_MOST_ITEMS)
    finished: bool = False


class JobBeat(Document):
    """POST /jobs/{job}/heartbeat: renews the lease. `steps` counts stages and items finished."""

    token: Token
    steps: int = Field(default=0, ge=0)
    stages: tuple[StageState, ...] = Field(default=(), max_length=200)


class JobOrders(Document):
    """The answer: go on. `downloads` are the same blobs under fresh URLs.

    `give_back`: stop at the next step and release the job; what is done of it is kept here.
    """

    downloads: dict[BlobName, str] = {}
    give_back: bool = False


class UploadRequest(Document):
    """POST /jobs/{job}/uploads: where may these go?"""

    token: Token
    blobs: tuple[Blob, ...] = Field(max_length=1000)


class UploadReply(Document):
    """Signed URLs to PUT each blob's bytes to, by digest; a digest not named is there already."""

    urls: dict[str, str]


class Completion(Document):
    """POST /jobs/{job}/complete: the result, all of whose outputs have been uploaded.

    The same completion again is answered 200, so a lost answer may be asked for once more.
    """

    token: Token
    result: dict[str, object]
    outputs: dict[BlobName, Blob]


class Failure(Document):
    """POST /jobs/{job}/fail: it could not be done; the server decides whether to try again."""

    token: Token
    reason: Reason
    sentence: str = Field(max_length=1000)
    detail: str = Field(default="", max_length=20_000)


class Release(Document):
    """POST /jobs/{job}/release: given back because the node stops; not a failure."""

    token: Token


class RefusalReason(StrEnum):
    """Why a request was not taken; values are part of the protocol."""

    NODE_UNKNOWN = "node_unknown"
    JOB_UNKNOWN = "job_unknown"
    SUPERSEDED = "superseded"
    CANCELLED = "cancelled"
    OUTPUT_MISSING = "output_missing"
    BLOB_DIFFERS = "blob_differs"
    URL_INVALID = "url_invalid"
    CONTRACT_UNKNOWN = "contract_unknown"
    MALFORMED = "malformed"
    TOO_LARGE = "too_large"


class Refusal(Document):
    """The body of every answer that is not 2xx."""

    reason: RefusalReason
    sentence: str
