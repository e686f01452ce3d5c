"""Bugs about nodes: when they are drained, and what their time is called."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from orchestrator import gates, jobs, reconciler
from orchestrator.policy import alerts, phase, planner, steps
from orchestrator.policy.budget import Budget
from orchestrator.policy.views import FleetView, Lease, NodeView, Policy
from orchestrator.simulator.mutants.planting import Mutant, Patch
from orchestrator.states import Cause, Gate


def _never_reopens() -> Sequence[Patch]:
    return [(planner, "_REOPENS", frozenset())]


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


def _no_max_uptime() -> Sequence[Patch]:
    def plan(fleet: FleetView) -> tuple[steps.Step, ...]:
        return planner.plan(
            replace(fleet, policy=replace(fleet.policy, max_uptime=timedelta(days=365)))
        )

    return [(reconciler, "plan", plan)]


def _takes_without_asking() -> Sequence[Patch]:
    def working_step(node: NodeView, lease: Lease, fleet: FleetView) -> steps.Step | None:
        since = node.awake_since
        over = since is not None and fleet.now - since >= fleet.policy.max_uptime
        return steps.Preempt(node.name, lease.attempt) if over else None

    return [(planner, "_working_step", working_step), (jobs, "must_give_back", lambda *_: True)]


def _late_alerts() -> Sequence[Patch]:
    return [(alerts, "PATIENCE", timedelta(hours=40))]


def _boots_are_never_late() -> Sequence[Patch]:
    return [(phase, "boot_limit", lambda *_: None)]


def _called(wrong: Callable[[Cause | None], Cause | None]) -> Sequence[Patch]:
    right = phase._cause

    def cause(node: NodeView, policy: Policy, now: datetime) -> Cause | None:
        return wrong(right(node, policy, now))

    return [(phase, "_cause", cause)]


def _all_external() -> Sequence[Patch]:
    return _called(lambda cause: Cause.EXTERNAL if cause is Cause.BOOT else cause)


def _drains_are_jobs() -> Sequence[Patch]:
    return _called(lambda cause: Cause.JOB if cause is Cause.DRAIN else cause)


def _spends_on() -> Sequence[Patch]:
    return [(Budget, "exhausted", lambda *_: False)]


MUTANTS = (
    Mutant(
        "no-undrain", "a drained node never opens again", _never_reopens, ("although work waits",)
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
    Mutant(
        "no-max-uptime",
        "a node works for as long as there is work",
        _no_max_uptime,
        ("awake for longer than it may",),
    ),
    Mutant(
        "no-warning",
        "at max uptime the job is taken away at once",
        _takes_without_asking,
        ("no time to give it back",),
    ),
    Mutant(
        "late-alert",
        "what is billed for nothing is said after two days",
        _late_alerts,
        ("no alert says so",),
    ),
    Mutant(
        "late-boot",
        "a boot beyond its limit is called a boot",
        _boots_are_never_late,
        ("is billed for boot", "a boot went on"),
    ),
    Mutant(
        "all-external",
        "our own wakings are called somebody else's",
        _all_external,
        ("called somebody else's",),
    ),
    Mutant(
        "drain-is-job",
        "a drain is called a job",
        _drains_are_jobs,
        ("is billed for job",),
    ),
    Mutant(
        "spends-on",
        "jobs are handed out although the budget is spent",
        _spends_on,
        ("a job was handed out",),
    ),
)
