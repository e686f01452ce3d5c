"""Processes that may be killed at any statement, commit or call, and paused between them."""

from __future__ import annotations

import sys
from dataclasses import dataclass


class Killed(BaseException):
    """What SIGKILL is to a process: nothing catches it."""


class Violation(BaseException):
    """Something that must always hold does not. Nothing that is simulated may catch it."""


class Unreachable(Exception):
    """A request was not answered. Whether it was carried out is not known to whoever sent it."""


NEVER = 1 << 30


@dataclass(slots=True, eq=False)
class Process:
    """Something that runs. `kill_at` and `pause_at` count moments at which either can happen."""

    name: str
    kill_at: int = NEVER
    pause_at: int = NEVER
    pause_for: float = 0.0
    began: float = 0.0
    moments: int = 0
    dead: bool = False
    next: int = 0
    """No moment before this one matters."""

    def __post_init__(self) -> None:
        self.next = min(self.kill_at, self.pause_at)

    def reached(self) -> None:
        """Raise Killed if the process ends here."""
        if self.dead or self.moments >= self.kill_at:
            self.dead = True
            self.next = 0
            raise Killed

    def pauses(self) -> bool:
        """Whether it stands still here; it does so once."""
        if self.moments < self.pause_at:
            return False
        self.pause_at = NEVER
        self.next = self.kill_at
        return True


def checking_its_deadline() -> bool:
    """Whether the running code is between reading the clock and making the call it is about.

    Nothing can be done about a process that stands still there for minutes: the cloud knows of no
    fencing. What such a stretch may last is what one call may take.
    """
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_name == "_still_ours":
            return True
        if frame.f_back is None:
            return False
        frame = frame.f_back
    return False
