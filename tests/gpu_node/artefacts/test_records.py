"""A record is recalled whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from gpu_node.artefacts import Store, canonical, digest_of
from tests.gpu_node.artefacts.stores import (
    CONTENTS,
    PATIENT,
    files_below,
    flip_a_bit,
    held_store,
    keep,
)

KEYS = st.sampled_from([digest_of(n) for n in range(4)])


def the_record(store: Store) -> Path:
    (record,) = files_below(store.root / "records")
    return record


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
