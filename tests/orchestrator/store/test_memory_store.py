"""The store in memory answers as the database does, in what it can do at all."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.db import DataError, IntegrityError, transaction
from django.db.models import Max
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator import store
from orchestrator.memory_store import MemoryStore, Moment
from orchestrator.models import Attempt, FleetState, Job, LedgerEntry, Node, NodeEvent
from tests.orchestrator.store.carrying_out import Answers, carry_out, everything
from tests.orchestrator.store.operations import JOBS, NODES, START, operations


def _said(steps: list[Any]) -> tuple[list[Any], list[Any]]:
    for number, key in enumerate(NODES):
        Node.objects.create(id=key, name=f"n{number}", created_at=START)
    for key in JOBS:
        Job.objects.create(id=key, kind="x", payload={}, created_at=START, not_before=START)
    answers = Answers()
    for step in steps:
        carry_out(step, answers)
    return answers.said, everything()


@pytest.mark.django_db
@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(st.lists(operations(), min_size=5, max_size=12))
def test_any_statements_have_the_same_answers_as_on_the_database(steps: list[Any]) -> None:
    with store.use(MemoryStore()):
        ours = _said(steps)
    with transaction.atomic():
        theirs = _said(steps)
        transaction.set_rollback(True)
    assert ours == theirs


def _node(name: str = "a") -> Node:
    return Node.objects.create(name=name, created_at=START)


@pytest.fixture
def memory() -> Any:
    memory = MemoryStore()
    with store.use(memory):
        yield memory


def test_what_follows_a_commit_comes_in_order_after_the_outermost_one(memory: MemoryStore) -> None:
    heard: list[str] = []
    with store.atomic():
        store.on_commit(lambda: heard.append("first"))
        with store.atomic():
            store.on_commit(lambda: heard.append("second"))
        with store.atomic():
            store.on_commit(lambda: heard.append("never"))
            store.roll_back()
        assert heard == []
    assert heard == ["first", "second"]
    store.on_commit(lambda: heard.append("at once"))
    assert heard[-1] == "at once"


def test_what_was_written_is_not_there_after_an_exception(memory: MemoryStore) -> None:
    _node("a")
    with pytest.raises(RuntimeError), store.atomic():
        _node("b")
        Node.objects.filter(name="a").update(name="c")
        raise RuntimeError
    assert list(Node.objects.values_list("name", flat=True)) == ["a"]
    # The index went back too.
    assert Node.objects.filter(name="a").exists()
    assert not Node.objects.filter(name="c").exists()


def test_whoever_watches_may_kill_at_any_statement_or_commit(memory: MemoryStore) -> None:
    seen: list[Moment] = []

    def watch(moment: Moment) -> None:
        seen.append(moment)
        if len(seen) == 3:
            raise KeyboardInterrupt

    memory.watch = watch
    with pytest.raises(KeyboardInterrupt), store.atomic():
        _node("a")
    memory.watch = None
    assert seen == [Moment.STATEMENT, Moment.DONE, Moment.COMMIT]
    assert not Node.objects.exists()


def test_foreign_keys_are_followed_both_ways(memory: MemoryStore) -> None:
    node = _node()
    job = Job.objects.create(kind="x", payload={"a": 1}, created_at=START, not_before=START)
    Attempt.objects.create(job=job, node=node, number=1, claimed_at=START, lease_until=START)
    found = Attempt.objects.get()
    assert found.job == job
    assert found.node.name == "a"
    assert [one.pk for one in job.attempts.all()] == [found.pk]
    assert job.attempts.filter(outcome="running").count() == 1
    assert node.attempts.create(
        job=job, number=2, outcome="lost", claimed_at=START, lease_until=START
    )


def test_json_that_was_read_can_be_changed_without_changing_the_row(memory: MemoryStore) -> None:
    job = Job.objects.create(kind="x", payload={"a": [1]}, created_at=START, not_before=START)
    Job.objects.get(pk=job.pk).payload["a"].append(2)
    job.payload["a"].append(3)
    assert Job.objects.get(pk=job.pk).payload == {"a": [1]}


@pytest.mark.parametrize(
    "refused",
    [
        lambda: Node.objects.values_list("pk").annotate(last=Max("events__at")).count(),
        lambda: Node.objects.filter(events__what="x"),
        lambda: Node.objects.filter(name__iregex="x").exists(),
        lambda: Job.objects.filter(payload__a=1).exists(),
        lambda: Node.objects.all().prefetch_related("events"),
        lambda: Node.objects.all().delete(),
        lambda: _node().delete(),
        lambda: Node.objects.raw("SELECT 1"),
    ],
    ids=["annotate", "reverse", "regex", "json", "prefetch", "delete", "delete one", "raw"],
)
def test_what_is_not_known_is_refused_and_not_guessed(memory: MemoryStore, refused: Any) -> None:
    with pytest.raises(NotImplementedError):
        refused()


def test_what_postgresql_would_not_take_is_not_taken(memory: MemoryStore) -> None:
    with pytest.raises(DataError):
        _node("n" * 64)
    with pytest.raises(IntegrityError):
        Node.objects.filter(pk=_node("b").pk).update(created_at=None)
    with pytest.raises(IntegrityError):
        Node.objects.create(name="a", created_at=START, failures=-1)


def test_two_open_ledger_entries_of_a_node_are_refused(memory: MemoryStore) -> None:
    node = _node()
    LedgerEntry.objects.create(node=node, cause="idle", started_at=START)
    with pytest.raises(IntegrityError):
        LedgerEntry.objects.create(node=node, cause="job", started_at=START)
    LedgerEntry.objects.update(ended_at=START)
    LedgerEntry.objects.create(node=node, cause="job", started_at=START)


def test_another_thread_and_the_time_after_the_block_see_the_database(db: None) -> None:
    with store.use(MemoryStore()):
        _node()
        FleetState.objects.get_or_create(pk=1)
        NodeEvent.objects.create(node=Node.objects.get(), at=START, what="x")
    assert not Node.objects.exists()
    assert not FleetState.objects.exists()


def test_a_missing_row_is_missed_as_usual(memory: MemoryStore) -> None:
    node = _node()
    with pytest.raises(Node.DoesNotExist):
        Node.objects.get(pk=uuid.UUID(int=9))
    memory.erase(memory.table(Node), node.pk)
    with pytest.raises(Node.DoesNotExist):
        node.refresh_from_db()
