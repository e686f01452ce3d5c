"""What the worker says of itself, and what it does upon the answer."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from gpu_node.client import NodeClient
from gpu_node.contracts.errors import DubfleetError, Reason
from gpu_node.contracts.jobs import Payload
from gpu_node.contracts.node_api import WorkerState
from gpu_node.kinds.kind import Kind
from gpu_node.worker import beats as module
from gpu_node.worker.beats import Beats, Bells, Situation, examine, should_ring
from gpu_node.worker.board import Board
from tests.gpu_node.worker.processes import wait_for
from tests.support.count_kind import COUNT, open_count
from tests.support.faults import Fault
from tests.support.faults import Kind as FaultKind
from tests.support.node_api import Site

READY = WorkerState.READY


@pytest.mark.parametrize(
    ("now", "rings"),
    [
        (Situation(READY, busy=False), False),
        (Situation(READY, busy=False, ordered=True), True),
        (Situation(READY, busy=False, wanted=True), True),
        (Situation(READY, busy=False, results=True), True),
        (Situation(READY, busy=True, ordered=True, wanted=True, results=True), False),
        (Situation(WorkerState.BROKEN, busy=False, ordered=True, wanted=True), False),
        (Situation(WorkerState.BROKEN, busy=False, results=True), True),
        (Situation(WorkerState.STOPPING, busy=False, ordered=True, results=True), False),
        (Situation(WorkerState.STOPPED, busy=False, wanted=True, results=True), False),
    ],
)
def test_when_the_pool_is_woken(now: Situation, rings: bool) -> None:
    assert should_ring(now) is rings


@dataclass
class Worker:
    """A heartbeat whose doorbell is heard here."""

    site: Site
    kinds: Mapping[str, Kind[Any]] = field(default_factory=lambda: {COUNT.name: COUNT})
    board: Board = field(default_factory=Board)
    results: bool = False
    rings: int = 0
    leaves: int = 0
    broker: bool = True
    pulses: list[tuple[bool, bool]] = field(default_factory=list)
    """Each with whether it was busy, and whether it had to be seen at once."""

    def __post_init__(self) -> None:
        bells = Bells(ring=self._ring, leave=self._leave, results=lambda: self.results)
        client = NodeClient(self.site.url, self.site.token)
        self.beats = Beats(client, "0123456789", self.kinds, self.board, bells, self._pulse)

    def turn(self) -> None:
        self.beats.turn()

    @property
    def said(self) -> tuple[str, str]:
        last = self.site.beats[-1]
        return last.state, last.sentence

    def _pulse(self, at_once: bool) -> None:
        self.pulses.append((self.board.busy, at_once))

    def _ring(self) -> None:
        if not self.broker:
            raise ConnectionError("Redis is away")
        self.rings += 1

    def _leave(self) -> None:
        self.leaves += 1
        self.board.stop()


def broken_until(moment: list[bool]) -> Mapping[str, Kind[Any]]:
    def check() -> None:
        if moment[0]:
            raise DubfleetError(Reason.PROGRAM_MISSING, "FFmpeg is not installed.")

    return {"count": Kind("count", Payload, open_count, check)}


def test_it_rings_once_when_it_is_heard_for_the_first_time(site: Site) -> None:
    worker = Worker(site)
    for _ in range(3):
        worker.turn()
    assert worker.rings == 1
    assert worker.said == ("ready", "")
    assert worker.board.ready


def test_it_rings_while_there_is_work_and_nobody_at_it(site: Site) -> None:
    worker = Worker(site)
    site.submit({"kind": "count", "version": 1}, {})
    for _ in range(3):
        worker.turn()
    assert worker.rings == 3
    worker.board.begin()
    worker.turn()
    assert worker.rings == 3
    assert site.beats[-1].busy


def test_it_rings_when_the_site_is_back(site: Site) -> None:
    worker = Worker(site)
    worker.turn()
    site.faults.add(Fault("/heartbeat", FaultKind.STATUS, 503), times=2)
    worker.turn()
    worker.turn()
    assert worker.rings == 1
    worker.turn()
    worker.turn()
    assert worker.rings == 2


def test_a_bell_that_could_not_be_rung_is_rung_later(site: Site) -> None:
    worker = Worker(site, broker=False)
    worker.turn()
    worker.turn()
    worker.broker = True
    worker.turn()
    assert worker.rings == 1


def test_it_rings_when_the_pools_child_has_died_at_its_work(site: Site) -> None:
    worker = Worker(site)
    worker.turn()
    worker.board._worker = 2**22 + 1  # no process has this number
    worker.turn()
    worker.turn()
    assert worker.rings == 2


def test_a_machine_without_its_engines_says_so_and_is_looked_at_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_EXAMINE_BROKEN_SECONDS", 0.0)
    broken = [True]
    worker = Worker(site, broken_until(broken))
    worker.turn()
    assert worker.said == ("broken", "FFmpeg is not installed.")
    assert not worker.board.ready
    assert worker.rings == 0
    broken[0] = False
    worker.turn()
    assert worker.said == ("ready", "")
    assert worker.rings == 1


def test_results_are_handed_in_even_by_a_broken_machine(site: Site) -> None:
    worker = Worker(site, broken_until([True]), results=True)
    worker.turn()
    assert worker.rings == 1


def test_a_check_that_fails_by_mistake_is_no_proof(site: Site) -> None:
    def check() -> None:
        raise ZeroDivisionError

    said = examine({"count": Kind("count", Payload, open_count, check)})
    assert said == "The check of the count engines failed: ZeroDivisionError."
    assert examine({COUNT.name: COUNT}) == ""


def test_an_order_to_stop_is_obeyed_once(site: Site) -> None:
    worker = Worker(site)
    site.stop_ordered = True
    for _ in range(3):
        worker.turn()
    assert worker.leaves == 1
    assert worker.rings == 0
    assert worker.said == ("stopping", "")
    assert not worker.board.ready


def test_the_last_word(site: Site) -> None:
    worker = Worker(site)
    worker.beats.say_stopped()
    assert worker.said == ("stopped", "")
    site.close()
    worker.beats.say_stopped()


def test_a_token_that_is_not_known_is_logged_and_does_not_end_it(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    worker = Worker(site)
    token, site.token = site.token, "another"
    worker.turn()
    assert "node_unknown" in caplog.text
    assert token not in caplog.text
    site.token = token
    worker.turn()
    assert worker.rings == 1


def test_the_server_says_how_often(site: Site) -> None:
    worker = Worker(site)
    for wish, every in ((2.0, 2.0), (0.0, 0.1), (1e9, 60.0)):
        site.heartbeat = wish
        worker.turn()
        assert worker.beats._every == every


@pytest.fixture
def resting(site: Site) -> Iterator[Worker]:
    """It has beaten once, and the next time is a minute away."""
    site.heartbeat = 60.0
    worker = Worker(site)
    worker.beats.start()
    wait_for(lambda: worker.rings)
    wait_for(lambda: worker.beats._every == 60.0)
    time.sleep(0.3)
    yield worker
    worker.beats.say_stopped()


def test_work_that_begins_or_ends_is_in_the_pulse_at_once(resting: Worker) -> None:
    worker = resting
    pulses, beats = len(worker.pulses), len(worker.site.beats)
    worker.board.begin()
    assert worker.board.wait_until_shown(5.0)
    assert worker.pulses[pulses:] == [(True, True)]
    worker.board.end()
    wait_for(lambda: worker.pulses[pulses:] == [(True, True), (False, False)])
    assert len(worker.site.beats) == beats, "heartbeats keep their pace"


def test_it_is_seen_again_each_time_and_in_another_process_too(resting: Worker) -> None:
    worker = resting
    for _ in range(3):
        child = os.fork()
        if child == 0:
            worker.board.begin()
            shown = worker.board.wait_until_shown(5.0)
            worker.board.end()
            os._exit(0 if shown else 1)
        assert os.waitpid(child, 0)[1] == 0
    assert worker.pulses.count((True, True)) == 3


def test_nobody_waits_for_a_pulse_that_does_not_come() -> None:
    board = Board()
    board.begin()
    began = time.monotonic()
    assert not board.wait_until_shown(0.2)
    assert 0.1 < time.monotonic() - began < 2.0
    board.stop()
    assert not board.wait_until_shown(60.0)


def test_a_bell_is_rung_again_when_the_broker_is_back(site: Site) -> None:
    worker = Worker(site)
    worker.turn()
    worker.turn()
    assert worker.rings == 1
    worker.beats.ring_again()
    worker.turn()
    assert worker.rings == 2
