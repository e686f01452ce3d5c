"""What may be spent, and what follows when it is. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Spent:
    """In the price's currency: since midnight, and since the first of the month."""

    day: Decimal = Decimal(0)
    month: Decimal = Decimal(0)


class Purse(StrEnum):
    """How a budget stands."""

    OPEN = "open"
    LOW = "low"
    """People are told; nothing else changes."""
    EMPTY = "empty"
    """Only urgent jobs are still done."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits; None where there is none. `alert`: the share of a limit at which it is low."""

    day: Decimal | None = None
    month: Decimal | None = None
    alert: Decimal = Decimal("0.8")

    def purse(self, spent: Spent) -> Purse:
        """How the tighter of the two stands."""
        shares = [
            used / limit
            for used, limit in ((spent.day, self.day), (spent.month, self.month))
            if limit is not None and limit > 0
        ]
        worst = max(shares, default=Decimal(0))
        if worst >= 1:
            return Purse.EMPTY
        return Purse.LOW if worst >= self.alert else Purse.OPEN

    def exhausted(self, spent: Spent) -> bool:
        """Whether only urgent jobs may still cost money."""
        return self.purse(spent) is Purse.EMPTY
