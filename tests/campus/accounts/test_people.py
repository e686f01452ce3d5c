"""Users as admins make them, and the demo's."""

from __future__ import annotations

from django.test import Client

from campus.accounts.demo import ensure_demo_users
from campus.accounts.models import User
from campus.accounts.roles import Role
from tests.campus.conftest import Browser
from tests.campus.people import People

NEW = {"username": "nina", "name": "Nina", "email": "n@example.org", "role": "partner"}
GOOD = "three old lamps"


def test_an_admin_makes_a_user(people: People, browser: Browser) -> None:
    browser(people.admin).post("/admin/accounts/user/add/", NEW | {"password": GOOD})
    made = User.objects.get(username="nina")
    assert made.check_password(GOOD)
    assert made.role == Role.PARTNER


def test_a_weak_password_is_refused(people: People, browser: Browser) -> None:
    response = browser(people.admin).post("/admin/accounts/user/add/", NEW | {"password": "123"})
    assert b"too short" in response.content
    assert not User.objects.filter(username="nina").exists()


def test_a_role_changes_without_the_password(people: People, browser: Browser) -> None:
    change = {"username": "ops", "role": "reviewer", "is_active": "on", "password": ""}
    browser(people.admin).post(f"/admin/accounts/user/{people.ops.pk}/change/", change)
    changed = User.objects.get(pk=people.ops.pk)
    assert changed.role == Role.REVIEWER
    assert changed.password == people.ops.password


def test_a_password_is_set_anew(people: People, browser: Browser) -> None:
    change = {"username": "ops", "role": "ops", "is_active": "on", "password": GOOD}
    browser(people.admin).post(f"/admin/accounts/user/{people.ops.pk}/change/", change)
    assert User.objects.get(pk=people.ops.pk).check_password(GOOD)


def test_nobody_is_deleted(people: People, browser: Browser) -> None:
    page = f"/admin/accounts/user/{people.ops.pk}/delete/"
    assert browser(people.admin).post(page, {"post": "yes"}).status_code == 403


def test_the_demo_has_one_user_of_each_role(db: None) -> None:
    made = ensure_demo_users("first password")
    assert {user.role for user in made} == set(Role)
    assert ensure_demo_users("second password") == made
    assert User.objects.count() == len(Role)
    form = {"username": made[0].username, "password": "second password"}
    assert Client().post("/login/", form).status_code == 302


def test_the_demos_users_become_again_what_they_were(db: None) -> None:
    ensure_demo_users("a password")
    User.objects.update(role=Role.PARTNER, is_active=False)
    ensure_demo_users("a password")
    assert set(User.objects.values_list("role", flat=True)) == set(Role)
    assert all(User.objects.values_list("is_active", flat=True))
