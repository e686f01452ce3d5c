"""Sound to measure: generated, and said by eSpeak NG."""

from __future__ import annotations

import io
import subprocess
from functools import cache

import numpy as np
import soundfile

from chatterbox_service.ports import Samples

RATE = 24_000


def tone(hertz: float, seconds: float, *, rate: int = RATE, level: float = 0.5) -> Samples:
    wave = level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)
    return wave.astype(np.float32)


def noise(seconds: float, *, rate: int = RATE, level: float = 0.1, seed: int = 0) -> Samples:
    drawn = np.random.default_rng(seed).normal(scale=level, size=round(seconds * rate))
    return np.clip(drawn, -1, 1).astype(np.float32)


def silence(seconds: float, *, rate: int = RATE) -> Samples:
    return np.zeros(round(seconds * rate), dtype=np.float32)


@cache
def said(text: str, voice: str) -> tuple[Samples, int]:
    """Samples and rate of eSpeak NG's own speech, without the silence at its end."""
    spoken = subprocess.run(
        ["espeak-ng", "-v", voice, "-b", "1", "--stdin", "--stdout"],
        input=text.encode(),
        stdout=subprocess.PIPE,
        env={"PULSE_RUNTIME_PATH": "/dev/null", "PATH": "/usr/bin:/bin:/usr/local/bin"},
        check=True,
        timeout=30,
    )
    samples, rate = soundfile.read(io.BytesIO(spoken.stdout), dtype="float32")
    return samples, rate
