"""The benchmark measures what it says, and our promise is kept on this machine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

from benchmarks import assembly
from benchmarks.assembly import Result, compare, make_lines, measure, promise_kept
from benchmarks.assembly_methods import METHODS, lines_in


def test_the_promise_is_kept_here() -> None:
    argv = [sys.executable, "-m", "benchmarks.assembly", "--quick", "--runs", "1"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "800 lines in at most 1.5 s of the processor and 100 MB: kept" in done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("lines")
    make_lines(made, 4)
    return made


def test_lines_are_two_to_three_seconds_and_do_not_overlap(folder: Path) -> None:
    position = 0
    for line in lines_in(folder, 4):
        info = soundfile.info(line.path)
        assert (info.samplerate, info.channels, info.subtype) == (48_000, 1, "PCM_16")
        assert 2.0 <= info.duration <= 3.0
        assert line.start * 48 >= position
        position = line.start * 48 + info.frames


def test_all_ways_give_the_same_track(folder: Path) -> None:
    for method in METHODS:
        result = measure(method, folder, 4, runs=1, limit=60)
        assert result.seconds is not None
        assert result.megabytes is not None
        assert 5 < result.megabytes < 500
    for method in ("pydub", "ffmpeg"):
        found = compare(folder, method)
        assert found.steps == 0
        assert found.correlation == pytest.approx(1.0)


def test_a_run_over_the_limit_is_stopped(folder: Path) -> None:
    assert measure("ours", folder, 4, runs=3, limit=0.01) == Result(None, None, None)


@pytest.mark.parametrize(
    ("result", "kept", "kept_when_busy"),
    [
        (Result(1.0, 0.5, 40.0), True, True),
        (Result(1.6, 0.5, 40.0), False, True),
        (Result(1.6, 1.6, 40.0), False, False),
        (Result(1.0, 0.5, 101.0), False, False),
        (Result(None, None, None), False, False),
    ],
)
def test_the_promise(result: Result, kept: bool, kept_when_busy: bool) -> None:
    assert promise_kept(result, busy=False) == kept
    assert promise_kept(result, busy=True) == kept_when_busy


def test_a_broken_promise_is_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(assembly, "COUNTS", (2,))
    monkeypatch.setattr(assembly, "PROMISED_SECONDS", 0.0)
    assert assembly.main(["--quick", "--runs", "1"]) == 1
    assert "NOT KEPT" in capsys.readouterr().out
