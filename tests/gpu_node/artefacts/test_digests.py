"""A value, a file and a model: how they are spelt, and which blobs they name."""

from __future__ import annotations

import hashlib
import json
import math
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_node.artefacts import blobs_in, canonical, digest_file, digest_of
from gpu_node.contracts.base import Contract
from gpu_node.contracts.blobs import Blob
from gpu_node.contracts.errors import DubfleetError, Reason
from tests.gpu_node.artefacts.stores import PATIENT

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
