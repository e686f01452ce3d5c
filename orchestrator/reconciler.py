"""The level-triggered loop: look at what is, plan, do; may be killed between any two statements.

Two loops at once do no harm. A row lease lets one of them plan; it is given back before anybody
waits for the cloud. Each call to the cloud has its own owner, and each step's premise is part of
the statement that makes it true.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import Q

from orchestrator import (
    alerting,
    care,
    errands,
    idle_limits,
    jobs,
    node_logs,
    site_watch,
    store,
)
from orchestrator.accounting import account_all
from orchestrator.care import Mark
from orchestrator.clock import Clock
from orchestrator.cloud_calls import CloudCalls
from orchestrator.cloud_look import CloudLook
from orchestrator.errands import Errand
from orchestrator.gates import Gates, Shell, no_shell
from orchestrator.models import FleetState
from orchestrator.node_logs import LogOf
from orchestrator.policy import steps
from orchestrator.policy.planner import plan
from orchestrator.providers.port import Provider
from orchestrator.settings import fleet_settings
from orchestrator.snapshot import fleet_view, node_views, policy_of
from orchestrator.states import Gate

log = logging.getLogger(__name__)

_ROUNDS = 8
"""A node passes through at most so many steps that follow each other without waiting."""

_TICK_LEASE = timedelta(seconds=60)
"""Longer than a look at the cloud may take; after a crash nobody plans for so long."""


_PLAN_KEEPS = timedelta(seconds=10)
"""What stood still for longer since it looked does nothing by what it saw: the next tick looks."""


class Superseded(Exception):
    """Another orchestrator has taken over: nothing more may be planned in this tick."""


@dataclass(slots=True)
class TickReport:
    """What a tick did, for the log and the command line."""

    skipped: bool = False
    steps: list[str] = field(default_factory=list)
    cloud_error: str = ""


class Reconciler:
    """One tick after another.

    `site_up` looks whether nodes can reach the main server; `at_once`: how many calls to the cloud
    may be under way together; `shell` restarts a worker over SSH, `log_of` fetches its log;
    `mark` puts servers into the guards' care.
    """

    def __init__(
        self,
        provider: Provider,
        clock: Clock,
        site_up: Callable[[], bool],
        *,
        at_once: int = 1,
        shell: Shell = no_shell,
        log_of: LogOf | None = None,
        mark: Mark | None = None,
    ) -> None:
        self._clock = clock
        self._site_up = site_up
        self._at_once = at_once
        self._log_of = log_of
        self._mark = mark
        self._token = secrets.token_hex(16)
        self._look = CloudLook(provider, clock, self.still_mine)
        self._calls = CloudCalls(provider, clock, self._token)
        self._gates = Gates(clock, shell, site_watch.settled)
        self._looked_at: datetime | None = None

    def tick(self) -> TickReport:
        """Bring the fleet a step nearer to what is wanted. Never two at once plan."""
        report = TickReport()
        again = True
        while again:
            if not self._begin():
                report.skipped = not report.steps
                return report
            try:
                to_ask = self._reconcile(report)
            except Superseded:
                log.warning("another orchestrator took over; this tick ends")
                return report
            finally:
                again = self._end()
            errands.run(to_ask, self._at_once, self._look_again)
        return report

    def _begin(self) -> bool:
        now = self._clock.now()
        FleetState.objects.get_or_create(pk=1)
        # No lease ends much later than that, unless the clock was set back under its holder; a
        # little later it may, for its holder may have renewed it since we looked at the clock.
        ended = Q(tick_until__lt=now) | Q(tick_until__gt=now + 2 * _TICK_LEASE)
        free = Q(tick_until__isnull=True) | ended
        taken = FleetState.objects.filter(free, pk=1).update(
            tick_token=self._token, tick_until=now + _TICK_LEASE, tick_again=False
        )
        if not taken:
            # Whoever is at work looks once more: what we were rung for may be newer.
            FleetState.objects.filter(pk=1).update(tick_again=True)
        return taken == 1

    def _end(self) -> bool:
        """Give the lease back; whether somebody rang meanwhile."""
        mine = FleetState.objects.filter(pk=1, tick_token=self._token)
        again = mine.filter(tick_again=True).exists()
        mine.update(tick_token="", tick_until=None, ticked_at=self._clock.now())
        return again

    def still_mine(self) -> None:
        """Raise Superseded unless the lease is ours; renew it."""
        kept = FleetState.objects.filter(pk=1, tick_token=self._token).update(
            tick_until=self._clock.now() + _TICK_LEASE
        )
        if not kept:
            raise Superseded

    def _reconcile(self, report: TickReport) -> list[Errand]:
        """All that can be done without waiting for the cloud; what is to be asked of it."""
        self._look_at_site()
        report.cloud_error = self._look.look()
        self._look_again()
        to_ask: list[Errand] = []
        for _ in range(_ROUNDS):
            self.still_mine()
            fleet = idle_limits.learned(fleet_view(self._clock.now()))
            # What was seen comes before what is planned: a sleep that was noticed late ends before
            # the next waking begins.
            account_all(self._clock, fleet.nodes)
            planned = plan(fleet)
            self._gates.forget_rings(fleet, planned)
            done = [
                step
                for step in planned
                if self._clock.now() - fleet.now <= _PLAN_KEEPS
                and self._do(step, to_ask, cloud_answers=not report.cloud_error)
            ]
            report.steps += [_name(step) for step in done]
            if not any(_leads_on(step) for step in done):
                break
        if done:
            account_all(self._clock, node_views())
        try:
            alerting.bring_up_to_date(self._clock, fleet)
            to_ask += self._besides()
        except Superseded:
            raise
        except Exception:  # what is only told must never keep a server from being shelved
            log.exception("the tick's reports failed")
        return to_ask

    def _besides(self) -> list[Errand]:
        """What is asked for the record and for the guards."""
        found: list[Errand] = []
        if self._log_of is not None:
            found += node_logs.fetch(self._log_of, self._clock)
        if self._mark is not None:
            tag = fleet_settings().fleet_server_tag
            found += care.errands(self._mark, self._look.servers, tag)
        return found

    def _look_again(self) -> None:
        """Where the cloud was waited for, the site was not looked at meanwhile."""
        tick = policy_of(fleet_settings()).tick
        if self._looked_at is None or self._clock.now() - self._looked_at >= tick / 2:
            self._look_at_site()

    def _look_at_site(self) -> None:
        up = self._site_up()
        self._looked_at = self._clock.now()
        site_watch.note(up, self._looked_at)

    def _do(self, step: steps.Step, to_ask: list[Errand], *, cloud_answers: bool) -> bool:
        """Carry out one step; False when its premise no longer holds."""
        match step:
            case steps.ExpireLease():
                with store.atomic():
                    now = self._clock.now()
                    return site_watch.settled(now) and jobs.expire(step.attempt, now)
            case steps.Preempt():
                with store.atomic():
                    now = self._clock.now()
                    return site_watch.settled(now) and jobs.preempt(step.attempt, now)
            case steps.Call() | steps.Finish() | steps.SettleLedger():
                return cloud_answers and self._ask(step, to_ask)
            case steps.Restart():
                return self._ask(step, to_ask)
            case steps.Move() if step.new is Gate.STOPPING and not cloud_answers:
                # Its worker would be stopped, and the server could not be shelved: while it is paid
                # for, it may as well work.
                return False
            case steps.Resolve() if not step.ok and step.why in _WORTH_ASKING:
                return self._ask(step, to_ask)
            case steps.Resolve():
                return self._calls.resolve(step)
            case _:
                return self._gates.do(step)

    def _ask(
        self,
        step: steps.Call | steps.Finish | steps.SettleLedger | steps.Resolve | steps.Restart,
        to_ask: list[Errand],
    ) -> bool:
        match step:
            case steps.Call():
                errand = self._calls.call(step)
            case steps.Finish():
                errand = self._calls.finish(step)
            case steps.SettleLedger():
                errand = self._calls.settle(step)
            case steps.Resolve():
                errand = self._calls.explain(step)
            case steps.Restart():
                errand = self._gates.restart(step)
        if errand is not None:
            to_ask.append(errand)
        return errand is not None


_WORTH_ASKING = frozenset(
    {steps.Why.NO_CAPACITY, steps.Why.OPERATION_FAILED, steps.Why.NOT_OFFLOADED}
)


def _name(step: steps.Step) -> str:
    return f"{type(step).__name__} {step.node}"


def _leads_on(step: steps.Step) -> bool:
    """Whether something may follow at once. After a call the cloud has to be waited for."""
    waits = (steps.Call, steps.Finish, steps.NoteWake, steps.SettleLedger, steps.Restart)
    if isinstance(step, steps.Resolve):
        return step.ok or step.why not in _WORTH_ASKING
    return not isinstance(step, waits)
