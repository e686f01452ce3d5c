"""A job's files over SFTP, from the claim to the accepted result: node API, SSH server and the
node's own transfers, all of them real."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from django.test import Client

from gpu_node.contracts.blobs import Blob
from gpu_node.contracts.node_api import API_ROOT, ClaimedJob, ClaimReply, UploadReply
from gpu_node.transfers.fetching import Fetching
from gpu_node.transfers.sending import Sending
from gpu_node.transfers.ways import Ways
from orchestrator import sftp_links
from orchestrator.models import Job, Node
from orchestrator.settings import fleet_settings
from orchestrator.sftp_settings import check, transfer_settings
from orchestrator.states import JobState
from tests.orchestrator.rows import BOOT, KIND, ManualClock, stored, submitted, token_of
from tests.support.sftp import SftpServer, sftp_server

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.orchestrator.urls")]

LESSON, DUB = os.urandom(2_000_000), os.urandom(1_000_000)
DOCUMENT = {"contract_version": 1}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[SftpServer]:
    with sftp_server() as server:
        # On the disk of the nodes' folders, where lessons can be linked.
        monkeypatch.setenv("BLOB_FOLDER", str(server.root / ".blobs"))
        (server.root / ".blobs").mkdir()
        monkeypatch.setenv("TRANSFER", "sftp")
        monkeypatch.setenv("SFTP_URL", server.url())
        monkeypatch.setenv("SFTP_FOLDER", str(server.root))
        transfer_settings.cache_clear()
        fleet_settings.cache_clear()
        check(transfer_settings(), server.root / ".blobs")
        yield server
    transfer_settings.cache_clear()


def post(path: str, body: Mapping[str, object]) -> tuple[int, bytes]:
    answer = Client().post(
        API_ROOT + path,
        json.dumps({**DOCUMENT, **body}),
        content_type="application/json",
        headers={"Authorization": f"Bearer {token_of('gpu-1')}"},
    )
    return answer.status_code, answer.content


def claim() -> ClaimedJob:
    _, said = post("/claim", {"boot_id": BOOT, "kinds": [KIND]})
    job = ClaimReply.model_validate_json(said).job
    assert job is not None
    return job


def test_a_job_from_its_claim_to_its_result(
    server: SftpServer, node: Node, clock: ManualClock, tmp_path: Path
) -> None:
    submitted(clock, inputs={"lesson": stored(LESSON, clock)})
    job = claim()
    ways = Ways(server.access(tmp_path))

    link = job.downloads["lesson"]
    assert link.startswith("sftp://")
    lesson = tmp_path / "lesson.bin"
    Fetching(job.spec.inputs["lesson"], lesson, lambda: link, lambda: False, ways).run(
        lambda _: None, lambda _: None
    )
    assert lesson.read_bytes() == LESSON
    _, said = post(f"/jobs/{job.job}/heartbeat", {"token": job.token})
    assert json.loads(said)["downloads"] == {"lesson": link}

    blob = Blob(digest=hashlib.sha256(DUB).hexdigest(), size=len(DUB))
    result = {"token": job.token, "result": {}, "outputs": {"video": blob.model_dump()}}
    assert post(f"/jobs/{job.job}/complete", result)[0] == 422
    dub = tmp_path / "dub.mp4"
    dub.write_bytes(DUB)

    def ask(wanted: tuple[Blob, ...]) -> Mapping[str, str]:
        body = {"token": job.token, "blobs": [one.model_dump() for one in wanted]}
        return UploadReply.model_validate_json(post(f"/jobs/{job.job}/uploads", body)[1]).urls

    Sending({blob: dub}, ask, ways).run(lambda _: None, lambda _: None)
    assert post(f"/jobs/{job.job}/complete", result)[0] == 200
    assert Job.objects.get().state == JobState.SUCCEEDED
    assert sftp_links.sweep(0.0) == 0
    assert [list(folder.iterdir()) for folder in (server.shown, server.sent)] == [[], []]


def test_what_came_does_not_count_without_the_attempts_token(
    server: SftpServer, node: Node, clock: ManualClock
) -> None:
    submitted(clock)
    job = claim()
    blob = Blob(digest=hashlib.sha256(DUB).hexdigest(), size=len(DUB))
    (server.sent / blob.digest).write_bytes(DUB)
    body = {"token": "x" * 32, "blobs": [blob.model_dump()]}
    assert post(f"/jobs/{job.job}/uploads", body)[0] == 409
    assert (server.sent / blob.digest).exists()
