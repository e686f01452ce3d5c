"""An engine that does as a test says, one that listens likewise: to show what surrounds them."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from chatterbox_service.ports import EngineFault, Language, Line, Samples, Stop, Take, Voice

RATE = 24_000


def tone(text: str, seed: int = 0) -> Samples:
    """Each text and seed has a sound of its own: 10 ms for each character."""
    length = 240 * max(1, len(text))
    pitch = 200 + 10 * (len(text) % 40) + seed % 7
    return np.sin(np.arange(length) * 2 * np.pi * pitch / RATE).astype(np.float32) * 0.5


class ScriptedEngine:
    """Says a tone. `gate`: where it is closed, a round waits in its middle, and looks whether to
    stop. Texts with "fault" in them fail alone; with "crash", the whole round does."""

    name = "scripted"
    version = "1"
    sample_rate = RATE
    clones = True
    watermarked = False

    def __init__(self, *, most_together: int = 4, budget: int = 10_000) -> None:
        self.most_together = most_together
        self.budget = budget
        self.gate = threading.Event()
        self.gate.set()
        self.begun = threading.Event()
        self.loading = threading.Event()
        self.loading.set()
        self.load_fault = ""
        self.rounds: list[list[str]] = []
        self.stopped = 0
        self.closed = 0
        self.prepared: list[tuple[str, float]] = []
        self.threads: set[int] = set()

    def load(self) -> None:
        self.loading.wait(20)
        if self.load_fault:
            raise EngineFault(self.load_fault)

    def languages(self) -> Mapping[str, Language]:
        lacks = Language("ru", "its stresser is not installed.")
        return {"en": Language("en"), "es": Language("es"), "ru": lacks}

    def size(self, line: Line) -> int:
        return len(line.text)

    def prepare(self, key: str, reference: Path, exaggeration: float) -> Voice:
        self.threads.add(threading.get_ident())
        if not reference.is_file():
            raise EngineFault("the reference is gone")
        self.prepared.append((key, exaggeration))
        return Voice(key, exaggeration, prepared=None, size=1000)

    def speak(self, lines: Sequence[Line], stop: Stop) -> Iterator[Take]:
        self.threads.add(threading.get_ident())
        self.rounds.append([line.text for line in lines])
        self.begun.set()
        while not self.gate.wait(0.005):
            if stop():
                self.stopped += 1
                return
        if any("crash" in line.text for line in lines):
            raise EngineFault("the GPU is lost")
        for at, line in enumerate(lines):
            if "fault" in line.text:
                yield Take(at, None, "It could not be said.")
            elif "silence" in line.text:
                yield Take(at, np.zeros(2400, np.float32))
            else:
                yield Take(at, tone(line.text, line.seed))

    def device(self) -> str:
        return "cpu"

    def memory_used(self) -> int:
        return 0

    def close(self) -> None:
        self.closed += 1


class ScriptedRecogniser:
    """Hears what the next entry of `hears` says; at its end, always the last."""

    name = "scripted"

    def __init__(self, *hears: str) -> None:
        self._hears = list(hears)
        self.fault = ""

    def load(self) -> None:
        if self.fault:
            raise EngineFault(self.fault)

    def transcribe(self, *_: object) -> str:
        return self._hears.pop(0) if len(self._hears) > 1 else self._hears[0]

    def close(self) -> None:
        pass
