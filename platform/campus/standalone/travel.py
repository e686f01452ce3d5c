"""The steps of the demo's journey. Each does what a button of the site does, and says so."""

from __future__ import annotations

import html
import shutil
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import requests
from django.conf import settings
from django.core.files.uploadedfile import TemporaryUploadedFile

from campus.accounts.models import User
from campus.accounts.roles import Role
from campus.courses import services as courses
from campus.courses import uploads
from campus.courses.models import Course
from campus.courses.states import CourseState
from campus.courses.text import tidy_file_name
from campus.notifications.models import Notice
from campus.publishing.hosts import video_host
from campus.publishing.models import Publication
from campus.refusals import Refused
from campus.review import services as review
from campus.standalone.progress import progress_lines
from campus.standalone.promises import fleet_promises
from campus.voiceovers import services as voiceovers
from campus.voiceovers.models import Voiceover
from campus.voiceovers.states import VoiceoverState
from gpu_node.contracts.dub import DubReport
from gpu_node.contracts.journey import JourneyReport, Promise
from orchestrator import forecast
from orchestrator.clock import DATABASE_CLOCK
from orchestrator.models import LedgerEntry, Node
from orchestrator.states import CloudStatus

_LOOK_SECONDS = 0.2
_SHORTEST_WAIT = 120.0
_WAIT_PER_MEDIA_SECOND = 3.0
_HTTP_SECONDS = 10.0
_LONGEST_TITLE = 120

_ENDED = frozenset({VoiceoverState.IN_REVIEW, VoiceoverState.FAILED, VoiceoverState.CANCELLED})


class Stuck(Exception):
    """The journey does not go on; its text is a sentence for people."""


