"""Those who keep the fleet are told when something is wrong with it."""

from __future__ import annotations

import pytest
from django.core import mail
from pytest_django import DjangoAssertNumQueries

from campus.notifications import alerts
from campus.notifications.mailing import send_waiting
from campus.notifications.models import Notice, ToldAlert
from campus.notifications.tasks import send
from orchestrator import alerting
from orchestrator.models import Alert, FleetState, Node
from orchestrator.snapshot import fleet_view
from orchestrator.states import CloudStatus
from tests.campus.making import now
from tests.campus.people import People
from tests.orchestrator.rows import ManualClock


def tick(clock: ManualClock) -> None:
    alerting.bring_up_to_date(clock, fleet_view(clock.now()))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> ManualClock:
    clock = ManualClock()
    clock.time = now()
    monkeypatch.setattr("campus.notifications.alerts.DATABASE_CLOCK", clock)
    monkeypatch.setattr("campus.notifications.tasks.DATABASE_CLOCK", clock)
    return clock


@pytest.fixture
def gone(people: People, clock: ManualClock) -> Node:
    return Node.objects.create(
        name="gpu-1", created_at=clock.now(), cloud_status=CloudStatus.DELETED
    )


def test_an_alert_is_told_once_to_ops_alone(people: People, gone: Node, clock: ManualClock) -> None:
    for _ in range(5):
        tick(clock)
        clock.advance(10)
    notice = Notice.objects.get()
    assert notice.user == people.ops
    assert notice.title == "Fleet: The cloud has no server for gpu-1 any more."
    assert notice.path == "/ops/"
    send_waiting(clock.now())
    send_waiting(clock.advance(3600))
    assert [message.to for message in mail.outbox] == [[people.ops.email]]
    assert "server_gone" in str(mail.outbox[0].body)


def test_what_comes_and_goes_is_told_once_an_hour(gone: Node, clock: ManualClock) -> None:
    for _ in range(20):
        gone.cloud_status = (
            CloudStatus.ACTIVE if gone.cloud_status == CloudStatus.DELETED else CloudStatus.DELETED
        )
        gone.save()
        tick(clock)
        clock.advance(60)
    assert Alert.objects.filter(kind="server_gone").count() == 10
    assert Notice.objects.filter(title__contains="no server").count() == 1
    clock.advance(3600)
    Node.objects.update(cloud_status=CloudStatus.SHELVED_OFFLOADED)
    tick(clock)
    Node.objects.update(cloud_status=CloudStatus.DELETED)
    tick(clock)
    assert Notice.objects.filter(title__contains="no server").count() == 2


def test_two_things_that_are_wrong_are_two_notices(gone: Node, clock: ManualClock) -> None:
    FleetState.objects.create(
        pk=1, cloud_error="auth", cloud_sentence="It knows us not.", cloud_error_since=clock.now()
    )
    tick(clock)
    titles = set(Notice.objects.values_list("title", flat=True))
    assert titles == {
        "Fleet: The cloud has no server for gpu-1 any more.",
        "Fleet: It knows us not.",
    }


def titles() -> list[str]:
    """What was told, the first first."""
    return [notice.title.removeprefix("Fleet: ") for notice in Notice.objects.order_by("pk")]


def lasts(clock: ManualClock, seconds: float) -> None:
    """So much time goes by for the site's own ticks, and nothing happens."""
    for _ in range(round(seconds / 60)):
        clock.advance(60)
        send()


def raised(clock: ManualClock, sentence: str = "The cloud does not answer.") -> Alert:
    alert = Alert.objects.create(
        kind="cloud", subject="fleet", sentence=sentence, raised_at=clock.now()
    )
    alerts.tell_ops(alert)
    return alert


def says(alert: Alert, sentence: str) -> None:
    """What the orchestrator does when an open alert's sentence changes."""
    Alert.objects.filter(pk=alert.pk).update(sentence=sentence)
    alert.refresh_from_db()
    alerts.tell_ops(alert)


def test_a_short_trouble_does_not_hide_a_long_one(people: People, clock: ManualClock) -> None:
    short = raised(clock)
    Alert.objects.filter(pk=short.pk).update(cleared_at=clock.advance(60))
    clock.advance(9 * 60)
    raised(clock)
    lasts(clock, 49 * 60)
    assert len(titles()) == 1
    lasts(clock, 3 * 60)
    assert titles() == ["The cloud does not answer."] * 2
    lasts(clock, 3 * 3600)
    assert len(titles()) == 2
    send()
    assert len(mail.outbox) == 2


def test_what_went_away_within_the_hour_is_not_told_later(
    people: People, clock: ManualClock
) -> None:
    for _ in range(2):
        one = raised(clock)
        Alert.objects.filter(pk=one.pk).update(cleared_at=clock.advance(60))
    lasts(clock, 2 * 3600)
    assert len(titles()) == 1


def test_an_open_alert_that_says_something_else_is_told_again(
    people: People, clock: ManualClock
) -> None:
    alert = raised(clock)
    clock.advance(60)
    says(alert, "The balance is empty.")
    assert titles() == ["The cloud does not answer.", "The balance is empty."]
    says(alert, "The balance is empty.")
    lasts(clock, 3 * 3600)
    assert len(titles()) == 2


def test_two_sentences_that_take_turns_are_told_once_an_hour_each(
    people: People, clock: ManualClock
) -> None:
    alert = raised(clock)
    for number in range(358):
        clock.advance(10)
        says(alert, ("The balance is empty.", "The cloud does not answer.")[number % 2])
        send()
    assert titles() == ["The cloud does not answer.", "The balance is empty."]
    lasts(clock, 3600)
    assert titles()[2:] == ["The cloud does not answer."]


def test_two_who_tell_the_same_at_once_tell_it_once(people: People, clock: ManualClock) -> None:
    alert = raised(clock)
    # As the other sees it, who has looked at the same moment.
    ToldAlert.objects.all().delete()
    alerts.tell_ops(alert)
    assert len(titles()) == 1


def test_the_number_of_statements_does_not_grow_with_the_alerts(
    people: People, clock: ManualClock, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(20):
        Alert.objects.create(
            kind="held", subject=f"gpu-{number}", sentence="It is.", raised_at=clock.now()
        )
    alerts.tell_what_lasts(clock.now())
    assert len(titles()) == 20
    # The transaction's beginning and end, the alerts, and what was told of them.
    with django_assert_num_queries(4):
        alerts.tell_what_lasts(clock.now())
