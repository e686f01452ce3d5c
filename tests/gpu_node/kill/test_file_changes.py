"""Killed at a known change to the file system: in delivery, in cleaning up, in the store."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.gpu_node.kill.rooms import AMPLE, Room, Undisturbed, check_resumed

STORE_WRITES = 60
"""A dub from subtitles puts about this many files in their places."""


@pytest.fixture(scope="module")
def computed(subtitled: Undisturbed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store in which all work is done: its run was killed before it could deliver."""
    room = Room(tmp_path_factory.mktemp("computed") / "room", subtitled.job, keeps_work=False)
    run = room.start(KILL_AT="open 0")
    assert run.process.wait(AMPLE) == -9
    assert room.outputs() == {}
    assert room.store is not None
    return room.store


# Three files are delivered: the video, and the subtitles in two languages.
@pytest.mark.parametrize(
    ("event", "named", "keeps_work"),
    [
        pytest.param("open 1", 0, False, id="with one of three copied"),
        pytest.param("os.rename 0", 0, False, id="with none named"),
        pytest.param("os.rename 1", 1, False, id="with one named"),
        pytest.param("os.rename 2", 2, False, id="with two named"),
        pytest.param("os.rename 1", 1, True, id="with one named and the work kept"),
    ],
)
def test_killed_while_it_delivers(
    event: str,
    named: int,
    keeps_work: bool,
    subtitled: Undisturbed,
    computed: Path,
    tmp_path: Path,
) -> None:
    room = Room(tmp_path / "room", subtitled.job, keeps_work=keeps_work)
    room.take_over(computed)
    run = room.start(KILL_AT=event)
    assert run.process.wait(AMPLE) == -9
    assert len([name for name in room.outputs() if not name.startswith(".")]) == named
    assert room.finished_lines() == subtitled.texts.keys()
    check_resumed(room, subtitled, run)


@pytest.mark.parametrize(
    "event",
    [
        pytest.param("shutil.rmtree 0", id="before anything is removed"),
        pytest.param("os.remove 5", id="when some of it is"),
        pytest.param("shutil.rmtree 2", id="when most of it is"),
    ],
)
def test_killed_while_it_cleans_up(
    event: str, subtitled: Undisturbed, computed: Path, tmp_path: Path
) -> None:
    room = Room(tmp_path / "room", subtitled.job, keeps_work=False)
    room.take_over(computed)
    run = room.start(KILL_AT=event)
    assert run.process.wait(AMPLE) == -9
    assert room.outputs() == subtitled.outputs
    check_resumed(room, subtitled, run)


@pytest.mark.soak
@pytest.mark.parametrize("number", range(STORE_WRITES))
def test_killed_before_each_file_is_put_in_its_place(
    number: int, subtitled: Undisturbed, tmp_path: Path
) -> None:
    room = Room(tmp_path / "room", subtitled.job, keeps_work=number % 2 == 0)
    run = room.start(KILL_AT=f"os.rename {number}", KILL_ANYWHERE="1")
    assert run.process.wait(AMPLE) in (-9, 0)
    check_resumed(room, subtitled, run)
