"""Logging in, and how often one may guess."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from campus.accounts import throttle
from campus.accounts.models import LoginFailure, User
from campus.accounts.throttle import Failures
from tests.campus.conftest import Browser
from tests.campus.people import PASSWORD, People

LOGIN = "/login/"


def log_in(client: Client, username: str, password: str = PASSWORD, **headers: str) -> bytes:
    form = {"username": username, "password": password}
    return client.post(LOGIN, form, headers=headers).content


@pytest.mark.parametrize(
    ("role", "home"),
    [
        ("partner", "/courses/"),
        ("reviewer", "/review/"),
        ("admin", "/admin/"),
        ("ops", "/ops/"),
    ],
)
def test_everybody_gets_to_their_own_first_page(people: People, role: str, home: str) -> None:
    client = Client()
    form = {"username": role, "password": PASSWORD}
    response = client.post(LOGIN, form, follow=True)
    assert response.redirect_chain[-1][0] == home
    assert response.status_code == 200


def test_a_wrong_password_is_refused_in_a_sentence(people: People) -> None:
    assert b"do not belong together" in log_in(Client(), "admin", "wrong")


def test_an_account_that_is_off_cannot_log_in(people: People) -> None:
    User.objects.filter(pk=people.admin.pk).update(is_active=False)
    assert b"do not belong together" in log_in(Client(), "admin")


def test_the_sixth_guess_is_not_even_looked_at(people: People) -> None:
    client = Client()
    for _ in range(throttle.MOST_FOR_PAIR):
        log_in(client, "admin", "wrong")
    said = log_in(client, "admin")
    assert b"Too many wrong passwords" in said
    assert client.get("/home/").status_code == 302


def test_somebody_else_at_another_address_is_not_locked_out(
    people: People, settings: Settings
) -> None:
    settings.BEHIND_PROXY = True
    for _ in range(throttle.MOST_FOR_PAIR):
        log_in(Client(), "admin", "wrong", x_forwarded_for="198.51.100.7")
    client = Client()
    log_in(client, "admin", x_forwarded_for="203.0.113.9")
    assert client.get("/home/").status_code == 302
    assert client.get("/home/")["Location"] == "/admin/"


def test_a_client_cannot_choose_the_address_it_comes_from(
    people: People, settings: Settings
) -> None:
    settings.BEHIND_PROXY = True
    for guess in range(throttle.MOST_FOR_PAIR):
        log_in(Client(), "admin", "wrong", x_forwarded_for=f"10.0.0.{guess}, 198.51.100.7")
    said = log_in(Client(), "admin", x_forwarded_for="10.9.9.9, 198.51.100.7")
    assert b"Too many wrong passwords" in said


def test_the_right_password_wipes_the_slate(people: People) -> None:
    for _ in range(throttle.MOST_FOR_PAIR - 1):
        log_in(Client(), "admin", "wrong")
    log_in(Client(), "admin")
    assert LoginFailure.objects.count() == 0


def test_failures_are_forgotten_in_time(people: People) -> None:
    for _ in range(throttle.MOST_FOR_PAIR):
        log_in(Client(), "admin", "wrong")
    for row in LoginFailure.objects.all():
        LoginFailure.objects.filter(pk=row.pk).update(at=row.at - throttle.WINDOW)
    client = Client()
    log_in(client, "admin")
    assert client.get("/home/")["Location"] == "/admin/"


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 60))
def test_more_failures_never_help(pair: int, address: int, name: int) -> None:
    if throttle.refused(Failures(pair, address, name)):
        assert throttle.refused(Failures(pair + 1, address + 1, name + 1))


def test_a_login_page_leads_nowhere_else(people: People) -> None:
    form = {"username": "partner", "password": PASSWORD, "next": "https://evil.example/"}
    assert Client().post(LOGIN, form)["Location"] == "/home/"


def test_the_admins_own_login_is_closed(db: None) -> None:
    response = Client().get("/admin/login/?next=/admin/")
    assert response.status_code == 302
    assert response["Location"].startswith(LOGIN)
    assert Client().post("/admin/login/", {"username": "a", "password": "b"}).status_code == 302


def test_logging_out_takes_a_post(people: People, browser: Browser) -> None:
    client = browser(people.partner)
    assert client.get("/logout/").status_code == 405
    client.post("/logout/")
    assert client.get("/home/")["Location"].startswith(LOGIN)


def test_a_session_ends(people: People, settings: Settings) -> None:
    client = Client()
    log_in(client, "partner")
    cookie = client.cookies["sessionid"]
    assert cookie["httponly"]
    assert 0 < int(cookie["max-age"]) <= timedelta(hours=24).total_seconds()


def test_pages_name_who_is_there(people: People, browser: Browser) -> None:
    assert b"The partner" in browser(people.partner).get(reverse("courses:mine")).content


@pytest.mark.parametrize("who", ["partner", "reviewer"])
def test_whoever_may_not_enter_the_admin_is_not_sent_in_circles(
    people: People, browser: Browser, who: str
) -> None:
    response = browser(people.of(who)).get("/admin/", follow=True)
    assert response.status_code == 403
    assert b"Not for you" in response.content
