"""Bugs planted on purpose: each is one that a fleet has had, and the simulator must find it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import ModuleType
from typing import Any
from uuid import UUID

from orchestrator import attempts, gates, jobs
from orchestrator.cloud_calls import CloudCalls
from orchestrator.errands import Errand
from orchestrator.models import Attempt, CloudOperation, Node
from orchestrator.policy import planner, retry, steps
from orchestrator.policy.views import FleetView, NodeView, Operation
from orchestrator.simulator.surroundings import replaced
from orchestrator.states import Gate, OperationKind, OperationOutcome

Patch = tuple[ModuleType | type, str, object]


@dataclass(frozen=True, slots=True)
class Mutant:
    """`sentence` says what is wrong with it."""

    name: str
    sentence: str
    patches: Callable[[], Sequence[Patch]]
    shows: tuple[str, ...]
    """What is said of it when it is found: a violation of another sort does not count."""

    def explains(self, violation: str) -> bool:
        return any(words in violation for words in self.shows)

    def planted(self) -> AbstractContextManager[None]:
        return _planted(self.patches())


@contextmanager
def _planted(patches: Sequence[Patch]) -> Iterator[None]:
    with ExitStack() as stack:
        for where, name, value in patches:
            stack.enter_context(replaced(where, name, value))
        yield


def _idle_clock_not_reset() -> Sequence[Patch]:
    right = attempts.end

    def end(attempt: Attempt, *args: Any, **kwargs: Any) -> bool:
        before = Node.objects.get(pk=attempt.node_id).busy_until
        ended = right(attempt, *args, **kwargs)
        Node.objects.filter(pk=attempt.node_id).update(busy_until=before)
        return ended

    return [(attempts, "end", end), (jobs, "end", end)]


def _claims_on_a_closed_gate() -> Sequence[Patch]:
    right = jobs.claim

    def claim(node: Node, boot_id: str, kinds: Any, now: datetime, claim_id: str = "") -> Any:
        row = Node.objects.get(pk=node.pk)
        Node.objects.filter(pk=node.pk).update(gate=Gate.OPEN, parked=False)
        held = right(node, boot_id, kinds, now, claim_id)
        Node.objects.filter(pk=node.pk).update(gate=row.gate, parked=row.parked)
        return held

    return [(jobs, "claim", claim)]


def _no_fencing() -> Sequence[Patch]:
    def by_token(node: Node, job_id: UUID, token: str) -> Attempt | None:  # noqa: ARG001  # the bug
        return Attempt.objects.filter(job_id=job_id).order_by("-number").first()

    return [(attempts, "by_token", by_token), (jobs, "by_token", by_token)]


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


def _leases_never_expire() -> Sequence[Patch]:
    return [(planner, "_expired", lambda _: iter(()))]


def _list_not_read() -> Sequence[Patch]:
    def finish(self: CloudCalls, step: steps.Finish) -> Errand | None:
        operation = CloudOperation.objects.filter(
            pk=step.operation, outcome=OperationOutcome.INTENDED
        ).first()
        if operation is None:
            return None
        return Errand(lambda: self._ask(operation))

    return [(CloudCalls, "finish", finish)]


def _never_reopens() -> Sequence[Patch]:
    return [(planner, "_REOPENS", frozenset())]


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


def _poison_for_ever() -> Sequence[Patch]:
    return [(retry, "after_loss", lambda _past: retry.Verdict(retry.Next.QUEUE))]


def _boots_for_ever() -> Sequence[Patch]:
    return [(planner, "boot_limit", lambda _node, _policy: None)]


def _gate_after_the_drain() -> Sequence[Patch]:

    right = planner._node_step

    def node_step(node: NodeView, fleet: FleetView, *rest: Any) -> Any:
        step = right(node, fleet, *rest)
        if isinstance(step, steps.Move) and step.new is Gate.DRAINING:
            return replace(step, new=Gate.STOPPING)
        return step

    return [(planner, "_node_step", node_step), (gates, "Attempt", _Nobody)]


class _Nobody:
    """What one sees who does not look."""

    class objects:  # noqa: N801  # as the model calls it
        @staticmethod
        def filter(**_: object) -> type[_Nobody.objects]:
            return _Nobody.objects

        @staticmethod
        def exists() -> bool:
            return False


def _idles_for_ever() -> Sequence[Patch]:
    return [(planner, "_idle_reason", lambda *_: None)]


MUTANTS = (
    Mutant(
        "idle-clock",
        "the idle clock is not reset when a job ends",
        _idle_clock_not_reset,
        ("before it had been idle",),
    ),
    Mutant(
        "closed-gate",
        "a node whose gate is closed is given work",
        _claims_on_a_closed_gate,
        ("took work although",),
    ),
    Mutant(
        "no-fencing",
        "results are taken without looking at the token",
        _no_fencing,
        ("another attempt's", "an attempt that was"),
    ),
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
        "no-expiry",
        "leases that ran out are not taken back",
        _leases_never_expire,
        ("does not come to rest",),
    ),
    Mutant(
        "blind-repeat",
        "a call is repeated without reading the list",
        _list_not_read,
        ("without having read",),
    ),
    Mutant(
        "no-undrain", "a drained node never opens again", _never_reopens, ("although work waits",)
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
        "poison",
        "a job that kills its workers is tried for ever",
        _poison_for_ever,
        ("does not come to rest",),
    ),
    Mutant(
        "endless-boot",
        "a server without a worker is waited for for ever",
        _boots_for_ever,
        ("does not come to rest",),
    ),
    Mutant(
        "late-gate",
        "the gate is closed after the last look at the jobs",
        _gate_after_the_drain,
        ("past the point of no return", "live lease"),
    ),
    Mutant(
        "never-sleeps",
        "an idle node is not put to sleep",
        _idles_for_ever,
        ("is not put to sleep", "does not come to rest"),
    ),
)
