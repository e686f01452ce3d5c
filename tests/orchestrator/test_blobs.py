"""Storage: all or nothing."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from gpu_node.contracts.blobs import Blob
from orchestrator import blobs
from orchestrator.models import StoredBlob
from orchestrator.settings import fleet_settings
from tests.orchestrator.rows import ManualClock

pytestmark = pytest.mark.django_db


def everything() -> list[Path]:
    root = Path(fleet_settings().blob_folder)
    return [path for path in root.rglob("*") if path.is_file()]


def test_the_same_bytes_are_stored_once(clock: ManualClock, tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"hello")
    one = blobs.store_file(file, clock.now(), suffix=".mp4")
    two = blobs.store_stream([b"hel", b"lo"], clock.now())
    assert one.digest == two.digest == hashlib.sha256(b"hello").hexdigest()
    assert (one.size, one.suffix) == (5, ".mp4")
    assert blobs.open_blob(one.digest).read_bytes() == b"hello"
    assert len(everything()) == 1
    assert StoredBlob.objects.count() == 1


def test_too_much_leaves_nothing(clock: ManualClock) -> None:
    with pytest.raises(blobs.TooLarge):
        blobs.store_stream([b"12345", b"6"], clock.now(), limit=5)
    assert not everything()
    assert not StoredBlob.objects.exists()


def test_a_stream_that_breaks_leaves_nothing(clock: ManualClock) -> None:
    def broken() -> Iterator[bytes]:
        yield b"half"
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        blobs.store_stream(broken(), clock.now())
    assert not everything()


@pytest.mark.parametrize("came", [b"hell", b"hello!", b"jello", b""])
def test_what_was_not_announced_is_not_kept(clock: ManualClock, came: bytes) -> None:
    announced = Blob(digest=hashlib.sha256(b"hello").hexdigest(), size=5)
    with pytest.raises((blobs.Differs, blobs.TooLarge)):
        blobs.store_announced([came], announced, clock.now())
    assert not everything()
    assert not blobs.have([announced.digest])


@pytest.mark.parametrize("name", ["../../etc/passwd", "0" * 63, "G" * 64, "", "0" * 64])
def test_no_other_file_can_be_named(name: str) -> None:
    with pytest.raises(FileNotFoundError):
        blobs.open_blob(name)


def test_a_row_without_its_file_is_not_had(clock: ManualClock) -> None:
    blob = blobs.store_stream([b"x"], clock.now())
    blobs.storage().remove(blob.digest)
    assert not blobs.have([blob.digest])


def test_abandoned_scratch_files_are_swept(clock: ManualClock) -> None:
    blobs.store_stream([b"x"], clock.now())
    scratch = Path(fleet_settings().blob_folder) / "scratch"
    old, new = scratch / "old", scratch / "new"
    for file in (old, new):
        file.write_bytes(b"half")
    os.utime(old, (0, 0))
    assert blobs.sweep() == 1
    assert new.exists() and not old.exists()
