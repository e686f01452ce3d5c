"""Where work lies and how results are delivered: all of them or none."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from gpu_node import workspace
from gpu_node.contracts.errors import DubfleetError, Reason

DAY = 86_400


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "dubfleet"


def test_our_own_store_is_gone_after_success(cache: Path) -> None:
    with workspace.store_at(None, "a" * 64) as store:
        assert store.root.parent == cache
    assert not cache.exists()


def test_our_own_store_is_gone_after_an_error(cache: Path) -> None:
    with pytest.raises(ValueError, match="broken"), workspace.store_at(None, "a" * 64):
        raise ValueError("broken")
    assert not cache.exists()


def test_a_named_store_is_kept(tmp_path: Path) -> None:
    with workspace.store_at(tmp_path / "work", "a" * 64) as store:
        store.remember("ab" * 32, b"{}")
    assert (tmp_path / "work" / "records" / "ab").is_dir()


def test_a_store_in_use_is_refused_and_left_alone(tmp_path: Path) -> None:
    work = tmp_path / "work"
    with workspace.store_at(work, "a" * 64):
        code = (
            "from pathlib import Path; import sys\n"
            "from gpu_node import workspace\n"
            "from gpu_node.artefacts import Busy\n"
            "try:\n"
            "    with workspace.store_at(Path(sys.argv[1]), 'a' * 64): sys.exit(1)\n"
            "except Busy: sys.exit(6)\n"
        )
        other = subprocess.run([sys.executable, "-c", code, str(work)], check=False)
        assert other.returncode == 6
        assert (work / "scratch").is_dir()


def test_a_folder_that_cannot_be_worked_in_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(DubfleetError) as refused,
        workspace.store_at(tmp_path / "file" / "work", "a" * 64),
    ):
        pass
    assert refused.value.reason is Reason.OUTPUT_UNWRITABLE
    assert "--work" in refused.value.sentence


def test_only_what_was_abandoned_long_ago_is_pruned(cache: Path) -> None:
    now = time.time()
    for name, age in (("old", 8 * DAY), ("young", 6 * DAY)):
        folder = cache / name
        (folder / "objects").mkdir(parents=True)
        os.utime(folder, (now - age, now - age))
    workspace.prune(cache, now)
    assert [folder.name for folder in cache.iterdir()] == ["young"]


def test_an_old_store_that_is_worked_in_is_not_pruned(cache: Path) -> None:
    with workspace.store_at(cache / "running", "a" * 64):
        os.utime(cache / "running", (0, 0))
        workspace.prune(cache, time.time())
        assert (cache / "running" / "objects").is_dir()


def test_results_are_put_in_their_places(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"video")
    workspace.deliver({tmp_path / "a.mp4": tmp_path / "source", tmp_path / "a.vtt": b"text"})
    assert (tmp_path / "a.mp4").read_bytes() == b"video"
    assert (tmp_path / "a.vtt").read_bytes() == b"text"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.mp4", "a.vtt", "source"]


def test_if_one_result_cannot_be_written_none_is(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"video")
    files: dict[Path, Path | bytes] = {
        tmp_path / "a.mp4": tmp_path / "source",
        tmp_path / "nowhere" / "a.vtt": b"text",
    }
    with pytest.raises(DubfleetError) as failed:
        workspace.deliver(files)
    assert failed.value.reason is Reason.OUTPUT_UNWRITABLE
    assert [p.name for p in tmp_path.iterdir()] == ["source"]


def test_what_was_there_before_stays_if_we_are_stopped(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"before")
    stop = threading.Event()
    stop.set()
    with pytest.raises(DubfleetError) as failed:
        workspace.deliver({tmp_path / "a.mp4": b"after"}, stop)
    assert failed.value.reason is Reason.CANCELLED
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [b"before"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("out.mkv", Reason.OUTPUT_NOT_MP4),
        ("out", Reason.OUTPUT_NOT_MP4),
        ("lesson.mp4", Reason.OUTPUT_IS_INPUT),
        ("link.mp4", Reason.OUTPUT_IS_INPUT),
        ("folder.mp4", Reason.OUTPUT_UNWRITABLE),
        ("nowhere/out.mp4", Reason.OUTPUT_UNWRITABLE),
    ],
)
def test_a_place_that_cannot_take_the_dub_is_refused(
    tmp_path: Path, name: str, reason: Reason
) -> None:
    lesson = tmp_path / "lesson.mp4"
    lesson.touch()
    (tmp_path / "link.mp4").symlink_to(lesson)
    (tmp_path / "folder.mp4").mkdir()
    with pytest.raises(DubfleetError) as refused:
        workspace.require_output(tmp_path / name, {"lesson": lesson})
    assert refused.value.reason is reason
    assert "\n" not in refused.value.sentence


def test_without_a_home_there_is_still_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with workspace.cache_folder() as folder:
        assert folder.is_relative_to(tmp_path)
        made = folder
    assert not made.exists()
