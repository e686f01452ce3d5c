"""How much memory a run takes: its process and all that it started, together."""

from __future__ import annotations

import contextlib
import os
import threading
from collections import defaultdict
from pathlib import Path
from typing import Self

_LOOK_SECONDS = 0.5
_PROC = Path("/proc")


class PeakMemory:
    """Looks at the process tree twice a second; `megabytes` is the highest sum seen.

    Proportional set sizes are added up, so that a page two processes share counts once.
    """

    def __init__(self) -> None:
        self.megabytes = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(_LOOK_SECONDS):
            self.megabytes = max(self.megabytes, tree_megabytes(os.getpid()))


def tree_megabytes(root: int) -> float:
    """The memory of a process and its descendants; those that end meanwhile count as nothing."""
    children: dict[int, list[int]] = defaultdict(list)
    for folder in _PROC.iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                # The name in parentheses may hold anything; what follows the last one does not.
                parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
                children[int(parent)].append(int(folder.name))
    waiting, total = [root], 0.0
    while waiting:
        process = waiting.pop()
        waiting += children[process]
        total += _proportional_megabytes(process)
    return total


def _proportional_megabytes(process: int) -> float:
    with contextlib.suppress(OSError):
        for line in (_PROC / str(process) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    return 0.0
