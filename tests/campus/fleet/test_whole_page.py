"""Everything that the operators' page shows, with one node and with fifty."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from campus.fleet.presenting import QUEUE_SHOWN, overview
from campus.fleet.timeline import Span
from orchestrator import fleet_control
from orchestrator.models import (
    Alert,
    Attempt,
    FleetState,
    Job,
    LedgerEntry,
    Node,
    NodeEvent,
)
from orchestrator.settings import fleet_settings
from orchestrator.states import AttemptOutcome, Cause, CloudStatus, JobState
from tests.campus.conftest import Browser
from tests.campus.making import now
from tests.campus.people import People

GPU = {
    "name": "Big card",
    "use_percent": 87.0,
    "memory_used_mb": 11264,
    "memory_total_mb": 24576,
    "temperature": 71.0,
}


@pytest.fixture(autouse=True)
def money(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEET_PRICE_PER_HOUR", "36")
    fleet_settings.cache_clear()


@pytest.fixture
def client(people: People, browser: Browser) -> Client:
    return browser(people.ops)


def job(**facts: Any) -> Job:
    given = {
        "kind": "dub",
        "payload": {},
        "labels": {"course": "Chemistry", "lesson": "Acids", "language": "Spanish"},
        "created_at": now(),
        "not_before": now(),
        "media_seconds": 600.0,
    }
    return Job.objects.create(**{**given, **facts})


def lived(name: str, at: datetime) -> Node:
    """A node with a waking behind it, at work again."""
    node = Node.objects.create(
        name=name,
        token_hash=name,
        created_at=at - timedelta(days=3),
        cloud_status=CloudStatus.ACTIVE,
        cloud_seen_at=at,
        awake_since=at - timedelta(seconds=400),
        active_since=at - timedelta(seconds=380),
        ready_at=at - timedelta(seconds=300),
        worker_seen_at=at,
        worker_state="ready",
        worker_gpu=GPU,
    )
    running = job(state=JobState.RUNNING, stages=[{"stage": "speak", "done": 3, "total": 12}])
    for cause, begin, end, of in (
        (Cause.BOOT, 5000, 4900, None),
        (Cause.JOB, 4900, 4000, job(state=JobState.SUCCEEDED)),
        (Cause.IDLE, 4000, 3100, None),
        (Cause.BOOT, 400, 300, None),
        (Cause.JOB, 300, None, running),
    ):
        LedgerEntry.objects.create(
            node=node,
            cause=cause,
            job=of,
            started_at=at - timedelta(seconds=begin),
            ended_at=at - timedelta(seconds=end) if end is not None else None,
            price_per_hour=Decimal(36),
        )
    Attempt.objects.create(
        job=running,
        node=node,
        number=1,
        outcome=AttemptOutcome.RUNNING,
        claimed_at=at - timedelta(seconds=300),
        lease_until=at + timedelta(seconds=60),
    )
    NodeEvent.objects.create(node=node, at=at, what="wake", sentence="demand")
    Alert.objects.create(
        kind="locked", node=node, subject=name, sentence=f"{name} is locked.", raised_at=at
    )
    return node


def test_a_node_its_job_and_its_past(client: Client, people: People) -> None:
    lived("gpu-1", now())
    page = client.get("/ops/").content.decode()
    for words in (
        "gpu-1 is locked.",
        "Big card: 87 % busy, 11.0 of 24.0 GiB, 71 °C",
        "Acids, Spanish",
        "It works.",
        "working, 15 min 0 s: Acids, Spanish",
        "Expected to end",
        "look at it",
    ):
        assert words in page, words
    assert '<progress class="bar" max="1" value="0.250"' in page


def test_what_is_expected_of_running_and_queued_jobs(client: Client) -> None:
    at = now()
    lived("gpu-1", at)
    waits = job()
    known = overview(at)
    [running] = known.running
    # 900 s were taken for 600 s of media by the model's prior; 300 s of them have gone by.
    assert running.ends_at == pytest.approx(at + timedelta(seconds=600), abs=timedelta(seconds=2))
    [queued] = known.queue
    assert queued.since == waits.created_at
    assert queued.begins_at == running.ends_at


def test_a_job_that_takes_longer_than_expected_is_said_to(client: Client) -> None:
    lived("gpu-1", now())
    Attempt.objects.update(claimed_at=now() - timedelta(hours=5))
    assert "takes longer than expected" in client.get("/ops/").content.decode()


def test_of_a_long_queue_the_first_are_shown(client: Client) -> None:
    for _ in range(QUEUE_SHOWN + 7):
        job()
    known = overview(now())
    assert (len(known.queue), known.queued_more) == (QUEUE_SHOWN, 7)
    assert "And 7 more." in client.get("/ops/").content.decode()


@pytest.mark.parametrize("path", ["/ops/", "/ops/state/", "/ops/metrics", "/admin/"])
def test_a_worker_that_says_nonsense_spoils_no_page(client: Client, path: str) -> None:
    lived("gpu-1", now())
    Node.objects.update(worker_gpu={**GPU, "memory_total_mb": 10**400, "memory_used_mb": 10**400})
    Job.objects.update(stages=[{"stage": "speak", "done": 1e308, "total": 1e-308}])
    assert client.get(path).status_code == 200


@pytest.mark.parametrize("name", ["gpu.1", "gpu 1", "gpu/1", "gpu\n1", "GPU_1", "„ü“"])
def test_a_name_that_no_address_can_hold_spoils_no_page(client: Client, name: str) -> None:
    lived(name, now())
    for path in ("/ops/", "/ops/state/", "/ops/metrics"):
        assert client.get(path).status_code == 200, path


def test_a_node_whose_name_is_no_slug_takes_orders_too(client: Client) -> None:
    lived("gpu.1", now())
    assert 'action="/ops/nodes/gpu.1/hold/"' in client.get("/ops/").content.decode()
    client.post("/ops/nodes/gpu.1/hold/")
    assert Node.objects.get(name="gpu.1").wanted == "held"


@pytest.mark.parametrize("status", [CloudStatus.DELETED, CloudStatus.SOFT_DELETED])
def test_a_server_that_was_deleted_while_awake_is_not_awake(
    client: Client, status: CloudStatus
) -> None:
    lived("gpu-1", now())
    lived("gpu-2", now())
    Node.objects.filter(name="gpu-2").update(cloud_status=status)
    page = client.get("/ops/").content.decode()
    assert "<dt>Nodes awake</dt><dd>1 <small>of 2</small></dd>" in page
    assert page.count("<dt>Awake</dt>") == 1
    assert "1 of 2" in client.get("/admin/").content.decode()


def test_trouble_with_the_cloud_is_said_at_once(client: Client) -> None:
    FleetState.objects.create(
        pk=1, cloud_error="auth", cloud_sentence="It knows us not.", cloud_error_since=now()
    )
    assert "It knows us not." in client.get("/ops/").content.decode()


@pytest.mark.parametrize(
    ("day", "words"),
    [("1", "spent: only urgent jobs are begun"), ("24", "nearly spent"), ("9999", "of 9999.00")],
)
def test_budgets_are_bars_with_words(
    client: Client, monkeypatch: pytest.MonkeyPatch, day: str, words: str
) -> None:
    monkeypatch.setenv("FLEET_BUDGET_MONTH", day)
    fleet_settings.cache_clear()
    node = lived("gpu-1", now())
    # 2000 s in the ledger, at 0.01 a second.
    LedgerEntry.objects.filter(node=node, ended_at__isnull=True).delete()
    page = client.get("/ops/").content.decode()
    assert words in page
    assert "This month&#x27;s budget" in page or "This month's budget" in page


def test_money_by_cause_and_what_sleeping_saves(client: Client) -> None:
    at = now()
    lived("gpu-1", at)
    found = overview(at).money
    by_cause = {one.cause: one for one in found.causes}
    assert by_cause[Cause.JOB].month_seconds >= 1199
    assert found.savings.saved > 0
    assert found.savings.always_on == found.savings.saved + found.month


@pytest.mark.parametrize("span", ["hour", "day", "week", "century"])
def test_the_span_is_kept_while_the_page_lives(client: Client, span: str) -> None:
    shown = span if span in set(Span) else "day"
    page = client.get(f"/ops/state/?span={span}").content.decode()
    assert f'/ops/state/?span={shown}"' in page
    assert f'href="/ops/?span={shown}" aria-current="true"' in page


def test_a_node_is_tried_again_from_the_page(client: Client) -> None:
    later = now() + timedelta(minutes=9)
    Node.objects.create(
        name="gpu-1",
        created_at=now(),
        cloud_status="SHELVED_OFFLOADED",
        not_before=later,
        failures=2,
    )
    assert "retry-gpu-1" in client.get("/ops/").content.decode()
    answer = client.post("/ops/nodes/gpu-1/retry/", {"span": "week"})
    assert answer.headers["Location"] == "/ops/?span=week"
    assert Node.objects.get().not_before is None
    assert "retry-gpu-1" not in client.get("/ops/").content.decode()


def test_a_retired_node_is_not_on_the_page_and_takes_no_orders(client: Client) -> None:
    node = Node.objects.create(
        name="gpu-1", created_at=now(), cloud_status=CloudStatus.SHELVED_OFFLOADED
    )
    fleet_control.retire(node, "ops", now())
    assert f"node-{node.name}" not in client.get("/ops/").content.decode()
    said = client.post(f"/ops/nodes/{node.name}/hold/", follow=True).content.decode()
    assert "is retired" in said


def test_titles_are_text_on_every_page(client: Client) -> None:
    at = now()
    node = lived("gpu-1", at)
    Job.objects.update(labels={"course": "<b>x", "lesson": "<script>x</script>"})
    NodeEvent.objects.create(node=node, at=at, what="worker_broken", sentence="<i>no</i> it is")
    for path in ("/ops/", "/ops/costs/", "/ops/costs/?by=course"):
        page = client.get(path).content.decode()
        assert "<script>x" not in page
        assert "<b>x" not in page
        assert "<i>no" not in page


@pytest.mark.parametrize("path", ["/ops/?span=week", "/ops/costs/", "/ops/metrics"])
def test_fifty_nodes_cost_no_more_statements_than_one(client: Client, path: str) -> None:
    def statements() -> int:
        with CaptureQueriesContext(connection) as asked:
            assert client.get(path).status_code == 200
        return len(asked)

    at = now()
    lived("gpu-1", at)
    job()
    with_one = statements()
    for number in range(2, 51):
        lived(f"gpu-{number}", at)
        job()
    assert statements() == with_one


def test_of_fifty_nodes_only_the_troubled_are_open(client: Client) -> None:
    at = now()
    for number in range(1, 51):
        lived(f"gpu-{number}", at)
    Alert.objects.exclude(subject="gpu-7").delete()
    cards = overview(at).nodes
    assert [card.report.name for card in cards if card.open] == ["gpu-7"]
    assert [card.report.name for card in cards][:3] == ["gpu-1", "gpu-2", "gpu-3"]
