"""Several servers, several hosts, and hosts that cannot start."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.orchestrator.providers.hosts import AMPLE, Hosted, alive, eventually


def test_each_server_has_a_worker_of_its_own(tmp_path: Path) -> None:
    hosted = Hosted(tmp_path, ("gpu-1", "gpu-2"))
    hosted.start()
    try:
        first, second = hosted.wake("gpu-1"), hosted.wake("gpu-2")
        os.kill(first["pid"], signal.SIGKILL)
        assert eventually(lambda: len(hosted.boots("gpu-1")) == 2)
        hosted.cloud.shelve("gpu-1")
        assert eventually(lambda: hosted.asleep("gpu-1"))
        assert alive(second["pid"])
        assert alive(second["helper"])
    finally:
        assert hosted.process is not None
        hosted.process.terminate()
        hosted.process.wait(AMPLE)
    assert not alive(second["helper"])


def test_a_second_host_is_refused(tmp_path: Path) -> None:
    hosted = Hosted(tmp_path)
    hosted.start()
    try:
        boot = hosted.wake()
        second = subprocess.run(
            [sys.executable, "-m", "tests.orchestrator.providers.hosts"],
            env=hosted.environment(),
            capture_output=True,
            text=True,
            timeout=AMPLE,
            check=False,
        )
        assert second.returncode == 1
        assert second.stderr == f"Another host is running the servers in {tmp_path / 'cloud'}.\n"
        assert alive(boot["pid"])
    finally:
        hosted.end()


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"LOCAL_BOOT_SECONDS": "soon"}, "LOCAL_BOOT_SECONDS is wrong"),
        ({"FLEET_LOCAL_FOLDER": ""}, "FLEET_LOCAL_FOLDER is not set"),
        ({"FLEET_LOCAL_FOLDER": "/dev/null/cloud"}, "Not a directory"),
    ],
)
def test_a_wrong_setting_is_refused_in_one_sentence(
    wrong: dict[str, str], sentence: str, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "orchestrator.providers.local_host"],
        env=Hosted(tmp_path).environment(**wrong),
        capture_output=True,
        text=True,
        timeout=AMPLE,
        check=False,
    )
    assert done.returncode == 1
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_host_needs_no_django() -> None:
    # It runs beside every site on one machine, and has no business with the database.
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import orchestrator.providers.local_host, sys; sys.exit('django' in sys.modules)",
        ],
        timeout=AMPLE,
        check=False,
    )
    assert done.returncode == 0
