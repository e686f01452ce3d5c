"""What a month has cost, as a page and for a spreadsheet."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import Client

from orchestrator.models import Job, LedgerEntry, Node
from orchestrator.months import month_of
from orchestrator.states import Cause
from tests.campus.conftest import Browser
from tests.campus.making import now
from tests.campus.people import People


@pytest.fixture
def client(people: People, browser: Browser) -> Client:
    return browser(people.ops)


@pytest.fixture
def spent(node: Node) -> str:
    """A lesson's hour last month; that month's name."""
    month = month_of(now()).before
    begun = month.start + timedelta(days=3)
    job = Job.objects.create(
        kind="dub",
        payload={},
        labels={"course": "Chemistry", "lesson": "Acids"},
        created_at=begun,
        not_before=begun,
    )
    for cause, of in ((Cause.JOB, job), (Cause.IDLE, None)):
        LedgerEntry.objects.create(
            node=node,
            cause=cause,
            job=of,
            started_at=begun,
            ended_at=begun + timedelta(hours=1),
            price_per_hour=Decimal("82.76"),
        )
        begun += timedelta(hours=1)
    return month.name


def test_a_lesson_with_its_own_time_and_its_overhead(client: Client, spent: str) -> None:
    page = client.get(f"/ops/costs/?month={spent}").content.decode()
    for words in ("Chemistry", "Acids", "82.76", "165.52", f"Costs, {spent}"):
        assert words in page, words
    assert "Nothing was billed." in client.get("/ops/costs/").content.decode()


@pytest.mark.parametrize(("by", "words"), [("cause", "idle"), ("month", "165.52")])
def test_other_ways_to_add_up(client: Client, spent: str, by: str, words: str) -> None:
    assert words in client.get(f"/ops/costs/?month={spent}&by={by}").content.decode()


def test_the_same_for_a_spreadsheet(client: Client, spent: str) -> None:
    answer = client.get(f"/ops/costs.csv?month={spent}&by=course")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert f'filename="costs-{spent}-by-course.csv"' in answer.headers["Content-Disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.content.decode())))
    assert [(row["course"], row["total"]) for row in rows] == [("Chemistry", "165.52")]


def test_months_before_and_after_are_a_link_away(client: Client, spent: str) -> None:
    month = month_of(now())
    page = client.get(f"/ops/costs/?month={spent}").content.decode()
    assert f"?month={month.name}&amp;by=lesson" in page
    assert f"?month={month.before.before.name}&amp;by=lesson" in page
    assert f"?month={month.after.name}&amp;" not in client.get("/ops/costs/").content.decode()


@pytest.mark.parametrize("query", ["month=2026-13", "month=x", "by=weather"])
def test_what_is_no_month_is_not_there(client: Client, query: str) -> None:
    assert client.get(f"/ops/costs/?{query}").status_code == 404
    assert client.get(f"/ops/costs.csv?{query}").status_code == 404


@pytest.mark.parametrize("path", ["/ops/costs/", "/ops/costs.csv"])
def test_money_is_for_those_who_see_the_fleet(people: People, browser: Browser, path: str) -> None:
    assert browser(people.admin).get(path).status_code == 200
    assert browser(people.partner).get(path).status_code == 403
    assert Client().get(path).status_code == 302
