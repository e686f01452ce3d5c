"""The local cloud's host, with real processes."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.providers.local_state import Fault
from orchestrator.providers.port import ActionResult
from orchestrator.states import CloudStatus
from tests.orchestrator.providers.hosts import AMPLE, BOOT_SECONDS, Hosted, alive, eventually


@pytest.fixture
def hosted(tmp_path: Path) -> Iterator[Hosted]:
    hosted = Hosted(tmp_path)
    hosted.start()
    yield hosted
    hosted.end()
    pids = [pid for boot in hosted.boots() for pid in (boot["pid"], boot["helper"])]
    for pid in filter(alive, pids):
        os.kill(pid, signal.SIGKILL)


def test_a_woken_server_boots_and_runs_its_worker(hosted: Hosted) -> None:
    began = time.monotonic()
    boot = hosted.wake()
    assert BOOT_SECONDS <= time.monotonic() - began < BOOT_SECONDS + 2
    assert hosted.cloud.get("gpu-1").status is CloudStatus.ACTIVE
    assert hosted.cloud.actions("gpu-1")[0].result is ActionResult.OK
    assert os.getsid(boot["pid"]) == boot["pid"]
    assert eventually(lambda: (hosted.root / "log" / "gpu-1.log").read_text() == "working\n")


def test_a_worker_is_told_what_is_its_own_and_no_more(hosted: Hosted) -> None:
    folder = hosted.root / "cloud" / "gpu-1"
    environment = hosted.wake()["environment"]
    environment.pop("LC_CTYPE", None)  # Python's own, where no locale is set
    assert environment == {
        "PATH": os.environ["PATH"],
        "NODE_NAME": "gpu-1",
        "NODE_TOKEN_FILE": str(folder / "token"),
        "NODE_WORK_FOLDER": str(folder / "disk"),
        "SITE_URL": "http://127.0.0.1:9",
        "REDIS_URL_FILE": "/run/redis-url",
        "PYTHONUNBUFFERED": "1",
    }


def test_requests_are_noticed_within_a_fifth_of_a_second(hosted: Hosted) -> None:
    assert eventually(lambda: (hosted.root / "cloud" / "host.lock").exists())
    hosted.wake()
    began = time.monotonic()
    hosted.cloud.shelve("gpu-1")
    assert eventually(lambda: (hosted.disk() / "stopped").exists())
    # Two looks: one that tells the worker, and the worker's own.
    assert time.monotonic() - began < 0.5


def test_a_killed_worker_is_started_again_and_takes_its_helpers_along(hosted: Hosted) -> None:
    first = hosted.wake()
    os.kill(first["pid"], signal.SIGKILL)
    assert eventually(lambda: len(hosted.boots()) == 2)
    assert not alive(first["helper"])
    assert alive(hosted.boots()[1]["pid"])
    assert hosted.cloud.get("gpu-1").status is CloudStatus.ACTIVE


def test_shelving_lets_the_worker_finish(hosted: Hosted) -> None:
    boot = hosted.wake()
    (hosted.disk() / "slow").write_text("0.5")
    hosted.cloud.shelve("gpu-1")
    assert eventually(lambda: hosted.asleep())
    assert (hosted.disk() / "stopped").exists()
    assert not alive(boot["pid"])
    assert not alive(boot["helper"])
    time.sleep(1.3)  # longer than it takes to start one again
    assert len(hosted.boots()) == 1


def test_a_worker_that_does_not_listen_is_killed(hosted: Hosted) -> None:
    boot = hosted.wake()
    (hosted.disk() / "deaf").touch()
    began = time.monotonic()
    hosted.cloud.shelve("gpu-1")
    assert eventually(lambda: hosted.asleep())
    assert 1.5 <= time.monotonic() - began < 4
    assert not alive(boot["pid"])
    assert not alive(boot["helper"])


def test_its_disk_survives_its_sleep(hosted: Hosted) -> None:
    hosted.wake()
    (hosted.disk() / "kept").write_text("work done")
    hosted.cloud.shelve("gpu-1")
    assert eventually(lambda: hosted.asleep())
    assert len({boot["pid"] for boot in (hosted.boots()[0], hosted.wake())}) == 2
    assert (hosted.disk() / "kept").read_text() == "work done"


def test_a_killed_host_leaves_no_worker_and_its_successor_brings_it_back(hosted: Hosted) -> None:
    first = hosted.wake()
    assert hosted.process is not None
    hosted.process.send_signal(signal.SIGKILL)
    hosted.process.wait()
    assert eventually(lambda: not alive(first["pid"]), 1.0)
    assert hosted.cloud.get("gpu-1").status is CloudStatus.ACTIVE
    hosted.start()
    assert eventually(lambda: len(hosted.boots()) == 2)
    # What the worker itself had started did not hear of it; the next boot of the server clears it.
    assert not alive(first["helper"])


def test_a_stopped_host_stops_its_workers_and_brings_them_back(hosted: Hosted) -> None:
    boot = hosted.wake()
    assert hosted.process is not None
    hosted.process.terminate()
    assert hosted.process.wait(AMPLE) == 0
    assert (hosted.disk() / "stopped").exists()
    assert not alive(boot["pid"])
    assert not alive(boot["helper"])
    hosted.start()
    assert eventually(lambda: len(hosted.boots()) == 2)


def test_a_stopped_host_waits_for_a_deaf_worker_only_so_long(hosted: Hosted) -> None:
    boot = hosted.wake()
    (hosted.disk() / "deaf").touch()
    assert hosted.process is not None
    hosted.process.terminate()
    began = time.monotonic()
    assert hosted.process.wait(AMPLE) == 0
    assert 2.5 < time.monotonic() - began < 6
    assert not alive(boot["pid"])
    assert not alive(boot["helper"])


def test_the_faults_of_a_cloud(hosted: Hosted) -> None:
    cloud = hosted.cloud
    cloud.inject("gpu-1", Fault.NO_CAPACITY, Fault.BOOT_HANGS, Fault.SHELVE_FAILS)
    cloud.unshelve("gpu-1")
    assert eventually(lambda: hosted.asleep())
    assert cloud.actions("gpu-1")[0].result is ActionResult.FAILED

    cloud.unshelve("gpu-1")
    assert eventually(lambda: cloud.get("gpu-1").status is CloudStatus.ACTIVE)
    time.sleep(2 * BOOT_SECONDS)
    assert hosted.boots() == []

    cloud.shelve("gpu-1")
    assert eventually(lambda: cloud.get("gpu-1").task_state is None)
    assert cloud.get("gpu-1").status is CloudStatus.ACTIVE
    assert cloud.actions("gpu-1")[0].result is ActionResult.FAILED

    cloud.shelve("gpu-1")
    assert eventually(lambda: hosted.asleep())
    hosted.wake()


def test_a_lost_state_file_is_a_server_asleep(hosted: Hosted) -> None:
    boot = hosted.wake()
    (hosted.root / "cloud" / "gpu-1" / "state.json").write_bytes(b'{"stat')
    assert eventually(lambda: not alive(boot["pid"]))
    assert hosted.asleep()
    assert len(hosted.boots()) == 1
