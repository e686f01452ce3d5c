"""What stands between the world and the views."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import DatabaseError
from django.test import Client
from django.urls import get_resolver

from tests.campus.conftest import Browser
from tests.campus.people import PASSWORD, People


def test_browsers_are_told_what_to_allow(db: None) -> None:
    response = Client().get("/")
    policy = response["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert response["X-Frame-Options"] == "DENY"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Referrer-Policy"] == "same-origin"


def test_only_the_admins_theme_may_evaluate(people: People, browser: Browser) -> None:
    policy = browser(people.admin).get("/admin/")["Content-Security-Policy"]
    assert "script-src 'self' 'unsafe-eval'" in policy
    assert "script-src 'self' 'unsafe-inline'" not in policy


def test_no_page_of_ours_has_inline_script_or_style(people: People, browser: Browser) -> None:
    for role, page in [
        ("partner", "/courses/"),
        ("partner", "/courses/new/"),
        ("reviewer", "/review/"),
        ("ops", "/ops/"),
        ("ops", "/notices/"),
        ("ops", "/"),
    ]:
        said = browser(people.of(role)).get(page).content.decode()
        assert "<script>" not in said, page
        assert "style=" not in said, page
        assert "onclick" not in said, page


def test_a_page_that_takes_no_files_receives_none(people: People) -> None:
    form = {"username": "a", "password": PASSWORD, "x": SimpleUploadedFile("x", b"x" * 100)}
    assert Client().post("/login/", form).status_code == 400


def test_a_form_without_its_token_is_refused_in_words(people: People) -> None:
    strict = Client(enforce_csrf_checks=True)
    response = strict.post("/login/", {"username": "admin", "password": PASSWORD})
    assert response.status_code == 403
    assert b"open for too long" in response.content


def test_a_poll_after_the_sessions_end_reloads_the_page(db: None) -> None:
    response = Client().get("/ops/state/", headers={"hx-request": "true"})
    assert (response.status_code, response["HX-Refresh"]) == (204, "true")


def test_machines_bring_their_own_proof(db: None) -> None:
    refused = Client().post("/api/node/v1/heartbeat", {}, content_type="application/json")
    assert refused.status_code == 401
    assert Client().get("/blobs/" + "a" * 64).status_code == 403


def test_the_open_doors_are_these_and_no_others() -> None:
    opened = {
        str(pattern.pattern)
        for pattern in get_resolver().url_patterns
        if hasattr(pattern, "callback") and not getattr(pattern.callback, "login_required", True)
    }
    assert opened == {"healthz", "admin/login/"}


@pytest.mark.parametrize("page", ["/nope/", "/courses/x/", "/watch/x/y/", "/catalogue/1/"])
def test_what_is_not_there_says_so(people: People, browser: Browser, page: str) -> None:
    response = browser(people.partner).get(page)
    assert response.status_code == 404
    assert b"Nothing here" in response.content


def test_a_page_that_is_not_for_somebody_says_so(people: People, browser: Browser) -> None:
    response = browser(people.partner).get("/ops/")
    assert response.status_code == 403
    assert b"Not for you" in response.content


def test_health(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Client().get("/healthz").json() == {"ok": True}

    class Away:
        def cursor(self) -> None:
            raise DatabaseError

    monkeypatch.setattr("campus.healthz.connection", Away())
    sick = Client().get("/healthz")
    assert (sick.status_code, sick.json()["ok"]) == (503, False)


def test_an_upload_after_the_sessions_end_is_told_so(db: None) -> None:
    page = f"/courses/{uuid4()}/lessons/new/"
    response = Client().post(page, {"title": "One"}, headers={"accept": "application/json"})
    assert response.status_code == 401
    assert "not logged in any more" in response.json()["sentence"]
