"""A store belongs to one process at a time, and is removed by that one."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from gpu_node.artefacts import Busy, Store
from gpu_node.contracts.errors import Reason
from tests.gpu_node.artefacts.stores import keep

# Takes the store, says so, starts a program of its own and waits to be killed.
HOLD = """
import sys, threading
from pathlib import Path
from gpu_node import process
from gpu_node.artefacts import Store
with Store(Path(sys.argv[1])).exclusive():
    child = process.start(["sleep", "600"])
    print(child.pid, flush=True)
    threading.Event().wait()
"""

TRY = """
import sys
from pathlib import Path
from gpu_node.artefacts import Busy, Store
try:
    with Store(Path(sys.argv[1])).exclusive():
        print("held")
except Busy as busy:
    print(busy.reason, busy.sentence)
"""


@contextlib.contextmanager
def held_by_another(root: Path) -> Iterator[tuple[subprocess.Popen[str], psutil.Process]]:
    """Another process that holds the store, and the program that it has started."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(root)], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        child = psutil.Process(int(holder.stdout.readline()))
        try:
            yield holder, child
        finally:
            holder.kill()
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()


def test_a_second_process_is_refused_while_the_first_works(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    with store.exclusive():
        tried = subprocess.run(
            [sys.executable, "-c", TRY, str(store.root)],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        assert tried.stdout.strip() == "busy Another process is working on this lesson."
    with held_by_another(store.root):
        with pytest.raises(Busy) as refused, store.exclusive():
            pytest.fail("two processes hold the store")
        assert refused.value.reason is Reason.BUSY


def test_being_refused_disturbs_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    with store.exclusive(), store.scratch() as folder:
        (folder / "half").write_bytes(b"half")
        with contextlib.suppress(Busy), Store(store.root).exclusive():
            pytest.fail("the store is held twice")
        assert (folder / "half").read_bytes() == b"half"


def test_a_killed_holder_holds_no_more_though_its_program_lives_on(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    with held_by_another(store.root) as (holder, child):
        holder.kill()
        holder.wait()
        assert child.is_running()
        with store.exclusive():
            assert child.is_running()


def test_a_removed_store_leaves_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    with store.exclusive():
        keep(store, b"kept")
        (store.root / "stray").write_bytes(b"")
        store.remove()
    assert list(tmp_path.iterdir()) == []


def test_while_a_store_is_removed_nobody_gets_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Whoever got in would have the folders taken away under his feet.
    store, removed = Store(tmp_path / "store"), []
    rmtree = shutil.rmtree

    def slow_rmtree(path: Path, ignore_errors: bool = False) -> None:
        with pytest.raises(Busy), Store(store.root).exclusive():
            pytest.fail("the store is held twice")
        removed.append(path)
        rmtree(path, ignore_errors=ignore_errors)

    with store.exclusive():
        monkeypatch.setattr(shutil, "rmtree", slow_rmtree)
        store.remove()
        monkeypatch.undo()
    assert len(removed) == 3


@pytest.mark.parametrize("moment", ["before the lock is opened", "before the lock is taken"])
def test_a_store_that_is_removed_while_we_come_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    holder, comer = Store(tmp_path / "store"), Store(tmp_path / "store")
    ending = contextlib.ExitStack()
    ending.enter_context(holder.exclusive())

    def leave() -> None:
        monkeypatch.undo()
        with ending:
            holder.remove()

    if moment == "before the lock is opened":
        mkdir = Path.mkdir

        def mkdir_then_leave(self: Path, *args: Any, **options: Any) -> None:
            mkdir(self, *args, **options)
            leave()

        monkeypatch.setattr(Path, "mkdir", mkdir_then_leave)
    else:
        flock = fcntl.flock

        def leave_then_flock(file: Any, how: int) -> None:
            leave()
            flock(file, how)

        monkeypatch.setattr(fcntl, "flock", leave_then_flock)
    with comer.exclusive():
        assert comer.intact(keep(comer, b"kept"))
        with pytest.raises(Busy), Store(comer.root).exclusive():
            pytest.fail("the store is held twice")
