"""The button: one job, however often it is pressed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from campus.courses.models import Lesson
from campus.refusals import Refused
from campus.voiceovers import services
from campus.voiceovers.models import Voiceover
from campus.voiceovers.states import VoiceoverState
from gpu_node.contracts.errors import Reason
from gpu_node.contracts.jobs import DubPayload
from orchestrator.models import Job, JobBlob, Node
from orchestrator.states import JobState
from tests.campus.conftest import Browser
from tests.campus.making import accepted, asked, claimed, course, dubbed, failed, now, subtitles
from tests.campus.making import lesson as make_lesson
from tests.campus.people import People


@pytest.fixture
def lesson(people: People, video: Path) -> Lesson:
    return accepted(people, video).lessons.get()


def inputs(voiceover: Voiceover) -> dict[str, str]:
    rows = voiceover.job.blobs.filter(direction=JobBlob.IN)
    return {row.name: row.blob_id for row in rows}


def test_one_press_makes_one_job(people: People, lesson: Lesson) -> None:
    made = services.generate(lesson, "es", people.admin, now())
    assert made.created
    job = Job.objects.get()
    assert made.voiceover.job == job
    payload = DubPayload.model_validate(job.payload)
    assert (payload.source_language, payload.target_language) == ("en", "es")
    assert inputs(made.voiceover) == {"lesson": lesson.video_id}
    assert job.media_seconds == lesson.duration
    assert job.dedupe == f"voiceover:{lesson.pk}:es"
    assert [event.by for event in made.voiceover.events.all()] == [people.admin]


def test_the_second_press_is_told_it_is_under_way(people: People, lesson: Lesson) -> None:
    first = services.generate(lesson, "es", people.admin, now())
    again = services.generate(lesson, "es", people.ops, now())
    assert (again.created, again.voiceover) == (False, first.voiceover)
    assert Job.objects.count() == 1


def test_each_language_is_a_voiceover_of_its_own(people: People, lesson: Lesson) -> None:
    subtitles(lesson, "de")
    services.generate(lesson, "es", people.admin, now())
    services.generate(lesson, "de", people.admin, now())
    assert Job.objects.count() == 2


def test_the_partners_subtitles_go_with_it(people: People, lesson: Lesson) -> None:
    own, theirs = subtitles(lesson, "en"), subtitles(lesson, "es-419")
    made = services.generate(lesson, "es", people.admin, now()).voiceover
    assert inputs(made) == {
        "lesson": lesson.video_id,
        "subtitles": own.file_id,
        "target_subtitles": theirs.file_id,
    }


def test_what_cannot_be_done_is_refused_before_anything_is_submitted(
    people: People, lesson: Lesson
) -> None:
    with pytest.raises(Refused, match="English to Russian is not offered here"):
        services.generate(lesson, "ru", people.admin, now())
    assert not Job.objects.exists()
    assert not Voiceover.objects.exists()


def test_provided_subtitles_widen_the_offer(
    people: People, video: Path, settings: Settings
) -> None:
    russian = accepted(people, video, source_language="ru").lessons.get()
    with pytest.raises(Refused):
        services.generate(russian, "en", people.admin, now())
    subtitles(russian, "en")
    assert services.generate(russian, "en", people.admin, now()).created


def test_a_draft_is_not_dubbed(people: People, video: Path) -> None:
    draft = make_lesson(course(people.partner), video)
    with pytest.raises(Refused, match="has to be accepted"):
        services.generate(draft, "es", people.admin, now())


def test_a_lesson_deleted_meanwhile_is_not_dubbed(people: People, lesson: Lesson) -> None:
    Lesson.objects.filter(pk=lesson.pk).delete()
    with pytest.raises(Refused, match="deleted"):
        services.generate(lesson, "es", people.admin, now())


def test_a_failed_one_is_tried_again_with_a_new_job(
    people: People, video: Path, node: Node
) -> None:
    made = asked(people, video)
    failed(made, node, Reason.INPUT_NO_SPEECH, "Nobody speaks.")
    first = made.job_id
    services.retry(made, people.admin, now())
    assert made.current_state is VoiceoverState.QUEUED
    assert made.job_id != first
    assert made.sentence == ""
    assert Job.objects.filter(state=JobState.QUEUED).count() == 1


def test_pressing_generate_again_retries_a_failed_one(
    people: People, video: Path, node: Node
) -> None:
    made = asked(people, video)
    failed(made, node, Reason.INPUT_NO_SPEECH, "Nobody speaks.")
    assert made.lesson is not None
    again = services.generate(made.lesson, "es", people.admin, now())
    assert (again.created, again.voiceover.pk) == (True, made.pk)


def test_what_is_under_way_is_not_retried(people: People, video: Path) -> None:
    made = asked(people, video)
    with pytest.raises(Refused, match="Not needed: this voiceover is “Queued”"):
        services.retry(made, people.admin, now())


@pytest.mark.parametrize("running", [False, True])
def test_cancelling_ends_the_job(people: People, video: Path, node: Node, running: bool) -> None:
    made = asked(people, video)
    if running:
        claimed(made, node)
    services.cancel(made, people.admin, now())
    assert made.current_state is VoiceoverState.CANCELLED
    assert made.sentence == "Cancelled by The admin."
    assert Job.objects.get().state == JobState.CANCELLED
    last = made.events.last()
    assert last is not None
    assert last.by == people.admin


def test_what_has_ended_is_not_cancelled(people: People, video: Path, node: Node) -> None:
    made = dubbed(asked(people, video), node, video)
    with pytest.raises(Refused, match=r"nothing to cancel.*“Waiting for review”"):
        services.cancel(made, people.admin, now())


def test_a_lesson_deleted_while_it_is_dubbed_cancels_its_job(
    people: People, video: Path, node: Node
) -> None:
    made = asked(people, video)
    claimed(made, node)
    assert made.lesson is not None
    made.lesson.delete()
    made.refresh_from_db()
    assert made.lesson is None
    assert made.current_state is VoiceoverState.CANCELLED
    assert made.sentence == services.LESSON_DELETED
    assert Job.objects.get().state == JobState.CANCELLED
    with pytest.raises(Refused, match="deleted"):
        services.retry(made, people.admin, now())


def test_a_course_deleted_ends_every_voiceover(people: People, video: Path, node: Node) -> None:
    whole = accepted(people, video, lessons=2)
    one, two = (
        services.generate(lesson, "es", people.admin, now()).voiceover
        for lesson in whole.lessons.all()
    )
    dubbed(one, node, video)
    whole.delete()
    for made in (one, two):
        made.refresh_from_db()
        assert made.current_state is VoiceoverState.CANCELLED
        assert made.course_title == "Speech"


def test_a_lesson_deleted_while_its_dub_is_published_ends_it_all_the_same(
    people: People, video: Path, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = dubbed(asked(people, video), node, video)
    real, first = services.move, [True]

    def move(voiceover: Voiceover, *args: Any, **more: Any) -> bool:
        if first:
            # Somebody was faster, between our look and our word.
            first.clear()
            Voiceover.objects.filter(pk=voiceover.pk).update(state=VoiceoverState.APPROVED)
            return False
        return real(voiceover, *args, **more)

    monkeypatch.setattr(services, "move", move)
    assert made.lesson is not None
    made.lesson.delete()
    made.refresh_from_db()
    assert made.lesson is None
    assert made.current_state is VoiceoverState.CANCELLED


def test_a_language_that_is_none_makes_nothing(
    people: People, browser: Browser, lesson: Lesson
) -> None:
    page = f"/admin/courses/lesson/{lesson.pk}/generate/"
    for odd in ("ES", "es-" + "x" * 30, "es-\0", "x" * 10_000):
        said = browser(people.admin).post(page, {"language": odd}, follow=True)
        assert "There is no such language here." in said.content.decode()
    assert not Voiceover.objects.exists()
