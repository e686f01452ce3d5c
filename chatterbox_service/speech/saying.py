"""A text, from its pieces to its sound: candidates, their check, retries, the joints."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from chatterbox_service.ports import EngineFault, Line, Manner, Recogniser, Samples, Voice
from chatterbox_service.problems import Code, Problem
from chatterbox_service.sound.joining import joined
from chatterbox_service.sound.trimming import trimmed
from chatterbox_service.speech.desk import Desk
from chatterbox_service.speech.seeds import seed_of
from chatterbox_service.speech.together import together
from chatterbox_service.text.scoring import score
from chatterbox_service.text.splitting import pieces

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Check:
    """How good a take has to be, and how much may be tried for it."""

    candidates: int = 3
    threshold: int = 85
    """0 to 100: the score from which on a take has passed."""
    retries: int = 2
    """Rounds of candidates after the first."""


_UNCHECKED = Check(candidates=1, threshold=0, retries=0)
"""Where nobody listens there is nothing to choose by."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be said. `check` None: one take, and nobody listens to it."""

    text: str
    language: str
    seed: int
    manner: Manner = field(default_factory=Manner)
    voice: Voice | None = None
    check: Check | None = None


@dataclass(slots=True)
class Effort:
    """What it took."""

    generated: int = 0
    passed: int = 0
    scores: list[int] = field(default_factory=list)
    retries: int = 0
    generation: float = 0.0
    """Seconds that takes were waited for, their turn included."""
    validation: float = 0.0


@dataclass(frozen=True, slots=True)
class Said:
    """The sound, with what is known of it. `best_score` None: nobody listened."""

    samples: Samples
    sample_rate: int
    best_score: int | None
    passed: bool
    """Whether every piece has reached the threshold; True too where nobody listened."""
    effort: Effort

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.sample_rate


@dataclass(frozen=True, slots=True)
class _Take:
    """One piece said once."""

    samples: Samples
    score: int | None


class Ear:
    """The recogniser, on a thread of its own, beside the engine's.

    `error` says why it hears nothing; `loaded`, whether it has been loaded.
    """

    def __init__(self, recogniser: Recogniser, lexicon: Mapping[str, str]) -> None:
        self.recogniser = recogniser
        self.loaded = False
        self.error = ""
        self._lexicon = lexicon
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ear")

    def start(self) -> None:
        """Begin to load. Returns at once."""
        self._thread.submit(self._load)

    def _load(self) -> None:
        try:
            self.recogniser.load()
        except EngineFault as fault:
            self.error = str(fault)
            log.error("the recogniser cannot be used: %s", fault)
        else:
            self.loaded = True

    async def score(self, samples: Samples, rate: int, wanted: str, language: str) -> int:
        """How well the wanted words are heard, 0 to 100. Raises Problem."""

        def listen() -> int:
            if not self.loaded:
                raise EngineFault(self.error or "it has not been loaded")
            heard = self.recogniser.transcribe(samples, rate, language)
            return score(wanted, heard, language, self._lexicon)

        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, listen)
        except EngineFault as fault:
            raise Problem(
                Code.NOT_READY,
                f"Nobody can check what is said now: {fault}",
                retry_after=30,
            ) from fault

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)
        self.recogniser.close()


class Speaker:
    """Says texts: many at once, each for itself."""

    def __init__(self, desk: Desk, ear: Ear | None) -> None:
        self._desk = desk
        self._ear = ear

    @property
    def listens(self) -> bool:
        return self._ear is not None

    async def say(self, order: Order, owner: str) -> Said:
        """Say a text that has been checked. Raises Problem: NOT_SPOKEN, and as Desk.speak does."""
        effort = Effort()
        parts = pieces(order.text, order.language)
        takes = await together(
            self._piece(order, at, part.text, owner, effort) for at, part in enumerate(parts)
        )
        rate = self._desk.engine.sample_rate
        sound = await asyncio.to_thread(
            joined, [take.samples for take in takes], [part.pause_after for part in parts], rate
        )
        scores = [take.score for take in takes if take.score is not None]
        worst = min(scores, default=None)
        threshold = order.check.threshold if order.check is not None else 0
        return Said(sound, rate, worst, worst is None or worst >= threshold, effort)

    async def _piece(self, order: Order, at: int, text: str, owner: str, effort: Effort) -> _Take:
        check = order.check if order.check is not None and self._ear is not None else _UNCHECKED
        best: _Take | None = None
        fault = ""
        for attempt in range(check.retries + 1):
            effort.retries += attempt > 0
            first = attempt * check.candidates
            made, fault = await self._candidates(
                order, at, text, owner, range(first, first + check.candidates), effort
            )
            best = _better(best, made)
            if best is not None and (best.score is None or best.score >= check.threshold):
                break
        if best is None:
            raise Problem(Code.NOT_SPOKEN, fault or "It could not be said: change the words.")
        return best

    async def _candidates(
        self, order: Order, at: int, text: str, owner: str, numbers: range, effort: Effort
    ) -> tuple[list[_Take], str]:
        """Those that came to something, and why the last of the others did not."""
        began = time.monotonic()
        lines = [
            Line(text, order.language, seed_of(order.seed, at, n), order.manner, order.voice)
            for n in numbers
        ]
        takes = await together(self._desk.speak(line, owner) for line in lines)
        effort.generation += time.monotonic() - began
        effort.generated += len(takes)
        rate = self._desk.engine.sample_rate
        made: list[_Take] = []
        fault = next((take.fault for take in reversed(takes) if take.fault), "")
        for take in takes:
            if take.samples is None:
                continue
            sound = await asyncio.to_thread(trimmed, take.samples, rate)
            if not len(sound):
                fault = "The engine gave silence: change the words."
                continue
            made.append(_Take(sound, await self._scored(order, sound, text, effort)))
        return made, fault

    async def _scored(self, order: Order, sound: Samples, text: str, effort: Effort) -> int | None:
        if order.check is None or self._ear is None:
            return None
        began = time.monotonic()
        rate = self._desk.engine.sample_rate
        found = await self._ear.score(sound, rate, text, order.language)
        effort.validation += time.monotonic() - began
        effort.scores.append(found)
        effort.passed += found >= order.check.threshold
        return found


def _better(best: _Take | None, made: Sequence[_Take]) -> _Take | None:
    """The best so far; of equals the earlier, so that the same seeds give the same choice."""
    for take in made:
        if best is None or (take.score or 0) > (best.score or 0):
            best = take
    return best
