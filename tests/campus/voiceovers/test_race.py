"""Two people press at the same moment, on a real database file."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from campus.courses import services as courses
from campus.refusals import Refused
from campus.review import services as review
from campus.voiceovers import services
from campus.voiceovers.models import Voiceover
from orchestrator.models import Job
from tests.campus.making import accepted, asked, course, dubbed, lesson, node, now
from tests.campus.people import make_people

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(*acts: Callable[[], Any]) -> list[Any]:
    """Do all of these at the same moment; what each gave or raised."""
    gate = threading.Barrier(len(acts))
    outcomes: list[Any] = [None] * len(acts)

    def run(number: int, act: Callable[[], Any]) -> None:
        try:
            gate.wait(10)
            outcomes[number] = act()
        except Exception as error:
            outcomes[number] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(n, act)) for n, act in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return outcomes


def test_two_people_press_generate(video: Path) -> None:
    people = make_people()
    only = accepted(people, video).lessons.get()
    press = [lambda: services.generate(only, "es", people.admin, now())] * 4
    outcomes = at_once(*press)
    assert sorted(made.created for made in outcomes) == [False, False, False, True]
    assert Job.objects.count() == Voiceover.objects.count() == 1


def test_two_people_retry(video: Path) -> None:
    people = make_people()
    made = asked(people, video)
    services.cancel(made, people.admin, now())

    def retry() -> None:
        services.retry(Voiceover.objects.get(pk=made.pk), people.admin, now())

    outcomes = at_once(retry, retry)
    assert sum(isinstance(outcome, Refused) for outcome in outcomes) == 1
    assert Job.objects.count() == 2


def test_two_reviewers_decide(video: Path) -> None:
    people = make_people()
    made = dubbed(asked(people, video), node(), video)

    def approve() -> None:
        review.approve(made, made.job_id, people.reviewer, now())

    def send_back() -> None:
        review.request_changes(made, made.job_id, "Too fast.", people.admin, now())

    outcomes = at_once(approve, send_back)
    refused = [outcome for outcome in outcomes if isinstance(outcome, Refused)]
    assert len(refused) == 1
    assert "somebody else was faster" in refused[0].sentence
    made.refresh_from_db()
    assert made.state in ("approved", "changes_requested")
    assert made.events.count() == 4


def test_two_admins_decide_about_a_course(video: Path) -> None:
    people = make_people()
    submitted = course(people.partner)
    lesson(submitted, video)
    courses.submit(submitted, people.partner, now())
    submitted.refresh_from_db()
    outcomes = at_once(
        lambda: courses.accept(submitted, people.admin, now()),
        lambda: courses.give_back(submitted, people.admin, "No.", now()),
    )
    assert sum(isinstance(outcome, Refused) for outcome in outcomes) == 1


def test_a_lesson_is_deleted_while_it_is_asked_for(video: Path) -> None:
    people = make_people()
    only = accepted(people, video).lessons.get()
    at_once(
        lambda: services.generate(only, "es", people.admin, now()),
        lambda: only.delete(),
    )
    made = Voiceover.objects.first()
    assert made is None or (made.lesson is None and made.state == "cancelled")
    assert not Job.objects.filter(state__in=["queued", "running"]).exists()
