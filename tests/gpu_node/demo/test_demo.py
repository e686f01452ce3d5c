"""`make demo` as a user gets it: one command, a table, two paths."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROMISES = (
    "the course is in the public catalogue",
    "the dub can be watched by anybody",
    "partner, admin and reviewer were told",
    "one job, one accepted result",
    "gpu-1: every billed second has one cause",
    "gpu-1: idle for at most",
    "gpu-1: the bill begins when the cloud was asked",
    "gpu-1: the ledger adds up to the time awake",
    "picture packets and times unchanged",
    "loudness",
    "true peak",
    "from the button to the review at most 60 s",
    "real-time factor",
    "memory of all processes at most 1500 MB",
    "every line is heard",
    "the fit had work to do",
    "onset error p50",
    "onset error p95",
    "onset error max",
)
_SPEED = ("real-time factor", "from the button")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    folder = tmp_path_factory.mktemp("demo")
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache"), "COLUMNS": "200"}
    for name in ("LESSON", "FROM", "TO"):
        environment.pop(name, None)
    return subprocess.run(
        [sys.executable, "-m", "gpu_node.demo"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )


def test_the_last_two_lines_say_where_the_videos_are(
    finished: subprocess.CompletedProcess[str],
) -> None:
    original, dubbed = finished.stdout.splitlines()[-2:]
    for line, label in ((original, "original: "), (dubbed, "dubbed: ")):
        path = Path(line.removeprefix(label))
        assert line.startswith(label)
        assert path.is_absolute()
        assert path.stat().st_size > 100_000


def test_every_promise_is_measured_and_kept(finished: subprocess.CompletedProcess[str]) -> None:
    said = finished.stdout.splitlines()
    rows = [line.split("│")[1:4] for line in said if "kept" in line or "BROKEN" in line]
    assert len(rows) == len(PROMISES)
    for promise, (what, *_) in zip(PROMISES, rows, strict=True):
        assert what.strip().startswith(promise)
    broken = [what.strip() for what, _, verdict in rows if "BROKEN" in verdict]
    # How fast it is says nothing while other tests share the two cores.
    assert [what for what in broken if not what.startswith(_SPEED)] == []
    assert finished.returncode == (1 if broken else 0)


def test_the_fit_had_to_work(finished: subprocess.CompletedProcess[str]) -> None:
    assert "the fit had work to do" in finished.stdout


def test_it_says_that_the_voice_is_not_the_quality(
    finished: subprocess.CompletedProcess[str],
) -> None:
    assert "not the quality" in " ".join(finished.stdout.split())
