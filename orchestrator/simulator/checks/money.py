"""(6): once a budget is spent, only what is urgent is begun."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from orchestrator.models import Job, LedgerEntry
from orchestrator.simulator.checks.eyes import Eyes, Pair

URGENT = 10
"""Jobs of this priority and above are done although the budget is spent."""


class Money:
    """Adds up the ledger for itself."""

    def __init__(self, eyes: Eyes) -> None:
        self._eyes = eyes

    def attempts(self, changed: Iterable[Pair]) -> None:
        budget = self._eyes.world.rules.budget
        if not budget or not self._eyes.exact:
            return
        for old, row in changed:
            if old is not None or self._eyes.rows(Job)[row["job_id"]]["priority"] >= URGENT:
                continue
            spent = self._spent()
            self._eyes.require(
                spent < budget, f"{spent:.2f} of {budget:.2f} are spent, and a job was handed out"
            )

    def _spent(self) -> Decimal:
        """A history lasts for some hours of one day."""
        now = self._eyes.now
        return sum(
            (
                row["price_per_hour"]
                * Decimal(((row["ended_at"] or now) - row["started_at"]).total_seconds())
                / 3600
                for row in self._eyes.rows(LedgerEntry).values()
            ),
            Decimal(0),
        )
