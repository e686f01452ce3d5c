"""What the service asks of whoever speaks and of whoever listens.

An engine is used by one thread alone, the desk's; a recogniser by one of its own. Neither has to be
thread-safe, but what is known of it (name, languages, device, memory) may be asked by anybody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
"""One channel, -1 to 1."""

Stop = Callable[[], bool]
"""Whether nobody waits for it any more. Asked often: it has to cost nothing."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How something is said. Engines ignore what they know nothing of."""

    exaggeration: float = 0.5
    cfg_weight: float = 0.5
    temperature: float = 0.8


@dataclass(frozen=True, slots=True)
class Voice:
    """A reference as an engine has prepared it, for one exaggeration; nobody else looks inside."""

    key: str
    """Content hash of the reference."""
    exaggeration: float
    prepared: Any = field(repr=False, compare=False)
    size: int = 0
    """Bytes it takes up, wherever that is."""


@dataclass(frozen=True, slots=True)
class Line:
    """Something short enough to be said in one go, in one language."""

    text: str
    language: str
    """BCP-47's primary subtag, in lower case: "en"."""
    seed: int
    manner: Manner = Manner()
    voice: Voice | None = None
    """None: the engine's own."""


@dataclass(frozen=True, slots=True)
class Take:
    """What became of one line of a batch: sound, or one sentence on why there is none."""

    at: int
    """Its place among the lines that were given."""
    samples: Samples | None
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Language:
    """`lacks` is one sentence on what keeps the language from being spoken; empty: nothing."""

    code: str
    lacks: str = ""


class EngineFault(Exception):
    """The engine as a whole cannot go on; its text is one sentence for people. Not one line's."""


class Engine(Protocol):
    """Speaks. Loading happens in `load`, not in the constructor."""

    name: str
    version: str
    sample_rate: int
    clones: bool
    """Whether a reference changes the voice."""
    watermarked: bool
    """Whether all that it says carries an inaudible mark that it is synthetic."""
    most_together: int
    """Lines that may be spoken in one batch."""
    budget: int
    """What the sizes of a batch's lines may come to: their number times the largest."""

    def load(self) -> None:
        """Raises EngineFault."""

    def languages(self) -> Mapping[str, Language]:
        """By code. Also those that lack something."""

    def size(self, line: Line) -> int:
        """How much of `budget` a line takes, at most; batches are padded to their largest."""

    def prepare(self, key: str, reference: Path, exaggeration: float) -> Voice:
        """Raises EngineFault."""

    def speak(self, lines: Sequence[Line], stop: Stop) -> Iterator[Take]:
        """One batch: each line's take as soon as it is there, in any order, and then the next.

        Where `stop` says so it ends early, and owes nothing more. Raises EngineFault.
        """

    def device(self) -> str:
        """ "cuda", "cpu"."""

    def memory_used(self) -> int:
        """Bytes of GPU memory that this process holds; 0 without a GPU."""

    def close(self) -> None:
        """Give everything back. May be called more than once."""


class Recogniser(Protocol):
    """Writes down what it hears."""

    name: str

    def load(self) -> None:
        """Raises EngineFault."""

    def transcribe(self, samples: Samples, sample_rate: int, language: str) -> str:
        """The words, as it would write them. Raises EngineFault."""

    def close(self) -> None:
        """Give everything back. May be called more than once."""
