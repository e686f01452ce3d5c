"""Questions to the cloud, several at a time, with nothing of ours held while the cloud thinks."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

Then = Callable[[], "Errand | None"]
"""What follows from an answer: written down here, and perhaps another question."""


def always() -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Errand:
    """`ask` speaks to the cloud and touches nothing else; what it returns is done afterwards, here.

    `may` is looked at right before: an errand that has become somebody else's is left undone.
    """

    ask: Callable[[], Then]
    may: Callable[[], bool] = always


def nothing() -> None:
    """Where nobody has anything to do between two batches."""


def run(errands: Iterable[Errand], at_once: int, between: Callable[[], None] = nothing) -> None:
    """Do them all, and what follows from them. One that is slow holds up no more than its batch.

    `between` is called after each batch.
    """
    waiting = deque(errands)
    while waiting:
        batch = [waiting.popleft() for _ in range(min(at_once, len(waiting)))]
        for then in _side_by_side([errand.ask for errand in batch if errand.may()]):
            following = then()
            if following is not None:
                waiting.append(following)
        between()


def _side_by_side(asks: Sequence[Callable[[], Then]]) -> Iterable[Then]:
    if len(asks) < 2:
        return [ask() for ask in asks]
    with ThreadPoolExecutor(len(asks)) as pool:
        return [asked.result() for asked in [pool.submit(ask) for ask in asks]]
