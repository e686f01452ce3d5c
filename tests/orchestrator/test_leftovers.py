from __future__ import annotations

import os
import subprocess
import sys
import uuid

from orchestrator.leftovers import kill_marked, marked
from tests.orchestrator.providers.hosts import alive, eventually

NAME = "TEST_MARK"

# A program that makes a session of its own, as none of ours could follow by group.
LEAVES = "import os, sys, time; os.setsid(); print('gone', flush=True); time.sleep(600)"


def start(value: str, program: str = LEAVES) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        env={"PATH": os.environ["PATH"], NAME: value},
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"gone\n"
    return process


def test_all_that_carry_the_mark_are_ended_and_no_other() -> None:
    value, similar = f"/disk/{uuid.uuid4()}", f"/disk/{uuid.uuid4()}"
    with start(value) as first, start(value) as second, start(value + "0") as longer:
        with start(similar) as other:
            assert set(marked(NAME, value)) == {first.pid, second.pid}
            assert kill_marked(NAME, value) == 2
            assert eventually(lambda: not alive(first.pid) and not alive(second.pid), 2)
            assert alive(longer.pid)
            assert alive(other.pid)
            other.kill()
        longer.kill()


def test_a_child_carries_its_parents_mark() -> None:
    value = str(uuid.uuid4())
    forks = f"import os; os.fork(); {LEAVES}"
    with start(value, forks.replace("os.setsid()", "pass")):
        assert eventually(lambda: len(marked(NAME, value)) == 2)
        assert kill_marked(NAME, value) == 2
    assert marked(NAME, value) == []


def test_we_ourselves_are_not_among_them() -> None:
    value = str(uuid.uuid4())
    program = (
        f"from orchestrator.leftovers import kill_marked; print(kill_marked('{NAME}', '{value}'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, NAME: value},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "0\n"


def test_nobody_there_is_no_work() -> None:
    assert kill_marked(NAME, str(uuid.uuid4())) == 0
