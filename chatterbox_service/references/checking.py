"""Whether a recording will do as a reference, and what of it the engines are given."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field
from pathlib import Path

from chatterbox_service.ports import Samples
from chatterbox_service.problems import Code, Problem
from chatterbox_service.references.decoding import SAMPLE_RATE, Recording, decode
from chatterbox_service.sound import wav
from chatterbox_service.sound.measures import speech_seconds

KEPT_SECONDS = 30.0
"""Of a recording's best stretch. Chatterbox takes the first 6 s for how it speaks, and the first
10 s (turbo: 15 s) for how it sounds."""

_HEARD_SECONDS = 10.0
_LEAST_HEARD_SECONDS = 6.0
_STEP_SECONDS = 0.5
_DENSE = 0.9
"""Share of speech from which on a stretch is good enough. Measured: speech without pauses has 1."""

HEADER_BYTES = 44
"""Of a WAV file with nothing but samples."""
_BYTES_PER_SECOND = SAMPLE_RATE * 2
MOST_BYTES = HEADER_BYTES + round(KEPT_SECONDS * _BYTES_PER_SECOND)
"""No reference takes more, once it is checked."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What is asked of a recording. Turbo refuses 5 s and less: it needs more `least_seconds`."""

    least_seconds: float = 1.5
    most_seconds: float = 120.0
    least_speech_seconds: float = 1.0
    least_speech_share: float = 0.2
    most_clipping: float = 0.01
    """Share of the samples."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A recording that will do."""

    key: str
    """SHA-256 of `wav`, in hexadecimal: the same sound in another lossless format has the same."""
    duration: float
    """Seconds of the recording; `wav` may hold less."""
    speech_seconds: float
    clipping: float
    """Share of the recording's samples."""
    sample_rate: int
    """Hz, of the recording."""
    wav: bytes = field(repr=False, compare=False)
    """A file: mono, 24 kHz, 16 bits, the best stretch, at most 30 s."""


def check(path: Path, limits: Limits) -> Reference:
    """Decode and judge. Takes up to seconds of computing: not for an event loop.

    Raises Problem REFERENCE_INVALID.
    """
    recording = decode(path, limits.most_seconds)
    spoken = speech_seconds(recording.samples, SAMPLE_RATE)
    fault = fault_of(recording, spoken, limits)
    if fault is not None:
        raise Problem(Code.REFERENCE_INVALID, fault)
    content = wav.encode(best_stretch(recording.samples, limits.least_seconds), SAMPLE_RATE)
    return Reference(
        key=key_of(content),
        duration=recording.seconds,
        speech_seconds=spoken,
        clipping=recording.clipping,
        sample_rate=recording.sample_rate,
        wav=content,
    )


def fault_of(recording: Recording, spoken: float, limits: Limits) -> str | None:
    """One sentence on why it will not do, the first reason of several; `spoken` in seconds."""
    seconds, most = recording.seconds, limits.most_seconds
    wanted = f"send between {_figure(limits.least_seconds)} and {_figure(most)} s of clean speech"
    if recording.goes_on:
        return f"The reference lasts more than {_figure(most)} s: {wanted}."
    if seconds < limits.least_seconds:
        return f"The reference lasts {_figure(seconds)} s: {wanted}."
    if recording.clipping > limits.most_clipping:
        return (
            f"{_percent(recording.clipping)} of the reference is clipped, and "
            f"{_percent(limits.most_clipping)} is the most: record it again at a lower level."
        )
    if spoken < max(limits.least_speech_seconds, limits.least_speech_share * seconds):
        return (
            f"The reference holds {_figure(spoken)} s of speech in {_figure(seconds)} s, where at "
            f"least {_figure(limits.least_speech_seconds)} s and "
            f"{_percent(limits.least_speech_share)} are needed: {wanted}."
        )
    return None


def best_stretch(samples: Samples, least_seconds: float) -> Samples:
    """At most 30 s from where speech is dense on; never less than `least_seconds` if there are."""
    last_start = len(samples) / SAMPLE_RATE - max(least_seconds, _LEAST_HEARD_SECONDS)
    starts = [n * _STEP_SECONDS for n in range(1 + max(0, math.floor(last_start / _STEP_SECONDS)))]
    best, most = 0.0, -1.0
    for start in starts:
        density = _density(_cut(samples, start, _HEARD_SECONDS))
        if density > most:
            best, most = start, density
        if density >= _DENSE:
            break
    return _cut(samples, best, KEPT_SECONDS)


def key_of(wav: bytes) -> str:
    return hashlib.sha256(wav).hexdigest()


def seconds_in(size: int) -> float:
    """How long a checked reference of so many bytes lasts."""
    return max(0, size - HEADER_BYTES) / _BYTES_PER_SECOND


def _density(samples: Samples) -> float:
    return speech_seconds(samples, SAMPLE_RATE) / (len(samples) / SAMPLE_RATE)


def _cut(samples: Samples, start: float, seconds: float) -> Samples:
    first = round(start * SAMPLE_RATE)
    return samples[first : first + round(seconds * SAMPLE_RATE)]


def _figure(value: float) -> str:
    """Rounded down to hundredths: what is below a limit must not look as if it reached it."""
    return f"{math.floor(round(value * 100, 6)) / 100:g}"


def _percent(share: float) -> str:
    return f"{share * 100:.3g} %"
