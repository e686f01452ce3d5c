"""The store believes nothing it has not checked, and belongs to one process at a time."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpu_node.artefacts import (
    Busy,
    Store,
    blobs_in,
    canonical,
    digest_file,
    digest_of,
    is_disk_full,
)
from gpu_node.contracts.base import Contract
from gpu_node.contracts.blobs import Blob
from gpu_node.contracts.errors import DubfleetError, Reason

# A shared machine may hold one example up for longer than Hypothesis would wait.
PATIENT = settings(deadline=None, max_examples=50)

CONTENTS = st.binary(max_size=300)
SUFFIXES = st.sampled_from(["", ".wav", ".mp4"])
KEYS = st.sampled_from([digest_of(n) for n in range(4)])

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


def the_record(store: Store) -> Path:
    (record,) = files_below(store.root / "records")
    return record


# Spelling.

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def turned_round(value: Any) -> Any:
    """The same value with the keys of every object in the opposite order."""
    if isinstance(value, dict):
        return {key: turned_round(value[key]) for key in reversed(value)}
    if isinstance(value, list):
        return [turned_round(item) for item in value]
    return value


@PATIENT
@given(VALUES)
def test_a_value_has_one_spelling_and_can_be_read_back(value: Any) -> None:
    written = canonical(value)
    read = json.loads(written.decode("utf-8", "surrogatepass"))
    assert canonical(read) == written
    assert canonical(turned_round(value)) == written
    # 1, 1.0 and True are equal in Python and different things in JSON: compare as text.
    assert json.dumps(read, sort_keys=True) == json.dumps(value, sort_keys=True)


@PATIENT
@given(VALUES, VALUES)
def test_different_values_have_different_digests(one: Any, other: Any) -> None:
    # JSON's own text, keys sorted by another hand, says whether two values are one.
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (digest_of(one) == digest_of(other)) is same


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_json_cannot_say_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical({"a": [value]})


def test_a_digest_stays_what_it_was_in_other_processes_and_years() -> None:
    # Written down once: a store outlives the process, the machine and Python's version.
    assert canonical({"b": [1, 2.5, None], "a": "naïve"}) == (
        b'{"a":"na\xc3\xafve","b":[1,2.5,null]}'
    )
    assert digest_of({}) == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


@pytest.mark.parametrize("size", [0, 1, (4 << 20) - 1, 4 << 20, (4 << 20) + 1])
def test_a_file_has_the_digest_of_its_bytes(tmp_path: Path, size: int) -> None:
    content = os.urandom(size)
    (tmp_path / "file").write_bytes(content)
    assert digest_file(tmp_path / "file") == hashlib.sha256(content).hexdigest()


def test_reading_a_file_through_can_be_stopped(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"a")
    stop = threading.Event()
    stop.set()
    with pytest.raises(DubfleetError) as refused:
        digest_file(tmp_path / "file", stop)
    assert refused.value.reason is Reason.CANCELLED


# Blobs inside models.


class Leaf(Contract):
    blob: Blob
    note: str = "x"


class Tree(Contract):
    one: Blob | None
    leaves: tuple[Leaf, ...]
    named: dict[str, Blob]
    deep: tuple[tuple[Blob, ...], ...] = ()


BLOBS = st.builds(Blob, digest=st.integers(0, 9).map(digest_of), size=st.integers(0, 99))
TREES = st.builds(
    Tree,
    one=st.none() | BLOBS,
    leaves=st.lists(st.builds(Leaf, blob=BLOBS), max_size=3).map(tuple),
    named=st.dictionaries(st.text(max_size=3), BLOBS, max_size=3),
    deep=st.lists(st.lists(BLOBS, max_size=2).map(tuple), max_size=2).map(tuple),
)


@PATIENT
@given(TREES)
def test_every_blob_of_a_model_is_found_wherever_it_is(tree: Tree) -> None:
    expected = [tree.one] if tree.one else []
    expected += [leaf.blob for leaf in tree.leaves]
    expected += tree.named.values()
    expected += [blob for row in tree.deep for blob in row]
    assert list(blobs_in(tree)) == expected


# Objects.


@PATIENT
@given(st.lists(st.tuples(CONTENTS, SUFFIXES), max_size=6))
def test_what_is_kept_is_found_under_its_own_hash(files: list[tuple[bytes, str]]) -> None:
    with held_store() as store:
        blobs = [keep(store, content, suffix) for content, suffix in files]
        for blob, (content, suffix) in zip(blobs, files, strict=True):
            assert blob.digest == hashlib.sha256(content).hexdigest()
            assert blob.size == len(content)
            assert store.path(blob).read_bytes() == content
            assert store.path(blob).suffix == suffix
            assert store.intact(blob)
        # The same bytes are one file, however often they are made.
        assert len(files_below(store.root / "objects")) == len(set(files))


@PATIENT
@given(st.binary(min_size=1, max_size=300), st.data())
def test_a_flipped_bit_is_noticed(content: bytes, data: st.DataObject) -> None:
    with held_store() as store:
        blob = keep(store, content)
        flip_a_bit(store.path(blob), data)
        assert not store.intact(blob)


@PATIENT
@given(st.binary(min_size=1, max_size=300), st.data())
def test_a_truncated_object_is_noticed(content: bytes, data: st.DataObject) -> None:
    with held_store() as store:
        blob = keep(store, content)
        os.truncate(store.path(blob), data.draw(st.integers(0, len(content) - 1)))
        assert not store.intact(blob)


def test_an_object_that_is_gone_or_has_grown_is_noticed() -> None:
    with held_store() as store:
        gone, grown = keep(store, b"gone"), keep(store, b"grown")
        store.path(gone).unlink()
        with store.path(grown).open("ab") as file:
            file.write(b"!")
        assert not store.intact(gone)
        assert not store.intact(grown)


@PATIENT
@given(CONTENTS, st.binary(max_size=300))
def test_keeping_it_again_mends_a_damaged_object(content: bytes, damage: bytes) -> None:
    with held_store() as store:
        blob = keep(store, content)
        store.path(blob).write_bytes(damage)
        assert keep(store, content) == blob
        assert store.intact(blob)


def test_keeping_takes_the_file_over() -> None:
    with held_store() as store, store.scratch() as folder:
        (folder / "a").write_bytes(b"a")
        store.keep(folder / "a")
        assert not (folder / "a").exists()


def test_many_threads_may_keep_the_same_bytes_at_once() -> None:
    with held_store() as store:
        start = threading.Barrier(8)
        blobs: list[Blob] = []

        def work() -> None:
            start.wait()
            blobs.extend(keep(store, b"same") for _ in range(20))

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(blobs) == 160
        assert len(set(blobs)) == 1
        assert store.intact(blobs[0])


def flip_a_bit(path: Path, data: st.DataObject) -> None:
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)


# What lives elsewhere.


def test_an_adopted_file_is_read_where_it_lies(tmp_path: Path) -> None:
    lesson = tmp_path / "lesson.mp4"
    lesson.write_bytes(b"a lesson")
    with held_store() as store:
        blob = store.adopt(lesson, digest_file(lesson))
        assert blob.size == 8
        assert store.path(blob) == lesson
        assert store.intact(blob)
        assert files_below(store.root / "objects") == []
        # A stage that makes the very same bytes must not touch the user's file.
        assert keep(store, b"a lesson").digest == blob.digest
        assert store.path(blob) == lesson
        lesson.unlink()
        assert not store.intact(blob)


# Records.


@PATIENT
@given(st.lists(st.tuples(KEYS, CONTENTS), max_size=8))
def test_a_record_is_recalled_as_it_was_last_written(written: list[tuple[str, bytes]]) -> None:
    with held_store() as store:
        expected: dict[str, bytes] = {}
        for key, record in written:
            store.remember(key, record)
            expected[key] = record
        for key in (digest_of(n) for n in range(4)):
            assert store.recall(key) == expected.get(key)
        assert files_below(store.root / "scratch") == []


@PATIENT
@given(CONTENTS, st.data())
def test_a_torn_record_is_no_record(record: bytes, data: st.DataObject) -> None:
    with held_store() as store:
        store.remember("a" * 64, record)
        path = the_record(store)
        os.truncate(path, data.draw(st.integers(0, path.stat().st_size - 1)))
        assert store.recall("a" * 64) is None


@PATIENT
@given(st.floats(0, 1e6), st.data())
def test_a_record_with_a_flipped_bit_is_no_record(seconds: float, data: st.DataObject) -> None:
    # Most flipped bits break JSON; one in a digit gives another number, and nobody would know.
    with held_store() as store:
        store.remember("a" * 64, canonical({"start": seconds}))
        flip_a_bit(the_record(store), data)
        assert store.recall("a" * 64) is None


def test_records_and_objects_are_there_for_the_next_process(tmp_path: Path) -> None:
    first = Store(tmp_path / "store")
    with first.exclusive():
        blob = keep(first, b"kept", ".wav")
        first.remember("a" * 64, b"{}")
    second = Store(tmp_path / "store")
    with second.exclusive():
        assert second.intact(blob)
        assert second.path(blob).read_bytes() == b"kept"
        assert second.recall("a" * 64) == b"{}"


# Scratch.


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


# One process at a time.


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


# The disk.


def test_a_full_disk_is_known_by_its_number_alone() -> None:
    full: Mapping[int, bool] = {errno.ENOSPC: True, errno.EDQUOT: True, errno.EACCES: False}
    for number, expected in full.items():
        assert is_disk_full(OSError(number, os.strerror(number))) is expected
    assert not is_disk_full(ValueError("No space left on device"))
