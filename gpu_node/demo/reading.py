"""The sentences of the sample lesson, read by a person: public-domain LibriVox, from Debian."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import soundfile

from gpu_node.contracts.errors import DubfleetError, Reason
from gpu_node.demo.music import RATE, Sound, fade

FOLDER = Path("/usr/share/pocketsphinx/test/data/librivox")
"""Where the package pocketsphinx-testdata puts the recordings."""

# As it is read ("Mister" in full, no hyphens), to compare a recogniser's words with. The package's
# own transcript has "a more a amiable woman"; the recording aligns better without the second "a".
TEXTS = {
    "0870": "And Mister John Dashwood had then leisure to consider how much there might be "
    "prudently in his power to do for them.",
    "0880": "He was not an ill disposed young man,",
    "0890": "unless to be rather cold hearted and rather selfish is to be ill disposed.",
    "0920": "Had he married a more amiable woman, he might have been made still more "
    "respectable than he was:",
    "0930": "he might even have been made amiable himself.",
}

_SPEECH_DBFS = -22.0
"""RMS of each channel while speaking: about -20 LUFS when both channels play."""


@dataclass(frozen=True, slots=True)
class Clip:
    """One sentence at RATE, levelled and trimmed. It is heard from `lead` for `speech` seconds."""

    sound: Sound
    lead: float
    speech: float


@cache
def clip(name: str) -> Clip:
    """The recording of TEXTS[name]."""
    path = FOLDER / f"sense_and_sensibility_01_austen_64kb-{name}.wav"
    if not path.is_file():
        raise DubfleetError(
            Reason.INPUT_MISSING,
            "The sample lesson's reading is not on this machine: "
            "install the package pocketsphinx-testdata (make setup does).",
            detail=str(path),
        )
    samples, rate = soundfile.read(path, dtype="float64")
    onset, offset = find_speech(samples, rate)
    speaking = samples[round(onset * rate) : round(offset * rate)]
    gain = 10 ** (_SPEECH_DBFS / 20) / np.sqrt(np.mean(speaking**2))
    # Only a breath of the recording's own noise on either side, faded into the room's.
    lead, tail = min(0.1, onset), 0.12
    kept = samples[round((onset - lead) * rate) : round((offset + tail) * rate)]
    return Clip(fade(_resample(kept * gain, rate), 0.05, 0.08), lead, offset - onset)


def find_speech(samples: Sound, rate: int) -> tuple[float, float]:
    """When a recording of one sentence starts and stops being heard, in seconds.

    Heard means 10 dB over the recording's quietest twentieth for 60 ms; the last sound may be
    short (a final consonant), so there two frames of 10 ms are enough.
    """
    size = rate // 100
    frames = samples[: len(samples) // size * size].reshape(-1, size)
    level = 10 * np.log10(np.mean(frames**2, axis=1) + 1e-12)
    heard = level > np.percentile(level, 5) + 10

    def runs_of(count: int) -> list[int]:
        windows = np.lib.stride_tricks.sliding_window_view(heard, count)
        return [int(index) for index in np.flatnonzero(windows.all(axis=1))]

    return runs_of(6)[0] / 100, (runs_of(2)[-1] + 2) / 100


def _resample(samples: Sound, rate: int) -> Sound:
    """To RATE by lengthening the spectrum: exact, as long as RATE is a multiple of `rate`."""
    factor = RATE // rate
    longer: Sound = np.fft.irfft(np.fft.rfft(samples), len(samples) * factor) * factor
    return longer
