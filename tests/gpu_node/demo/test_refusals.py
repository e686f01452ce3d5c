"""`make demo` when it cannot be, or is told to stop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.campus.films import film
from tests.campus.standalone.living import alive, descendants, eventually

DEMO = (sys.executable, "-m", "gpu_node.demo")


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("FROM", "TO")}
    return {**kept, **more}


@pytest.mark.parametrize(
    ("given", "code", "sentence"),
    [
        ({"LESSON": "nowhere.mp4"}, 3, "There is no such file"),
        ({"LESSON": "."}, 3, "is a folder, not a video file"),
        ({"LESSON": "words.mp4"}, 3, "The lesson's file is"),
        ({"FROM": "gibberish"}, 2, "is not a language code"),
        ({"TO": "a\nb"}, 2, "is not a language code"),
    ],
)
def test_what_cannot_be_is_said_before_anything_starts(
    given: dict[str, str], code: int, sentence: str, tmp_path: Path
) -> None:
    (tmp_path / "words.mp4").write_text("These are words.\n" * 99)
    done = subprocess.run(
        DEMO, cwd=tmp_path, env=environment(**given), capture_output=True, text=True, check=False
    )
    assert done.returncode == code
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "var" / "demo" / "site").exists()


def test_a_second_one_is_refused_and_a_polite_kill_leaves_nothing(tmp_path: Path) -> None:
    told = environment(LESSON=str(film(tmp_path)))
    output = tmp_path / "output"
    with output.open("w") as file:
        first = subprocess.Popen(DEMO, cwd=tmp_path, env=told, stdout=file, stderr=file)
    try:
        assert eventually(lambda: len(descendants(first.pid)) > 3, 60), output.read_text()
        second = subprocess.run(
            DEMO, cwd=tmp_path, env=told, capture_output=True, text=True, check=False
        )
        assert second.returncode == 6
        assert second.stderr.startswith("demo: Another demo is running here")
        assert first.poll() is None
        running = descendants(first.pid)
        first.send_signal(signal.SIGTERM)
        assert first.wait(60) == 128 + signal.SIGTERM
    finally:
        first.kill()
        first.wait()
    assert not any(map(alive, running))
    assert "Traceback" not in output.read_text()


def test_killed_it_takes_the_site_with_it(tmp_path: Path) -> None:
    told = environment(LESSON=str(film(tmp_path)))
    first = subprocess.Popen(
        DEMO, cwd=tmp_path, env=told, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        assert eventually(lambda: len(descendants(first.pid)) > 3, 60)
        running = descendants(first.pid)
    finally:
        first.kill()
        first.wait()
    assert eventually(lambda: not any(map(alive, running)), 5)
