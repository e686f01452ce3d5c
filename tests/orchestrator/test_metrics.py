"""The metrics, read with Prometheus' own parser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from pydantic import ValidationError

from gpu_node.contracts.node_api import ClaimRequest, GpuFacts, NodeBeat, StageState
from orchestrator import fleet_control, ledger
from orchestrator.metrics import exposition
from orchestrator.models import (
    Alert,
    Attempt,
    CloudOperation,
    FleetState,
    Job,
    LedgerEntry,
    Node,
)
from orchestrator.settings import fleet_settings
from orchestrator.states import AttemptOutcome, Cause, CloudStatus, OperationKind, OperationOutcome
from tests.orchestrator.rows import BOOT, KIND, ManualClock, beat, claimed, enrolled, submitted

pytestmark = pytest.mark.django_db

GPU = {
    "name": "A card",
    "use_percent": 87.5,
    "memory_used_mb": 1024,
    "memory_total_mb": 24576,
    "temperature": 71.0,
}


@pytest.fixture(autouse=True)
def money(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("FLEET_PRICE_PER_HOUR", "36")
    monkeypatch.setenv("FLEET_BUDGET_MONTH", "10")
    fleet_settings.cache_clear()
    yield
    fleet_settings.cache_clear()


def families(clock: ManualClock) -> dict[str, Metric]:
    text = exposition(clock.now()).decode()
    return {family.name: family for family in text_string_to_metric_families(text)}


def values(clock: ManualClock, name: str) -> dict[tuple[str, ...], float]:
    """A metric's samples by the values of their labels, which stand in the order of their names."""
    family = families(clock)[name]
    return {tuple(one.labels.values()): one.value for one in family.samples}


def entry(node: Node, clock: ManualClock, seconds: float, cause: Cause, *, settled: bool) -> None:
    start = clock.now()
    LedgerEntry.objects.create(
        node=node,
        cause=cause,
        started_at=start,
        ended_at=clock.advance(seconds),
        settled=settled,
        price_per_hour=Decimal(36),
    )


def test_an_empty_site_has_metrics_too(clock: ManualClock) -> None:
    found = families(clock)
    assert found["fleet_queue_oldest_seconds"].samples[0].value == 0
    assert found["fleet_cloud_answers"].samples[0].value == 1
    assert {sample.value for sample in found["fleet_nodes"].samples} == {0}
    assert not found["fleet_tick_age_seconds"].samples


def test_names_are_those_that_are_documented_and_none_is_given_twice(clock: ManualClock) -> None:
    text = exposition(clock.now()).decode()
    names = [line.split()[2] for line in text.splitlines() if line.startswith("# HELP")]
    assert len(names) == len(set(names))
    page = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
    table = [line for line in page.splitlines() if line.startswith("| `fleet_")]
    documented = re.findall(r"`(fleet_\w+)", "".join(line.split("|")[1] for line in table))
    assert sorted(names) == sorted(documented)


def test_jobs_by_kind_and_state(clock: ManualClock, node: Node) -> None:
    submitted(clock, media_seconds=100.0)
    claimed(node, clock)
    submitted(clock, media_seconds=200.0)
    clock.advance(30)
    submitted(clock, media_seconds=20.0)
    clock.advance(10)
    jobs = values(clock, "fleet_jobs")
    assert jobs[KIND, "queued"] == 2
    assert jobs[KIND, "running"] == 1
    assert jobs[KIND, "failed"] == 0
    assert values(clock, "fleet_queue_oldest_seconds") == {(): 40}
    assert values(clock, "fleet_backlog_seconds") == {(KIND,): 330}
    assert values(clock, "fleet_running_seconds_left") == {(): 110}
    assert values(clock, "fleet_attempts")["running",] == 1


