"""Courses, lessons and dubs as the site itself would make them."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

from django.db import transaction

from campus.accounts.models import User
from campus.courses import services as courses
from campus.courses.models import Course, CourseEvent, Lesson, LessonSubtitles
from campus.courses.states import CourseState
from campus.voiceovers import services as voiceovers
from campus.voiceovers.models import Voiceover
from gpu_node.contracts.dub import (
    DubReport,
    EnginesReport,
    Percentiles,
    Scorecard,
    UtteranceReport,
)
from gpu_node.contracts.errors import Reason
from gpu_node.contracts.media import Loudness, MediaInfo
from gpu_node.contracts.node_api import Completion, Failure, JobBeat, StageState
from gpu_node.media.probe import probe
from orchestrator import blobs, jobs
from orchestrator.clock import DATABASE_CLOCK
from orchestrator.enrol import enrol
from orchestrator.models import Node
from orchestrator.states import CloudStatus
from tests.campus.people import People

BOOT = "boot-of-a-test"
TARGET_VTT = b"WEBVTT\n\n00:00.100 --> 00:00.900\nHola.\n"
SRT = b"1\n00:00:00,100 --> 00:00:00,900\nHello.\n"


def now() -> Any:
    return DATABASE_CLOCK.now()


def course(owner: User, title: str = "Speech", **fields: Any) -> Course:
    """A draft."""
    given = {"source_language": "en", "price": Decimal("49"), **fields}
    made = Course.objects.create(
        owner=owner, title=title, created_at=now(), changed_at=now(), **given
    )
    CourseEvent.objects.create(course=made, at=now(), new=CourseState.DRAFT, by=owner)
    return made


def lesson(of: Course, video: Path, title: str = "Sound") -> Lesson:
    """A lesson with a real video."""
    blob = blobs.store_file(video, now(), suffix=".mp4")
    facts = _facts(video)
    return Lesson.objects.create(
        course=of,
        position=of.lessons.count() + 1,
        title=title,
        file_name=video.name,
        video_id=blob.digest,
        video_suffix=blob.suffix,
        duration=facts.duration,
        media=facts.model_dump(mode="json"),
        created_at=now(),
    )


def subtitles(of: Lesson, language: str, text: bytes = SRT) -> LessonSubtitles:
    blob = blobs.store_stream([text], now(), suffix=".srt")
    return LessonSubtitles.objects.create(
        lesson=of,
        language=language,
        file_name="lines.srt",
        file_id=blob.digest,
        suffix=".srt",
        cues=1,
        created_at=now(),
    )


def accepted(people: People, video: Path, lessons: int = 1, **fields: Any) -> Course:
    """A course that an admin has accepted."""
    made = course(people.partner, **fields)
    for number in range(1, lessons + 1):
        lesson(made, video, f"Lesson {number}")
    courses.submit(made, people.partner, now())
    made.refresh_from_db()
    courses.accept(made, people.admin, now())
    return made


def asked(people: People, video: Path, language: str = "es") -> Voiceover:
    """A voiceover that waits in the queue."""
    only = accepted(people, video).lessons.get()
    return voiceovers.generate(only, language, people.admin, now()).voiceover


def node(name: str = "gpu-1") -> Node:
    """A node that is awake."""
    with transaction.atomic():
        enrol(name, name, f"token-of-{name}-{'x' * 32}", now())
    Node.objects.filter(name=name).update(
        cloud_status=CloudStatus.ACTIVE, ready_at=now(), awake_since=now()
    )
    return Node.objects.get(name=name)


def claimed(of: Voiceover, by: Node) -> str:
    """Have a node take the voiceover's job; the attempt's token."""
    with transaction.atomic():
        job = jobs.claim(by, BOOT, ["dub"], now())
    assert job is not None
    assert job.job == str(of.job_id)
    of.refresh_from_db()
    return job.token


def heartbeat(of: Voiceover, by: Node, token: str, *stages: StageState) -> None:
    with transaction.atomic():
        jobs.heartbeat(by, of.job_id, JobBeat(token=token, stages=stages, steps=1), now())


def failed(of: Voiceover, by: Node, reason: Reason, sentence: str) -> None:
    """Have a node take the job and fail at it."""
    failure = Failure(token=claimed(of, by), reason=reason, sentence=sentence)
    with transaction.atomic():
        jobs.fail(by, of.job_id, failure, now())
    of.refresh_from_db()


def dubbed(of: Voiceover, by: Node, video: Path, *, blockers: int = 0) -> Voiceover:
    """Have a node take the job and finish it."""
    complete(of, by, claimed(of, by), video, blockers=blockers)
    return of


def complete(of: Voiceover, by: Node, token: str, video: Path, *, blockers: int = 0) -> None:
    result = report(_facts(video), blockers).model_dump(mode="json")
    complete_with(of, by, token, video, result)


def complete_with(of: Voiceover, by: Node, token: str, video: Path, result: dict[str, Any]) -> None:
    outputs = {
        "video": blobs.store_file(video, now(), suffix=".mp4"),
        "target_vtt": blobs.store_stream([TARGET_VTT], now(), suffix=".vtt"),
    }
    with transaction.atomic():
        said = Completion(token=token, result=result, outputs=outputs)
        jobs.complete(by, of.job_id, said, now())
    of.refresh_from_db()


def report(facts: MediaInfo, blockers: int = 0) -> DubReport:
    """Three lines that were spoken (one of them fast, one late), then those that were not."""
    spoken = [
        _spoken(0, 1.0, 0.0),
        _spoken(1, 1.24, 0.0),
        _spoken(2, 1.0, 0.4),
    ]
    blocked = [
        UtteranceReport(
            id=f"b-{number}",
            start=1.0 + number / 10,
            end=1.05 + number / 10,
            source="Short.",
            target="Demasiado largo.",
            blocker=Reason.DOES_NOT_FIT,
            sentence="The translation takes 3.1 s, but there are 0.9 s for it.",
        )
        for number in range(blockers)
    ]
    return DubReport(
        program_version="1",
        source_language="en",
        target_language="es",
        engines=EnginesReport(
            transcriber="pocketsphinx",
            translator="apertium",
            synthesizer="espeak",
            separator="none",
            voice="es",
        ),
        lesson=facts,
        seconds=3.0,
        real_time_factor=1.5,
        peak_memory_mb=100,
        stages=(),
        utterances=(*spoken, *blocked),
        blockers=blockers,
        score=Scorecard(
            picture_unchanged=True,
            loudness=Loudness(integrated=-16.0, true_peak=-1.5),
            onset_error=Percentiles(p50=0.01, p95=0.02, max=0.03),
            unheard=(),
            lines_expected=3,
            lines_spoken=3,
            highest_rate=1.24,
            lines_stretched=1,
            duration=facts.duration,
            duration_difference=0.0,
        ),
    )


def _spoken(number: int, rate: float, lateness: float) -> UtteranceReport:
    start = number * 0.3
    return UtteranceReport(
        id=f"u-{number}",
        start=start,
        end=start + 0.25,
        source=f"Line {number}.",
        target=f"Línea {number}.",
        placed_at=start + lateness,
        placed_until=start + lateness + 0.2,
        rate=rate,
        lateness=lateness,
    )


_seen: dict[Path, MediaInfo] = {}


def _facts(video: Path) -> MediaInfo:
    if video not in _seen:
        _seen[video] = probe(video)
    return _seen[video]
