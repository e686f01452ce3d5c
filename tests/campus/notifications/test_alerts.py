"""Those who keep the fleet are told when something is wrong with it."""

from __future__ import annotations

import pytest
from django.core import mail

from campus.notifications.mailing import send_waiting
from campus.notifications.models import Notice
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
def clock() -> ManualClock:
    clock = ManualClock()
    clock.time = now()
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
