"""What is half made is cleared away, and a full disk is known for what it is."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from gpu_node.artefacts import Store, is_disk_full
from tests.gpu_node.artefacts.stores import held_store


def test_scratch_is_gone_at_the_end_whatever_happens() -> None:
    with held_store() as store:
        with pytest.raises(RuntimeError), store.scratch() as folder:
            (folder / "half").write_bytes(b"half")
            raise RuntimeError
        assert not folder.exists()


def test_what_a_killed_run_left_half_made_is_cleared(tmp_path: Path) -> None:
    store = Store(tmp_path)
    (tmp_path / "scratch" / "tmpxyz").mkdir(parents=True)
    (tmp_path / "scratch" / "tmpxyz" / "half.wav").write_bytes(b"half")
    with store.exclusive():
        assert list((tmp_path / "scratch").iterdir()) == []
        with store.scratch() as folder:
            (folder / "new").write_bytes(b"new")
    assert not (tmp_path / "scratch").exists()


def test_a_full_disk_is_known_by_its_number_alone() -> None:
    full: Mapping[int, bool] = {errno.ENOSPC: True, errno.EDQUOT: True, errno.EACCES: False}
    for number, expected in full.items():
        assert is_disk_full(OSError(number, os.strerror(number))) is expected
    assert not is_disk_full(ValueError("No space left on device"))
