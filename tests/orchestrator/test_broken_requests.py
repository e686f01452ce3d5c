"""Requests that no worker of ours sends: each has a clear answer, and none a 500."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_django import Settings

from orchestrator import strict_json
from orchestrator.models import Attempt, Job, Node
from orchestrator.states import JobState
from tests.orchestrator.rows import ManualClock, submitted
from tests.orchestrator.test_node_api import BEAT, CLAIM, Api, api, claim

__all__ = ["api"]

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.orchestrator.urls")]


def about_a_job(one: Api, verb: str, rest: str) -> Any:
    job = claim(one)
    body = f'{{"contract_version": 1, "token": "{job.token}", {rest}}}'
    return one.post(f"/jobs/{job.job}/{verb}", body)


def test_a_failure_with_a_nul_in_its_last_words_is_heard(api: Api, clock: ManualClock) -> None:
    """PostgreSQL takes no NUL: the node was answered 500 and said it again for ever."""
    submitted(clock)
    said = '"reason": "input_no_audio", "sentence": "It\\u0000 broke.", "detail": "\\u0000\\ud800"'
    assert about_a_job(api, "fail", said).status_code == 200
    job = Job.objects.get()
    assert (job.state, job.sentence) == (JobState.FAILED, "It broke.")
    assert Attempt.objects.get().detail == "?"


def test_a_result_with_a_nul_in_it_is_taken(api: Api, clock: ManualClock) -> None:
    submitted(clock)
    said = '"outputs": {}, "result": {"a\\u0000": ["x\\u0000y", {"b": "\\udfff"}, 1.5, null]}'
    assert about_a_job(api, "complete", said).status_code == 200
    assert Job.objects.get().result == {"a": ["xy", {"b": "?"}, 1.5, None]}


@pytest.mark.parametrize("value", ["NaN", "-Infinity", "1e999", "[" * 900 + "]" * 900])
def test_a_result_that_is_no_json_is_refused(api: Api, clock: ManualClock, value: str) -> None:
    submitted(clock)
    answer = about_a_job(api, "complete", f'"outputs": {{}}, "result": {{"a": {value}}}')
    assert (answer.status_code, answer.json()["reason"]) == (400, "malformed")
    assert Job.objects.get().state == JobState.RUNNING


def test_a_request_that_is_too_large_says_so(
    api: Api, clock: ManualClock, settings: Settings
) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    submitted(clock)
    said = f'"outputs": {{}}, "result": {{"a": "{"x" * 2000}"}}'
    answer = about_a_job(api, "complete", said)
    assert (answer.status_code, answer.json()["reason"]) == (413, "too_large")


@pytest.mark.parametrize("steps", [2**31, 2**70])
def test_more_steps_than_can_be_counted(api: Api, clock: ManualClock, steps: int) -> None:
    submitted(clock)
    assert about_a_job(api, "heartbeat", f'"steps": {steps}').status_code == 200
    assert Attempt.objects.get().steps == 2**31 - 1


def test_a_beat_and_a_claim_with_a_nul_in_them(api: Api, clock: ManualClock) -> None:
    submitted(clock)
    odd = {"kinds": ["\0", "\ud800"]}
    said = {**BEAT, **odd, "sentence": "Broken\0.", "program_version": "\0", "state": "broken"}
    assert api.post("/heartbeat", said).status_code == 200
    assert Node.objects.get().worker_sentence == "Broken."
    assert api.post("/claim", {**CLAIM, **odd}).json()["job"] is None


@pytest.mark.parametrize("body", [b"\xff\xfe", b"{", b"NaN", b'{"a": -Infinity}', b"[" * 100_000])
def test_what_is_no_json_is_a_value_error(body: bytes) -> None:
    with pytest.raises((ValueError, RecursionError)):
        strict_json.parse(body)


def test_whole_letters_stay_whole() -> None:
    assert strict_json.parse('"ä\\ud83d\\ude00"'.encode()) == "ä\U0001f600"