class Travel:
    """One lesson's way, and what was noted on it."""

    def __init__(self, lesson: Path, source: str, target: str) -> None:
        self._file = lesson
        # Its name as somebody would have typed it: a file's may hold anything, and be longer.
        self._title = tidy_file_name(lesson.stem, _LONGEST_TITLE)
        self._source = source
        self._target = target
        self._people = {user.role: user for user in User.objects.all()}
        self._began = time.monotonic()
        self._patience = _SHORTEST_WAIT

    def run(self) -> JourneyReport:
        """All of it. Raises Stuck."""
        try:
            course = self._hand_in()
            voiceover, seconds = self._generate(course)
            self._review(voiceover)
            self._publish(voiceover, course)
        except Refused as refused:
            raise Stuck(str(refused)) from refused
        self._sleep()
        published = Publication.objects.get(voiceover=voiceover)
        return JourneyReport(
            dub=DubReport.model_validate(voiceover.job.result),
            published=str(video_host().file(published.host_id, "video.mp4")),
            seconds_to_review=seconds,
            promises=(
                *_site_promises(course, published),
                *fleet_promises(voiceover.job, DATABASE_CLOCK.now()),
            ),
        )

    def _hand_in(self) -> Course:
        partner, admin = self._people[Role.PARTNER], self._people[Role.ADMIN]
        now = DATABASE_CLOCK.now()
        course = Course.objects.create(
            owner=partner,
            title=f"Course with {self._title}",
            source_language=self._source,
            price=Decimal("49.00"),
            created_at=now,
            changed_at=now,
        )
        lesson = uploads.add_lesson(course, self._title, _uploaded(self._file), None, now)
        self._patience = max(_SHORTEST_WAIT, _WAIT_PER_MEDIA_SECOND * lesson.duration)
        courses.submit(course, partner, DATABASE_CLOCK.now())
        self._say(f"{partner} handed in a course with one lesson of {lesson.duration:.0f} s.")
        course.refresh_from_db()
        courses.accept(course, admin, DATABASE_CLOCK.now())
        self._say(f"{admin} accepted it.")
        return course

    def _generate(self, course: Course) -> tuple[Voiceover, float]:
        admin = self._people[Role.ADMIN]
        lesson = course.lessons.get()
        pressed = time.monotonic()
        made = voiceovers.generate(lesson, self._target, admin, DATABASE_CLOCK.now())
        self._say(f"{admin} pressed Generate voiceover.")
        voiceover = made.voiceover
        told: set[str] = set()

        def ended() -> bool:
            voiceover.refresh_from_db()
            job = voiceover.job
            waiting = forecast.waiting(job, DATABASE_CLOCK.now()).sentence
            for line in ([waiting] if waiting else []) + progress_lines(job):
                if line not in told:
                    told.add(line)
                    self._say(f"  {line}")
            return voiceover.current_state in _ENDED

        self._wait(ended, "The voiceover did not come to its end in time")
        if voiceover.current_state is not VoiceoverState.IN_REVIEW:
            raise Stuck(voiceover.sentence or "The voiceover did not succeed.")
        seconds = time.monotonic() - pressed
        self._say(f"In review {seconds:.1f} s after the button was pressed.")
        return voiceover, seconds

    def _review(self, voiceover: Voiceover) -> None:
        reviewer = self._people[Role.REVIEWER]
        blocked = voiceover.utterances.exclude(blocker="")
        for line in blocked:
            review.keep_original(line, True, reviewer, DATABASE_CLOCK.now())
            self._say(f"{reviewer} keeps the original at {line.start:.1f} s: {line.sentence}")
        if not blocked:
            self._say("No line needs a decision: all were spoken.")
        review.approve(voiceover, voiceover.job_id, reviewer, DATABASE_CLOCK.now())
        self._say(f"{reviewer} approved the dub.")

    def _publish(self, voiceover: Voiceover, course: Course) -> None:
        def published() -> bool:
            voiceover.refresh_from_db()
            if voiceover.current_state is VoiceoverState.FAILED:
                raise Stuck(voiceover.sentence)
            course.refresh_from_db()
            return course.current_state is CourseState.ON_SALE

        self._wait(published, "The dub was not published in time")
        self._say(f"Published. “{course.title}” is on sale for {course.price} {course.currency}.")

    def _sleep(self) -> None:
        def asleep() -> bool:
            awake = Node.objects.exclude(cloud_status=CloudStatus.SHELVED_OFFLOADED)
            return not awake.exists() and not LedgerEntry.objects.filter(ended_at=None).exists()

        self._say("Waiting for the node to be put back to sleep.")
        self._wait(asleep, "The node was not put back to sleep in time")
        self._say("The node sleeps: nothing is billed any more.")

    def _wait(self, reached: Callable[[], bool], sentence: str) -> None:
        until = time.monotonic() + self._patience
        while not reached():
            if time.monotonic() > until:
                raise Stuck(f"{sentence}: look into the logs.")
            time.sleep(_LOOK_SECONDS)

    def _say(self, text: str) -> None:
        passed = time.monotonic() - self._began
        sys.stdout.write(f"{passed:6.1f} s  {text}\n")
        sys.stdout.flush()


def _site_promises(course: Course, publication: Publication) -> list[Promise]:
    catalogue = requests.get(f"{settings.SITE_URL}/", timeout=_HTTP_SECONDS)
    video = requests.get(
        f"{settings.SITE_URL}{video_host().play_url(publication.host_id)}",
        timeout=_HTTP_SECONDS,
    )
    told = set(Notice.objects.values_list("user__role", flat=True))
    wanted = {Role.ADMIN.value, Role.REVIEWER.value, Role.PARTNER.value}
    return [
        Promise(
            what="the course is in the public catalogue",
            measured=f"HTTP {catalogue.status_code}",
            kept=listed(course.title, catalogue.text),
        ),
        Promise(
            what="the dub can be watched by anybody",
            measured=f"HTTP {video.status_code}",
            kept=video.ok,
        ),
        Promise(
            what="partner, admin and reviewer were told",
            measured=", ".join(sorted(told)),
            kept=wanted <= told,
        ),
    ]


def listed(title: str, page: str) -> bool:
    """Whether a page shows a title, which may hold what HTML writes in another way."""
    return title in html.unescape(page)


def _uploaded(path: Path) -> TemporaryUploadedFile:
    """The lesson as it would have arrived from a browser."""
    upload = TemporaryUploadedFile(path.name, "video/mp4", path.stat().st_size, None)
    with path.open("rb") as file:
        shutil.copyfileobj(file, upload)
    upload.seek(0)
    return upload
