"""The store's bound and its books, whoever does whatever at the same time."""

from __future__ import annotations

import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from chatterbox_service.problems import Problem
from chatterbox_service.references.checking import MOST_BYTES, Reference
from chatterbox_service.references.store import Store
from tests.chatterbox_service.references import making
from tests.chatterbox_service.references.making import reference_of, whole


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"


def test_many_threads_add_use_and_evict(tmp_path: Path, folder: Path) -> None:
    store = Store(folder, 3 * MOST_BYTES)
    several = [whole(n) for n in range(5)]
    begin = threading.Barrier(4)

    def work(seed: int) -> None:
        begin.wait()
        for n in np.random.default_rng(seed).integers(0, 5, 15):
            with store.keeping(several[n]) as reference, store.using(reference.key) as path:
                assert path.read_bytes() == several[n].wav

    # Each of three threads has one in use at most, and there is room for three.
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(work, seed) for seed in range(3)] + [pool.submit(begin.wait)]:
            done.result()
    held = [folder / name for name in making.held(folder)]
    assert store.size == sum(path.stat().st_size for path in held) <= store.most_bytes
    assert len(store) == len(held)


SIZES = (MOST_BYTES, MOST_BYTES, MOST_BYTES // 2, MOST_BYTES // 3, 400_000, 300_000)
SEVERAL = [reference_of(bytes([n]) * size) for n, size in enumerate(SIZES)]
_ANY = st.sampled_from(SEVERAL)


class Bookkeeping(RuleBasedStateMachine):
    """Whatever is added, used, let go and lost, and whenever the process begins anew."""

    def __init__(self) -> None:
        super().__init__()
        self.place = tempfile.TemporaryDirectory()
        self.folder = Path(self.place.name) / "store"
        self.store = Store(self.folder, 2 * MOST_BYTES)
        self.in_use: list[tuple[str, ExitStack]] = []

    @rule(reference=_ANY)
    def add(self, reference: Reference) -> None:
        with suppress(Problem), self.store.keeping(reference):
            assert self.store.get(reference.key)

    @rule(reference=_ANY)
    def begin_to_use(self, reference: Reference) -> None:
        stack = ExitStack()
        with suppress(Problem):
            path = stack.enter_context(self.store.using(reference.key))
            assert path.read_bytes() == reference.wav
            self.in_use.append((reference.key, stack))

    @rule(n=st.integers(0, 9))
    @precondition(lambda self: self.in_use)
    def end_of_use(self, n: int) -> None:
        self.in_use.pop(n % len(self.in_use))[1].close()

    @rule(reference=_ANY)
    def get(self, reference: Reference) -> None:
        kept = (self.folder / f"{reference.key}.wav").is_file()
        assert (self.store.get(reference.key) is not None) == kept

    @rule()
    @precondition(lambda self: not self.in_use)
    def restart(self) -> None:
        self.store = Store(self.folder, 2 * MOST_BYTES)

    @invariant()
    def nobody_in_use_is_gone(self) -> None:
        assert {f"{key}.wav" for key, _ in self.in_use} <= making.held(self.folder)

    @invariant()
    def the_books_are_as_the_disk_is(self) -> None:
        files = [path.stat().st_size for path in self.folder.iterdir()]
        assert (self.store.size, len(self.store)) == (sum(files), len(files))
        assert self.store.size <= self.store.most_bytes

    def teardown(self) -> None:
        for _, stack in self.in_use:
            stack.close()
        self.place.cleanup()


TestBookkeeping = Bookkeeping.TestCase
TestBookkeeping.settings = settings(max_examples=20, stateful_step_count=20, deadline=None)
