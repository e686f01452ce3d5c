"""Prometheus metrics, from what the database says at the moment of asking: nothing is remembered.

A counter here never goes down: the ledger's are of what was agreed with the cloud's own notes, and
what is not agreed yet is a gauge beside them. Whatever a later event may take back (an attempt
whose lease counts again) is a gauge as well. The number of statements does not grow with the fleet.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from uuid import UUID

from django.db.models import Count, F, Min, Sum
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from gpu_node.contracts.node_api import GpuFacts
from orchestrator import history, ledger, snapshot
from orchestrator.fleet_report import awake_since, gpu_of
from orchestrator.ledger import Billed
from orchestrator.models import (
    Alert,
    Attempt,
    CloudOperation,
    FleetState,
    Job,
    LedgerEntry,
    Node,
)
from orchestrator.months import midnight, month_of
from orchestrator.policy.alerts import AlertKind
from orchestrator.policy.phase import Phase, phase
from orchestrator.policy.views import FleetView
from orchestrator.retired import active_nodes
from orchestrator.settings import fleet_settings
from orchestrator.states import (
    UNRESOLVED,
    AttemptOutcome,
    Cause,
    JobState,
    OperationKind,
    OperationOutcome,
)

_MEGABYTE = 2**20


def exposition(now: datetime) -> bytes:
    """All metrics in Prometheus' own text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(FleetCollector(now))
    return generate_latest(registry)


