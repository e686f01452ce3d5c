"""A program that stays: one reply to one question, and a fresh program after any doubt."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from gpu_node.contracts.errors import DubfleetError, Reason
from gpu_node.conversation import Conversation

AMPLE = 60.0
TEN_MEGABYTES = 10 * 1024 * 1024

# Answers each line with its own pid, unless the line is a request for something special.
CLERK = """
while read -r line; do
    case "$line" in
        end) exit 3 ;;
        half) printf 'half a rep'; exit 3 ;;
        silence) sleep 600 & echo x >"$2"; wait ;;
        twice) printf 'one\\ntwo\\n' ;;
        late) echo one; read -r _ <"$1"; echo unasked; echo x >"$2" ;;
        leave) echo bye; exit 0 ;;
        *) echo "$$ $line" ;;
    esac
done
"""


class Pipes:
    """Two named pipes between a test and a clerk: reading and writing wait for the other side."""

    def __init__(self, folder: Path) -> None:
        self.go, self.done = folder / "go", folder / "done"
        for pipe in (self.go, self.done):
            os.mkfifo(pipe)


@pytest.fixture
def pipes(tmp_path: Path) -> Pipes:
    return Pipes(tmp_path)


@pytest.fixture
def clerk(pipes: Pipes) -> Iterator[Conversation]:
    argv = ["sh", "-c", CLERK, "sh", str(pipes.go), str(pipes.done)]
    with Conversation(argv, b"\n") as conversation:
        yield conversation


def ask(conversation: Conversation, request: str, timeout: float = AMPLE) -> str:
    return conversation.ask(request.encode(), timeout=timeout).decode()


def pid_of(conversation: Conversation) -> int:
    return int(ask(conversation, "who").split()[0])


def wait_for_end(pid: int) -> None:
    """Without collecting it: that is the conversation's business."""
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


def children() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


def refused(conversation: Conversation, request: str, timeout: float = AMPLE) -> DubfleetError:
    with pytest.raises(DubfleetError) as raised:
        ask(conversation, request, timeout)
    return raised.value


# Questions and answers.


def test_one_program_answers_all_questions(clerk: Conversation) -> None:
    first = pid_of(clerk)
    assert [ask(clerk, word) for word in ("one", "two")] == [f"{first} one", f"{first} two"]


def test_nothing_runs_before_the_first_question() -> None:
    with Conversation(["cat"], b"\n") as conversation:
        assert children() == []
        ask(conversation, "x")
        assert [child.name() for child in children()] == ["cat"]
    assert children() == []


@pytest.mark.parametrize("terminator", [b"\n", b"\0", b"\r\n", b"--end--"])
@pytest.mark.parametrize("request_", [b"", b"x", b" two\twords ", b"\xff\xfe", b"-end"])
def test_a_reply_comes_without_its_end(terminator: bytes, request_: bytes) -> None:
    with Conversation(["cat"], terminator) as conversation:
        for _ in range(2):
            assert conversation.ask(request_, timeout=AMPLE) == request_


def test_the_end_may_come_in_pieces() -> None:
    script = "read -r line; printf 'reply--e'; sleep 0.2; printf 'nd--'; cat >/dev/null"
    with Conversation(["bash", "-c", script], b"--end--") as conversation:
        assert conversation.ask(b"x\n", timeout=AMPLE) == b"reply"


def test_a_request_that_holds_its_own_end_is_refused(clerk: Conversation) -> None:
    first = pid_of(clerk)
    with pytest.raises(ValueError, match="holds its own end"):
        ask(clerk, "two\nlines")
    assert pid_of(clerk) == first


