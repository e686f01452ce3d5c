"""The people of a test, inside the site's own settings.

Run by `tests.e2e.system` with the environment of a running site.
"""

from __future__ import annotations

import shutil
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import django

django.setup()

from django.core.files.uploadedfile import TemporaryUploadedFile  # noqa: E402  after setup()

from campus.accounts.models import User  # noqa: E402
from campus.accounts.roles import Role  # noqa: E402
from campus.courses import services as courses  # noqa: E402
from campus.courses import uploads  # noqa: E402
from campus.courses.models import Course, Lesson  # noqa: E402
from campus.voiceovers import services as voiceovers  # noqa: E402
from campus.voiceovers.models import Voiceover  # noqa: E402
from orchestrator import forecast, ledger  # noqa: E402
from orchestrator.clock import DATABASE_CLOCK  # noqa: E402
from orchestrator.models import Attempt, CloudOperation, Job, LedgerEntry, Node  # noqa: E402
from orchestrator.states import OperationKind  # noqa: E402
from tests.support.remote import obey  # noqa: E402


def hand_in(path: str) -> str:
    """An accepted course with one lesson; the lesson's id."""
    people = {user.role: user for user in User.objects.all()}
    now = DATABASE_CLOCK.now()
    course = Course.objects.create(
        owner=people[Role.PARTNER],
        title="Course",
        source_language="en",
        price=Decimal("9.00"),
        created_at=now,
        changed_at=now,
    )
    file = Path(path)
    upload = TemporaryUploadedFile(file.name, "video/mp4", file.stat().st_size, None)
    with file.open("rb") as source:
        shutil.copyfileobj(source, upload)
    upload.seek(0)
    lesson = uploads.add_lesson(course, "Lesson", upload, None, now)
    courses.submit(course, people[Role.PARTNER], now)
    course.refresh_from_db()
    courses.accept(course, people[Role.ADMIN], now)
    return str(lesson.pk)


def press(lesson: str) -> list[Any]:
    """The button: the voiceover's id, and whether this press made it."""
    admin = User.objects.get(role=Role.ADMIN)
    made = voiceovers.generate(Lesson.objects.get(pk=lesson), "es", admin, DATABASE_CLOCK.now())
    return [str(made.voiceover.pk), made.created]


def cancel(voiceover: str) -> None:
    admin = User.objects.get(role=Role.ADMIN)
    voiceovers.cancel(Voiceover.objects.get(pk=voiceover), admin, DATABASE_CLOCK.now())


def delete_lesson(lesson: str) -> None:
    Lesson.objects.get(pk=lesson).delete()


def look(voiceover: str) -> dict[str, Any]:
    """Everything a test asks about a voiceover, its job and the node."""
    row = Voiceover.objects.get(pk=voiceover)
    job = Job.objects.get(pk=row.job_id)
    node = Node.objects.get()
    report: dict[str, Any] = job.result or {}
    return {
        "voiceover": row.state,
        "sentence": row.sentence,
        "job": job.state,
        "id": str(job.pk),
        "steps": job.steps,
        "stages": [stage["stage"] for stage in job.stages],
        "waiting": forecast.waiting(job, DATABASE_CLOCK.now()).sentence,
        "attempts": [a.outcome for a in Attempt.objects.filter(job=job).order_by("number")],
        "jobs_of_lesson": Job.objects.filter(dedupe=job.dedupe).count(),
        "reused": sum(stage["reused"] for stage in report.get("stages", [])),
        "lines": len(report.get("utterances", [])),
        "node": {
            "cloud": node.cloud_status,
            "worker": node.worker_state,
            "gate": node.gate,
            "boot": node.boot_id,
        },
    }


def wakings() -> list[list[Any]]:
    """Each waking as its stretches: cause, start, end (Unix seconds, None while it lasts)."""
    found = ledger.wakings(ledger.stretches(LedgerEntry.objects.all()))
    return [
        [[s.cause, s.start.timestamp(), s.end.timestamp() if s.end else None] for s in waking]
        for waking in found
    ]


def latency(voiceover: str) -> dict[str, float | None]:
    """Seconds from the submission until the cloud was asked, and until the job was claimed."""
    job = Job.objects.get(pk=Voiceover.objects.get(pk=voiceover).job_id)
    attempt = Attempt.objects.filter(job=job, number=1).first()
    asked = CloudOperation.objects.filter(kind=OperationKind.UNSHELVE, sent_at__gte=job.created_at)
    first = asked.order_by("sent_at").first()
    sent = first.sent_at if first is not None else None
    return {
        "asked": (sent - job.created_at).total_seconds() if sent else None,
        "claimed": (attempt.claimed_at - job.created_at).total_seconds() if attempt else None,
    }


def is_claimed(job: str) -> bool:
    return Attempt.objects.filter(job_id=UUID(job), outcome="running").exists()


if __name__ == "__main__":
    obey(hand_in, press, cancel, delete_lesson, look, wakings, latency, is_claimed)