class FleetCollector(Collector):
    """The fleet at one moment."""

    def __init__(self, now: datetime) -> None:
        self._now = now

    def collect(self) -> Iterator[Metric]:
        yield from self._jobs()
        yield from self._nodes()
        yield from self._gpus()
        yield from self._money()
        yield from self._calls()
        yield from self._health()

    @cached_property
    def _view(self) -> FleetView:
        return snapshot.fleet_view(self._now)

    @cached_property
    def _rows(self) -> Mapping[str, Node]:
        return {node.name: node for node in active_nodes()}

    @cached_property
    def _names(self) -> Mapping[UUID, str]:
        """Of all nodes, for the ledger speaks of retired ones too."""
        return dict(Node.objects.values_list("pk", "name"))

    # ------------------------------------------------------------------------------------ work

    def _jobs(self) -> Iterator[Metric]:
        counted = {
            (kind, state): jobs
            for kind, state, jobs in Job.objects.values_list("kind", "state").annotate(
                jobs=Count("pk")
            )
        }
        kinds = sorted({kind for kind, _ in counted})
        yield _gauge(
            "fleet_jobs",
            "Jobs by kind and state.",
            ("kind", "state"),
            {(kind, s.value): counted.get((kind, s), 0) for kind in kinds for s in JobState},
        )
        oldest = Job.objects.filter(state=JobState.QUEUED).aggregate(at=Min("created_at"))["at"]
        yield _plain(
            "fleet_queue_oldest_seconds",
            "Age of the oldest queued job; 0 when none waits.",
            _seconds(self._now - oldest) if oldest else 0.0,
        )
        work: dict[tuple[str, ...], float] = dict.fromkeys(((kind,) for kind in kinds), 0.0)
        for demand in self._view.queue:
            work[demand.kind,] += _seconds(demand.work)
        yield _gauge(
            "fleet_backlog_seconds",
            "Node time that queued jobs are expected to take.",
            ("kind",),
            work,
        )
        yield _plain(
            "fleet_running_seconds_left",
            "Node time that running jobs are expected to take still.",
            sum(_seconds(node.lease.left) for node in self._view.nodes if node.lease is not None),
        )
        ended = Attempt.objects.values_list("outcome").annotate(attempts=Count("pk"))
        yield _gauge(
            "fleet_attempts",
            "Attempts by outcome. A gauge: one whose lease ran out may count again.",
            ("outcome",),
            {(o.value,): 0 for o in AttemptOutcome} | {(o,): n for o, n in ended.order_by()},
        )
        told = history.estimate_accuracy()
        yield _gauge(
            "fleet_estimate_error_ratio",
            "Median of |predicted - took| / took of the latest jobs; absent before the first.",
            (),
            {(): told.error} if told else {},
        )

    # ----------------------------------------------------------------------------------- nodes

    def _nodes(self) -> Iterator[Metric]:
        views = [view for view in self._view.nodes if view.name in self._rows]
        phases = Counter(phase(view, self._view.policy, self._now) for view in views)
        yield _gauge(
            "fleet_nodes",
            "Nodes by phase.",
            ("phase",),
            {(where.value,): phases[where] for where in Phase},
        )
        yield _gauge(
            "fleet_node_awake_seconds",
            "How long a node has been awake; 0 while it sleeps.",
            ("node",),
            {(n.name,): _age(self._now, awake_since(n)) or 0.0 for n in self._rows.values()},
        )
        ages = {(n.name,): _age(self._now, n.worker_seen_at) for n in self._rows.values()}
        yield _gauge(
            "fleet_node_heartbeat_age_seconds",
            "How long ago a node's worker was heard; absent while it sleeps.",
            ("node",),
            {labels: age for labels, age in ages.items() if age is not None},
        )
        yield _gauge(
            "fleet_node_failures",
            "How often in a row a node was woken in vain.",
            ("node",),
            {(n.name,): n.failures for n in self._rows.values()},
        )

    def _gpus(self) -> Iterator[Metric]:
        gpus = {(n.name,): gpu for n in self._rows.values() if (gpu := gpu_of(n)) is not None}
        for name, text, value in _OF_A_GPU:
            yield _gauge(name, text, ("node",), {node: value(gpu) for node, gpu in gpus.items()})

    # ----------------------------------------------------------------------------------- money

    def _money(self) -> Iterator[Metric]:
        agreed, provisional = self._billed()
        for name, unit, of in (
            ("billed_seconds", "Billed seconds", lambda one: one.seconds),
            ("cost", "Cost, in the currency of fleet_price_per_hour", lambda one: float(one.cost)),
        ):
            yield _counter(
                f"fleet_{name}",
                f"{unit}, by cause, as agreed with the cloud's own notes.",
                ("node", "cause"),
                self._by_cause(agreed, of),
            )
            yield _gauge(
                f"fleet_{name}_provisional",
                f"{unit}, by cause, not yet compared with the cloud's own notes.",
                ("node", "cause"),
                self._by_cause(provisional, of),
            )
        starts = {"today": midnight(self._now), "this_month": month_of(self._now).start}
        for name, start in starts.items():
            money: dict[tuple[str, ...], float] = dict.fromkeys(
                ((cause.value,) for cause in Cause), 0.0
            )
            for one in ledger.billed(start, self._now):
                money[one.cause.value,] += float(one.cost)
            yield _gauge(
                f"fleet_cost_{name}",
                "Cost by cause, provisional parts included.",
                ("cause",),
                money,
            )
        settings = fleet_settings()
        yield _gauge(
            "fleet_price_per_hour",
            "What one awake node costs.",
            ("currency",),
            {(settings.fleet_currency,): float(settings.fleet_price_per_hour)},
        )
        budget, spent = self._view.policy.budget, self._view.spent
        shares = {"day": (spent.day, budget.day), "month": (spent.month, budget.month)}
        yield _gauge(
            "fleet_budget_used_ratio",
            "Spent share of a budget; absent where there is none.",
            ("period",),
            {(name,): float(used / limit) for name, (used, limit) in shares.items() if limit},
        )

    def _billed(self) -> tuple[list[Billed], list[Billed]]:
        """What was agreed with the cloud, and what was not yet."""
        closed = LedgerEntry.objects.filter(ended_at__isnull=False)
        sums = closed.values_list("settled", "node_id", "cause", "price_per_hour").annotate(
            time=Sum(F("ended_at") - F("started_at"))
        )
        parts: tuple[list[Billed], list[Billed]] = ([], [])
        for settled, node, cause, price, time in sums.order_by():
            parts[0 if settled else 1].append(Billed(node, Cause(cause), price, _seconds(time)))
        for entry in LedgerEntry.objects.filter(ended_at__isnull=True):
            seconds = max(0.0, _seconds(self._now - entry.started_at))
            cause, price = Cause(entry.cause), entry.price_per_hour
            parts[1].append(Billed(entry.node_id, cause, price, seconds))
        return parts

    def _by_cause(
        self, billed: Iterable[Billed], of: Callable[[Billed], float]
    ) -> dict[tuple[str, ...], float]:
        sums: dict[tuple[str, ...], float] = {}
        for one in billed:
            labels = (self._names[one.node], one.cause.value)
            sums[labels] = sums.get(labels, 0.0) + of(one)
        return sums

    # ----------------------------------------------------------------------------- cloud, site

    def _calls(self) -> Iterator[Metric]:
        rows = CloudOperation.objects.values_list("kind", "outcome").annotate(calls=Count("pk"))
        counted = {(kind, outcome): calls for kind, outcome, calls in rows.order_by()}
        over = [outcome for outcome in OperationOutcome if outcome not in UNRESOLVED]
        yield _counter(
            "fleet_operations",
            "Calls to the cloud that have ended, by kind and outcome.",
            ("kind", "outcome"),
            {(k.value, o.value): counted.get((k, o), 0) for k in OperationKind for o in over},
        )
        yield _gauge(
            "fleet_operations_unresolved",
            "Calls to the cloud whose end has not been seen.",
            ("kind",),
            {
                (kind.value,): sum(counted.get((kind, outcome), 0) for outcome in UNRESOLVED)
                for kind in OperationKind
            },
        )
        wakes = [_seconds(one) for one in history.latest_wakes()]
        yield _gauge(
            "fleet_wake_seconds",
            "From the request to the ready worker, of the latest wakings.",
            ("quantile",),
            {(str(share),): _quantile(wakes, share) for share in (0.5, 0.95)} if wakes else {},
        )

    def _health(self) -> Iterator[Metric]:
        open_alerts = Alert.objects.filter(cleared_at__isnull=True)
        rows = open_alerts.values_list("kind").annotate(alerts=Count("pk")).order_by()
        yield _gauge(
            "fleet_alerts_open",
            "What a person should know of, by kind.",
            ("kind",),
            {(kind.value,): 0 for kind in AlertKind} | {(kind,): n for kind, n in rows},
        )
        state = FleetState.objects.filter(pk=1).first() or FleetState()
        ticked = _age(self._now, state.ticked_at)
        yield _gauge(
            "fleet_tick_age_seconds",
            "How long ago a tick of the orchestrator ended; absent before the first.",
            (),
            {(): ticked} if ticked is not None else {},
        )
        yield _plain(
            "fleet_cloud_answers",
            "1 when the cloud answered at the last look, else 0.",
            0.0 if state.cloud_error else 1.0,
        )
        trouble = _age(self._now, state.cloud_error_since) if state.cloud_error else None
        yield _gauge(
            "fleet_cloud_trouble_seconds",
            "How long the cloud has not answered, by kind of trouble; absent while it does.",
            ("kind",),
            {(state.cloud_error,): trouble} if trouble is not None else {},
        )


