"""What each role may do, and that pages ask for it."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest
from django.test import Client

from campus.accounts.models import User
from campus.accounts.roles import PERMISSIONS, STAFF, Role, allows
from tests.campus.conftest import Browser
from tests.campus.making import asked, course, dubbed, lesson, node
from tests.campus.people import People

EVERYBODY = {"partner", "reviewer", "admin", "ops"}
PAGES = {
    "/courses/": {"partner"},
    "/courses/new/": {"partner"},
    "/review/": {"reviewer", "admin"},
    "/review/{dub}/": {"reviewer", "admin"},
    "/review/{dub}/files/dub": {"reviewer", "admin"},
    "/review/lessons/{lesson}/video": {"partner", "reviewer", "admin"},
    "/voiceovers/{dub}/": {"reviewer", "admin", "ops"},
    "/voiceovers/{dub}/state/": {"reviewer", "admin", "ops"},
    "/ops/": {"admin", "ops"},
    "/ops/state/": {"admin", "ops"},
    "/notices/": EVERYBODY,
    "/admin/": {"admin", "ops"},
    "/admin/courses/course/": {"admin", "ops"},
    "/admin/courses/lesson/{lesson}/change/": {"admin", "ops"},
    "/admin/courses/lesson/{lesson}/generate/": {"admin"},
    "/admin/voiceovers/voiceover/": {"admin", "ops"},
    "/admin/voiceovers/voiceover/{dub}/change/": {"admin", "ops"},
    "/admin/publishing/publication/": {"admin", "ops"},
    "/admin/orchestrator/job/": {"admin", "ops"},
    "/admin/orchestrator/node/": {"ops"},
    "/admin/orchestrator/attempt/": {"ops"},
    "/admin/orchestrator/ledgerentry/": {"ops"},
    "/admin/orchestrator/cloudoperation/": {"ops"},
    "/admin/orchestrator/nodeevent/": {"ops"},
    "/admin/orchestrator/jobevent/": {"ops"},
    "/admin/accounts/user/": {"admin"},
}
POSTS = {
    "/review/{dub}/approve/": {"reviewer", "admin"},
    "/review/{dub}/changes/": {"reviewer", "admin"},
    "/voiceovers/{dub}/cancel/": {"admin"},
    "/voiceovers/{dub}/retry/": {"admin"},
    "/voiceovers/{dub}/publish/": {"admin"},
    "/voiceovers/{dub}/unpublish/": {"admin"},
    "/ops/nodes/gpu-1/hold/": {"ops"},
    "/ops/nodes/gpu-1/drain/": {"ops"},
    "/ops/nodes/gpu-1/release/": {"ops"},
}
REFUSALS = {302, 403, 404}


def test_every_role_is_in_the_table() -> None:
    assert PERMISSIONS.keys() == set(Role)


def test_only_admins_and_operators_are_staff() -> None:
    assert {Role.ADMIN, Role.OPS} == STAFF


def test_nobody_may_what_is_not_in_the_table() -> None:
    assert not any(allows(role, "accounts.delete_user") for role in Role)


def test_somebody_switched_off_may_nothing(people: People) -> None:
    people.admin.is_active = False
    assert not people.admin.has_perm("courses.decide")
    assert not people.admin.has_module_perms("courses")


def test_a_role_gives_modules_of_the_admin(people: People) -> None:
    assert people.ops.has_module_perms("orchestrator")
    assert not people.partner.has_module_perms("orchestrator")


def test_the_first_admin_is_made_from_the_command_line(db: None) -> None:
    made = User.objects.create_superuser("first", "pass")
    assert made.role == Role.ADMIN
    assert made.is_staff


@pytest.fixture
def places(people: People, video: Path) -> dict[str, str]:
    """Things to look at, made by the first partner."""
    voiceover = dubbed(asked(people, video), node(), video, blockers=1)
    return {"dub": str(voiceover.pk), "lesson": str(voiceover.lesson_id)}


def test_pages_open_for_their_roles_alone(
    people: People, browser: Browser, places: dict[str, str]
) -> None:
    wrong = []
    for role in EVERYBODY:
        client = browser(people.of(role))
        for page, roles in PAGES.items():
            status = client.get(page.format(**places)).status_code
            opened = status == 200 or (status == 286 and "state" in page)
            if opened != (role in roles) or not (opened or status in REFUSALS):
                wrong.append((role, page, status))
    assert wrong == []


def test_buttons_work_for_their_roles_alone(
    people: People, browser: Browser, places: dict[str, str]
) -> None:
    wrong = []
    for role in EVERYBODY:
        client = browser(people.of(role))
        for page, roles in POSTS.items():
            status = client.post(page.format(**places)).status_code
            if (status != 403) != (role in roles):
                wrong.append((role, page, status))
    assert wrong == []


def test_strangers_are_sent_to_log_in(places: dict[str, str]) -> None:
    stranger = Client()
    for page in [*PAGES, *POSTS]:
        response = stranger.get(page.format(**places))
        assert response.status_code == 302, page
        assert response["Location"].startswith(("/login/", "/admin/login/")), page


def test_another_partners_things_are_not_there(
    people: People, browser: Browser, video: Path
) -> None:
    theirs = course(people.partner)
    there = lesson(theirs, video)
    client = browser(people.other_partner)
    pages = [
        *(f"/courses/{theirs.pk}/{end}" for end in ("", "states/", "details/", "delete/")),
        f"/courses/{theirs.pk}/lessons/new/",
        f"/courses/lessons/{there.pk}/",
        f"/courses/lessons/{there.pk}/delete/",
        f"/courses/lessons/{there.pk}/subtitles/",
        f"/review/lessons/{there.pk}/video",
    ]
    posts = [
        *(f"/courses/{theirs.pk}/{end}" for end in ("details/", "delete/", "submit/")),
        f"/courses/{theirs.pk}/lessons/new/",
        *(f"/courses/lessons/{there.pk}/{end}" for end in ("", "up/", "down/", "delete/")),
        f"/courses/lessons/{there.pk}/subtitles/",
        f"/courses/lessons/{there.pk}/subtitles/en/remove/",
    ]
    unknown = str(uuid4())
    for page in pages:
        assert client.get(page).status_code == 404, page
        known_to_nobody = page.replace(str(theirs.pk), unknown).replace(str(there.pk), unknown)
        assert client.get(known_to_nobody).status_code == 404, page
    for page in posts:
        assert client.post(page).status_code == 404, page
    theirs.refresh_from_db()
    assert theirs.lessons.count() == 1
