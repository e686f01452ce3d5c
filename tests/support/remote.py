"""Somebody inside a running site who does what a test says: orders and answers as lines of JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parents[2]


class Remote:
    """The test's end of the line: a process with the site's own settings obeys at the other."""

    def __init__(self, module: str, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**environment, "PYTHONPATH": str(_ROOT)},
            text=True,
        )

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)

    def tell(self, order: str, *with_: Any) -> Any:
        """An order by its name, and the answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"order": order, "with": with_}) + "\n")
        self._process.stdin.flush()
        said = json.loads(self._process.stdout.readline())
        assert "error" not in said, said["error"]
        return said["answer"]


def obey(*orders: Callable[..., Any]) -> None:
    """The other end: carry out these, called by their names, until the line is closed."""
    known = {order.__name__: order for order in orders}
    for line in sys.stdin:
        said = json.loads(line)
        try:
            answer: Any = {"answer": known[said["order"]](*said["with"])}
        except Exception as error:  # the test shows it
            answer = {"error": f"{type(error).__name__}: {error}"}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
