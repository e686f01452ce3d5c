"""What a worker keeps on disk, and for how long."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_node.contracts.blobs import Blob
from gpu_node.contracts.errors import DubfleetError, Reason
from gpu_node.contracts.node_api import Completion
from gpu_node.worker import folders as module
from gpu_node.worker.folders import Held, JobFolder, Pending, WorkFolder, victims

GIB = 1 << 30
ID = "0c7d7c2e-93f5-4a80-a62b-ad3ac33b28f4"
BLOB = Blob(digest="a" * 64, size=3, suffix=".mp4")


@pytest.fixture
def folders(tmp_path: Path) -> WorkFolder:
    folders = WorkFolder(tmp_path / "work", GIB)
    folders.hold().close()
    return folders


def pending(job: str = ID) -> Pending:
    done = Completion(token="t" * 20, result={"words": 3, "x": [1.5, None]}, outputs={"page": BLOB})
    return Pending(job=job, heartbeat_seconds=5.0, completion=done)


def made(folders: WorkFolder, job: str, *, size: int = 0, age: float = 0.0) -> JobFolder:
    folder = folders.job(job)
    folder.open()
    with folder.input(BLOB).open("wb") as file:
        file.truncate(size)
    then = time.time() - age
    os.utime(folder.root, (then, then))
    return folder


def test_a_result_is_there_again_after_a_restart(folders: WorkFolder) -> None:
    folder = made(folders, ID)
    assert folder.pending() is None
    folder.keep(pending())
    assert [found.job for found in folders.results()] == [ID]
    assert folders.job(ID).pending() == pending()
    folder.forget()
    folder.forget()
    assert folders.results() == []


def test_only_its_owner_may_read_a_result(folders: WorkFolder) -> None:
    """It holds the attempt's token."""
    folder = made(folders, ID)
    folder.keep(pending())
    file = folder.root / "completion.json"
    assert file.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("content", [b"", b"{", b"null", b'{"job": "x"}', b"\xff"])
def test_half_a_result_is_none(folders: WorkFolder, content: bytes) -> None:
    folder = made(folders, ID)
    (folder.root / "completion.json").write_bytes(content)
    assert folder.pending() is None
    assert folders.results() == []


def test_a_half_written_result_is_not_seen(
    folders: WorkFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = made(folders, ID)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", killed)
    with pytest.raises(KeyboardInterrupt):
        folder.keep(pending())
    assert folders.results() == []


@pytest.mark.parametrize(
    "job", ["", ".", "..", "../x", "a/b", "/etc", "a b", "a\0b", "-x", "é", "x" * 65, "a\n", "a.b"]
)
def test_an_id_that_could_lead_elsewhere_is_refused(folders: WorkFolder, job: str) -> None:
    with pytest.raises(ValueError, match="id"):
        folders.job(job)


def test_two_workers_do_not_share_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LOCK_SECONDS", 0.2)
    with WorkFolder(tmp_path, GIB).hold():
        with pytest.raises(DubfleetError, match="its own folder") as refused:
            WorkFolder(tmp_path, GIB).hold()
        assert refused.value.reason is Reason.BUSY
    WorkFolder(tmp_path, GIB).hold().close()


def test_a_dying_worker_is_waited_for(tmp_path: Path) -> None:
    holds = "import fcntl, sys, time; f = open(sys.argv[1], 'w'); fcntl.flock(f, 2); print(flush=1)"
    with subprocess.Popen(
        [sys.executable, "-c", f"{holds}; time.sleep(1)", tmp_path / "lock"],
        stdout=subprocess.PIPE,
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        WorkFolder(tmp_path, GIB).hold().close()


def test_a_folder_that_cannot_be_made_is_said_to_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DubfleetError, match="NODE_WORK_FOLDER") as refused:
        WorkFolder(tmp_path / "file" / "work", GIB).hold()
    assert refused.value.reason is Reason.OUTPUT_UNWRITABLE


def test_what_nobody_came_back_for_is_removed(folders: WorkFolder) -> None:
    old, young = made(folders, "old", age=8 * 86_400), made(folders, "young", age=6 * 86_400)
    trash = folders._trash / "tmp" / "x"
    trash.mkdir(parents=True)
    folders.tidy(time.time())
    assert not old.root.exists()
    assert young.root.exists()
    assert list(folders._trash.iterdir()) == []


def test_room_is_made_by_removing_the_oldest(folders: WorkFolder) -> None:
    made(folders, "oldest", size=400_000_000, age=300)
    made(folders, "older", size=400_000_000, age=200)
    ours = made(folders, "ours", size=10, age=400)
    folders.make_room(500_000_000, ours)
    assert {folder.job for folder in folders._folders()} == {"older", "ours"}


def test_a_result_that_waits_is_not_removed(folders: WorkFolder) -> None:
    old = made(folders, "old", size=900_000_000, age=300)
    old.keep(pending("old"))
    ours = made(folders, "ours")
    folders.make_room(500_000_000, ours)
    assert old.holds_result


def test_a_disk_without_room_is_said_to_be_full(folders: WorkFolder) -> None:
    ours = made(folders, "ours")
    with pytest.raises(DubfleetError) as refused:
        folders.make_room(1 << 60, ours)
    assert refused.value.reason is Reason.DISK_FULL


HELD = st.lists(
    st.builds(
        Held,
        folder=st.just(Path("x")),
        size=st.integers(0, 100),
        used_at=st.floats(0, 100),
        safe=st.booleans(),
    ),
    max_size=8,
)
AMOUNT = st.integers(0, 300)


@given(HELD, AMOUNT, AMOUNT, AMOUNT)
def test_no_more_is_removed_than_is_needed(
    held: Sequence[Held], free: int, needed: int, bound: int
) -> None:
    chosen = victims(held, free=free, needed=needed, bound=bound)
    assert not any(one.safe for one in chosen)
    assert [one.used_at for one in chosen] == sorted(one.used_at for one in chosen)

    def fits(gone: Sequence[Held]) -> bool:
        freed = sum(one.size for one in gone)
        used = sum(one.size for one in held) - freed
        return used + needed <= bound and free + freed >= needed

    assert fits(chosen) or len(chosen) == sum(not one.safe for one in held)
    if chosen:
        assert not fits(chosen[:-1])
