"""What is said, when, and what becomes of it.

*Segment* is the recogniser's. *Utterance* is what is translated, spoken and edited; its id is given
once and stays. All times are seconds on the source clock.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from gpu_node.contracts.base import Contract, LanguageTag, Seconds
from gpu_node.contracts.blobs import Blob
from gpu_node.contracts.errors import Reason


class Span(Contract):
    """A stretch of time that is not empty."""

    start: Seconds
    end: Seconds

    @model_validator(mode="after")
    def _runs_forward(self) -> Self:
        if self.end <= self.start:
            raise ValueError(f"a span ends after it starts, not at {self.end} from {self.start}")
        return self

    @property
    def duration(self) -> float:
        return self.end - self.start


class Word(Span):
    """A recognised word. `confidence` is the engine's own posterior, 0 to 1."""

    text: str
    confidence: float = Field(default=1.0, ge=0, le=1)


class Segment(Span):
    """What a recogniser or a subtitle file gives as one piece; words only if it times them."""

    text: str
    words: tuple[Word, ...] = ()


class TranscriptOrigin(StrEnum):
    RECOGNISED = "recognised"
    SUBTITLES = "subtitles"
    NONE = "none"
    """Nobody knows what is said; only the partner's translation is there."""


class Transcript(Contract):
    """The whole lesson's speech in its own language."""

    language: LanguageTag
    origin: TranscriptOrigin
    segments: tuple[Segment, ...]


class Utterance(Span):
    """`text` is the source, "" when unknown; `provided` is the partner's own translation."""

    id: str = Field(pattern=r"^[a-z0-9-]{1,40}$")
    text: str
    provided: str | None = None


class Utterances(Contract):
    """In order of time, never overlapping."""

    language: LanguageTag
    items: tuple[Utterance, ...]

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        for before, after in zip(self.items, self.items[1:], strict=False):
            if after.start < before.end:
                raise ValueError(f"{after.id} starts before {before.id} ends")
        if len({item.id for item in self.items}) != len(self.items):
            raise ValueError("two utterances have the same id")
        return self


class Translation(Contract):
    """`text` is what subtitles show, `spoken` what the synthesizer is given."""

    id: str
    text: str
    spoken: str


class SpokenLine(Contract):
    """One utterance spoken at its natural rate: 48 kHz mono WAV, outer silence trimmed.

    `lead` is the quiet before the first audible sample: the onset is at `lead`, and the line is
    placed so that the onset, not the file, starts on time.
    """

    id: str
    audio: Blob
    duration: float = Field(gt=0)
    lead: Seconds = 0.0


class Placement(Contract):
    """Where a line goes: its first audible sample is heard at `start`. `rate` above 1 is faster."""

    id: str
    audio: Blob
    start: Seconds
    rate: float = Field(gt=0)
    duration: float = Field(gt=0)
    lead: Seconds = 0.0
    lateness: Seconds
    """How much later than the speaker's own onset."""

    @property
    def file_start(self) -> float:
        """When the file's first sample is due, its quiet lead included."""
        return self.start - self.lead / self.rate

    @property
    def end(self) -> float:
        return self.start + (self.duration - self.lead) / self.rate


class Blocker(Contract):
    """An utterance that is not in the dub: a person has to mend it or keep the original there."""

    id: str
    start: Seconds
    end: Seconds
    reason: Reason
    sentence: str


class Fit(Contract):
    """The timing of the whole dub: every utterance is in exactly one of the two lists."""

    items: tuple[Placement, ...]
    blockers: tuple[Blocker, ...]