def test_nodes_by_phase_and_what_each_says(clock: ManualClock, node: Node) -> None:
    beat(node, clock)
    Node.objects.filter(pk=node.pk).update(worker_gpu=GPU)
    enrolled("gpu-2", clock, cloud_status=CloudStatus.SHELVED_OFFLOADED, awake_since=None)
    clock.advance(7)
    phases = values(clock, "fleet_nodes")
    assert (phases["idle",], phases["asleep",], phases["error",]) == (1, 1, 0)
    assert values(clock, "fleet_node_awake_seconds") == {("gpu-1",): 7, ("gpu-2",): 0}
    assert values(clock, "fleet_node_heartbeat_age_seconds") == {("gpu-1",): 7}
    assert values(clock, "fleet_gpu_use_ratio") == {("gpu-1",): 0.875}
    assert values(clock, "fleet_gpu_memory_used_bytes") == {("gpu-1",): 2**30}
    assert values(clock, "fleet_gpu_temperature_celsius") == {("gpu-1",): 71}


def test_a_server_that_was_deleted_while_awake_is_not_awake(clock: ManualClock, node: Node) -> None:
    Node.objects.filter(pk=node.pk).update(cloud_status=CloudStatus.DELETED)
    clock.advance(7)
    assert values(clock, "fleet_node_awake_seconds") == {("gpu-1",): 0}


def test_what_a_worker_says_of_its_gpu_may_be_nonsense(clock: ManualClock, node: Node) -> None:
    Node.objects.filter(pk=node.pk).update(worker_gpu={"use_percent": "a lot"})
    assert values(clock, "fleet_gpu_use_ratio") == {}


@pytest.mark.parametrize("fact", ["memory_used_mb", "memory_total_mb", "temperature"])
@pytest.mark.parametrize("number", [2**31 + 1, 10**400], ids=["many", "very many"])
def test_what_no_card_has_is_not_believed(
    clock: ManualClock, node: Node, fact: str, number: int
) -> None:
    with pytest.raises(ValidationError):
        GpuFacts.model_validate({**GPU, fact: number})
    # As an older version would have written it down.
    Node.objects.filter(pk=node.pk).update(worker_gpu={**GPU, fact: number})
    assert values(clock, "fleet_gpu_memory_total_bytes") == {}


def test_what_no_worker_does_is_not_believed() -> None:
    with pytest.raises(ValidationError):
        StageState(stage="speak", done=2.0**54, total=1)
    beat = {"boot_id": BOOT, "state": "ready", "program_version": "0"}
    for kinds in (["x" * 41], ["toy"] * 101):
        with pytest.raises(ValidationError):
            NodeBeat.model_validate({**beat, "kinds": kinds})
        with pytest.raises(ValidationError):
            ClaimRequest.model_validate({"boot_id": BOOT, "kinds": kinds})


def test_counters_of_money_count_what_the_cloud_agrees_to(clock: ManualClock, node: Node) -> None:
    entry(node, clock, 100, Cause.BOOT, settled=True)
    entry(node, clock, 200, Cause.IDLE, settled=True)
    entry(node, clock, 50, Cause.IDLE, settled=False)
    ledger.enter(node.pk, Cause.JOB, clock.now())
    clock.advance(10)
    assert values(clock, "fleet_billed_seconds") == {
        ("boot", "gpu-1"): 100,
        ("idle", "gpu-1"): 200,
    }
    assert values(clock, "fleet_billed_seconds_provisional") == {
        ("idle", "gpu-1"): 50,
        ("job", "gpu-1"): 10,
    }
    assert values(clock, "fleet_cost") == {("boot", "gpu-1"): 1, ("idle", "gpu-1"): 2}
    month = values(clock, "fleet_cost_this_month")
    assert (month["idle",], month["job",], month["failure",]) == pytest.approx((2.5, 0.1, 0))
    assert values(clock, "fleet_budget_used_ratio") == {("month",): pytest.approx(0.36)}


def test_settling_never_takes_a_counter_back(clock: ManualClock, node: Node) -> None:
    """A counter that falls is taken for a restart, and all of it for new."""
    entry(node, clock, 100, Cause.BOOT, settled=True)
    before = values(clock, "fleet_billed_seconds")
    entry(node, clock, 100, Cause.IDLE, settled=False)
    between = values(clock, "fleet_billed_seconds")
    LedgerEntry.objects.filter(settled=False).update(settled=True, ended_at=clock.advance(-9))
    after = values(clock, "fleet_billed_seconds")
    assert before == between
    assert all(after[key] >= value for key, value in before.items())


