"""Nothing outlives what started it, however that ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.orchestrator.providers.hosts import alive, eventually

# Starts the command in its arguments as our programs do, says its number, and stays.
PARENT = """
import os, subprocess, sys, time
follow = [sys.executable, "-m", "orchestrator.parent_death", "--parent", str(os.getpid())]
print(subprocess.Popen([*follow, *sys.argv[1:]], start_new_session=True).pid, flush=True)
time.sleep(600)
"""
# Forks from its main thread and from another one, which then ends.
FORKS = """
import os, threading, time
from pathlib import Path

def fork(name):
    if os.fork() == 0:
        Path(name + ".part").write_text(str(os.getpid()))
        os.rename(name + ".part", name)
        time.sleep(600)
        os._exit(0)

fork("main")
thread = threading.Thread(target=fork, args=("thread",))
thread.start()
thread.join()
Path("joined").touch()
time.sleep(600)
"""


@contextmanager
def parent_of(*command: str, folder: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A parent and the number of the child it has started; gone at the end."""
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, *command],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        try:
            yield parent, int(parent.stdout.readline())
        finally:
            parent.kill()  # a test that failed must not wait for it


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_program_ends_with_whoever_started_it(number: signal.Signals, tmp_path: Path) -> None:
    with parent_of("--", "sleep", "600", folder=tmp_path) as (parent, child):
        assert eventually(lambda: Path(f"/proc/{child}/comm").read_text() == "sleep\n")
        parent.send_signal(number)
        parent.wait(10)
    assert eventually(lambda: not alive(child), 2)


def test_what_a_module_forks_ends_with_it(tmp_path: Path) -> None:
    (tmp_path / "forks.py").write_text(FORKS)
    with parent_of("-m", "forks", folder=tmp_path) as (_, child):
        said = [tmp_path / name for name in ("joined", "main", "thread")]
        assert eventually(lambda: all(file.exists() for file in said))
        main, thread = (int((tmp_path / name).read_text()) for name in ("main", "thread"))
        # A fork does not end with the thread that made it, while the process lives.
        assert alive(main)
        assert alive(thread)
    assert eventually(lambda: not alive(child) and not alive(main), 2)
    os.kill(thread, signal.SIGKILL)


def test_a_parent_that_is_gone_already_is_noticed() -> None:
    with subprocess.Popen(["true"]) as gone:
        pass
    done = subprocess.run(
        [
            *(sys.executable, "-m", "orchestrator.parent_death", "--parent", str(gone.pid)),
            *("--", "echo", "still here"),
        ],
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, b"")


def run(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "orchestrator.parent_death", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_arguments_reach_the_program_as_they_were_written(tmp_path: Path) -> None:
    odd = ["--parent", "1", "-m", "a b", "", "100%", "it's", 'say "х"', "--", "$HOME"]
    told = "import sys; print(sys.argv[1:])"
    (tmp_path / "told.py").write_text(told)
    for start in (("--", sys.executable, "-c", told), ("-m", "told")):
        assert run(*start, *odd, folder=tmp_path).stdout == f"{odd}\n"


def test_a_program_may_go_by_another_name(tmp_path: Path) -> None:
    said = run("--program", "/bin/sh", "--", "other", "-c", 'echo "$0"', folder=tmp_path)
    assert said.stdout == "other\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--", "no-such-program"), "no-such-program could not be started: No such file"),
        ((), "there is nothing to run"),
        (("--parent", "x", "--", "true"), "invalid int value"),
        (("-m", "no_such_module"), "No module named no_such_module"),
    ],
)
def test_what_cannot_be_run_is_said(
    arguments: tuple[str, ...], sentence: str, tmp_path: Path
) -> None:
    done = run(*arguments, folder=tmp_path)
    assert done.returncode != 0
    assert sentence in done.stderr


def test_the_status_of_a_module_is_passed_on(tmp_path: Path) -> None:
    (tmp_path / "leaves.py").write_text("import sys; sys.exit(7)")
    assert run("-m", "leaves", folder=tmp_path).returncode == 7
