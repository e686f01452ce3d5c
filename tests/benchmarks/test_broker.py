"""The benchmark of the broker sees what there is to see, and judges by what we rely on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks import broker
from benchmarks.broker import row, worst
from benchmarks.broker_scenarios import (
    Scenario,
    Seen,
    Times,
    cut_for_good,
    flush,
    kill,
    measure,
    passed,
)

BUSY = Scenario("busy", kill, True)
IDLE = Scenario("idle", kill, False)
ALONE = Scenario("alone", kill, True, supervised=False)

GOOD = Seen(
    begun=1,
    ended=1,
    exits=(),
    resumed=2.0,
    sent=14,
    refused=10,
    lost=0,
    doubled=0,
)


@pytest.mark.parametrize(
    ("scenario", "seen", "well"),
    [
        (BUSY, GOOD, True),
        (BUSY, replace(GOOD, begun=2, ended=2), False),
        (BUSY, replace(GOOD, ended=0), False),
        (BUSY, replace(GOOD, resumed=None), False),
        (BUSY, replace(GOOD, resumed=61.0), False),
        (BUSY, replace(GOOD, exits=("1: Unrecoverable error",)), True),
        (ALONE, replace(GOOD, exits=("1: Unrecoverable error",)), False),
        (BUSY, replace(GOOD, lost=3, doubled=1), True),
        (IDLE, GOOD, False),
        (IDLE, replace(GOOD, begun=0, ended=0), True),
    ],
)
def test_what_we_can_live_with(scenario: Scenario, seen: Seen, well: bool) -> None:
    assert passed(scenario, seen) == well
    assert row(scenario, seen)[1] == ("yes" if well else "NO")


def test_the_worst_of_several() -> None:
    slow = replace(GOOD, resumed=9.0, lost=2, exits=("1: why",))
    assert worst([GOOD, slow]) == slow
    assert worst([slow, replace(GOOD, resumed=None)]).resumed is None
    assert worst([GOOD, replace(GOOD, begun=2)]).begun == 2
    assert worst([GOOD, replace(GOOD, begun=0, ended=0)]).begun == 0


QUICK = Times(lesson=4.0, before=1.0, down=1.0, cut=1.0, drain=2.0)


def test_a_killed_server() -> None:
    seen = measure(BUSY, QUICK)
    assert (seen.begun, seen.ended, seen.exits) == (1, 1, ())
    assert seen.refused >= 1
    assert (seen.lost, seen.doubled) == (0, 0)
    assert passed(BUSY, seen)


def test_what_a_flush_takes_is_seen_as_lost() -> None:
    scenario = Scenario("flush", flush, True)
    seen = measure(scenario, replace(QUICK, before=2.5))
    assert seen.lost >= 1
    assert passed(scenario, seen)


def test_other_transport_options_are_measured() -> None:
    quick = broker.transport(["socket_timeout=1", "health_check_interval=1"])
    scenario = Scenario("cut", cut_for_good, False)
    seen = measure(scenario, QUICK, quick)
    assert seen.resumed is not None
    assert seen.resumed < 15


def test_a_loss_is_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(broker, "measure", lambda *_, **__: replace(GOOD, resumed=None))
    assert broker.main(["--only", "FLUSHALL", "--runs", "2"]) == 1
    assert "never" in capsys.readouterr().out
