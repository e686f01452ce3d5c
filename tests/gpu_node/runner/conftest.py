"""A store for one test's runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gpu_node.artefacts import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "store")
    with store.exclusive():
        yield store
