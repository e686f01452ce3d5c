"""The supervisor, with a real Redis and programs that do little."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from campus.standalone import redis
from campus.standalone.ports import Ports
from campus.standalone.processes import Process
from campus.standalone.supervisord import Supervision
from tests.campus.standalone.living import AMPLE, alive, descendants, eventually

PASSWORD = "of-a-test"  # noqa: S105  # of a server that lives for seconds
ENVIRONMENT = {"PATH": os.environ["PATH"], "PYTHONUTF8": "1", "MARK": "50% \"'; done"}
DEAF = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    "print('deaf', flush=True); time.sleep(600)"
)


@dataclass
class Running:
    supervision: Supervision
    folder: Path
    port: int

    def pid(self, name: str) -> int:
        assert eventually(lambda: name in self.supervision.pids())
        return self.supervision.pids()[name]

    def came_back(self, name: str, old: int) -> bool:
        return eventually(lambda: self.supervision.pids().get(name, old) != old, 10)

    def settled(self, name: str) -> bool:
        log = self.folder / "log" / "supervisord.log"
        return eventually(lambda: f"success: {name} entered RUNNING" in log.read_text())

    def says(self, name: str, words: str) -> bool:
        log = self.folder / "log" / f"{name}.log"
        return eventually(lambda: words in log.read_text())

    def answers(self) -> bool:
        return redis.answers(self.port, PASSWORD)

    def forked(self) -> list[int]:
        assert eventually(lambda: (self.folder / "forked").exists())
        return [int(word) for word in (self.folder / "forked").read_text().split()]


@pytest.fixture(params=["site", 'Мой 100% site; it\'s "here" #1'], ids=["plain", "odd"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / str(request.param)


@pytest.fixture
def running(folder: Path) -> Iterator[Running]:
    (folder / "redis").mkdir(parents=True)
    program = redis.find()
    with Ports() as ports:
        port = ports.choose(23950)
        (folder / "redis.conf").write_text(redis.config(port, PASSWORD, "redis"))
        processes = (
            Process("redis", ("--program", program.path, "--", program.name, "redis.conf")),
            Process("forker", ("-m", "tests.campus.standalone.forker", "forked"), tier=1),
            Process("sleeper", ("--", "sleep", "600"), tier=1),
            Process("deaf", ("--", sys.executable, "-c", DEAF), stop_seconds=1, tier=1),
            Process("broken", ("--", "no-such-program"), tier=1),
            Process("teller", ("--", "sh", "-c", 'echo "$MARK"; exec sleep 600'), tier=1),
        )
        supervision = Supervision(folder, folder / "log", processes, ENVIRONMENT)
        supervision.start()
        started = descendants(supervision.pid)
        running = Running(supervision, folder, port)
        assert eventually(running.answers), supervision.last_words()
        try:
            yield running
        finally:
            started |= descendants(supervision.pid)
            supervision.stop(0)
            assert eventually(lambda: not any(map(alive, started)), 5)


def test_a_killed_program_is_back_within_two_seconds(running: Running) -> None:
    for name in ("redis", "sleeper"):
        old = running.pid(name)
        assert running.settled(name)  # one that ends sooner is waited for a little longer
        os.kill(old, signal.SIGKILL)
        began = time.monotonic()
        assert running.came_back(name, old)
        assert time.monotonic() - began < 2.5
    assert eventually(running.answers)


def test_forks_of_a_killed_program_end_with_it(running: Running) -> None:
    parent, child = running.forked()
    assert running.pid("forker") == parent
    os.kill(parent, signal.SIGKILL)
    assert eventually(lambda: not alive(child), 2)
    assert running.came_back("forker", parent)


def test_a_killed_supervisor_leaves_nothing(running: Running) -> None:
    running.forked()
    assert eventually(lambda: len(running.supervision.pids()) >= 5)
    everything = descendants(running.supervision.pid)
    assert len(everything) >= 6
    os.kill(running.supervision.pid, signal.SIGKILL)
    assert eventually(lambda: not any(map(alive, everything)), 2)
    assert not running.supervision.alive()


def test_stopping_goes_from_the_top_down_and_leaves_nothing(running: Running) -> None:
    running.forked()
    assert running.says("deaf", "deaf")
    assert running.says("redis", "Ready to accept connections")
    everything = descendants(running.supervision.pid)
    began = time.monotonic()
    running.supervision.stop(AMPLE)
    assert time.monotonic() - began < 8
    assert not any(map(alive, everything))
    said = (running.folder / "log" / "supervisord.log").read_text()
    stops = [line.split("stopped: ")[1].split()[0] for line in said.splitlines() if "ped: " in line]
    assert stops[-1] == "redis"
    assert "killing 'deaf'" in said
    assert "stopped: redis (exit status 0)" in said


def test_what_is_said_is_kept_by_name(running: Running) -> None:
    assert running.says("teller", ENVIRONMENT["MARK"] + "\n")
    assert running.says("broken", "no-such-program could not be started")
    assert running.says("redis", "Ready to accept connections")
    assert running.supervision.last_words() == ""


def test_a_program_that_cannot_start_is_tried_again_and_harms_no_other(running: Running) -> None:
    said = running.folder / "log" / "broken.log"
    assert eventually(lambda: said.read_text().count("could not be started") >= 2)
    assert running.answers()
