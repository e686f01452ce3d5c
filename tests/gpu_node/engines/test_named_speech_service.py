"""A speech service that is named: its token, busy, slow, away, and not one at all."""

from __future__ import annotations

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gpu_node.contracts.errors import DubfleetError, ItemFailed, Reason
from gpu_node.engines.tts import service, speech
from gpu_node.engines.tts.asking import Address, Unanswered, ask
from gpu_node.engines.tts.health import Health
from gpu_node.engines.tts.service import SpeechService
from gpu_node.engines.tts.settings import speech_settings
from gpu_node.graph import StageContext
from tests.gpu_node.engines.speaking import (
    SOON,
    refusal,
    say,
    wait_for,
)
from tests.gpu_node.guard.small_http import pages_at
from tests.support.redis import free_port
from tests.support.speech import Booth, SpeechServer, speech_server


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
