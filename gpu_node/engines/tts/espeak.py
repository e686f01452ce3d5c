"""The embedded synthesizer: eSpeak NG, one process per line (GPL: never linked in)."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from gpu_node import process
from gpu_node.contracts.base import Contract
from gpu_node.contracts.errors import DubfleetError, ItemFailed, Reason
from gpu_node.contracts.timeline import SpokenLine, Translation, Utterance
from gpu_node.graph import StageContext
from gpu_node.languages import primary
from gpu_node.media import wav

NAME = "espeak"
_TIMEOUT = 60.0

_NO_SOUND_SERVER = {"PULSE_RUNTIME_PATH": "/dev/null"}
"""eSpeak's sound library otherwise leaves folders in the user's home and in /tmp, even though
nothing is played."""

_QUIET_DB = -45.0
"""Below the line's own peak: eSpeak's silence is digital, its faintest consonants are not."""
_LEAD_SECONDS = 0.01
_TAIL_SECONDS = 0.06

# "[[" begins phonemes; control characters can begin commands.
_CONTROL = re.compile(r"[\x00-\x1f\x7f]|\[\[|\]\]")
_DOES_FOR = re.compile(r"\((\S+) (\d+)\)")


class EspeakSettings(Contract):
    """eSpeak's own default is 175 words a minute; a robot is easier to follow at a teacher's."""

    voice: str
    words_per_minute: int = 150


def installed_voices(stop: threading.Event | None = None) -> Mapping[str, str]:
    """Voice by language (in lower case), as eSpeak writes them. Raises PROGRAM_MISSING.

    A voice is listed under its own language, and with a number, the lower the better, under others
    that it will do for: without those "en" would be the first of all regions, the Caribbean's.
    """
    listed = _espeak("--voices", stop=stop)
    voices: dict[str, str] = {}
    others: list[tuple[int, str, str]] = []
    for line in listed.stdout.decode("utf-8", "replace").splitlines()[1:]:
        fields = line.split()
        if len(fields) > 1:
            voices.setdefault(fields[1].lower(), fields[1])
            others += [(int(n), lang.lower(), fields[1]) for lang, n in _DOES_FOR.findall(line)]
    if not voices:
        raise DubfleetError(
            Reason.ENGINE_FAILED,
            "eSpeak NG failed to list its voices: install the package espeak-ng again.",
            detail=listed.stderr,
        )
    for _, language, voice in sorted(others):
        voices.setdefault(language, voice)
    return voices


def version() -> str:
    """Such as "1.51": part of what a spoken line depends on."""
    said = _espeak("--version").stdout.decode()
    found = re.search(r"\d+(\.\d+)+\S*", said)
    return found[0] if found else "unknown"


def voice_for(tag: str, voices: Mapping[str, str]) -> str | None:
    """The voice for a language: its own region's, else the language's, else any region's."""
    wanted = tag.lower()
    # eSpeak files Mandarin and Cantonese under their own names.
    base = {"zh": "cmn"}.get(primary(wanted), primary(wanted))
    for candidate in (wanted, base):
        if candidate in voices:
            return voices[candidate]
    return next((v for k, v in sorted(voices.items()) if k.startswith(base + "-")), None)


def speak(
    ctx: StageContext, settings: EspeakSettings, item: Utterance, translation: Translation
) -> SpokenLine:
    """Raises ItemFailed: NOTHING_TO_SPEAK, SPEECH_FAILED."""
    raw, trimmed = ctx.new_file("raw.wav"), ctx.new_file("line.wav")
    text = _CONTROL.sub(" ", translation.spoken)
    if not any(character.isalnum() for character in text):
        raise ItemFailed(
            Reason.NOTHING_TO_SPEAK,
            "There is nothing to say in this line's translation: write some words.",
        )
    options = ["-v", settings.voice, "-s", str(settings.words_per_minute)]
    options += ["-b", "1", "-w", str(raw), "--stdin"]
    try:
        done = _espeak(*options, stdin=text.encode("utf-8", "replace"), stop=ctx.stop)
    except DubfleetError as error:
        if error.reason is not Reason.PROGRAM_TIMEOUT:
            raise
        raise _failed(str(error)) from error
    if done.returncode != 0 or not raw.exists():
        raise _failed(done.stderr)
    duration, lead = _trim(raw, trimmed)
    return SpokenLine(id=item.id, audio=ctx.keep(trimmed), duration=duration, lead=lead)


def _espeak(
    *options: str, stdin: bytes | None = None, stop: threading.Event | None = None
) -> process.Finished:
    return process.run(
        ["espeak-ng", *options],
        timeout=_TIMEOUT,
        stdin=stdin,
        stop=stop,
        environment=_NO_SOUND_SERVER,
    )


def _failed(detail: str) -> ItemFailed:
    return ItemFailed(
        Reason.SPEECH_FAILED,
        "This line could not be spoken: change its words and try again.",
        detail=detail,
    )


def _trim(raw: Path, target: Path) -> tuple[float, float]:
    """Cut the outer silence and resample; returns duration and lead in seconds."""
    samples, rate = soundfile.read(raw, dtype="float32")
    bounds = audible_bounds(samples)
    if bounds is None:
        raise _failed("the synthesizer gave silence")
    onset, end = bounds
    first = max(0, onset - round(_LEAD_SECONDS * rate))
    last = min(len(samples), end + round(_TAIL_SECONDS * rate))
    line = soxr.resample(samples[first:last], rate, wav.SAMPLE_RATE, quality="HQ")
    wav.write(target, line)
    return len(line) / wav.SAMPLE_RATE, (onset - first) / rate


def audible_bounds(samples: NDArray[np.float32]) -> tuple[int, int] | None:
    """The first and one past the last sample that can be heard; None for silence."""
    if not len(samples):
        return None
    level = np.abs(samples)
    loudest = float(level.max())
    if loudest < 1e-4:
        return None
    heard = np.flatnonzero(level > loudest * 10 ** (_QUIET_DB / 20))
    return int(heard[0]), int(heard[-1]) + 1
