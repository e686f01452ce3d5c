"""How far a job is, as its heartbeat says it."""

from __future__ import annotations

from gpu_node.contracts.node_api import StageState
from gpu_node.runner import Progress
from gpu_node.worker.progress import Stages, steps


def said(stage: str, done: float, total: float, *, finished: bool = False) -> Progress:
    return Progress(stage, done, total, reused=0, finished=finished, seconds=1.0)


def test_steps_are_stages_and_items_finished() -> None:
    assert steps([]) == 0
    audio = StageState(stage="audio", done=0.99, total=1)
    assert steps([audio]) == 0
    media = StageState(stage="media", done=1, total=1, finished=True)
    speak = StageState(stage="speak", done=3, total=7)
    assert steps([audio, media, speak]) == 1 + 3
    spoken = StageState(stage="speak", done=7, total=7, finished=True)
    assert steps([audio, media, spoken]) == 1 + 8


def test_steps_only_grow() -> None:
    stages, counted = Stages(), []
    download = stages.share_of("download")
    for share in (0.1, 0.9, 1.0, 0.2):
        download(share)
        counted.append(steps(stages.now()))
    for word in (
        said("media", 0.4, 1),
        said("media", 1.0, 1),
        said("media", 1, 1, finished=True),
        said("speak", 0, 3),
        said("speak", 2, 3),
        said("speak", 3, 3, finished=True),
        said("none", 0, 0, finished=True),
    ):
        stages.observe(word)
        counted.append(steps(stages.now()))
    assert counted == sorted(counted)
    assert counted[-1] == 1 + 1 + 4 + 1


def test_the_newest_word_of_each_stage_counts_in_the_order_they_began() -> None:
    stages = Stages()
    for word in (said("a", 0, 2), said("b", 0, 1), said("a", 1, 2)):
        stages.observe(word)
    assert [(one.stage, one.done) for one in stages.now()] == [("a", 1), ("b", 0)]
