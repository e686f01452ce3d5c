"""The real command killed with SIGKILL, as the kernel kills whoever takes too much memory.

Only the Python process is killed: what it had started is left to itself. The same command, run
again, must give the same bytes, must not speak a line that had been spoken, and must leave nothing
behind.
"""

from __future__ import annotations

import logging
import os
import random
import shutil
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import pytest
import soundfile
from pydantic import ValidationError

from gpu_node.artefacts import Store
from gpu_node.contracts.base import Contract
from gpu_node.contracts.timeline import SpokenLine, Translation
from gpu_node.demo import reading
from gpu_node.demo.music import RATE
from gpu_node.engines.asr.pocketsphinx import RegionWords
from gpu_node.media.ffmpeg import file_url, run_ffmpeg

log = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parents[2]
SEED = 20261121
MOMENTS = 5
MANY_MOMENTS = 50
STORE_WRITES = 60
"""A dub from subtitles puts about this many files in their places."""

AMPLE = 150.0
"""A job takes seconds; it may be a busy machine."""
A_FEW_SECONDS = 15.0
"""The longest an orphan may live: the recogniser finishes its stretch of speech, then looks up."""

MARK = "DUBFLEET_TEST_RUN"

# Notes what it is given to say, waits at a gate if it is told to, and becomes the real program.
ESPEAK = """#!/bin/bash
case " $* " in *" --stdin "*) ;; *) exec "$REAL_ESPEAK" "$@" ;; esac
text=$(cat)
printf '%s\\n' "$text" >>"$SPOKEN_LOG"
if [[ -n ${HOLD_TEXT-} && $text == "$HOLD_TEXT" ]]; then read -r _ <"$GATE"; fi
exec "$REAL_ESPEAK" "$@" < <(printf '%s' "$text")
"""

# Python runs this before anything else. An audit hook sees each change to the file system just
# before it is made, so a process can be killed between any two of them, at the same one each time.
KILL_AT = """
import os, signal, sys

event_name, _, number = os.environ["KILL_AT"].partition(" ")
left, armed = int(number), "KILL_ANYWHERE" in os.environ
delivering = os.path.join(os.environ["OUTPUT_FOLDER"], ".")

def look(event, args):
    global left, armed
    if event == "open" and not args[2] & (os.O_WRONLY | os.O_RDWR):
        return
    # From the first hidden file in the output's folder on, results are delivered.
    armed = armed or (event == "open" and str(args[0]).startswith(delivering))
    if not armed or event != event_name:
        return
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    left -= 1

sys.addaudithook(look)
"""

CUES = (
    "He was not a young man.",
    "The house is very cold.",
    "My sister reads the letter.",
    "They had the money.",
    "We walk to the river.",
    "The morning was good.",
    "She had an open window.",
    "The garden is green.",
)


@dataclass(frozen=True, slots=True)
class Job:
    """What the command is told, but for where the result goes."""

    lesson: Path
    options: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Undisturbed:
    """A job that nobody killed: what it wrote, how long it took, and what was said in each line."""

    job: Job
    outputs: Mapping[str, bytes]
    seconds: float
    texts: Mapping[str, str]


class Room:
    """Folders for one job, which may be started more than once."""

    def __init__(self, folder: Path, job: Job, *, keeps_work: bool) -> None:
        self._folder, self._job, self._keeps_work = folder, job, keeps_work
        self._output = folder / "output"
        self._cache = folder / "cache"
        self._work = folder / "work"
        self._temporary = folder / "tmp"
        self._hook = folder / "hook"
        self._programs = folder / "bin"
        for path in (self._output, self._temporary, self._hook, self._programs):
            path.mkdir(parents=True)
        (self._programs / "espeak-ng").write_text(ESPEAK)
        (self._programs / "espeak-ng").chmod(0o755)
        (self._hook / "sitecustomize.py").write_text(KILL_AT)
        self.gate = folder / "gate"
        os.mkfifo(self.gate)
        self._runs = 0

    def start(self, **environment: str) -> Run:
        self._runs += 1
        run = Run(mark=uuid.uuid4().hex, said=self._folder / f"said-{self._runs}")
        run.said.touch()
        argv = [sys.executable, "-m", "gpu_node", str(self._job.lesson), *self._job.options]
        argv += ["--from", "en", "--to", "es", "-q", "-o", str(self._output / "dub.mp4")]
        argv += ["--work", str(self._work)] if self._keeps_work else []
        real = shutil.which("espeak-ng")
        assert real is not None
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("COV_", "PYTHON"))}
        ours = {
            "PATH": f"{self._programs}{os.pathsep}{os.environ['PATH']}",
            "REAL_ESPEAK": real,
            "SPOKEN_LOG": str(run.said),
            "GATE": str(self.gate),
            "OUTPUT_FOLDER": str(self._output),
            "XDG_CACHE_HOME": str(self._cache),
            "TMPDIR": str(self._temporary),
            MARK: run.mark,
        }
        ours |= {"PYTHONPATH": str(self._hook)} if "KILL_AT" in environment else {}
        with (self._folder / f"errors-{self._runs}").open("wb") as errors:
            run.process = subprocess.Popen(
                argv,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                env=inherited | ours | environment,
            )
        return run

    def finish(self, run: Run | None = None) -> Run:
        """Let a run come to its end; a new one if there is none."""
        run = run or self.start()
        assert run.process.wait(AMPLE) == 0, self.errors()
        return run

    def errors(self) -> str:
        return (self._folder / f"errors-{self._runs}").read_text()

    def outputs(self) -> Mapping[str, bytes]:
        return {path.name: path.read_bytes() for path in self._output.iterdir()}

    @property
    def store(self) -> Path | None:
        """Where the work is, if there is any."""
        if self._keeps_work:
            return self._work
        return next((self._cache / "dubfleet").glob("*"), None)

    def take_over(self, store: Path) -> None:
        """Begin with another room's work."""
        mine = self._work if self._keeps_work else self._cache / "dubfleet" / store.name
        shutil.copytree(store, mine)

    def records(self, kind: type[Contract]) -> Iterator[Contract]:
        for path in self.store.glob("records/*/*") if self.store else ():
            try:
                yield kind.model_validate_json(path.read_bytes().partition(b"\n")[2])
            except ValidationError:
                continue

    def finished_lines(self) -> set[str]:
        """The utterances that have been spoken, and whose sound is there."""
        if self.store is None:
            return set()
        store = Store(self.store)
        lines = (line for line in self.records(SpokenLine) if isinstance(line, SpokenLine))
        return {line.id for line in lines if store.intact(line.audio)}

    def leftovers(self) -> list[str]:
        """Whatever a job that has ended well should not have left."""
        left = [*self._temporary.rglob("*"), *self._cache.glob("dubfleet/*")]
        left += (self._work / "scratch").glob("*")
        return [str(path) for path in left]


