"""Other programs cannot outlive us, hang us or fill our memory. Real programs throughout."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpu_node import process
from gpu_node.contracts.errors import DubfleetError, Reason
from gpu_node.process import TAIL_BYTES, Finished, Tail

AMPLE = 60.0
"""A timeout that only a hang runs into."""
SOON = 10.0
"""Seconds within which what was killed must be gone, on a busy machine too."""
TEN_MEGABYTES = 10 * 1024 * 1024

# Says who it and its children are, two generations of them, deaf to anything but SIGKILL.
FAMILY = """
trap '' TERM INT HUP PIPE
sh -c 'sleep 600 & echo $! $$; wait' &
echo $$
wait
"""


def shell(script: str, **options: object) -> Finished:
    return process.run(["sh", "-c", script], timeout=AMPLE, **options)  # type: ignore[arg-type]


def wait_until(condition: Callable[[], bool], *, within: float = SOON) -> bool:
    """Other processes give no event to wait for."""
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            return False
        threading.Event().wait(0.02)
    return True


def living(pids: Iterable[int]) -> list[int]:
    """Those that still run; a zombie does not, it waits for whoever adopted it."""
    found = []
    for pid in pids:
        try:
            if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                found.append(pid)
        except psutil.NoSuchProcess:
            continue
    return found


class Family:
    """Collects the pids that FAMILY prints; `complete` is set when all three are known."""

    def __init__(self) -> None:
        self.complete = threading.Event()
        self._said = b""

    def hear(self, chunk: bytes) -> None:
        self._said += chunk
        if self._said.count(b"\n") == 2:
            self.complete.set()

    @property
    def pids(self) -> list[int]:
        return [int(word) for word in self._said.split()]


# What comes back.


def test_what_a_program_said_and_how_it_ended() -> None:
    assert shell("echo out; echo err >&2; exit 3") == Finished(3, b"out\n", "err\n")


def test_a_program_that_dies_of_a_signal_says_which() -> None:
    assert shell("kill -SEGV $$").returncode == -signal.SIGSEGV


def test_what_is_not_utf8_is_shown_all_the_same() -> None:
    assert shell(r"printf 'caf\351' >&2").stderr == "caf�"


def test_output_is_handed_over_as_it_comes_and_none_is_kept() -> None:
    # The program goes on only when its first words have been heard.
    first, heard = threading.Event(), bytearray()

    def hear(chunk: bytes) -> None:
        heard.extend(chunk)
        if not first.is_set():
            first.set()
            child = psutil.Process().children()[0]
            child.send_signal(signal.SIGUSR1)

    done = shell(
        "trap 'go=1' USR1; echo one; while [ -z \"$go\" ]; do sleep 0.01; done; echo two",
        on_stdout=hear,
    )
    assert done.stdout == b""
    assert bytes(heard) == b"one\ntwo\n"


def test_without_stdin_a_program_reads_nothing() -> None:
    assert shell("cat").stdout == b""
    assert shell("cat", stdin=b"").stdout == b""


# Pipes.


def test_ten_megabytes_on_both_pipes_at_once() -> None:
    done = shell(f"head -c {TEN_MEGABYTES} /dev/zero & head -c {TEN_MEGABYTES} /dev/zero >&2; wait")
    assert done.returncode == 0
    assert len(done.stdout) == TEN_MEGABYTES
    assert len(done.stderr) == TAIL_BYTES


def test_a_pipe_is_read_while_the_other_is_silent() -> None:
    for redirect in ("", ">&2"):
        assert shell(f"head -c {TEN_MEGABYTES} /dev/zero {redirect}").returncode == 0


def test_ten_megabytes_in_and_out() -> None:
    sent = bytes(range(256)) * (TEN_MEGABYTES // 256)
    assert process.run(["cat"], timeout=AMPLE, stdin=sent).stdout == sent


def test_a_program_that_says_much_for_the_little_it_reads() -> None:
    # Its pipe has room, but not for all we would like to write; and it will not read on before
    # somebody has read what it says.
    repeat = "import os\nwhile part := os.read(0, 4096):\n    os.write(1, part * 8)"
    done = process.run([sys.executable, "-c", repeat], timeout=AMPLE, stdin=b"x" * 1_000_000)
    assert done.returncode == 0
    assert len(done.stdout) == 8_000_000


@pytest.mark.parametrize(
    "script", ["exit 0", "exec <&-; echo done", "head -c 3 >/dev/null", "cat >&2"]
)
def test_a_program_need_not_read_what_it_is_given(script: str) -> None:
    assert shell(script, stdin=b"x" * TEN_MEGABYTES).returncode == 0


def test_the_last_words_are_kept_and_no_more() -> None:
    done = shell(f"head -c {TEN_MEGABYTES} /dev/zero | tr '\\0' x >&2; echo 'the end' >&2")
    assert done.stderr.endswith("x" * 100 + "the end\n")
    assert len(done.stderr) == TAIL_BYTES


@settings(deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=20), st.integers(1, 30))
def test_a_tail_holds_the_last_bytes_of_all(chunks: list[bytes], limit: int) -> None:
    tail = Tail(limit)
    for chunk in chunks:
        tail.feed(chunk)
    assert tail.text() == b"".join(chunks)[-limit:].decode("utf-8", "replace")


def test_a_tail_does_not_grow() -> None:
    tail = Tail(1000)
    for _ in range(1000):
        tail.feed(b"x" * 999)
    assert sys.getsizeof(tail._data) < 5000


# Time, and being stopped.


def test_a_timeout_kills_the_whole_family() -> None:
    family = Family()
    with pytest.raises(DubfleetError, match="sh took too long and was stopped") as raised:
        process.run(["sh", "-c", FAMILY], timeout=2.0, on_stdout=family.hear)
    assert raised.value.reason is Reason.PROGRAM_TIMEOUT
    assert len(family.pids) == 3
    assert wait_until(lambda: not living(family.pids))


def test_a_program_that_never_stops_talking_runs_into_its_timeout() -> None:
    heard = Tail()
    with pytest.raises(DubfleetError) as raised:
        process.run(["yes"], timeout=0.5, on_stdout=heard.feed)
    assert raised.value.reason is Reason.PROGRAM_TIMEOUT
    assert heard.text().startswith(("y\n", "\ny"))


def test_a_program_that_has_closed_its_pipes_runs_into_its_timeout() -> None:
    with pytest.raises(DubfleetError) as raised:
        process.run(["sh", "-c", "exec >&- 2>&-; sleep 600"], timeout=0.5)
    assert raised.value.reason is Reason.PROGRAM_TIMEOUT


def test_a_program_that_does_not_read_runs_into_its_timeout() -> None:
    with pytest.raises(DubfleetError) as raised:
        process.run(["sleep", "600"], timeout=0.5, stdin=b"x" * TEN_MEGABYTES)
    assert raised.value.reason is Reason.PROGRAM_TIMEOUT


def test_a_program_that_has_closed_its_pipes_is_waited_for() -> None:
    assert shell("exec >&- 2>&-; sleep 0.3; exit 7").returncode == 7


def test_being_stopped_kills_the_whole_family() -> None:
    family = Family()

    with pytest.raises(DubfleetError) as raised:
        shell(FAMILY, on_stdout=family.hear, stop=family.complete)
    assert raised.value.reason is Reason.CANCELLED
    assert wait_until(lambda: not living(family.pids))


def test_who_is_stopped_already_does_not_wait() -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(DubfleetError) as raised:
        shell("sleep 600", stop=stop)
    assert raised.value.reason is Reason.CANCELLED


def test_an_error_of_the_listener_kills_the_whole_family() -> None:
    family = Family()

    def hear(chunk: bytes) -> None:
        family.hear(chunk)
        if family.complete.is_set():
            raise RuntimeError("cannot listen")

    with pytest.raises(RuntimeError, match="cannot listen"):
        shell(FAMILY, on_stdout=hear)
    assert wait_until(lambda: not living(family.pids))


# Grandchildren that stay.


@pytest.mark.parametrize(
    "holds",
    [
        pytest.param("sleep 600", id="both pipes"),
        pytest.param("sleep 600 2>/dev/null", id="stdout"),
        pytest.param("sleep 600 >/dev/null", id="stderr"),
        pytest.param("yes", id="and never stops talking"),
        pytest.param("sleep 600 <&3", id="stdin"),
    ],
)
def test_a_grandchild_that_holds_a_pipe_does_not_hold_us(holds: str) -> None:
    pids: list[int] = []

    def hear(chunk: bytes) -> None:
        if not pids:
            pids.append(int(chunk.split()[0]))

    began = time.monotonic()
    done = shell(
        f"exec 3<&0; echo $$; {holds} & exit 5", on_stdout=hear, stdin=b"x" * TEN_MEGABYTES
    )
    assert done.returncode == 5
    assert time.monotonic() - began < AMPLE / 2
    assert wait_until(lambda: not in_group(pids[0]))


def in_group(group: int) -> list[int]:
    found = []
    for one in psutil.process_iter():
        try:
            with one.oneshot():
                status = one.status()
            stat = Path(f"/proc/{one.pid}/stat").read_text()
        except (psutil.NoSuchProcess, OSError):
            continue
        # The name, in parentheses, may hold spaces; the group is the third field after it.
        if int(stat.rpartition(")")[2].split()[2]) == group and status != psutil.STATUS_ZOMBIE:
            found.append(one.pid)
    return found


def test_a_grandchild_in_a_session_of_its_own_does_not_hold_us_either() -> None:
    # It is out of our reach; that it holds our pipe must not matter.
    done = shell("setsid sleep 600 & echo $!")
    escaped = psutil.Process(int(done.stdout))
    try:
        assert done.returncode == 0
    finally:
        escaped.kill()


def test_a_program_that_ends_well_leaves_no_helpers_behind() -> None:
    done = shell("sleep 600 >/dev/null 2>&1 & echo $!")
    assert done.returncode == 0
    assert wait_until(lambda: not living([int(done.stdout)]))


def test_nothing_is_left_open_and_nobody_unburied() -> None:
    def round_trip() -> None:
        shell("echo x", stdin=b"x")
        with pytest.raises(DubfleetError):
            process.run(["sleep", "600"], timeout=0.0)
        with pytest.raises(DubfleetError):
            process.run(["no-such-program"], timeout=AMPLE)

    round_trip()
    before = psutil.Process().num_fds()
    for _ in range(5):
        round_trip()
    assert psutil.Process().num_fds() == before
    assert psutil.Process().children() == []


# Programs that cannot be started.


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("ffmpeg", "FFmpeg is not installed. Install the package ffmpeg (`make setup` does)."),
        ("ffprobe", "FFmpeg is not installed. Install the package ffmpeg (`make setup` does)."),
        (
            "espeak-ng",
            "eSpeak NG is not installed. Install the package espeak-ng (`make setup` does).",
        ),
        (
            "apertium",
            "Apertium is not installed. Install the packages apertium and apertium-eng-spa "
            "(`make setup` does).",
        ),
        ("sox", "The program sox is not installed."),
    ],
)
def test_a_missing_program_is_named_with_what_to_do(
    name: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for spelling in (name, str(tmp_path / name)):
        with pytest.raises(DubfleetError) as raised:
            process.run([spelling, "-version"], timeout=AMPLE)
        assert raised.value.reason is Reason.PROGRAM_MISSING
        assert raised.value.sentence == sentence


def test_a_program_that_may_not_be_run_says_so(tmp_path: Path) -> None:
    program = tmp_path / "prog"
    program.write_text("#!/bin/sh\n")
    with pytest.raises(DubfleetError) as raised:
        process.run([str(program)], timeout=AMPLE)
    assert raised.value.reason is Reason.PROGRAM_FAILED
    assert raised.value.sentence == "prog could not be started: Permission denied."


def test_killing_twice_is_harmless() -> None:
    child = process.start(["sleep", "600"], stdin=subprocess.PIPE)
    process.kill_group(child)
    process.kill_group(child)
    assert child.returncode == -signal.SIGKILL
