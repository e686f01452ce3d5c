"""A speech service of our own: started, lost, stopped, and gone with whoever asked."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gpu_node.contracts.errors import DubfleetError, ItemFailed, Reason
from gpu_node.contracts.timeline import SpokenLine
from gpu_node.engines.tts import child, service
from gpu_node.engines.tts.service import SpeechService, opened
from gpu_node.graph import StageContext
from tests.gpu_node.engines.speaking import (
    ROOT,
    SOON,
    refusal,
    say,
    services,
    wait_for,
)
from tests.gpu_node.making import stage_context
from tests.support.speech import Booth


def test_it_is_gone_after_the_dub(tmp_path: Path) -> None:
    with opened(tmp_path) as own:
        assert services() == []
        own.start()
        own.found()
        (process,) = services()
        # Not in our group: Ctrl-C is not meant for it.
        assert os.getpgid(process.pid) == process.pid
    assert not process.is_running()


def test_it_is_gone_after_a_failure(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), opened(tmp_path) as own:
        own.start()
        (process,) = services()
        raise ZeroDivisionError
    assert not process.is_running()


_PARENT = """
import sys, time
from pathlib import Path
from gpu_node.engines.tts.service import opened

with opened(Path(sys.argv[1])) as own:
    own.start()
    if sys.argv[2] == "healthy":
        own.found()
    print("started", flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("moment", ["starting", "healthy"])
def test_it_is_gone_after_its_parent_was_killed(tmp_path: Path, moment: str) -> None:
    argv = [sys.executable, "-c", _PARENT, str(tmp_path), moment]
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"started\n"
        (process,) = services(parent.pid)
        parent.kill()
    process.wait(15)


def test_what_is_set_for_other_services_is_not_meant_for_it(
    own: SpeechService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TTS_TOKEN_FILE", "/nowhere/token")
    monkeypatch.setenv("TTS_ENGINE", "chatterbox")
    monkeypatch.setenv("TTS_RECOGNISER", "small")
    assert own.found().health.engine == "espeak"


def test_one_that_dies_while_it_speaks_is_started_again(
    own: SpeechService, booth: Booth, ctx: StageContext
) -> None:
    with ThreadPoolExecutor() as pool:
        line = pool.submit(say, own, ctx, "wait")
        wait_for(lambda: booth.said() == ["wait"])
        (process,) = services()
        process.kill()
        wait_for(lambda: booth.said() == ["wait", "wait"])
        booth.open()
        assert 0.2 < line.result(SOON).duration < 2.0
    assert services() != [process]


def test_one_that_dies_of_every_line_is_given_up(
    own: SpeechService, ctx: StageContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    booth = Booth(tmp_path / "booth")
    script = booth.folder / "bin" / "espeak-ng"
    script.write_text(script.read_text().replace("text=$(cat)", "kill -9 $PPID; exit 1"))
    monkeypatch.setenv("PATH", booth.path)
    error = refusal(own, ctx)
    assert error.reason is Reason.ENGINE_FAILED
    assert not isinstance(error, ItemFailed)
    assert str(error) == (
        "The speech service went away while it spoke, and again after that: try again."
    )


def test_many_lines_that_lose_it_start_it_once(
    own: SpeechService, booth: Booth, tmp_path: Path
) -> None:
    def one(number: int) -> SpokenLine:
        folder = tmp_path / f"stage-{number}"
        folder.mkdir()
        with stage_context(folder) as ctx:
            return say(own, ctx, "wait")

    with ThreadPoolExecutor(2) as pool:
        lines = [pool.submit(one, number) for number in range(2)]
        wait_for(lambda: booth.said())
        services()[0].kill()
        before = len(booth.said())
        wait_for(lambda: len(booth.said()) > before)
        started = services()
        booth.open()
        assert lines[0].result(SOON).audio == lines[1].result(SOON).audio
    assert len(started) == 1
    assert services() == started


def test_a_stop_while_a_line_is_spoken_ends_at_once(
    own: SpeechService, booth: Booth, ctx: StageContext
) -> None:
    own.found()
    with ThreadPoolExecutor() as pool:
        line = pool.submit(say, own, ctx, "wait")
        wait_for(lambda: booth.said() == ["wait"])
        (process,) = services()
        (speaking,) = process.children()
        began = time.monotonic()
        ctx.stop.set()
        with pytest.raises(DubfleetError) as caught:
            line.result(SOON)
        assert time.monotonic() - began < 1.0
    assert caught.value.reason is Reason.CANCELLED
    # The service drops the line, and goes on.
    speaking.wait(5)
    ctx.stop.clear()
    assert say(own, ctx, "Hola.").duration > 0.2
    assert services() == [process]


def test_a_stop_while_it_starts_ends_at_once(own: SpeechService) -> None:
    stop = threading.Event()
    threading.Timer(0.2, stop.set).start()
    began = time.monotonic()
    with pytest.raises(DubfleetError) as caught:
        own.found(stop)
    assert caught.value.reason is Reason.CANCELLED
    assert time.monotonic() - began < 1.5


def test_without_its_environment_the_sentence_says_what_to_do(
    own: SpeechService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child, "_FOLDER", tmp_path / "nowhere")
    for asked in (own.start, own.found, service.check):
        with pytest.raises(DubfleetError) as caught:
            asked()
        assert caught.value.reason is Reason.PROGRAM_MISSING
        assert str(caught.value) == (
            "The speech service is not installed: run `make setup`, or set SPEECH_URL."
        )


def test_an_environment_that_is_half_made(
    own: SpeechService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\necho 'No module named chatterbox_service' >&2\nexit 1\n")
    python.chmod(0o755)
    monkeypatch.setattr(child, "_FOLDER", tmp_path)
    with pytest.raises(DubfleetError) as caught:
        own.found()
    assert caught.value.reason is Reason.ENGINE_FAILED
    assert str(caught.value) == (
        "The speech service ended while it started: run `make setup`, or set SPEECH_URL."
    )
    assert "No module named" in caught.value.detail


def test_a_check_starts_nothing() -> None:
    service.check()
    assert services() == []
