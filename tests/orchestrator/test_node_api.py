"""What a node hears over HTTP."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from django.test import Client

from gpu_node.contracts.node_api import API_ROOT, ClaimReply, NodeOrders, UploadReply
from orchestrator import handing_out
from orchestrator.models import Attempt, Job, Node
from orchestrator.settings import fleet_settings
from orchestrator.states import Gate, JobState
from tests.orchestrator.rows import BOOT, KIND, ManualClock, enrolled, submitted, token_of

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.orchestrator.urls")]

DOCUMENT = {"contract_version": 1}
BEAT = {
    **DOCUMENT,
    "boot_id": BOOT,
    "state": "ready",
    "program_version": "0",
    "kinds": [KIND],
}
CLAIM = {**DOCUMENT, "boot_id": BOOT, "kinds": [KIND]}


class Api:
    """One node's view of the server."""

    def __init__(self, token: str) -> None:
        self._client = Client()
        self._token = token

    def post(self, path: str, body: object) -> Any:
        return self._client.post(
            API_ROOT + path,
            body if isinstance(body, str) else json.dumps(body),
            content_type="application/json",
            headers={"Authorization": f"Bearer {self._token}"},
        )

    def url(self, url: str) -> str:
        return url.removeprefix(fleet_settings().site_url)

    def get(self, url: str, **headers: str) -> Any:
        return self._client.get(self.url(url), headers=headers)

    def put(self, url: str, body: bytes, **extra: Any) -> Any:
        return self._client.put(self.url(url), body, content_type="video/mp4", **extra)


@pytest.fixture
def api(node: Node) -> Api:
    return Api(token_of("gpu-1"))


def claim(api: Api) -> Any:
    answer = api.post("/claim", CLAIM)
    assert answer.status_code == 200
    return ClaimReply.model_validate_json(answer.content).job


def blob_of(content: bytes) -> dict[str, object]:
    return {"digest": hashlib.sha256(content).hexdigest(), "size": len(content), "suffix": ".mp4"}


def uploaded(api: Api, job: Any, content: bytes) -> dict[str, object]:
    blob = blob_of(content)
    wish = {**DOCUMENT, "token": job.token, "blobs": [blob]}
    answer = api.post(f"/jobs/{job.job}/uploads", wish)
    urls = UploadReply.model_validate_json(answer.content).urls
    assert api.put(urls[str(blob["digest"])], content).status_code == 201
    return blob


def test_a_job_from_its_claim_to_its_result(api: Api, clock: ManualClock) -> None:
    submitted(clock)
    orders = NodeOrders.model_validate_json(api.post("/heartbeat", BEAT).content)
    assert orders.claim and not orders.stop
    job = claim(api)
    lesson = api.get(job.downloads["lesson"])
    assert b"".join(lesson.streaming_content) == b"a lesson"
    beat = {**DOCUMENT, "token": job.token, "steps": 2, "stages": []}
    assert api.post(f"/jobs/{job.job}/heartbeat", beat).json()["downloads"].keys() == {"lesson"}
    video = uploaded(api, job, b"the dub")
    done = {**DOCUMENT, "token": job.token, "result": {"a": 1}, "outputs": {"video": video}}
    for _ in range(2):
        assert api.post(f"/jobs/{job.job}/complete", done).status_code == 200
    row = Job.objects.get()
    assert (row.state, row.result, row.steps) == (JobState.SUCCEEDED, {"a": 1}, 2)
    assert not NodeOrders.model_validate_json(api.post("/heartbeat", BEAT).content).claim


def test_what_is_stored_need_not_be_uploaded(api: Api, clock: ManualClock) -> None:
    submitted(clock)
    job = claim(api)
    wish = {**DOCUMENT, "token": job.token, "blobs": [blob_of(b"a lesson"), blob_of(b"new")]}
    urls = api.post(f"/jobs/{job.job}/uploads", wish).json()["urls"]
    assert set(urls) == {blob_of(b"new")["digest"]}


