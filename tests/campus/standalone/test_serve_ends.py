"""How the site ends, and begins again."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from tests.campus.standalone.living import alive, eventually
from tests.campus.standalone.serving import command, serve, status


def test_it_ends_as_asked_and_begins_again_with_what_it_had(tmp_path: Path) -> None:
    first = serve(tmp_path / "site", tmp_path / "output")
    secrets, url, pids = first.secrets(), first.url, first.pids()
    began = time.monotonic()
    assert first.stop(signal.SIGTERM) == 0
    assert time.monotonic() - began < 30
    assert not any(map(alive, pids))
    assert "nothing of it runs any more" in first.said

    again = serve(tmp_path / "site", tmp_path / "output")
    try:
        assert (again.secrets(), again.url) == (secrets, url)
        assert status(f"{url}/healthz") == 200
    finally:
        pids = again.pids()
        again.process.kill()
        again.process.wait()
    # Killed, it could not stop anything: everything ended because it did.
    assert eventually(lambda: not any(map(alive, pids)), 3)


def test_when_the_supervisor_is_killed_nothing_is_left_and_one_sentence_says_so(
    tmp_path: Path,
) -> None:
    serving = serve(tmp_path / "site", tmp_path / "output")
    pids = serving.pids()
    commands = {pid: " ".join(psutil.Process(pid).cmdline()) for pid in pids}
    supervisor = next(pid for pid, command in commands.items() if "supervisord" in command)
    os.kill(supervisor, signal.SIGKILL)
    assert serving.process.wait(30) == 1
    assert not any(map(alive, pids))
    assert "serve: The supervisor ended, and the site with it" in serving.said


@pytest.mark.parametrize("after", [0.2, 0.5, 1.0, 2.0, 4.0])
def test_it_can_be_interrupted_while_it_starts(after: float, tmp_path: Path) -> None:
    with subprocess.Popen(
        command(tmp_path / "site"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        process_group=0,
    ) as process:
        time.sleep(after)
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=60)
    assert process.returncode in (130, -signal.SIGINT), said
    assert "Traceback" not in said
