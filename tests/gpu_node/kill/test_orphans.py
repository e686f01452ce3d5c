"""What a killed job leaves running ends by itself, and the next run does not mind it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gpu_node.engines.asr.pocketsphinx import RegionWords
from tests.gpu_node.kill.rooms import (
    AMPLE,
    Job,
    Room,
    Run,
    Undisturbed,
    check_orphans_end,
    wait_until,
)


def deciphering(room: Room, run: Run) -> bool:
    """Some stretches of speech are recognised, and the recogniser is busy with the next."""
    return 0 < len(list(room.records(RegionWords))) < 3


def encoding(room: Room, run: Run) -> bool:
    return any(one.startswith("ffmpeg ") and " aac " in one for one in run.living())


def translating(room: Room, run: Run) -> bool:
    return any(one.startswith("apertium-transfer ") for one in run.living())


@pytest.mark.parametrize(
    ("undisturbed", "busy", "program"),
    [
        ("recognised", deciphering, "pocketsphinx_worker"),
        ("subtitled", translating, "lt-proc"),
        ("subtitled", encoding, "ffmpeg"),
    ],
)
def test_what_a_killed_job_leaves_running_ends_by_itself(
    undisturbed: str,
    busy: Callable[[Room, Run], bool],
    program: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    # Nobody reads their pipes any more, and nobody writes to them: each finds out when it looks.
    job: Job = request.getfixturevalue(undisturbed).job
    room = Room(tmp_path / "room", job, keeps_work=True)
    run = room.start()
    assert wait_until(lambda: busy(room, run), AMPLE)
    assert any(program in one for one in run.living())
    run.kill()
    check_orphans_end(run)


@pytest.mark.parametrize("keeps_work", [True, False], ids=["work", "cache"])
def test_killed_while_it_speaks_only_the_interrupted_line_is_spoken_again(
    keeps_work: bool, subtitled: Undisturbed, tmp_path: Path
) -> None:
    room = Room(tmp_path / "room", subtitled.job, keeps_work=keeps_work)
    held, text = list(subtitled.texts.items())[2]
    others = subtitled.texts.keys() - {held}
    run = room.start(HOLD_TEXT=text)
    assert wait_until(lambda: room.finished_lines() == others, AMPLE)
    assert any("chatterbox_service" in one for one in run.living())
    run.kill()
    assert room.finished_lines() == others
    assert sorted(run.spoken()) == sorted(subtitled.texts.values())
    # Nobody opens the gate: the line is dropped, for whoever waited for it has hung up.
    again = room.finish()
    assert again.spoken() == [text]
    assert room.outputs() == subtitled.outputs
    assert room.leftovers() == []
    check_orphans_end(run)