def test_a_part_of_a_file(api: Api, clock: ManualClock) -> None:
    submitted(clock)
    url = claim(api).downloads["lesson"]
    part = api.get(url, Range="bytes=2-")
    assert part.status_code == 206
    assert b"".join(part.streaming_content) == b"lesson"
    assert part.headers["Content-Range"] == "bytes 2-7/8"
    assert api.get(url, Range="bytes=8-").status_code == 416


@pytest.mark.parametrize("token", ["", "wrong", "x" * 64])
def test_a_wrong_token_is_401(node: Node, token: str) -> None:
    answer = Api(token).post("/claim", CLAIM)
    assert answer.status_code == 401
    assert answer.json()["reason"] == "node_unknown"


def test_no_token_is_401(node: Node) -> None:
    answer = Client().post(f"{API_ROOT}/claim", CLAIM, content_type="application/json")
    assert answer.status_code == 401


def test_a_stale_token_is_409(api: Api, clock: ManualClock) -> None:
    submitted(clock)
    old = claim(api)
    claim(api)
    stale = {**DOCUMENT, "token": old.token}
    for path, body in (
        ("heartbeat", stale),
        ("release", stale),
        ("uploads", {**stale, "blobs": []}),
        ("complete", {**stale, "result": {}, "outputs": {}}),
        ("fail", {**stale, "reason": "internal", "sentence": "x"}),
    ):
        answer = api.post(f"/jobs/{old.job}/{path}", body)
        assert (answer.status_code, answer.json()["reason"]) == (409, "superseded"), path


def test_another_nodes_job_is_409(api: Api, clock: ManualClock) -> None:
    submitted(clock)
    job = claim(api)
    enrolled("gpu-2", clock)
    other = Api(token_of("gpu-2"))
    answer = other.post(f"/jobs/{job.job}/heartbeat", {**DOCUMENT, "token": job.token})
    assert answer.status_code == 409
    assert Attempt.objects.get().node.name == "gpu-1"


@pytest.mark.parametrize("job", ["00000000-0000-4000-8000-000000000000", "nonsense", "1"])
def test_an_unknown_job_is_404(api: Api, job: str) -> None:
    answer = api.post(f"/jobs/{job}/heartbeat", {**DOCUMENT, "token": "t" * 20})
    assert (answer.status_code, answer.json()["reason"]) == (404, "job_unknown")


def test_a_completion_whose_file_is_not_here_is_422(api: Api, clock: ManualClock) -> None:
    submitted(clock)
    job = claim(api)
    done = {**DOCUMENT, "token": job.token, "result": {}, "outputs": {"video": blob_of(b"x")}}
    answer = api.post(f"/jobs/{job.job}/complete", done)
    assert (answer.status_code, answer.json()["reason"]) == (422, "output_missing")
    assert Job.objects.get().state == JobState.RUNNING


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("{", "malformed"),
        ("[]", "malformed"),
        ("{}", "malformed"),
        ({**CLAIM, "boot_id": 7}, "malformed"),
        ({**CLAIM, "boot_id": "../.."}, "malformed"),
        ({**CLAIM, "surprise": 1}, "malformed"),
        ({**CLAIM, "contract_version": 2}, "contract_unknown"),
    ],
    ids=str,
)
def test_what_is_not_understood_is_refused(api: Api, body: object, reason: str) -> None:
    answer = api.post("/claim", body)
    assert 400 <= answer.status_code < 500
    assert answer.json()["reason"] == reason


@pytest.mark.parametrize("path", ["/claim", "/heartbeat"])
def test_a_node_of_another_version_is_told_to_upgrade(api: Api, path: str) -> None:
    answer = api.post(path, {**CLAIM, "contract_version": 2})
    assert (answer.status_code, answer.json()["reason"]) == (426, "contract_unknown")