@pytest.mark.parametrize("program", [["cat"], ["dd", "bs=4096", "status=none"]])
def test_ten_megabytes_there_and_back(program: list[str]) -> None:
    # dd takes a little at a time: its pipe has room then, but not for all we would like to write.
    sent = bytes(n for n in range(256) if n != 10) * (TEN_MEGABYTES // 255)
    with Conversation(program, b"\n") as conversation:
        for _ in range(2):
            assert conversation.ask(sent, timeout=AMPLE) == sent


# When it breaks.


def test_a_program_that_ends_is_started_again(clerk: Conversation) -> None:
    first = pid_of(clerk)
    error = refused(clerk, "end")
    assert error.reason is Reason.PROGRAM_FAILED
    assert error.sentence == "sh ended before it answered."
    assert pid_of(clerk) != first


def test_half_a_reply_is_no_reply_and_does_not_leak_into_the_next(clerk: Conversation) -> None:
    assert refused(clerk, "half").reason is Reason.PROGRAM_FAILED
    assert ask(clerk, "whole").endswith(" whole")


def test_a_program_that_ended_between_two_questions_is_replaced_at_once(
    clerk: Conversation,
) -> None:
    assert ask(clerk, "leave") == "bye"
    (child,) = children()
    wait_for_end(child.pid)
    assert ask(clerk, "next").endswith(" next")


def test_a_program_killed_from_outside_is_replaced(clerk: Conversation) -> None:
    first = pid_of(clerk)
    psutil.Process(first).kill()
    wait_for_end(first)
    assert pid_of(clerk) != first


def test_a_program_that_stops_reading_breaks_no_more_than_the_question() -> None:
    with Conversation(["sh", "-c", "head -c 10 >/dev/null"], b"\n") as conversation:
        for _ in range(2):
            with pytest.raises(DubfleetError) as raised:
                conversation.ask(b"x" * TEN_MEGABYTES, timeout=AMPLE)
            assert raised.value.reason is Reason.PROGRAM_FAILED


def test_two_replies_to_one_question_are_not_believed(clerk: Conversation) -> None:
    # Taken for one reply, or the second for the next one's, they would put words in the wrong line.
    assert refused(clerk, "twice").reason is Reason.PROGRAM_FAILED
    assert ask(clerk, "next").endswith(" next")


def test_what_was_said_unasked_is_not_the_next_reply(clerk: Conversation, pipes: Pipes) -> None:
    first = pid_of(clerk)
    assert ask(clerk, "late") == "one"
    pipes.go.write_text("now\n")
    pipes.done.read_text()
    second, word = ask(clerk, "next").split()
    assert (int(second) != first, word) == (True, "next")


def test_a_missing_program_is_named() -> None:
    with Conversation(["no-such-program"], b"\n") as conversation:
        error = refused(conversation, "x")
    assert error.reason is Reason.PROGRAM_MISSING


# Time, and being stopped.


def test_a_silent_program_and_its_children_are_killed(clerk: Conversation, pipes: Pipes) -> None:
    first = pid_of(clerk)
    listener = threading.Thread(target=pipes.done.read_text)
    listener.start()
    error = refused(clerk, "silence", timeout=1.0)
    # It had a child by then.
    listener.join()
    assert error.reason is Reason.PROGRAM_TIMEOUT
    assert error.sentence == "sh took too long and was stopped."
    assert children() == []
    assert pid_of(clerk) != first


def test_a_program_that_does_not_read_runs_into_its_timeout() -> None:
    with Conversation(["sleep", "600"], b"\n") as conversation:
        with pytest.raises(DubfleetError) as raised:
            conversation.ask(b"x" * TEN_MEGABYTES, timeout=0.5)
        assert raised.value.reason is Reason.PROGRAM_TIMEOUT
        assert children() == []


def test_a_program_that_talks_without_end_runs_into_its_timeout() -> None:
    with Conversation(["sh", "-c", "yes | tr -d '\\n'"], b"\n") as conversation:
        with pytest.raises(DubfleetError) as raised:
            conversation.ask(b"x", timeout=0.5)
        assert raised.value.reason is Reason.PROGRAM_TIMEOUT


def test_being_stopped_ends_the_program(clerk: Conversation, pipes: Pipes) -> None:
    stop = threading.Event()

    def stop_when_it_is_busy() -> None:
        pipes.done.read_text()
        stop.set()

    stopper = threading.Thread(target=stop_when_it_is_busy)
    stopper.start()
    with pytest.raises(DubfleetError) as raised:
        clerk.ask(b"silence", timeout=AMPLE, stop=stop)
    stopper.join()
    assert raised.value.reason is Reason.CANCELLED
    assert children() == []


def test_who_is_stopped_already_gets_no_answer(clerk: Conversation) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(DubfleetError) as raised:
        clerk.ask(b"x", timeout=AMPLE, stop=stop)
    assert raised.value.reason is Reason.CANCELLED


def test_after_being_closed_it_may_be_asked_again(clerk: Conversation) -> None:
    clerk.close()
    first = pid_of(clerk)
    clerk.close()
    clerk.close()
    assert children() == []
    assert pid_of(clerk) != first


def test_nothing_is_left_open(clerk: Conversation) -> None:
    refused(clerk, "end")
    before = psutil.Process().num_fds()
    for _ in range(5):
        ask(clerk, "x")
        refused(clerk, "end")
        refused(clerk, "silence", timeout=0.05)
    assert psutil.Process().num_fds() == before
    assert children() == []
