"""A room for one job that is killed, what it leaves behind, and what must hold afterwards."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil
from pydantic import ValidationError

from gpu_node.artefacts import Store
from gpu_node.contracts.base import Contract
from gpu_node.contracts.timeline import SpokenLine

log = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parents[3]
SEED = 20261121

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
