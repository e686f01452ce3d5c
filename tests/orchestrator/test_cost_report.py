"""What a month has cost: every cent once, and who it was for."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_django import DjangoAssertNumQueries

from orchestrator import ledger
from orchestrator.cost_report import (
    NO_JOB,
    By,
    CostReport,
    as_csv,
    cost_report,
    savings,
)
from orchestrator.models import Job, LedgerEntry, Node
from orchestrator.months import midnight, month_named, month_of
from orchestrator.settings import fleet_settings
from orchestrator.states import Cause
from tests.orchestrator.rows import KIND, ManualClock, enrolled

pytestmark = pytest.mark.django_db

NOVEMBER = month_named("2026-11")


@pytest.fixture(autouse=True)
def price(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("FLEET_PRICE_PER_HOUR", "36")
    fleet_settings.cache_clear()
    yield
    fleet_settings.cache_clear()


def job(clock: ManualClock, tenant: str = "1", **labels: str) -> Job:
    return Job.objects.create(
        kind=KIND,
        payload={},
        tenant=tenant,
        labels=labels,
        created_at=clock.now(),
        not_before=clock.now(),
    )


def spend(node: Node, clock: ManualClock, *spent: tuple[Cause, float, Job | None]) -> None:
    """A waking whose stretches follow each other from now on."""
    for cause, seconds, of in spent:
        begun = clock.now()
        LedgerEntry.objects.create(
            node=node,
            cause=cause,
            job=of,
            started_at=begun,
            ended_at=clock.advance(seconds),
            price_per_hour=Decimal(36),
        )


def rows(report: CostReport) -> dict[tuple[str, ...], tuple[Decimal, Decimal, Decimal]]:
    return {row.names: (row.own, row.overhead, row.total) for row in report.rows}


def money(*amounts: str) -> tuple[Decimal, ...]:
    return tuple(Decimal(amount) for amount in amounts)


def test_a_lesson_pays_for_its_time_and_its_part_of_the_waking(
    node: Node, clock: ManualClock
) -> None:
    one = job(clock, course="Chemistry", lesson="Acids")
    two = job(clock, course="Chemistry", lesson="Bases")
    spend(
        node,
        clock,
        (Cause.BOOT, 100, None),
        (Cause.JOB, 300, one),
        (Cause.JOB, 100, two),
        (Cause.IDLE, 900, None),
        (Cause.SHELVING, 100, None),
    )
    clock.advance(500)
    spend(node, clock, (Cause.FAILURE, 200, None))
    by_lesson = cost_report(By.LESSON, NOVEMBER, clock.now())
    assert rows(by_lesson) == {
        ("Chemistry", "Acids"): money("3.00", "8.25", "11.25"),
        ("Chemistry", "Bases"): money("1.00", "2.75", "3.75"),
        (NO_JOB, ""): money("0.00", "2.00", "2.00"),
    }
    by_course = cost_report(By.COURSE, NOVEMBER, clock.now())
    assert rows(by_course)["Chemistry",] == money("4.00", "11.00", "15.00")
    assert by_course.rows[0].jobs == 2
    by_cause = cost_report(By.CAUSE, NOVEMBER, clock.now())
    assert rows(by_cause)["job",] == money("4.00", "0.00", "4.00")
    assert rows(by_cause)["idle",] == money("0.00", "9.00", "9.00")
    assert {by_lesson.total, by_course.total, by_cause.total} == {Decimal("17.00")}
    assert by_cause.seconds == 1700


def test_two_tenants_courses_of_one_name_are_two(node: Node, clock: ManualClock) -> None:
    spend(node, clock, (Cause.JOB, 100, job(clock, tenant="1", course="A")))
    spend(node, clock, (Cause.JOB, 200, job(clock, tenant="2", course="A")))
    report = cost_report(By.COURSE, NOVEMBER, clock.now())
    assert [(row.tenant, row.total) for row in report.rows] == [
        ("2", Decimal("2.00")),
        ("1", Decimal("1.00")),
    ]


def test_a_job_without_labels_is_called_by_its_kind(node: Node, clock: ManualClock) -> None:
    spend(node, clock, (Cause.JOB, 100, job(clock)))
    assert list(rows(cost_report(By.LESSON, NOVEMBER, clock.now()))) == [(KIND, "")]


def test_what_a_deleted_job_cost_is_not_lost(node: Node, clock: ManualClock) -> None:
    gone = job(clock, course="A")
    spend(node, clock, (Cause.JOB, 100, gone), (Cause.IDLE, 100, None))
    gone.delete()
    report = cost_report(By.COURSE, NOVEMBER, clock.now())
    assert rows(report) == {(NO_JOB,): money("1.00", "1.00", "2.00")}


def test_two_nodes_at_once_are_two_wakings(node: Node, clock: ManualClock) -> None:
    other = enrolled("gpu-2", clock)
    begun = clock.now()
    spend(node, clock, (Cause.JOB, 100, job(clock, course="A")))
    clock.time = begun
    spend(other, clock, (Cause.IDLE, 100, None))
    report = cost_report(By.COURSE, NOVEMBER, clock.now())
    assert rows(report)["A",] == money("1.00", "0.00", "1.00")


def test_a_month_ends_where_the_next_begins_by_the_sites_calendar(
    node: Node, clock: ManualClock
) -> None:
    with timezone.override("Europe/Moscow"):
        november = month_named("2026-11")
        assert november.end == datetime(2026, 11, 30, 21, 0, tzinfo=UTC)
        clock.time = november.end - timedelta(seconds=100)
        spend(node, clock, (Cause.JOB, 300, job(clock, course="A")))
        now = clock.now()
        assert cost_report(By.COURSE, november, now).total == Decimal("1.00")
        assert cost_report(By.COURSE, november.after, now).total == Decimal("2.00")
        by_month = cost_report(By.MONTH, november.after, now)
    assert [(row.names, row.total) for row in by_month.rows] == [
        (("2026-12",), Decimal("2.00")),
        (("2026-11",), Decimal("1.00")),
    ]
    assert by_month.total == Decimal("3.00")


def test_no_hour_is_lost_or_won_where_clocks_are_changed(node: Node, clock: ManualClock) -> None:
    """Summer time ends on 25 October 2026: a month of 745 hours."""
    with timezone.override("Europe/Berlin"):
        clock.time = datetime(2026, 9, 20, 0, 0, tzinfo=UTC)
        whole = datetime(2026, 11, 20, 0, 0, tzinfo=UTC) - clock.time
        spend(node, clock, (Cause.HOLD, whole.total_seconds(), None))
        by_month = cost_report(By.MONTH, month_named("2026-11"), clock.now())
        october = month_named("2026-10")
        by_cause = cost_report(By.CAUSE, october, clock.now())
        billed = ledger.billed(october.start, october.end)
    hours = {row.names[0]: row.total / 36 for row in by_month.rows}
    assert hours == {"2026-09": 262, "2026-10": 745, "2026-11": 457}
    assert by_month.seconds == whole.total_seconds() == 1464 * 3600
    assert (by_cause.seconds, by_cause.total) == (745 * 3600, Decimal(745 * 36))
    assert [one.seconds for one in billed] == [745 * 3600]


def test_an_hour_that_a_node_slept_is_saved_once_where_clocks_are_changed(
    node: Node, clock: ManualClock
) -> None:
    Node.objects.filter(pk=node.pk).update(created_at=datetime(2026, 1, 1, tzinfo=UTC))
    node.refresh_from_db()
    with timezone.override("Europe/Berlin"):
        found = {
            name: savings([node], [], month_named(name), clock.now()).saved / 36
            for name in ("2026-03", "2026-10")
        }
    assert found == {"2026-03": 743, "2026-10": 745}


@pytest.mark.parametrize(
    ("zone", "moment", "begins"),
    [
        # Clocks go back from 1:00 to 0:00 on the first of November.
        ("America/Havana", "2026-11-01T05:30Z", "2026-11-01T04:00Z"),
        ("America/Havana", "2026-11-01T04:30Z", "2026-11-01T04:00Z"),
        # There is no midnight: clocks go from 0:00 to 1:00.
        ("Africa/Cairo", "2026-04-24T09:00Z", "2026-04-23T22:00Z"),
    ],
)
def test_a_day_begins_once(zone: str, moment: str, begins: str) -> None:
    with timezone.override(zone):
        assert midnight(datetime.fromisoformat(moment)) == datetime.fromisoformat(begins)


def test_what_still_lasts_counts_until_now(node: Node, clock: ManualClock) -> None:
    ledger.enter(node.pk, Cause.IDLE, clock.now())
    clock.advance(200)
    assert cost_report(By.CAUSE, NOVEMBER, clock.now()).total == Decimal("2.00")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(
    st.lists(
        st.tuples(st.sampled_from(Cause), st.floats(0.001, 5000), st.integers(0, 3)),
        max_size=12,
    )
)
def test_however_it_is_added_up_it_is_the_same_money(
    node: Node, spent: list[tuple[Cause, float, int]]
) -> None:
    clock = ManualClock()
    LedgerEntry.objects.all().delete()
    jobs = [job(clock, course=f"C{number % 2}", lesson=f"L{number}") for number in range(4)]
    for cause, seconds, number in spent:
        spend(node, clock, (cause, seconds, jobs[number] if cause is Cause.JOB else None))
        if number == 3:
            clock.advance(60)
    exact = ledger.to_the_cent(ledger.spent(NOVEMBER.start, clock.now()))
    for by in By:
        report = cost_report(by, NOVEMBER, clock.now())
        assert sum((row.total for row in report.rows), Decimal(0)) == exact
        assert report.own + report.overhead == report.total == exact


def test_the_database_is_asked_once_however_much_there_is(
    node: Node, clock: ManualClock, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(50):
        spend(node, clock, (Cause.JOB, 10, job(clock, lesson=str(number))), (Cause.IDLE, 5, None))
    with django_assert_num_queries(1):
        assert len(cost_report(By.LESSON, NOVEMBER, clock.now()).rows) == 50


@pytest.mark.parametrize(
    "name", ["", "2026", "2026-13", "2026-1", "11-2026", "0001-01", "２０２６-11"]
)
def test_what_is_no_month_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="written like 2026-11"):
        month_named(name)


ZONES = ("UTC", "Europe/Berlin", "America/Havana", "Africa/Cairo", "Pacific/Apia", "Asia/Kolkata")


@given(st.integers(0, 35_000), st.integers(0, 86_399), st.sampled_from(ZONES))
def test_months_follow_each_other(days: int, seconds: int, zone: str) -> None:
    moment = datetime(2001, 1, 1, tzinfo=UTC) + timedelta(days=days, seconds=seconds)
    with timezone.override(zone):
        month = month_of(moment)
        assert month.start <= midnight(moment) <= moment < month.end
        assert month.after.start == month.end
        assert month.before.end == month.start
        assert month_named(month.name) == month
        assert month.start.tzinfo is month.end.tzinfo is UTC


def test_a_spreadsheet_takes_titles_for_text(node: Node, clock: ManualClock) -> None:
    title = '=HYPERLINK("http://evil")'
    spend(node, clock, (Cause.JOB, 100, job(clock, course=title, lesson='Say "hi", twice')))
    text = as_csv(cost_report(By.LESSON, NOVEMBER, clock.now()))
    head, line = csv.reader(io.StringIO(text))
    assert head[:3] == ["course", "lesson", "jobs"]
    assert line == [f"'{title}", 'Say "hi", twice', "1", "100", "1.00", "0.00", "1.00", "RUB"]


def test_sleeping_saves_what_was_not_billed_since_the_enrolment(
    node: Node, clock: ManualClock
) -> None:
    young = enrolled("gpu-2", clock)
    Node.objects.filter(pk=node.pk).update(created_at=NOVEMBER.start - timedelta(days=9))
    Node.objects.filter(pk=young.pk).update(created_at=clock.now() - timedelta(hours=1))
    LedgerEntry.objects.create(
        node=young,
        cause=Cause.JOB,
        started_at=clock.now() - timedelta(minutes=30),
        ended_at=clock.now(),
        price_per_hour=Decimal(50),
    )
    billed = ledger.billed(NOVEMBER.start, clock.now())
    found = savings(list(Node.objects.all()), billed, NOVEMBER, clock.now())
    old = 36 * Decimal((clock.now() - NOVEMBER.start).total_seconds()) / 3600
    assert found.saved == old + Decimal("18.00")
    assert found.always_on == found.saved + Decimal("25.00")


def test_who_works_all_the_time_saves_nothing(node: Node, clock: ManualClock) -> None:
    ledger.enter(node.pk, Cause.JOB, clock.now())
    clock.advance(3600)
    billed = ledger.billed(NOVEMBER.start, clock.now())
    found = savings(list(Node.objects.all()), billed, NOVEMBER, clock.now())
    assert (found.saved, found.always_on) == (Decimal(0), Decimal("36.00"))
    assert found.percent == 0


def test_billed_time_is_cut_at_both_ends(node: Node, clock: ManualClock) -> None:
    begun = clock.now()
    spend(node, clock, (Cause.BOOT, 100, None), (Cause.IDLE, 100, None))
    ledger.enter(node.pk, Cause.DRAIN, clock.now())
    start, end = begun + timedelta(seconds=30), begun + timedelta(seconds=250)
    found = {one.cause: one.seconds for one in ledger.billed(start, end)}
    assert found == {Cause.BOOT: 70, Cause.IDLE: 100, Cause.DRAIN: 50}
    inside = ledger.billed(start, start + timedelta(seconds=10))
    assert {one.cause: one.seconds for one in inside} == {Cause.BOOT: 10}
