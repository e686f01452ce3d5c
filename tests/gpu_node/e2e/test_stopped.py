"""Ctrl-C, SIGTERM and SIGHUP, whatever the program is at: nothing is left, nobody lives on."""

from __future__ import annotations

import contextlib
import os
import pty
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.gpu_node.e2e import checks, films
from tests.gpu_node.e2e.conftest import Given
from tests.gpu_node.e2e.desk import Desk, outcome_of, require_refusal
from tests.gpu_node.e2e.films import AAC, X264

READING = Path("/usr/share/pocketsphinx/test/data/librivox")
STOPPED = r"Stopped\. Nothing was written\."
STOPPED_WITHIN = 20.0
CODES = {signal.SIGHUP: 129, signal.SIGINT: 130, signal.SIGTERM: 143}

# A word of FFmpeg's command line that only one stage uses.
STAGES = {
    "fingerprint": "framehash",
    "extraction": "asplit",
    "measuring": "ebur128",
    "mastering": "alimiter",
    "mux": "mov_text",
}


@pytest.fixture
def speech() -> Mapping[str, str]:
    """A service of the dub's own: it has to end with the dub."""
    return {}


@pytest.fixture(autouse=True)
def heedful(desk: Desk) -> None:
    """Somebody may run the tests under `nohup`, and programs inherit what is ignored."""
    desk.prefix = ("env", "--default-signal=HUP")


def hold(desk: Desk, program: str, word: str) -> Path:
    """Make a program with that word on its command line wait for ever; returns its sign of life."""
    folder = desk.root.parent / "held"
    folder.mkdir()
    reached = folder / "reached"
    real = shutil.which(program)
    assert real is not None
    script = folder / program
    script.write_text(
        f'#!/bin/sh\ncase "$*" in *{word}*) touch {shlex.quote(str(reached))}; sleep 1000;; esac\n'
        f'exec {shlex.quote(real)} "$@"\n'
    )
    script.chmod(0o755)
    desk.environment["PATH"] = f"{folder}{os.pathsep}{os.environ['PATH']}"
    return reached


def require_stopped(
    desk: Desk, running: subprocess.Popen[bytes], number: signal.Signals, *, times: int = 1
) -> None:
    """Send the signal; the command says so and ends, and so does everything it started."""
    before = {name: what for name, what in desk.listing().items() if not name.startswith("cache/")}
    assert [words for words in desk.programs() if " -m gpu_node " not in words]
    for _ in range(times):
        running.send_signal(number)
    require_refusal(outcome_of(running, STOPPED_WITHIN), code=CODES[number], says=STOPPED)
    assert desk.survivors() == []
    after = dict(desk.listing())
    assert {name for name in after if name.startswith("cache/")} == {"cache/dubfleet"}
    del after["cache/dubfleet"]
    assert after == before


@pytest.mark.parametrize("number", CODES, ids=lambda number: number.name)
@pytest.mark.parametrize("stage", STAGES)
def test_stopped_while_ffmpeg_works(given: Given, stage: str, number: signal.Signals) -> None:
    desk = given.desk
    reached = hold(desk, "ffmpeg", STAGES[stage])
    running = desk.start(given.lesson, *given.options)
    desk.wait_for(reached.exists, running)
    require_stopped(desk, running, number)


def test_stopped_while_the_lesson_is_looked_at(given: Given) -> None:
    desk = given.desk
    reached = hold(desk, "ffprobe", "show_streams")
    running = desk.start(given.lesson, *given.options)
    desk.wait_for(reached.exists, running)
    require_stopped(desk, running, signal.SIGINT)


def test_stopped_while_a_line_is_spoken(given: Given) -> None:
    desk = given.desk
    reached = hold(desk, "espeak-ng", "--stdin")
    running = desk.start(given.lesson, *given.options)
    desk.wait_for(reached.exists, running)
    assert any(" -m chatterbox_service " in words for words in desk.programs())
    require_stopped(desk, running, signal.SIGTERM)


def test_stopped_while_the_speech_service_starts(given: Given) -> None:
    desk = given.desk
    running = desk.start(given.lesson, *given.options)
    started = " -m chatterbox_service "
    desk.wait_for(lambda: any(started in words for words in desk.programs()), running)
    require_stopped(desk, running, signal.SIGINT)


def test_stopped_while_the_engines_are_asked_what_they_can_do(given: Given) -> None:
    desk = given.desk
    reached = hold(desk, "espeak-ng", "--voices")
    running = desk.start(given.lesson, *given.options)
    desk.wait_for(reached.exists, running)
    require_stopped(desk, running, signal.SIGINT)


def test_stopped_while_a_line_is_translated(given: Given) -> None:
    desk = given.desk
    reached = hold(desk, "lt-proc", "-z")
    running = desk.start(given.lesson, "--subtitles", given.subtitles)
    desk.wait_for(reached.exists, running)
    require_stopped(desk, running, signal.SIGINT)


