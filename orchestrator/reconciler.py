"""The level-triggered loop: look at what is, plan, do; may be killed between any two statements.

Two loops at once do no harm: a row lease lets one of them work, its token is checked right before
every call to the cloud, and each step's premise is part of the statement that makes it true.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from django.db.models import Q

from orchestrator import doorbell, jobs, store
from orchestrator.clock import Clock
from orchestrator.cloud_calls import CloudCalls, Superseded
from orchestrator.models import Attempt, FleetState, Node, NodeEvent
from orchestrator.policy import planner, site
from orchestrator.providers.port import CloudError, Provider
from orchestrator.settings import fleet_settings
from orchestrator.snapshot import fleet_view
from orchestrator.states import AttemptOutcome, CloudStatus, Gate, Wanted
from orchestrator.worker_beats import account

log = logging.getLogger(__name__)

_ROUNDS = 8
"""A node passes through at most so many steps that follow each other without waiting."""

_TICK_LEASE = timedelta(seconds=45)
"""Longer than any single call to the cloud may take; after a crash nobody ticks for so long."""

_COUNTS_AS_FAILURE = frozenset({planner.Why.BOOT_TIMEOUT, planner.Why.WORKER_BROKEN})


@dataclass(slots=True)
class TickReport:
    """What a tick did, for the log and the command line."""

    skipped: bool = False
    steps: list[str] = field(default_factory=list)
    cloud_error: str = ""


class Reconciler:
    """One tick after another. `site_up` looks whether nodes can reach the main server."""

    def __init__(self, provider: Provider, clock: Clock, site_up: Callable[[], bool]) -> None:
        self._provider = provider
        self._clock = clock
        self._site_up = site_up
        self._token = secrets.token_hex(16)

    def tick(self) -> TickReport:
        """Bring the fleet a step nearer to what is wanted. Never two at once."""
        report = TickReport()
        if not self._begin():
            report.skipped = True
            return report
        try:
            again = True
            while again:
                self._reconcile(report)
                again = self._asked_again()
        except Superseded:
            log.warning("another orchestrator took over; this tick ends")
        finally:
            FleetState.objects.filter(pk=1, tick_token=self._token).update(
                tick_token="", tick_until=None, ticked_at=self._clock.now()
            )
        return report

    def _begin(self) -> bool:
        now = self._clock.now()
        FleetState.objects.get_or_create(pk=1)
        # No lease ends later than that, unless the clock was set back under its holder.
        ended = Q(tick_until__lt=now) | Q(tick_until__gt=now + _TICK_LEASE)
        free = Q(tick_until__isnull=True) | ended
        taken = FleetState.objects.filter(free, pk=1).update(
            tick_token=self._token, tick_until=now + _TICK_LEASE, tick_again=False
        )
        if not taken:
            FleetState.objects.filter(pk=1).update(tick_again=True)
        return taken == 1

    def _asked_again(self) -> bool:
        """Whether somebody rang while we were at work; what they saw may be newer."""
        asked = FleetState.objects.filter(pk=1, tick_token=self._token, tick_again=True)
        return asked.update(tick_again=False) == 1

    def still_mine(self) -> None:
        """Raise Superseded unless the lease is ours; renew it."""
        kept = FleetState.objects.filter(pk=1, tick_token=self._token).update(
            tick_until=self._clock.now() + _TICK_LEASE
        )
        if not kept:
            raise Superseded

    def _reconcile(self, report: TickReport) -> None:
        self._look_at_site()
        calls = CloudCalls(self._provider, self._clock, self.still_mine)
        for _ in range(_ROUNDS):
            self.still_mine()
            self._look_at_cloud(report)
            steps = planner.plan(fleet_view(self._clock.now()))
            changed = [step for step in steps if self._do(step, calls)]
            report.steps += [_name(step) for step in changed]
            self._account()
            if not any(_leads_on(step) for step in changed):
                return

    def _look_at_site(self) -> None:
        up = self._site_up()
        now = self._clock.now()
        state = FleetState.objects.get(pk=1)
        seen = site.looked(
            site.Site(state.site_up_since, state.site_seen_at),
            up,
            now,
            timedelta(seconds=fleet_settings().fleet_tick_seconds),
        )
        FleetState.objects.filter(pk=1).update(
            site_up_since=seen.up_since, site_seen_at=seen.seen_at
        )

    def _look_at_cloud(self, report: TickReport) -> None:
        """Note what the cloud says. When it says nothing, what was known stays."""
        asked_at = self._clock.now()
        try:
            servers = {server.server_id: server for server in self._provider.list()}
        except CloudError as error:
            report.cloud_error = error.sentence
            log.warning("the cloud cannot be asked: %s (%s)", error.sentence, error.kind)
            return
        # What took so long that another has looked since is not written over the newer.
        self.still_mine()
        for node in Node.objects.exclude(server_id=""):
            server = servers.get(node.server_id)
            status = server.status if server else CloudStatus.DELETED
            awake = status is CloudStatus.ACTIVE and not (server and server.task_state)
            if node.cloud_status != status:
                NodeEvent.objects.create(node=node, at=asked_at, what=f"cloud_{status.lower()}")
            Node.objects.filter(pk=node.pk).update(
                cloud_status=status,
                cloud_task=(server.task_state if server else "") or "",
                cloud_locked=bool(server and server.locked),
                cloud_seen_at=asked_at,
            )
            if awake:
                # A server that somebody else woke is watched from the moment we see it.
                Node.objects.filter(pk=node.pk, awake_since__isnull=True).update(
                    awake_since=asked_at
                )

    def _account(self) -> None:
        for node in Node.objects.all():
            with store.atomic():
                now = self._clock.now()
                Node.objects.filter(pk=node.pk).update(touched_at=now)
                node.refresh_from_db()
                account(node, now)

    def _do(self, step: planner.Step, calls: CloudCalls) -> bool:
        """Carry out one step; False when its premise no longer holds."""
        match step:
            case planner.ExpireLease():
                with store.atomic():
                    return jobs.expire(step.attempt, self._clock.now())
            case planner.Call():
                return calls.call(step)
            case planner.Finish():
                return calls.finish(step)
            case planner.Resolve():
                return calls.resolve(step)
            case planner.Move():
                return self._move(step)
            case planner.NoteWake():
                gone = Node.objects.filter(name=step.node, gate=Gate.STOPPING, wake_requested=False)
                return gone.update(wake_requested=True) == 1
            case planner.SettleAsleep():
                return self._settle_asleep(step)
            case planner.Ring():
                doorbell.ring_node(step.node)
                return False

    def _move(self, step: planner.Move) -> bool:
        with store.atomic():
            now = self._clock.now()
            if not Node.objects.filter(name=step.node, gate=step.old).update(touched_at=now):
                return False
            node = Node.objects.get(name=step.node)
            # What it idled for too long before the gate moves is a failure, and no drain.
            account(node, now)
            node.gate, node.gate_since = step.new, now
            node.save(update_fields=["gate", "gate_since"])
            busy = Attempt.objects.filter(node=node, outcome=AttemptOutcome.RUNNING).exists()
            if step.new is Gate.STOPPING and busy:
                store.roll_back()
                return False
            if step.why in _COUNTS_AS_FAILURE and step.new is Gate.DRAINING:
                node.failures += 1
                node.not_before = now + planner.backoff(node.failures)
                node.save(update_fields=["failures", "not_before"])
            NodeEvent.objects.create(node=node, at=now, what=f"gate_{step.new}", sentence=step.why)
        # Only hints, outside the transaction: the gate in the database is what counts.
        if step.new is Gate.DRAINING:
            doorbell.stop_consuming(step.node)
        if step.new is Gate.OPEN:
            doorbell.consume_again(step.node)
        return True

    def _settle_asleep(self, step: planner.SettleAsleep) -> bool:
        with store.atomic():
            now = self._clock.now()
            asleep = Node.objects.filter(
                name=step.node, cloud_status=CloudStatus.SHELVED_OFFLOADED
            ).exclude(wanted=Wanted.HELD)
            return (
                asleep.update(
                    touched_at=now,
                    wanted=Wanted.ASLEEP,
                    gate=Gate.OPEN,
                    gate_since=None,
                    wake_requested=False,
                    awake_since=None,
                    ready_at=None,
                    boot_id="",
                    worker_state="",
                    worker_sentence="",
                    worker_seen_at=None,
                )
                == 1
            )


def _name(step: planner.Step) -> str:
    return f"{type(step).__name__} {step.node}"


def _leads_on(step: planner.Step) -> bool:
    """Whether something may follow at once. After a call the cloud has to be waited for."""
    return not isinstance(step, planner.Call | planner.Finish | planner.NoteWake)
