"""Virtual time: one heap of what is to happen, and nothing else."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

START = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


class Timeline:
    """What happens when. It is the Clock, and the cloud's Times."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._heap: list[tuple[float, int, bool, Callable[[], None]]] = []
        self._order = 0

    def now(self) -> datetime:
        return self.at(self.seconds)

    def at(self, seconds: float) -> datetime:
        return START + timedelta(milliseconds=round(seconds * 1000))

    def after(self, seconds: float, what: Callable[[], None], *, routine: bool = False) -> None:
        """Have something happen. `routine`: what happens anyway, and is skipped in quiet times."""
        self._order += 1
        heapq.heappush(self._heap, (self.seconds + seconds, self._order, routine, what))

    def run_until(self, seconds: float) -> None:
        """Let everything happen until then."""
        while self._heap and self._heap[0][0] <= seconds:
            at, _, routine, what = heapq.heappop(self._heap)
            self.seconds = max(self.seconds, at)
            if routine and self.quiet():
                self._jump(seconds)
            what()
            self.happened()
        self.seconds = max(self.seconds, seconds)

    def pass_time(self, seconds: float) -> None:
        self.run_until(self.seconds + seconds)

    def until(self, reached: Callable[[], bool], limit: float, every: float = 10.0) -> bool:
        """Let time pass until something is so; False when it was not within the limit."""
        end = self.seconds + limit
        while not reached():
            if self.seconds >= end:
                return False
            self.pass_time(every)
        return True

    # ------------------------------------------------------------------- for whoever knows more

    def quiet(self) -> bool:
        """Whether what is routine changes nothing until something else happens."""
        return False

    def margin(self) -> float:
        """How long before something happens what is routine goes on again."""
        return 0.0

    def happened(self) -> None:
        """Something has."""

    def skipped(self, seconds: float) -> None:
        """So much time was left out."""

    def _jump(self, limit: float) -> None:
        """Leave out the routine of a quiet time."""
        real = [at for at, _, routine, _ in self._heap if not routine]
        target = min([*real, limit]) - self.margin()
        skipped = target - self.seconds
        if skipped < 2.5 * self.margin():
            return
        self.seconds = target
        self._heap = [
            (at + skipped if routine else at, order, routine, what)
            for at, order, routine, what in self._heap
        ]
        heapq.heapify(self._heap)
        self.skipped(skipped)
