"""A process that ends when the one that started it does, even if that one was killed.

`python -m orchestrator.parent_death -- program …` becomes the program.
`python -m orchestrator.parent_death -m module …` runs the Python module, and whatever that forks
(a pool's children, a web server's workers) ends with it in turn.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import runpy
import signal
import sys
import threading
from collections.abc import Sequence

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int) -> None:
    """Have Linux kill this process when `parent`, which started it, is gone.

    It is the thread that forked us whose end counts, so only a main thread should.
    """
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    # It may have been killed between its fork and here: then no signal will ever come.
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def have_forks_die_with_us() -> None:
    """Do the same in every process that this program forks from its main thread."""
    forking: list[int] = []

    def before() -> None:
        # A child forked from another thread would die when that thread ends.
        on_main = threading.current_thread() is threading.main_thread()
        forking[:] = [os.getpid()] if on_main else []

    def in_child() -> None:
        if forking:
            die_with_parent(forking[0])

    os.register_at_fork(before=before, after_in_child=in_child)


def main(argv: Sequence[str]) -> None:
    """Become what the arguments name."""
    parser = argparse.ArgumentParser(prog="python -m orchestrator.parent_death")
    parser.add_argument(
        "--parent",
        type=int,
        default=os.getppid(),
        metavar="PID",
        help="who started us; without it whoever is our parent by now is taken for that",
    )
    parser.add_argument("--program", help="the file to run, where it is not the command's name")
    parser.add_argument("-m", dest="module", action="store_true", help="run a Python module")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args(argv)
    command = options.command[1:] if options.command[:1] == ["--"] else options.command
    if not command:
        parser.error("there is nothing to run")

    die_with_parent(options.parent)
    if options.module:
        have_forks_die_with_us()
        sys.argv = command
        runpy.run_module(command[0], run_name="__main__", alter_sys=True)
        return
    try:
        os.execvp(options.program or command[0], command)  # noqa: S606  # no shell is wanted here
    except OSError as error:
        sys.exit(f"{command[0]} could not be started: {error.strerror}.")


if __name__ == "__main__":
    main(sys.argv[1:])
