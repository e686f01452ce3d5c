"""The command `dub`, also as `python -m gpu_node`: listens for Ctrl-C before anything is loaded."""

from __future__ import annotations

import os
import signal
import sys


def main() -> None:
    """Run the command. Output goes out as UTF-8, whatever the terminal says it can show."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # Under `nohup` a terminal that is closed is to be outlived.
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _leave)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]  # text streams
    # Loading takes a third of a second, and nobody can tell when a user presses Ctrl-C.
    from gpu_node.cli import dub

    dub(prog_name="dub")


def _leave(number: int, _: object) -> None:
    """Nothing has been done yet, so there is nothing to clean up."""
    try:
        os.write(2, b"dub: Stopped. Nothing was written.\n")
    finally:
        # Also when the terminal is gone.
        os._exit(128 + number)


if __name__ == "__main__":
    main()