@pytest.mark.parametrize("number", CODES, ids=lambda number: number.name)
def test_stopped_while_speech_is_recognised(desk: Desk, number: signal.Signals) -> None:
    lesson = desk.lessons / "reading.mp4"
    reading = sorted(READING.glob("*0870.wav"))[0]
    films.ffmpeg(
        *("-f", "lavfi", "-i", films.picture(), "-i", reading),
        *shlex.split(f"{X264} {AAC} -t 6"),
        lesson,
    )
    running = desk.start(lesson)
    desk.wait_for(lambda: any("pocketsphinx_worker" in words for words in desk.programs()), running)
    require_stopped(desk, running, number)


_AT_AN_IMPORT = """
import importlib.abc, os, signal, sys

class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "soundfile":
            os.kill(os.getpid(), {number})

sys.meta_path.insert(0, Finder())
"""


@pytest.mark.parametrize("number", CODES, ids=lambda number: number.name)
def test_stopped_while_it_still_loads(given: Given, number: signal.Signals) -> None:
    """The first third of a second belongs to Python's imports; Ctrl-C comes then too."""
    desk = given.desk
    hook = desk.root.parent / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(_AT_AN_IMPORT.format(number=int(number)))
    desk.environment["PYTHONPATH"] = os.pathsep.join(
        [str(hook), *filter(None, [os.environ.get("PYTHONPATH")])]
    )
    desk.environment["PYTHONDONTWRITEBYTECODE"] = "1"
    desk.refused(given.lesson, *given.options, code=CODES[number], says=STOPPED)


def drain(terminal: int) -> None:
    """Read what was said to a terminal, for it takes no more than a page that nobody reads."""
    with contextlib.suppress(BlockingIOError):
        while os.read(terminal, 4096):
            pass


def test_the_terminal_is_closed(given: Given) -> None:
    """It is stopped, and that it can tell nobody any more is no mistake of its own."""
    desk = given.desk
    before = desk.listing()
    reached = hold(desk, "ffmpeg", STAGES["mux"])
    ours, theirs = pty.openpty()
    os.set_blocking(ours, False)
    with os.fdopen(theirs, "r+b", buffering=0) as terminal:
        running = subprocess.Popen(
            [
                *("setsid", "--ctty", *desk.prefix, sys.executable, "-m", "gpu_node"),
                *("--from", "en", "--to", "es", "-o", desk.output),
                *(*given.options, "--", given.lesson),
            ],
            cwd=desk.root,
            env={**desk.environment, "TERM": "xterm"},
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
        )

    def reached_and_drained() -> bool:
        drain(ours)
        return reached.exists()

    desk.wait_for(reached_and_drained, running)
    os.close(ours)
    assert running.wait(STOPPED_WITHIN) == CODES[signal.SIGHUP]
    assert desk.survivors() == []
    assert desk.listing() == before


def test_under_nohup_a_closed_terminal_is_outlived(given: Given) -> None:
    desk = given.desk
    desk.prefix = ("env", "--ignore-signal=HUP")
    reached = hold(desk, "ffmpeg", STAGES["extraction"])
    running = desk.start(given.lesson, *given.options)
    desk.wait_for(reached.exists, running)
    running.send_signal(signal.SIGHUP)
    time.sleep(1.0)
    assert running.poll() is None
    require_stopped(desk, running, signal.SIGTERM)


def test_an_impatient_user(given: Given) -> None:
    """More signals, of either kind, neither hurry it into a mess nor change what is said."""
    desk = given.desk
    reached = hold(desk, "ffmpeg", STAGES["mux"])
    running = desk.start(given.lesson, *given.options)
    desk.wait_for(reached.exists, running)
    require_stopped(desk, running, signal.SIGINT, times=20)


def test_a_stopped_dub_leaves_yesterdays_alone_and_can_be_made_again(given: Given) -> None:
    desk = given.desk
    desk.output.write_text("yesterday's")
    reached = hold(desk, "ffmpeg", STAGES["mux"])
    running = desk.start(given.lesson, *given.options)
    desk.wait_for(reached.exists, running)
    require_stopped(desk, running, signal.SIGINT)
    assert desk.output.read_text() == "yesterday's"
    desk.environment["PATH"] = os.environ["PATH"]
    desk.done(given.lesson, *given.options)
    checks.require_tracks(desk.output)


def test_work_kept_in_a_folder_is_not_done_again(given: Given) -> None:
    """Stopped at the mux with --work, the next run with it only has the mux to do."""
    desk = given.desk
    options = (*given.options, "--work", desk.root / "work")
    reached = hold(desk, "ffmpeg", STAGES["mux"])
    running = desk.start(given.lesson, *options)
    desk.wait_for(reached.exists, running)
    running.send_signal(signal.SIGINT)
    require_refusal(outcome_of(running, STOPPED_WITHIN), code=130, says=STOPPED)
    assert desk.survivors() == []
    assert list((desk.root / "work" / "scratch").glob("*")) == []
    shutil.rmtree(reached.parent)
    reached = hold(desk, "ffmpeg", STAGES["mastering"])
    desk.done(given.lesson, *options)
    assert not reached.exists()
    checks.require_lines_on_time(desk.output)
