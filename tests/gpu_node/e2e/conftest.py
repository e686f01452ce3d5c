"""Desks to work at, and lessons that many tests dub."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.gpu_node.e2e.desk import Argument, Desk
from tests.gpu_node.e2e.films import Film
from tests.gpu_node.e2e.subtitles import ENGLISH, SPANISH, srt


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path / "desk")
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
