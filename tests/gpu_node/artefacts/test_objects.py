"""Files in the store and files that are adopted: whatever has changed is noticed."""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from gpu_node.artefacts import digest_file
from gpu_node.contracts.blobs import Blob
from tests.gpu_node.artefacts.stores import (
    CONTENTS,
    PATIENT,
    files_below,
    flip_a_bit,
    held_store,
    keep,
)

SUFFIXES = st.sampled_from(["", ".wav", ".mp4"])


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
