"""What many jobs wait for is asked of the database once."""

from __future__ import annotations

import pytest
from pytest_django import DjangoAssertNumQueries

from orchestrator.forecast import Forecast
from orchestrator.models import Node
from orchestrator.policy.forecast import WaitingFor
from tests.orchestrator.rows import ManualClock, claimed, submitted

pytestmark = pytest.mark.django_db


def test_each_job_knows_its_place(clock: ManualClock, node: Node) -> None:
    running = submitted(clock)
    claimed(node, clock)
    running.refresh_from_db()
    later = submitted(clock)
    clock.advance(1)
    urgent = submitted(clock, priority=3)
    known = Forecast(clock.now())
    assert known.waiting(running).why is WaitingFor.NOTHING
    assert known.waiting(urgent).sentence.endswith("it is next.")
    assert known.waiting(later).sentence.endswith("1 lesson goes before it.")


def test_a_hundred_jobs_cost_no_more_than_one(
    clock: ManualClock, node: Node, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    jobs = [submitted(clock) for _ in range(100)]
    with django_assert_max_num_queries(10):
        known = Forecast(clock.now())
        assert all(known.waiting(job).sentence for job in jobs)
