"""How far a job is, in the words of its heartbeat. Pure but for the lock."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from gpu_node.contracts.node_api import StageState
from gpu_node.runner import Progress

DOWNLOAD = "download"
UPLOAD = "upload"


def steps(stages: Iterable[StageState]) -> int:
    """Stages and items finished. It only ever grows while a job goes on.

    A stage that does not fan out says the share of 1 that is done, which is no item.
    """
    return sum(stage.finished + (int(stage.done) if stage.total > 1 else 0) for stage in stages)


class Stages:
    """The newest word of every stage. Told by the job's thread, read by the heartbeat's."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stages: dict[str, StageState] = {}

    def observe(self, said: Progress) -> None:
        """What the runner says."""
        self._put(
            StageState(stage=said.stage, done=said.done, total=said.total, finished=said.finished)
        )

    def share_of(self, stage: str) -> Callable[[float], None]:
        """Tells how much of a transfer is done; 1 means finished."""

        def tell(share: float) -> None:
            self._put(StageState(stage=stage, done=share, total=1.0, finished=share >= 1.0))

        return tell

    def now(self) -> tuple[StageState, ...]:
        with self._lock:
            return tuple(self._stages.values())

    def _put(self, state: StageState) -> None:
        with self._lock:
            old = self._stages.get(state.stage)
            # An upload may have to be made again; what was finished once stays so.
            if old is None or not old.finished:
                self._stages[state.stage] = state
