"""The speech service from outside: started, lost, busy, slow, stopped, gone with whoever asked."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from gpu_node.contracts.errors import DubfleetError, ItemFailed, Reason
from gpu_node.contracts.timeline import SpokenLine, Translation, Utterance
from gpu_node.engines.tts import child, service, speech
from gpu_node.engines.tts.asking import Address, Unanswered, ask
from gpu_node.engines.tts.health import Health
from gpu_node.engines.tts.service import SpeechService, opened
from gpu_node.engines.tts.settings import speech_settings
from gpu_node.engines.tts.speech import SpeakSettings, Speech
from gpu_node.graph import StageContext
from tests.gpu_node.guard.small_http import pages_at
from tests.gpu_node.making import stage_context
from tests.support.redis import free_port
from tests.support.speech import Booth, SpeechServer, speech_server

ROOT = Path(__file__).resolve().parents[3]
ITEM = Utterance(id="u0001", start=0.0, end=1.0, text="A house.")
SPANISH = SpeakSettings(language="es")
SOON = 30.0


@pytest.fixture(autouse=True)
def unnamed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has named a service, unless the test does."""
    for name in ("SPEECH_URL", "SPEECH_URL_FILE", "SPEECH_TOKEN", "SPEECH_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def ctx(tmp_path: Path) -> Iterator[StageContext]:
    (tmp_path / "stage").mkdir()
    with stage_context(tmp_path / "stage") as context:
        yield context


@pytest.fixture
def booth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Booth:
    """The `espeak-ng` of everything that this test starts."""
    booth = Booth(tmp_path / "booth")
    monkeypatch.setenv("PATH", booth.path)
    return booth


@pytest.fixture
def own(tmp_path: Path) -> Iterator[SpeechService]:
    """A service of our own."""
    (tmp_path / "own").mkdir()
    with opened(tmp_path / "own") as found:
        yield found


def say(found: SpeechService, ctx: StageContext, text: str) -> SpokenLine:
    line = Translation(id=ITEM.id, text=text, spoken=text)
    return Speech(found).speak(ctx, SPANISH, ITEM, line)


def refusal(found: SpeechService, ctx: StageContext, text: str = "Hola.") -> DubfleetError:
    with pytest.raises(DubfleetError) as caught:
        say(found, ctx, text)
    assert list(ctx.folder.iterdir()) == []
    return caught.value


def wait_for(wanted: Callable[[], object]) -> None:
    deadline = time.monotonic() + SOON
    while not wanted():
        assert time.monotonic() < deadline, "what was waited for did not come"
        time.sleep(0.02)


def services(of: int | None = None) -> list[psutil.Process]:
    """Those that a process (we) has started."""
    children = psutil.Process(of).children()
    return [one for one in children if "chatterbox_service" in " ".join(one.cmdline())]


# --- One of our own


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


# --- One that is named


def named(monkeypatch: pytest.MonkeyPatch, url: str, token: Path | None = None) -> SpeechService:
    """As `opened` finds it by the settings."""
    monkeypatch.setenv("SPEECH_URL", url)
    if token is not None:
        monkeypatch.setenv("SPEECH_TOKEN_FILE", str(token))
    address = speech_settings().address
    assert address is not None
    return SpeechService(service.Named(address))


def test_it_is_shown_its_token(
    tmp_path: Path, ctx: StageContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    right, wrong = tmp_path / "right", tmp_path / "wrong"
    right.write_text("a-token-of-some-length\n")
    wrong.write_text("another-token-entirely\n")
    with speech_server(tmp_path / "server", TTS_TOKEN_FILE=str(right)) as server:
        assert say(named(monkeypatch, server.url, right), ctx, "Hola.").duration > 0.2
        assert "a-token" not in repr((speech_settings(), speech_settings().address))
        for token in (wrong, None):
            monkeypatch.delenv("SPEECH_TOKEN_FILE", raising=False)
            error = refusal(named(monkeypatch, server.url, token), ctx)
            assert str(error) == (
                "The speech service does not take our token: see SPEECH_TOKEN_FILE."
            )
        service.check()


def test_a_busy_one_is_waited_for(
    tmp_path: Path, booth: Booth, ctx: StageContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    with speech_server(tmp_path / "server", TTS_QUEUE="1") as server, ThreadPoolExecutor() as pool:
        found = named(monkeypatch, server.url)
        found.found()
        first = pool.submit(say, found, ctx, "wait")
        wait_for(lambda: booth.said() == ["wait"])

        # One that has no time to wait is told so.
        with monkeypatch.context() as hurried:
            hurried.setattr(speech, "_LONGEST_SECONDS", 1.0)
            error = refusal(found, ctx)
        assert error.reason is Reason.ENGINE_FAILED
        assert "has had no time" in str(error)

        second = pool.submit(say, found, ctx, "Hola.")
        refused = server.counted("refused")
        wait_for(lambda: server.counted("refused") > refused)
        assert not second.done()
        booth.open()
        assert first.result(SOON).duration > 0.2
        assert second.result(SOON).duration > 0.2
    assert booth.said() == ["wait", "Hola."]


def test_a_line_that_takes_too_long_fails_alone(
    own: SpeechService, booth: Booth, ctx: StageContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    own.found()
    monkeypatch.setattr(speech, "_LONGEST_SECONDS", 0.3)
    error = refusal(own, ctx, "wait")
    assert isinstance(error, ItemFailed)
    assert error.reason is Reason.SPEECH_FAILED
    assert "too long" in error.detail
    monkeypatch.undo()
    assert say(own, ctx, "Hola.").duration > 0.2


def test_an_engine_that_fails_is_tried_twice(
    tmp_path: Path, ctx: StageContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    booth = Booth(tmp_path / "booth")
    program = booth.folder / "bin" / "espeak-ng"
    with monkeypatch.context() as only:
        # It is found nowhere else, once it is away.
        real = {name: f"/usr/bin/{name}" for name in ("bash", "cat")}
        for name, path in real.items():
            (program.parent / name).symlink_to(path)
        only.setenv("PATH", str(program.parent))
        server = SpeechServer(tmp_path / "server")
        server.start()
    try:
        found = named(monkeypatch, server.url)
        assert say(found, ctx, "Hola.").duration > 0.2
        program.rename(tmp_path / "away")
        error = refusal(found, ctx)
        assert isinstance(error, ItemFailed)
        assert error.reason is Reason.SPEECH_FAILED
        assert "eSpeak NG is not installed" in error.detail
        (tmp_path / "away").rename(program)
        assert say(found, ctx, "Hola.").duration > 0.2
    finally:
        server.kill()


def test_one_that_comes_back_is_found_again(
    tmp_path: Path, booth: Booth, ctx: StageContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    with speech_server(tmp_path / "server") as server, ThreadPoolExecutor() as pool:
        found = named(monkeypatch, server.url)
        line = pool.submit(say, found, ctx, "wait")
        wait_for(lambda: booth.said() == ["wait"])
        server.kill()
        booth.open()
        server.begin()
        assert line.result(SOON).duration > 0.2
        assert booth.said() == ["wait", "wait"]


def test_one_that_stays_away_ends_the_dub(
    tmp_path: Path, ctx: StageContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "_BACK_SECONDS", 0.3)
    with speech_server(tmp_path / "server") as server:
        found = named(monkeypatch, server.url)
        found.found()
        server.kill()
        error = refusal(found, ctx)
    assert error.reason is Reason.ENGINE_FAILED
    assert str(error) == (
        f"The speech service at {server.url} does not answer: start it, or see SPEECH_URL."
    )


def test_one_that_was_never_there_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    found = named(monkeypatch, url)
    for asked in (found.found, service.check):
        began = time.monotonic()
        with pytest.raises(DubfleetError, match=f"{url} does not answer"):
            asked()
        assert time.monotonic() - began < 2.0


@pytest.mark.parametrize("page", [b"{}", b"<html>", b'{"status": "healthy", "languages": {}}'])
def test_somebody_else_answers(page: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    with pages_at({"/health": (200, page)}) as url:
        found = named(monkeypatch, url)
        for asked in (found.found, service.check):
            with pytest.raises(DubfleetError, match="is not a speech service") as caught:
                asked()
            assert caught.value.reason is Reason.ENGINE_FAILED


@pytest.mark.parametrize(
    ("status", "error", "says"),
    [
        ("error", "The weights are missing.", "cannot speak: The weights are missing."),
        ("initialising", None, "cannot speak: it is initialising."),
    ],
)
def test_one_that_cannot_speak_says_why(
    status: str, error: str | None, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    health = Health(
        status=status, error=error, engine="e", engine_version="1", version="1", languages={}
    )
    monkeypatch.setattr(service, "_LOAD_SECONDS", 0.2)
    with pages_at({"/health": (200, health.model_dump_json().encode())}) as url:
        found = named(monkeypatch, url)
        for asked in (found.found, service.check):
            with pytest.raises(DubfleetError, match=says):
                asked()


@pytest.mark.parametrize(
    "url", ["localhost:8001", "https://speech.example", "http://", "http://h:port", "http://u@h/"]
)
def test_an_address_that_cannot_be(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPEECH_URL", url)
    with pytest.raises(DubfleetError) as caught:
        service.check()
    assert caught.value.reason is Reason.ENGINE_FAILED
    assert str(caught.value).startswith("SPEECH_URL is wrong: ")


def test_addresses() -> None:
    assert Address.parse("http://[::1]:8001/") == Address("::1", 8001)
    assert str(Address.parse("http://[::1]:8001/speech/")) == "http://[::1]:8001/speech"
    assert Address.parse("http://host").port == 80
    assert "secret" not in repr(Address.parse("http://host", "secret"))


# --- What may come over a wire


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort",
        b"\x00\x01\x02\r\n\r\n",
    ],
)
def test_half_an_answer_is_none(said: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(said)

        threading.Thread(target=answer, daemon=True).start()
        with pytest.raises(Unanswered):
            ask(Address("127.0.0.1", server.getsockname()[1]), "/health", timeout=5)