@dataclass(slots=True)
class Run:
    """One start of the command."""

    mark: str
    said: Path
    process: subprocess.Popen[bytes] = None  # type: ignore[assignment]  # set as soon as it runs

    def killed_after(self, seconds: float) -> bool:
        """Kill it at a moment; False if it was done before."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return True
        return False

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def spoken(self) -> list[str]:
        return self.said.read_text().splitlines()

    def living(self) -> list[str]:
        """The programs it has started that still run; a zombie does not."""
        found = []
        for one in psutil.process_iter():
            try:
                if one.environ().get(MARK) == self.mark and one.status() != psutil.STATUS_ZOMBIE:
                    found.append(" ".join(one.cmdline()))
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        return found


def wait_until(condition: Callable[[], bool], within: float) -> bool:
    """Other processes give no event to wait for."""
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            return False
        threading.Event().wait(0.05)
    return True


def check_orphans_end(run: Run) -> None:
    orphans, began = run.living(), time.monotonic()
    assert wait_until(lambda: not run.living(), A_FEW_SECONDS), run.living()
    log.info("%d orphans, %.1f s: %s", len(orphans), time.monotonic() - began, orphans)


def check_killed(room: Room, undisturbed: Undisturbed) -> None:
    """What has its name already is whole; nothing else can be seen."""
    for name, content in room.outputs().items():
        if not name.startswith("."):
            assert content == undisturbed.outputs[name]


def check_resumed(room: Room, undisturbed: Undisturbed, killed: Run) -> None:
    """Run it to its end at once, whatever the killed run has left running, and compare."""
    check_killed(room, undisturbed)
    finished = room.finished_lines()
    run = room.finish()
    check_orphans_end(killed)
    assert room.outputs() == undisturbed.outputs
    expected = [text for key, text in undisturbed.texts.items() if key not in finished]
    assert sorted(run.spoken()) == sorted(expected)
    assert room.leftovers() == []
    check_orphans_end(run)


# The lesson, and the job when nobody disturbs it.


@pytest.fixture(scope="module")
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


@pytest.fixture(scope="module")
def recognised(lesson: Path, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """The whole job: somebody speaks, and nobody says what."""
    return undisturbed_run(tmp_path_factory.mktemp("recognised"), Job(lesson, ()))


@pytest.fixture(scope="module")
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


def test_the_undisturbed_jobs_are_worth_killing(
    recognised: Undisturbed, subtitled: Undisturbed
) -> None:
    assert len(recognised.texts) == 3
    assert len(subtitled.texts) == len(CUES)
    for job in (recognised, subtitled):
        assert sorted(job.outputs) == ["dub.en.vtt", "dub.es.vtt", "dub.mp4"]
        assert len(job.outputs["dub.mp4"]) > 100_000


# At any moment.


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


# What it leaves running.


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


# While it speaks.


@pytest.mark.parametrize("keeps_work", [True, False], ids=["work", "cache"])
def test_killed_while_it_speaks_only_the_interrupted_line_is_spoken_again(
    keeps_work: bool, subtitled: Undisturbed, tmp_path: Path
) -> None:
    room = Room(tmp_path / "room", subtitled.job, keeps_work=keeps_work)
    held, text = list(subtitled.texts.items())[2]
    others = subtitled.texts.keys() - {held}
    run = room.start(HOLD_TEXT=text)
    assert wait_until(lambda: room.finished_lines() == others, AMPLE)
    run.kill()
    assert room.finished_lines() == others
    assert sorted(run.spoken()) == sorted(subtitled.texts.values())
    again = room.start()
    # The orphan goes on into a folder that the new run has cleared away, or is about to.
    room.gate.write_text("go\n")
    room.finish(again)
    assert again.spoken() == [text]
    assert room.outputs() == subtitled.outputs
    assert room.leftovers() == []
    check_orphans_end(run)


# While it delivers, and while it cleans up.


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
