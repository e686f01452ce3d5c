"""What tests of the speech service have in common."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gpu_node.engines.tts.service import SpeechService, opened
from gpu_node.graph import StageContext
from tests.gpu_node.making import stage_context
from tests.support.speech import Booth


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
