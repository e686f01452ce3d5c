from __future__ import annotations

import os
import signal

import pytest

from campus.standalone.stopping import Stopped, not_interrupted, stopped_by_signals

NUMBERS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.mark.parametrize("number", NUMBERS)
def test_a_signal_ends_the_block(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with pytest.raises(Stopped) as stopped, stopped_by_signals():
        os.kill(os.getpid(), number)
    assert stopped.value.number is number
    assert signal.getsignal(number) is before


@pytest.mark.parametrize("number", NUMBERS)
def test_the_ending_is_not_ended(number: signal.Signals) -> None:
    with stopped_by_signals(), not_interrupted() as hurry:
        assert not hurry.is_set()
        os.kill(os.getpid(), number)
        assert hurry.is_set()


def test_what_is_ignored_stays_so() -> None:
    # Under nohup a terminal may close.
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stopped_by_signals():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)
