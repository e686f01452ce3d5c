"""Calls to the cloud: the intent is written first, then the request is made, then its end is seen.

Whatever statement a crash falls on, the next tick can tell from these records what to do. A call
belongs to the orchestrator that wrote it down, until `send_by`; only after that may another take it
up, and no request is made twice without having read the server's own list of actions in between.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import IntegrityError
from django.db.models import Q

from orchestrator import ledger, store
from orchestrator.accounting import account
from orchestrator.clock import Clock
from orchestrator.errands import Errand, Then
from orchestrator.models import Attempt, CloudOperation, LedgerEntry, Node, NodeEvent
from orchestrator.policy import planner, steps
from orchestrator.policy.steps import Why
from orchestrator.providers.port import (
    ActionFacts,
    ActionFailure,
    ActionResult,
    CloudError,
    CloudErrorKind,
    Provider,
)
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

log = logging.getLogger(__name__)

_WORDS = {OperationKind.UNSHELVE: "wake", OperationKind.SHELVE: "shelve"}

_REASONS = {
    ActionFailure.CAPACITY: Why.NO_CAPACITY,
    ActionFailure.BOOT: Why.BOOT_FAILED,
    ActionFailure.IMAGE: Why.IMAGE_LOST,
}


class CloudCalls:
    """Carries out what the planner wants of the cloud. `token`: whose calls these are."""

    def __init__(self, provider: Provider, clock: Clock, token: str) -> None:
        self._provider = provider
        self._clock = clock
        self._token = token

    def call(self, step: steps.Call) -> Errand | None:
        """Write down the intent, and how to ask; None when the premise no longer holds."""
        operation = self._intend(step)
        return None if operation is None else self._sending(operation)

    def finish(self, step: steps.Finish) -> Errand | None:
        """After a crash or a lost answer: take up the request if it was made, else make it."""
        now = self._clock.now()
        answered = now - policy_of(fleet_settings()).call
        free = Q(send_by__isnull=True) | Q(send_by__lt=answered)
        taken = CloudOperation.objects.filter(
            free, pk=step.operation, outcome=OperationOutcome.INTENDED
        ).update(owner=self._token, send_by=now + planner.SEND_WITHIN)
        if not taken:
            return None
        operation = CloudOperation.objects.select_related("node").get(pk=step.operation)
        return Errand(lambda: self._ask_whether_made(operation))

    def resolve(self, step: steps.Resolve) -> bool:
        """Note how a call ended, and what follows for the node."""
        with store.atomic():
            now = self._clock.now()
            Node.objects.filter(name=step.node).update(touched_at=now)
            operation = CloudOperation.objects.filter(pk=step.operation).first()
            if operation is None:
                return False
            return self._close(operation, step.ok, step.why, "", now)

    def explain(self, step: steps.Resolve) -> Errand | None:
        """A call has failed: ask the cloud for the reason first."""
        operation = CloudOperation.objects.filter(pk=step.operation, outcome__in=UNRESOLVED)
        found = operation.select_related("node").first()
        return None if found is None else Errand(lambda: self._ask_why(found, step))

    def settle(self, step: steps.SettleLedger) -> Errand | None:
        """Ask for the cloud's notes, and bring the ledger into agreement with them."""
        node = Node.objects.filter(name=step.node).first()
        first = None if node is None else ledger.first_unsettled(node)
        if node is None or first is None:
            return None
        return Errand(lambda: self._ask_notes(node, first))

    # ---------------------------------------------------------------------------------- sending

    def _intend(self, step: steps.Call) -> CloudOperation | None:
        now = self._clock.now()
        limit = policy_of(fleet_settings()).limit(step.kind)
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
                    owner=self._token,
                    send_by=now + planner.SEND_WITHIN,
                )
                NodeEvent.objects.create(
                    node=node, at=now, what=_WORDS[step.kind], sentence=step.why
                )
        except IntegrityError:
            # Somebody else has one under way: one at a time.
            return None
        return operation

    def _premise(self, step: steps.Call, now: datetime) -> bool:
        nodes = Node.objects.filter(name=step.node).exclude(wanted=Wanted.HELD)
        if step.kind is OperationKind.UNSHELVE:
            asleep = nodes.filter(
                cloud_status__in=[CloudStatus.SHELVED_OFFLOADED, CloudStatus.SHELVED],
                gate=Gate.OPEN,
                parked=False,
            )
            # It may have failed to wake since that was planned, and is to rest.
            rested = asleep.exclude(not_before__gt=now)
            return rested.update(touched_at=now, wanted=Wanted.AWAKE, woken_here=True) == 1
        stopping = nodes.filter(gate=Gate.STOPPING)
        if stopping.update(touched_at=now, wanted=Wanted.ASLEEP) != 1:
            return False
        held = Attempt.objects.filter(node__name=step.node, outcome=AttemptOutcome.RUNNING)
        return not held.filter(lease_until__gte=now).exists()

    def _sending(self, operation: CloudOperation) -> Errand:
        return Errand(lambda: self._ask(operation), lambda: self._still_ours(operation))

    def _still_ours(self, operation: CloudOperation) -> bool:
        """Looked at right before the call: late is not at all, and a hold counts at once."""
        ours = CloudOperation.objects.filter(
            pk=operation.pk,
            outcome=OperationOutcome.INTENDED,
            owner=self._token,
            send_by__gte=self._clock.now(),
        ).exists()
        return ours and not _called_off(operation)

    def _ask(self, operation: CloudOperation) -> Then:
        ask = (
            self._provider.unshelve
            if operation.kind == OperationKind.UNSHELVE
            else self._provider.shelve
        )
        try:
            request_id = ask(operation.node.server_id)
        except CloudError as error:
            refused = error
            return lambda: self._not_sent(operation, refused)
        return lambda: self._note_sent(operation, request_id)

    def _note_sent(self, operation: CloudOperation, request_id: str) -> None:
        with store.atomic():
            now = self._clock.now()
            node = operation.node
            Node.objects.filter(pk=node.pk).update(touched_at=now)
            sent = CloudOperation.objects.filter(
                pk=operation.pk, outcome=OperationOutcome.INTENDED
            ).update(outcome=OperationOutcome.SENT, sent_at=now, request_id=request_id)
            if sent and operation.kind == OperationKind.UNSHELVE:
                # The bill runs from the request, not from when we learned of it.
                since = operation.intended_at
                Node.objects.filter(pk=node.pk).update(awake_since=since)
                # Where its answer was lost, the server may have been seen to run meanwhile.
                before = Node.objects.filter(pk=node.pk, active_since__lt=since)
                before.update(active_since=None)
                limit = since + policy_of(fleet_settings()).unshelve
                ledger.begin(node.pk, since, limit)
            node.refresh_from_db()
            account(node, now)

    def _not_sent(self, operation: CloudOperation, error: CloudError) -> None:
        """Transient: it may have been made all the same; a later tick looks. Else it failed."""
        log.warning("%s of %s: %s", operation.kind, operation.node.name, error.sentence)
        if error.kind is CloudErrorKind.TRANSIENT:
            return
        self._give_up(operation, error.kind, error.detail or error.sentence)

    # -------------------------------------------------------------------------------- finishing

    def _ask_whether_made(self, operation: CloudOperation) -> Then:
        try:
            actions = self._provider.actions(operation.node.server_id)
        except CloudError as error:
            refused = error
            return lambda: self._not_known(operation, refused)
        return lambda: self._take_up(operation, actions)

    def _not_known(self, operation: CloudOperation, error: CloudError) -> None:
        log.warning("%s: its actions cannot be read: %s", operation.node.name, error.sentence)
        if error.kind is CloudErrorKind.GONE:
            # There is no server that anything could come of.
            self._give_up(operation, error.kind, error.detail or error.sentence)

    def _take_up(self, operation: CloudOperation, actions: Sequence[ActionFacts]) -> Errand | None:
        made = self._made(operation, actions)
        if made is not None:
            self._note_sent(operation, made)
            return None
        if _called_off(operation):
            self._give_up(operation, Why.CALLED_OFF, "")
            return None
        if self._clock.now() - operation.intended_at <= planner.GIVE_UP_AFTER:
            return self._sending(operation)
        self._give_up(operation, Why.NEVER_SENT, "")
        return None

    def _made(self, operation: CloudOperation, actions: Sequence[ActionFacts]) -> str | None:
        """The request id of a call that was made although we do not remember its answer."""
        known = set(
            CloudOperation.objects.filter(node=operation.node)
            .exclude(request_id="")
            .values_list("request_id", flat=True)
        )
        for action in actions:
            before = action.started_at < operation.intended_at - _OUR_CLOCKS_DIFFER
            if before or action.request_id in known:
                # Another waking's, or somebody else's, from before we wanted anything.
                return None
            if action.kind == operation.kind:
                return action.request_id
        return None

    # ---------------------------------------------------------------------------------- closing

    def _ask_why(self, operation: CloudOperation, step: steps.Resolve) -> Then:
        why, detail = step.why, ""
        try:
            action = self._provider.action(operation.node.server_id, operation.request_id)
        except CloudError as error:
            log.info("%s: %s", operation.node.name, error.sentence)
            if why is Why.NOT_OFFLOADED:
                return lambda: None
        else:
            if why is Why.NOT_OFFLOADED and action.result is not ActionResult.FAILED:
                # It is going to be, by and by.
                return lambda: None
            why = _REASONS.get(action.failure or ActionFailure.UNKNOWN, why)
            detail = action.message
        return lambda: self._fail(operation, why, detail)

    def _fail(self, operation: CloudOperation, why: Why, detail: str) -> None:
        self._give_up(operation, why, detail)

    def _give_up(self, operation: CloudOperation, reason: str, detail: str) -> None:
        with store.atomic():
            now = self._clock.now()
            Node.objects.filter(pk=operation.node_id).update(touched_at=now)
            self._close(operation, False, reason, detail, now)

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
        failed = not ok and reason != Why.CALLED_OFF
        if failed and operation.kind == OperationKind.UNSHELVE:
            node.failures += 1
            node.not_before = now + planner.backoff(node.failures, random.random())  # noqa: S311  # jitter, no secret
            node.save(update_fields=["failures", "not_before"])
        NodeEvent.objects.create(
            node=node,
            at=now,
            what=f"{_WORDS[OperationKind(operation.kind)]}_{'done' if ok else 'failed'}",
            sentence=reason,
        )
        account(node, now)
        return True

    # --------------------------------------------------------------------------------- settling

    def _ask_notes(self, node: Node, first: datetime) -> Then:
        try:
            listed = self._provider.actions(node.server_id)
            wanted = _needed(listed, first)
            actions = [self._provider.action(node.server_id, one.request_id) for one in wanted]
        except CloudError as error:
            log.info("%s: the ledger is not settled yet: %s", node.name, error.sentence)
            return lambda: self._settle_later(node)
        complete_since = actions[-1].started_at if len(listed) > len(actions) else None
        return lambda: self._settle(node, actions, complete_since)

    def _settle(
        self, node: Node, actions: Sequence[ActionFacts], complete_since: datetime | None
    ) -> None:
        if any(action.result is None for action in actions[:1]):
            # The cloud has not written the end of it yet.
            self._settle_later(node)
            return
        with store.atomic():
            if self._sleeps(node):
                ledger.settle(node, actions, complete_since, _CLOCKS_DIFFER, self._clock.now())
                if not actions or actions[0].result is not ActionResult.FAILED:
                    return
                # The cloud has let go of it by itself, and has noted nowhere when.
                ledger.settle_as_seen(node)

    def _settle_later(self, node: Node) -> None:
        """Ask again, less and less often; after a day what was seen stands."""
        with store.atomic():
            now = self._clock.now()
            last = ledger.last_unsettled(node)
            if last is None or not self._sleeps(node):
                return
            waited = now - last
            if waited > _NOTES_COME_WITHIN:
                ledger.settle_as_seen(node)
                log.warning("%s: the cloud's notes never came; the ledger stands", node.name)
            else:
                pause = min(max(waited / 4, timedelta(seconds=10)), timedelta(hours=1))
                Node.objects.filter(pk=node.pk).update(settle_after=now + pause)

    def _sleeps(self, node: Node) -> bool:
        """Locks the node's row. Whether all of its time is over."""
        asleep = Node.objects.filter(
            pk=node.pk, cloud_status=CloudStatus.SHELVED_OFFLOADED, cloud_task=""
        )
        return asleep.update(touched_at=self._clock.now()) == 1 and not _billed_now(node)


_NOTES = 20
"""A waking has two actions, or a few more when something failed."""

_NOTES_COME_WITHIN = timedelta(days=1)


def _needed(listed: Sequence[ActionFacts], first: datetime) -> Sequence[ActionFacts]:
    """Those, newest first, that can say something about the time from `first` on."""
    newer = sum(one.started_at >= first - _CLOCKS_DIFFER for one in listed)
    # One more: that before it began says what the server was when it did.
    return listed[: min(newer + 1, _NOTES)]


def _called_off(operation: CloudOperation) -> bool:
    """Whether an operator has said otherwise since it was intended."""
    node = Node.objects.get(pk=operation.node_id)
    parked = node.parked and operation.kind == OperationKind.UNSHELVE
    return parked or node.wanted == Wanted.HELD


_CLOCKS_DIFFER = timedelta(seconds=60)
"""How far apart the same moment may lie in the cloud's notes and in ours, and be recognised."""

_OUR_CLOCKS_DIFFER = timedelta(seconds=10)
"""More than machines differ that keep their clocks. A request of ours that looked older than its
intent by more would be made again, and refused: the server is not in that state any more."""


def _billed_now(node: Node) -> bool:
    return LedgerEntry.objects.filter(node=node, ended_at__isnull=True).exists()
