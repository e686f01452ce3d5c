"""Bugs about calls to the cloud: made too late, twice, or believed too soon."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from django.db import models

from orchestrator import cloud_calls, reconciler
from orchestrator.cloud_calls import CloudCalls
from orchestrator.errands import Errand
from orchestrator.memory_store import MemoryStore
from orchestrator.models import CloudOperation
from orchestrator.policy import planner, scaling, steps
from orchestrator.policy.views import FleetView, NodeView, Operation
from orchestrator.simulator.mutants.planting import Mutant, Patch
from orchestrator.states import OperationKind, OperationOutcome


def _trust_in_202() -> Sequence[Patch]:
    right = CloudCalls._note_sent

    def note_sent(self: CloudCalls, operation: CloudOperation, *args: Any) -> None:
        right(self, operation, *args)
        CloudOperation.objects.filter(pk=operation.pk, outcome=OperationOutcome.SENT).update(
            outcome=OperationOutcome.SUCCEEDED
        )

    return [(CloudCalls, "_note_sent", note_sent)]


def _late_calls() -> Sequence[Patch]:
    return [(CloudCalls, "_still_ours", lambda _, __: True)]


def _list_not_read() -> Sequence[Patch]:
    def finish(self: CloudCalls, step: steps.Finish) -> Errand | None:
        operation = CloudOperation.objects.filter(
            pk=step.operation, outcome=OperationOutcome.INTENDED
        ).first()
        if operation is None:
            return None
        return Errand(lambda: self._ask(operation))

    return [(CloudCalls, "finish", finish)]


def _failed_shelve_believed() -> Sequence[Patch]:
    right = planner._operation_step

    def operation_step(node: NodeView, operation: Operation, fleet: FleetView) -> Any:
        step = right(node, operation, fleet)
        if operation.kind is OperationKind.SHELVE and isinstance(step, steps.Resolve):
            return replace(step, ok=True, why=steps.Why.DONE)
        return step

    return [(planner, "_operation_step", operation_step)]


def _no_backoff() -> Sequence[Patch]:
    return [(planner, "backoff", lambda _failures, _jitter=0.0: timedelta())]


def _two_at_a_time() -> Sequence[Patch]:
    right = MemoryStore._constrain

    def constrain(self: MemoryStore, table: Any, constraint: models.BaseConstraint) -> None:
        right(self, table, constraint)
        if constraint.name == "one_unresolved_operation_per_node":
            table.uniques.pop()

    return [
        (MemoryStore, "_constrain", constrain),
        # Each of the two would be enough: what was planned before the other's call is dropped.
        (reconciler, "_PLAN_KEEPS", timedelta(days=1)),
    ]


def _holds_come_too_late() -> Sequence[Patch]:
    return [(cloud_calls, "_called_off", lambda _: False)]


def _wakes_all() -> Sequence[Patch]:
    return [(scaling._Backlog, "needs_another", lambda self, _fleet: bool(self.jobs))]


MUTANTS = (
    Mutant(
        "trust-202",
        "a request that was taken is believed to have worked",
        _trust_in_202,
        ("believed to have worked",),
    ),
    Mutant(
        "late-call",
        "a controller that stood still makes its call after all",
        _late_calls,
        ("after the time", "nobody stands for"),
    ),
    Mutant(
        "blind-repeat",
        "a call is repeated without reading the list",
        _list_not_read,
        ("without having read",),
    ),
    Mutant(
        "failed-shelve",
        "a shelve that failed is believed",
        _failed_shelve_believed,
        ("believed to have worked",),
    ),
    Mutant(
        "no-backoff", "a node is woken again and again", _no_backoff, ("woken again right after",)
    ),
    Mutant(
        "two-calls",
        "two calls about one node may be under way, and plans are kept however old they are",
        _two_at_a_time,
        ("under way at once",),
    ),
    Mutant(
        "late-hold",
        "a node that an operator holds is shelved by a call that was intended before",
        _holds_come_too_late,
        ("for a node that is held",),
    ),
    Mutant(
        "wakes-all",
        "every node is woken for a single job",
        _wakes_all,
        ("a node was woken although",),
    ),
)
