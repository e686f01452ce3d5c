"""A voiceover follows its job."""

from __future__ import annotations

from pathlib import Path

from django.db import transaction

from campus.notifications.models import Notice
from campus.voiceovers import services
from campus.voiceovers.states import VoiceoverState
from gpu_node.contracts.errors import Reason
from orchestrator import jobs
from orchestrator.models import Attempt, Job, Node
from orchestrator.states import AttemptOutcome
from tests.campus.making import (
    asked,
    claimed,
    complete,
    complete_with,
    dubbed,
    failed,
    now,
)
from tests.campus.people import People


def test_a_claimed_job_is_in_production(people: People, video: Path, node: Node) -> None:
    made = asked(people, video)
    claimed(made, node)
    assert made.state == VoiceoverState.PROCESSING


def test_a_lost_node_sends_it_back_to_the_queue(people: People, video: Path, node: Node) -> None:
    made = asked(people, video)
    claimed(made, node)
    with transaction.atomic():
        jobs.lose(Attempt.objects.get(), AttemptOutcome.LOST, now())
    made.refresh_from_db()
    assert made.state == VoiceoverState.QUEUED
    claimed(made, node)
    assert made.state == VoiceoverState.PROCESSING


def test_a_result_is_read_into_lines(people: People, video: Path, node: Node) -> None:
    made = dubbed(asked(people, video), node, video, blockers=2)
    assert made.state == VoiceoverState.IN_REVIEW
    lines = list(made.utterances.all())
    assert [line.source for line in lines[:3]] == ["Line 0.", "Line 1.", "Line 2."]
    assert [(line.rate, line.lateness) for line in lines[1:3]] == [(1.24, 0.0), (1.0, 0.4)]
    assert [line.blocker for line in lines[3:]] == ["does_not_fit", "does_not_fit"]
    assert made.summary["blockers"] == 2
    assert set(made.job.outputs()) == {"video", "target_vtt"}


def test_those_who_judge_are_told_once(people: People, video: Path, node: Node) -> None:
    dubbed(asked(people, video), node, video, blockers=1)
    ready = Notice.objects.filter(key__startswith="voiceover-ready")
    assert {notice.user for notice in ready} == {people.admin, people.reviewer}
    assert "1 line(s) could not be spoken" in ready[0].text


def test_a_failure_has_a_reason_and_is_told(people: People, video: Path, node: Node) -> None:
    made = asked(people, video)
    failed(made, node, Reason.INPUT_NO_SPEECH, "Nobody speaks in this lesson.")
    assert made.state == VoiceoverState.FAILED
    assert (made.reason, made.sentence) == ("input_no_speech", "Nobody speaks in this lesson.")
    told = Notice.objects.filter(key__startswith="voiceover-failed")
    assert {notice.user for notice in told} == {people.admin, people.reviewer}
    assert told[0].text == "Nobody speaks in this lesson."


def test_a_failure_that_may_pass_is_only_waited_for(
    people: People, video: Path, node: Node
) -> None:
    made = asked(people, video)
    failed(made, node, Reason.DISK_FULL, "The disk is full.")
    assert made.state == VoiceoverState.QUEUED
    assert not Notice.objects.filter(key__startswith="voiceover").exists()


def test_a_result_nobody_understands_fails_in_words(
    people: People, video: Path, node: Node
) -> None:
    made = asked(people, video)
    complete_with(made, node, claimed(made, node), video, {"something": "else"})
    assert made.state == VoiceoverState.FAILED
    assert "this server cannot read" in made.sentence
    services.retry(made, people.admin, now())
    assert made.state == VoiceoverState.QUEUED


def test_a_second_dub_takes_the_first_ones_place(people: People, video: Path, node: Node) -> None:
    made = dubbed(asked(people, video), node, video, blockers=3)
    first = set(made.utterances.values_list("pk", flat=True))
    services.move(made, VoiceoverState.IN_REVIEW, VoiceoverState.CHANGES_REQUESTED, now())
    services.retry(made, people.admin, now())
    complete(made, node, claimed(made, node), video)
    assert made.utterances.count() == 3
    assert not first & set(made.utterances.values_list("pk", flat=True))


def test_an_old_jobs_end_changes_nothing(people: People, video: Path, node: Node) -> None:
    made = asked(people, video)
    old = made.job_id
    services.cancel(made, people.admin, now())
    services.retry(made, people.admin, now())
    Job.objects.filter(pk=old).update(state="running", dedupe="")
    with transaction.atomic():
        jobs.cancel(old, now())
    made.refresh_from_db()
    assert made.state == VoiceoverState.QUEUED


def test_a_job_of_another_kind_is_none_of_our_business(people: People, video: Path) -> None:
    made = asked(people, video)
    Job.objects.create(kind="toy", payload={}, created_at=now(), not_before=now())
    toy = Job.objects.get(kind="toy")
    with transaction.atomic():
        assert jobs.cancel(toy.pk, now())
    made.refresh_from_db()
    assert made.state == VoiceoverState.QUEUED
