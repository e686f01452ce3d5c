"""Stores for a test, what is put into them, and damage to it."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st

from gpu_node.artefacts import Store
from gpu_node.contracts.blobs import Blob

# A shared machine may hold one example up for longer than Hypothesis would wait.
PATIENT = settings(deadline=None, max_examples=50)

CONTENTS = st.binary(max_size=300)


@contextlib.contextmanager
def held_store() -> Iterator[Store]:
    """Hypothesis runs a test many times within one tmp_path; each run wants its own folder."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "store")
        with store.exclusive():
            yield store


def keep(store: Store, content: bytes, suffix: str = "") -> Blob:
    with store.scratch() as folder:
        file = folder / f"made{suffix}"
        file.write_bytes(content)
        return store.keep(file)


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def flip_a_bit(path: Path, data: st.DataObject) -> None:
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
