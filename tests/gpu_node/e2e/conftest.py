"""Desks to work at, and lessons that many tests dub."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.gpu_node.e2e.desk import Argument, Desk
from tests.gpu_node.e2e.films import Film
from tests.gpu_node.e2e.subtitles import ENGLISH, SPANISH, srt
from tests.support.speech import speech_server


@pytest.fixture(scope="session")
def shared_speech(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a speech service that runs already: one takes a second to start."""
    with speech_server(tmp_path_factory.mktemp("speech")) as server:
        yield server.url


@pytest.fixture
def speech(shared_speech: str) -> Mapping[str, str]:
    """Which service dubs speak with; a module with another `speech` has them start their own."""
    return {"SPEECH_URL": shared_speech}


@pytest.fixture
def desk(tmp_path: Path, speech: Mapping[str, str]) -> Iterator[Desk]:
    desk = Desk(tmp_path / "desk")
    desk.environment.update(speech)
    yield desk
    desk.clear()


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of shared lessons."""
    return tmp_path_factory.mktemp("films")


@pytest.fixture(scope="session")
def plain_film(films: Path) -> Path:
    """A lesson with nothing odd about it."""
    return Film().make(films / "plain.mp4")


@dataclass(frozen=True)
class Given:
    """A desk with a plain lesson and its subtitles in both languages."""

    desk: Desk
    lesson: Path
    subtitles: Path
    target_subtitles: Path

    @property
    def options(self) -> tuple[Argument, ...]:
        return ("--subtitles", self.subtitles, "--target-subtitles", self.target_subtitles)


@pytest.fixture
def given(desk: Desk, plain_film: Path) -> Given:
    return Given(
        desk,
        desk.take(plain_film, "lesson.mp4"),
        desk.put("lesson.srt", srt(ENGLISH)),
        desk.put("translation.srt", srt(SPANISH)),
    )