def test_a_node_at_max_uptime_is_asked_for_its_job(api: Api, clock: ManualClock) -> None:
    submitted(clock)
    job = claim(api)
    beat = {**DOCUMENT, "token": job.token}
    for gate, why, wanted in (
        (Gate.OPEN, "", False),
        (Gate.DRAINING, "idle", False),
        (Gate.DRAINING, "max_uptime", True),
    ):
        Node.objects.update(gate=gate, gate_why=why)
        answer = api.post(f"/jobs/{job.job}/heartbeat", beat)
        assert answer.json()["give_back"] is wanted


def test_a_refusal_does_not_repeat_what_was_sent(api: Api, clock: ManualClock) -> None:
    submitted(clock)
    job = claim(api)
    body = {**DOCUMENT, "token": job.token, "steps": "many"}
    answer = api.post(f"/jobs/{job.job}/heartbeat", body)
    assert answer.status_code == 422
    assert job.token not in answer.content.decode()


def test_a_link_that_was_changed_or_is_old_is_403(api: Api, clock: ManualClock) -> None:
    submitted(clock)
    url = claim(api).downloads["lesson"]
    other = hashlib.sha256(b"other").hexdigest()
    digest = url.split("/blobs/")[1].split("?")[0]
    for bad in (
        url.replace(digest, other),
        url.replace("u=r", "u=w"),
        url.replace("n=8", "n=9"),
        url[:-1] + ("0" if url[-1] != "0" else "1"),
        url.split("&s=")[0],
        url.split("?")[0],
        url.replace("e=", "e=9"),
        url.replace("u=r", "u=x"),
        url + "é",
    ):
        answer = api.get(bad)
        assert (answer.status_code, answer.json()["reason"]) == (403, "url_invalid"), bad
    assert api.put(url, b"a lesson").status_code == 403


def test_an_old_link_is_403(api: Api, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLOB_URL_SECONDS", "0.001")
    fleet_settings.cache_clear()
    clock.time = clock.time.replace(year=2020)
    submitted(clock)
    url = handing_out.downloads(handing_out.spec_of(Job.objects.get()), clock.now())["lesson"]
    assert api.get(url).status_code == 403


@pytest.mark.parametrize("came", [b"the du", b"the dub!", b"another", b""])
def test_an_upload_that_is_not_what_was_announced_is_not_kept(
    api: Api, clock: ManualClock, came: bytes
) -> None:
    submitted(clock)
    job = claim(api)
    blob = blob_of(b"the dub")
    wish = {**DOCUMENT, "token": job.token, "blobs": [blob]}
    urls = api.post(f"/jobs/{job.job}/uploads", wish).json()["urls"]
    answer = api.put(urls[blob["digest"]], came)
    assert (answer.status_code, answer.json()["reason"]) == (422, "blob_differs")
    assert api.post(f"/jobs/{job.job}/uploads", wish).json()["urls"]


def test_a_result_that_is_too_large_is_not_waited_for(
    api: Api, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    submitted(clock)
    monkeypatch.setenv("BLOB_MAX_BYTES", "3")
    fleet_settings.cache_clear()
    job = claim(api)
    wish = {**DOCUMENT, "token": job.token, "blobs": [blob_of(b"four")]}
    answer = api.post(f"/jobs/{job.job}/uploads", wish)
    assert answer.json()["reason"] == "too_large"


def test_a_draining_node_is_told(api: Api, clock: ManualClock) -> None:
    submitted(clock)
    Node.objects.update(gate=Gate.DRAINING)
    answer = ClaimReply.model_validate_json(api.post("/claim", CLAIM).content)
    assert answer.job is None and answer.draining
    Node.objects.update(gate=Gate.STOPPING)
    orders = NodeOrders.model_validate_json(api.post("/heartbeat", BEAT).content)
    assert orders.stop and not orders.claim


def test_the_last_word_of_an_old_boot_is_not_believed(api: Api) -> None:
    api.post("/heartbeat", {**BEAT, "boot_id": "boot-0001"})
    api.post("/heartbeat", {**BEAT, "boot_id": "boot-0002"})
    api.post("/heartbeat", {**BEAT, "boot_id": "boot-0001", "state": "stopped"})
    node = Node.objects.get()
    assert (node.boot_id, node.worker_state) == ("boot-0002", "ready")