def test_money_of_a_retired_node_stays_counted(clock: ManualClock, node: Node) -> None:
    entry(node, clock, 100, Cause.BOOT, settled=True)
    Node.objects.filter(pk=node.pk).update(cloud_status=CloudStatus.SHELVED_OFFLOADED)
    node.refresh_from_db()
    fleet_control.retire(node, "a test", clock.now())
    assert values(clock, "fleet_billed_seconds") == {("boot", "gpu-1-retired-20261121"): 100}
    assert values(clock, "fleet_node_awake_seconds") == {}
    assert sum(values(clock, "fleet_nodes").values()) == 0


def test_calls_to_the_cloud_and_how_long_wakings_took(clock: ManualClock, node: Node) -> None:
    for kind, outcome in (
        (OperationKind.UNSHELVE, OperationOutcome.FAILED),
        (OperationKind.UNSHELVE, OperationOutcome.SUCCEEDED),
        (OperationKind.SHELVE, OperationOutcome.SENT),
    ):
        CloudOperation.objects.create(
            node=node, kind=kind, outcome=outcome, intended_at=clock.now(), deadline=clock.now()
        )
    for seconds in (60, 80, 100):
        entry(node, clock, seconds, Cause.BOOT, settled=True)
        entry(node, clock, 10, Cause.IDLE, settled=True)
    # One that ended in nothing says nothing of how long wakings take.
    entry(node, clock, 1, Cause.BOOT, settled=True)
    assert values(clock, "fleet_operations")["unshelve", "failed"] == 1
    assert values(clock, "fleet_operations")["shelve", "succeeded"] == 0
    assert values(clock, "fleet_operations_unresolved") == {("unshelve",): 0, ("shelve",): 1}
    assert values(clock, "fleet_wake_seconds") == {("0.5",): 80, ("0.95",): 100}


def test_what_is_wrong(clock: ManualClock, node: Node) -> None:
    FleetState.objects.create(
        pk=1,
        cloud_error="auth",
        cloud_sentence="No.",
        cloud_error_since=clock.now(),
        ticked_at=clock.now(),
    )
    Alert.objects.create(kind="cloud", subject="fleet", sentence="No.", raised_at=clock.now())
    Alert.objects.create(
        kind="held",
        subject="gpu-1",
        sentence="No.",
        raised_at=clock.now(),
        cleared_at=clock.now(),
    )
    clock.advance(25)
    alerts = values(clock, "fleet_alerts_open")
    assert (alerts["cloud",], alerts["held",]) == (1, 0)
    assert values(clock, "fleet_cloud_answers") == {(): 0}
    assert values(clock, "fleet_cloud_trouble_seconds") == {("auth",): 25}
    assert values(clock, "fleet_tick_age_seconds") == {(): 25}


def test_how_far_estimates_were_off(clock: ManualClock, node: Node) -> None:
    job = submitted(clock)
    Job.objects.filter(pk=job.pk).update(predicted_seconds=150)
    Attempt.objects.create(
        job=job,
        node=node,
        number=1,
        outcome=AttemptOutcome.SUCCEEDED,
        claimed_at=clock.now(),
        lease_until=clock.now(),
        ended_at=clock.now() + timedelta(seconds=100),
    )
    assert values(clock, "fleet_estimate_error_ratio") == {(): 0.5}


def busy(clock: ManualClock, number: int) -> None:
    node = enrolled(f"gpu-{number}", clock, worker_gpu=GPU)
    submitted(clock, media_seconds=10.0, priority=10)
    claimed(node, clock)
    submitted(clock, media_seconds=10.0, priority=10)
    entry(node, clock, 10, Cause.BOOT, settled=True)
    ledger.enter(node.pk, Cause.JOB, clock.now())


def test_the_number_of_statements_does_not_grow(clock: ManualClock) -> None:
    def statements() -> int:
        with CaptureQueriesContext(connection) as asked:
            exposition(clock.now())
        return len(asked)

    busy(clock, 1)
    with_one = statements()
    for number in range(2, 30):
        busy(clock, number)
    assert statements() == with_one