_OF_A_GPU: tuple[tuple[str, str, Callable[[GpuFacts], float]], ...] = (
    ("fleet_gpu_use_ratio", "How busy the GPU is, 0 to 1.", lambda g: g.use_percent / 100),
    (
        "fleet_gpu_memory_used_bytes",
        "Memory of the GPU in use.",
        lambda gpu: gpu.memory_used_mb * _MEGABYTE,
    ),
    (
        "fleet_gpu_memory_total_bytes",
        "Memory of the GPU.",
        lambda gpu: gpu.memory_total_mb * _MEGABYTE,
    ),
    ("fleet_gpu_temperature_celsius", "Temperature of the GPU.", lambda gpu: gpu.temperature),
)


def _gauge(
    name: str, text: str, labels: Sequence[str], values: Mapping[tuple[str, ...], float]
) -> Metric:
    family = GaugeMetricFamily(name, text, labels=labels)
    for of, value in values.items():
        family.add_metric(of, value)
    return family


def _counter(
    name: str, text: str, labels: Sequence[str], values: Mapping[tuple[str, ...], float]
) -> Metric:
    family = CounterMetricFamily(name, text, labels=labels)
    for of, value in values.items():
        family.add_metric(of, value)
    return family


def _plain(name: str, text: str, value: float) -> Metric:
    return _gauge(name, text, (), {(): value})


def _seconds(time: timedelta) -> float:
    return time.total_seconds()


def _age(now: datetime, moment: datetime | None) -> float | None:
    return max(0.0, _seconds(now - moment)) if moment is not None else None


def _quantile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that so large a share of all does not exceed (nearest rank)."""
    return ordered[math.ceil(share * len(ordered)) - 1]
