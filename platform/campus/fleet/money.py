"""What the fleet costs, as its page shows it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from campus.fleet.timeline import WORDS
from orchestrator import ledger
from orchestrator.cost_report import Savings, savings
from orchestrator.ledger import Billed
from orchestrator.models import Node
from orchestrator.months import midnight, month_of
from orchestrator.policy.budget import Budget, Purse, Spent
from orchestrator.policy.views import FleetView
from orchestrator.settings import fleet_settings
from orchestrator.states import Cause

_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class CauseCost:
    """What one cause cost, and how long it was billed, today and this month."""

    cause: Cause
    words: str
    today: Decimal
    today_seconds: float
    month: Decimal
    month_seconds: float


@dataclass(frozen=True, slots=True)
class BudgetBar:
    """How much of a budget is spent; `purse` says how bad that is."""

    words: str
    spent: Decimal
    limit: Decimal
    purse: Purse

    @property
    def share(self) -> float:
        return min(1.0, float(self.spent / self.limit))

    @property
    def percent(self) -> int:
        return int(self.spent * 100 / self.limit)


@dataclass(frozen=True, slots=True)
class Money:
    currency: str
    price: Decimal
    today: Decimal
    month: Decimal
    causes: list[CauseCost]
    budgets: list[BudgetBar]
    savings: Savings


def money(view: FleetView, now: datetime) -> Money:
    """Today, this month, by cause, against the budgets and against servers that never sleep."""
    month = month_of(now)
    of_today, of_month = ledger.billed(midnight(now), now), ledger.billed(month.start, now)
    today, all_month = _cost(of_today), _cost(of_month)
    settings = fleet_settings()
    return Money(
        currency=settings.fleet_currency,
        price=settings.fleet_price_per_hour,
        today=ledger.to_the_cent(today),
        month=ledger.to_the_cent(all_month),
        causes=[
            cost for cause in Cause if (cost := _of(cause, of_today, of_month)).month_seconds > 0
        ],
        budgets=_budgets(view.policy.budget, Spent(today, all_month)),
        savings=savings(list(Node.objects.all()), of_month, month, now),
    )


def _of(cause: Cause, today: Iterable[Billed], month: Iterable[Billed]) -> CauseCost:
    now = [one for one in today if one.cause is cause]
    all_month = [one for one in month if one.cause is cause]
    return CauseCost(
        cause=cause,
        words=WORDS[cause],
        today=ledger.to_the_cent(_cost(now)),
        today_seconds=sum(one.seconds for one in now),
        month=ledger.to_the_cent(_cost(all_month)),
        month_seconds=sum(one.seconds for one in all_month),
    )


def _cost(billed: Iterable[Billed]) -> Decimal:
    return sum((one.cost for one in billed), _NOTHING)


def _budgets(budget: Budget, spent: Spent) -> list[BudgetBar]:
    bars = []
    if budget.day:
        alone = Budget(day=budget.day, alert=budget.alert)
        bars.append(BudgetBar("Today's budget", spent.day, budget.day, alone.purse(spent)))
    if budget.month:
        alone = Budget(month=budget.month, alert=budget.alert)
        bars.append(BudgetBar("This month's budget", spent.month, budget.month, alone.purse(spent)))
    return bars
