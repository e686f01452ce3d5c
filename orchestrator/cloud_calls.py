"""Calls to the cloud: the intent is written first, then the request is made, then its end is seen.

Whatever statement a crash falls on, the next tick can tell from these records what to do, and no
request is made twice without having read the server's own list of actions in between.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from django.db import IntegrityError

from orchestrator import ledger, store
from orchestrator.clock import Clock
from orchestrator.models import Attempt, CloudOperation, Node, NodeEvent
from orchestrator.policy import planner
from orchestrator.providers.port import CloudError, CloudErrorKind, Provider
from orchestrator.settings import fleet_settings
from orchestrator.snapshot import policy_of
from orchestrator.states import (
    UNRESOLVED,
    AttemptOutcome,
    CloudStatus,
    Gate,
    OperationKind,
    OperationOutcome,
    Wanted,
)
from orchestrator.worker_beats import account

log = logging.getLogger(__name__)

_WORDS = {OperationKind.UNSHELVE: "wake", OperationKind.SHELVE: "shelve"}


class Superseded(Exception):
    """Another orchestrator has taken over: nothing more may be done in this tick."""


class CloudCalls:
    """Carries out what the planner wants of the cloud. `still_mine` raises Superseded."""

    def __init__(self, provider: Provider, clock: Clock, still_mine: Callable[[], None]) -> None:
        self._provider = provider
        self._clock = clock
        self._still_mine = still_mine

    def call(self, step: planner.Call) -> bool:
        """Write down the intent, then ask the cloud; False when the premise no longer holds."""
        operation = self._intend(step)
        if operation is None:
            return False
        self._send(operation)
        return True

    def finish(self, step: planner.Finish) -> bool:
        """After a crash or a lost answer: take up the request if it was made, else make it."""
        operation = CloudOperation.objects.filter(
            pk=step.operation, outcome=OperationOutcome.INTENDED
        ).first()
        if operation is None:
            return False
        try:
            made = self._made(operation)
        except CloudError as error:
            log.warning("%s: its actions cannot be read: %s", step.node, error.sentence)
            if error.kind is not CloudErrorKind.GONE:
                return False
            # There is no server that anything could come of.
            self._give_up(operation, error.kind, error.detail or error.sentence)
            return True
        if made is not None:
            self._note_sent(operation, made, operation.intended_at)
        elif self._clock.now() - operation.intended_at <= planner.SEND_WITHIN:
            self._send(operation)
        else:
            self._give_up(operation, planner.Why.NEVER_SENT, "")
        return True

    def resolve(self, step: planner.Resolve) -> bool:
        """Note how a call ended, and what follows for the node."""
        with store.atomic():
            now = self._clock.now()
            Node.objects.filter(name=step.node).update(touched_at=now)
            operation = CloudOperation.objects.filter(pk=step.operation).first()
            if operation is None:
                return False
            return self._close(operation, step.ok, step.why, "", now)

    def _intend(self, step: planner.Call) -> CloudOperation | None:
        now = self._clock.now()
        limit = policy_of(fleet_settings()).operation
        try:
            with store.atomic():
                if not self._premise(step, now):
                    return None
                node = Node.objects.get(name=step.node)
                operation = CloudOperation.objects.create(
                    node=node,
                    kind=step.kind,
                    cause=step.why,
                    intended_at=now,
                    deadline=now + limit,
                )
                NodeEvent.objects.create(
                    node=node, at=now, what=_WORDS[step.kind], sentence=step.why
                )
        except IntegrityError:
            # Somebody else has one under way: one at a time.
            return None
        return operation

    def _premise(self, step: planner.Call, now: datetime) -> bool:
        nodes = Node.objects.filter(name=step.node).exclude(wanted=Wanted.HELD)
        if step.kind is OperationKind.UNSHELVE:
            asleep = nodes.filter(
                cloud_status=CloudStatus.SHELVED_OFFLOADED, gate=Gate.OPEN, parked=False
            )
            return asleep.update(touched_at=now, wanted=Wanted.AWAKE) == 1
        stopping = nodes.filter(gate=Gate.STOPPING)
        if stopping.update(touched_at=now, wanted=Wanted.ASLEEP) != 1:
            return False
        held = Attempt.objects.filter(node__name=step.node, outcome=AttemptOutcome.RUNNING)
        return not held.filter(lease_until__gte=now).exists()

    def _send(self, operation: CloudOperation) -> None:
        self._still_mine()
        before = self._clock.now()
        if before - operation.intended_at > planner.SEND_WITHIN:
            return
        node = operation.node
        ask = (
            self._provider.unshelve
            if operation.kind == OperationKind.UNSHELVE
            else self._provider.shelve
        )
        try:
            request_id = ask(node.server_id)
        except CloudError as error:
            self._not_sent(operation, error)
            return
        self._note_sent(operation, request_id, before)

    def _note_sent(self, operation: CloudOperation, request_id: str, since: datetime) -> None:
        with store.atomic():
            now = self._clock.now()
            node = operation.node
            Node.objects.filter(pk=node.pk).update(touched_at=now)
            sent = CloudOperation.objects.filter(
                pk=operation.pk, outcome=OperationOutcome.INTENDED
            ).update(outcome=OperationOutcome.SENT, sent_at=now, request_id=request_id)
            if sent and operation.kind == OperationKind.UNSHELVE:
                Node.objects.filter(pk=node.pk).update(awake_since=since)
                # The bill runs from the request, not from when we learned of it.
                ledger.begin(node.pk, since)
            node.refresh_from_db()
            account(node, now)

    def _not_sent(self, operation: CloudOperation, error: CloudError) -> None:
        """Transient: it may have been made all the same; the next tick looks. Else it failed."""
        log.warning("%s of %s: %s", operation.kind, operation.node.name, error.sentence)
        if error.kind is CloudErrorKind.TRANSIENT:
            return
        self._give_up(operation, error.kind, error.detail or error.sentence)

    def _give_up(self, operation: CloudOperation, reason: str, detail: str) -> None:
        with store.atomic():
            now = self._clock.now()
            Node.objects.filter(pk=operation.node_id).update(touched_at=now)
            self._close(operation, False, reason, detail, now)

    def _made(self, operation: CloudOperation) -> str | None:
        """The request id of a call that was made although we do not remember its answer."""
        known = set(
            CloudOperation.objects.filter(node=operation.node)
            .exclude(request_id="")
            .values_list("request_id", flat=True)
        )
        for action in self._provider.actions(operation.node.server_id):
            if action.request_id in known:
                return None
            if action.kind == operation.kind:
                return action.request_id
        return None

    def _close(
        self, operation: CloudOperation, ok: bool, reason: str, detail: str, now: datetime
    ) -> bool:
        outcome = OperationOutcome.SUCCEEDED if ok else OperationOutcome.FAILED
        closed = CloudOperation.objects.filter(pk=operation.pk, outcome__in=UNRESOLVED).update(
            outcome=outcome, resolved_at=now, reason=reason, detail=detail
        )
        if not closed:
            return False
        node = Node.objects.get(pk=operation.node_id)
        if not ok and operation.kind == OperationKind.UNSHELVE:
            node.failures += 1
            node.not_before = now + planner.backoff(node.failures)
            node.save(update_fields=["failures", "not_before"])
        NodeEvent.objects.create(
            node=node,
            at=now,
            what=f"{_WORDS[OperationKind(operation.kind)]}_{'done' if ok else 'failed'}",
            sentence=reason,
        )
        account(node, now)
        return True
