"""What can go wrong between a node and the site, to be put in its way on purpose."""

from __future__ import annotations

import re
import threading
import time
from dataclasses import dataclass, field
from enum import Enum


class Kind(Enum):
    STATUS = "answer with a status"
    DROP = "close the connection without an answer"
    BREAK = "send a part of the body, then close the connection"
    SLOW = "wait before the answer"
    LOSE = "do it, then close the connection without an answer"
    LIE = "answer 200 with something else"


@dataclass(frozen=True)
class Fault:
    """One kind of trouble, for requests whose "METHOD path" matches."""

    where: str
    kind: Kind
    status: int = 500
    seconds: float = 0.0
    after_bytes: int = 0
    headers: dict[str, str] = field(default_factory=dict)


class Faults:
    """Those that are still to come, each once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[Fault] = []
        self.done: list[Fault] = []

    def add(self, fault: Fault, times: int = 1) -> None:
        with self._lock:
            self._waiting += [fault] * times

    def clear(self) -> None:
        with self._lock:
            self._waiting.clear()

    def take(self, request: str) -> Fault | None:
        with self._lock:
            for fault in self._waiting:
                if re.search(fault.where, request):
                    self._waiting.remove(fault)
                    self.done.append(fault)
                    break
            else:
                return None
        if fault.kind is Kind.SLOW:
            time.sleep(fault.seconds)
            return None
        return fault
