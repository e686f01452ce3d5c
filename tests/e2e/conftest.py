"""One site for the tests of a module, and the lesson they dub."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from gpu_node.demo.lesson import build_lesson
from tests.e2e.system import System, system

VAR = Path(__file__).resolve().parents[2] / "var" / "tests"


@pytest.fixture(scope="session")
def lesson(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_lesson(tmp_path_factory.mktemp("lesson")).video


@pytest.fixture(scope="module")
def running() -> Iterator[System]:
    VAR.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="e2e-", dir=VAR))
    try:
        with system(folder) as site:
            yield site
    finally:
        shutil.rmtree(folder, ignore_errors=True)
