"""The lesson, and the jobs when nobody disturbs them."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from gpu_node.contracts.timeline import Translation
from gpu_node.demo import reading
from gpu_node.demo.music import RATE
from gpu_node.media.ffmpeg import file_url, run_ffmpeg
from tests.gpu_node.kill.rooms import AMPLE, CUES, SEED, Job, Room, Undisturbed


@pytest.fixture(scope="session")
def lesson(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three sentences read by a person, with pauses; the picture hardly matters."""
    folder = tmp_path_factory.mktemp("lesson")
    pause = np.zeros(round(1.2 * RATE))
    parts = [pause]
    for name in ("0880", "0930", "0890"):
        parts += [reading.clip(name).sound, pause]
    sound = np.concatenate(parts)
    sound += np.random.default_rng(SEED).normal(0, 10 ** (-62 / 20), len(sound))
    soundfile.write(folder / "sound.wav", sound, RATE)
    argv = ["ffmpeg", "-f", "lavfi", "-i", "testsrc=size=160x90:rate=10"]
    argv += ["-i", file_url(folder / "sound.wav"), "-shortest", "-pix_fmt", "yuv420p"]
    argv += ["-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac"]
    run_ffmpeg([*argv, file_url(folder / "lesson.mp4")], timeout=AMPLE)
    return folder / "lesson.mp4"


@pytest.fixture(scope="session")
def recognised(lesson: Path, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """The whole job: somebody speaks, and nobody says what."""
    return undisturbed_run(tmp_path_factory.mktemp("recognised"), Job(lesson, ()))


@pytest.fixture(scope="session")
def subtitled(lesson: Path, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """More lines, and no recognition, which takes half of the time."""
    folder = tmp_path_factory.mktemp("subtitled")
    step = 1.7
    cues = [
        f"{clock(n * step)} --> {clock(n * step + 1.4)}\n{text}\n" for n, text in enumerate(CUES)
    ]
    subtitles = folder / "lesson.vtt"
    subtitles.write_text("\n".join(["WEBVTT\n", *cues]))
    return undisturbed_run(folder / "room", Job(lesson, ("--subtitles", str(subtitles))))


def clock(seconds: float) -> str:
    return f"00:00:{seconds:06.3f}"


def undisturbed_run(folder: Path, job: Job) -> Undisturbed:
    room = Room(folder, job, keeps_work=True)
    began = time.monotonic()
    run = room.finish()
    seconds = time.monotonic() - began
    lines = [line for line in room.records(Translation) if isinstance(line, Translation)]
    texts = {line.id: line.spoken for line in lines}
    assert sorted(run.spoken()) == sorted(texts.values())
    assert len(set(texts.values())) == len(texts)
    assert room.finished_lines() == texts.keys()
    return Undisturbed(job, room.outputs(), seconds, texts)
