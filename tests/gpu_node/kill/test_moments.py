"""Killed at any moment, once or again and again."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.gpu_node.kill.rooms import CUES, SEED, Room, Undisturbed, check_killed, check_resumed

MOMENTS = 3
MANY_MOMENTS = 50


def test_the_undisturbed_jobs_are_worth_killing(
    recognised: Undisturbed, subtitled: Undisturbed
) -> None:
    assert len(recognised.texts) == 3
    assert len(subtitled.texts) == len(CUES)
    for job in (recognised, subtitled):
        assert sorted(job.outputs) == ["dub.en.vtt", "dub.es.vtt", "dub.mp4"]
        assert len(job.outputs["dub.mp4"]) > 100_000


def moment(number: int, count: int, seconds: float) -> float:
    """One of `count` moments, each drawn from a part of its own of an undisturbed run."""
    return (number + random.Random(SEED + number).random()) * seconds / count  # noqa: S311


@pytest.mark.parametrize("number", range(MOMENTS))
def test_killed_at_any_moment_and_run_again(
    number: int, recognised: Undisturbed, subtitled: Undisturbed, tmp_path: Path
) -> None:
    # The later moments lie behind the recognition: there the shorter job will do.
    job = recognised if number <= MOMENTS // 2 else subtitled
    kill_and_resume(tmp_path, job, number, MOMENTS)


@pytest.mark.soak
@pytest.mark.parametrize("number", range(MANY_MOMENTS))
def test_killed_at_each_of_many_moments_and_run_again(
    number: int, recognised: Undisturbed, tmp_path: Path
) -> None:
    kill_and_resume(tmp_path, recognised, number, MANY_MOMENTS)


def kill_and_resume(folder: Path, undisturbed: Undisturbed, number: int, count: int) -> None:
    room = Room(folder / "room", undisturbed.job, keeps_work=number % 2 == 0)
    run = room.start()
    run.killed_after(moment(number, count, undisturbed.seconds))
    check_resumed(room, undisturbed, run)


@pytest.mark.parametrize(
    "keeps_work",
    [pytest.param(True, id="work", marks=pytest.mark.soak), pytest.param(False, id="cache")],
)
def test_killed_again_and_again_it_still_comes_to_its_end(
    keeps_work: bool, subtitled: Undisturbed, tmp_path: Path
) -> None:
    room = Room(tmp_path / "room", subtitled.job, keeps_work=keeps_work)
    finished: set[str] = set()
    for number in range(3):
        run = room.start()
        run.killed_after(moment(number, 3, subtitled.seconds))
        if room.outputs() == subtitled.outputs:
            break
        check_killed(room, subtitled)
        # Nothing that was finished is ever lost, nor spoken twice.
        assert finished <= room.finished_lines()
        assert not {subtitled.texts[key] for key in finished} & set(run.spoken())
        finished = room.finished_lines()
    check_resumed(room, subtitled, run)
