"""The child process that holds PocketSphinx: a request a line on stdin, a reply a line on stdout.

A process of its own because the decoder holds the interpreter's lock while it works, and because
its 130 MB go back to the system when it exits. It ends when its stdin does.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import sys
from typing import Any

import numpy as np
import pocketsphinx
import soundfile

from gpu_node.engines.asr import activity

_FRAME_SECONDS = 0.03
_PR_SET_PDEATHSIG = 1
_DECODER_FRAMES_PER_SECOND = 100


class Worker:
    """Loads the model at the first recognition, not before."""

    def __init__(self) -> None:
        self._decoder: Any = None

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        if request["do"] == "detect":
            return {"regions": detect(request["wav"])}
        return {"words": self.recognise(request["wav"], request["start"], request["end"])}

    def recognise(self, wav: str, start: float, end: float) -> list[dict[str, Any]]:
        """The words between two moments, with times on the file's clock.

        The whole stretch is given at once, so that cepstral means are those of this stretch, and
        to a new front end, whose noise tracker has heard nothing yet: the result does not depend on
        what was decoded before.
        """
        if self._decoder is None:
            self._decoder = pocketsphinx.Decoder(
                lm=pocketsphinx.get_model_path("en-us/en-us.lm.bin"),
                samprate=activity.SAMPLE_RATE,
                loglevel="FATAL",
            )
        samples = read(wav, start, end)
        self._decoder.reinit_feat()
        self._decoder.start_utt()
        self._decoder.process_raw(samples.tobytes(), full_utt=True)
        self._decoder.end_utt()
        if self._decoder.hyp() is None:
            return []
        return [
            {
                "text": segment.word.split("(")[0],
                "start": start + segment.start_frame / _DECODER_FRAMES_PER_SECOND,
                "end": start + (segment.end_frame + 1) / _DECODER_FRAMES_PER_SECOND,
                "confidence": min(1.0, max(0.0, float(segment.prob))),
            }
            for segment in self._decoder.seg()
            if segment.word[0].isalpha()
        ]


def detect(wav: str) -> list[activity.Region]:
    """Where somebody speaks in a 16 kHz mono file."""
    samples = read(wav, 0.0, None)
    vad = pocketsphinx.Vad(
        mode=pocketsphinx.Vad.MEDIUM_LOOSE,
        sample_rate=activity.SAMPLE_RATE,
        frame_length=_FRAME_SECONDS,
    )
    step = vad.frame_bytes // samples.itemsize
    starts = range(0, len(samples) - step + 1, step)
    voiced = [vad.is_speech(samples[at : at + step].tobytes()) for at in starts]
    return list(activity.find_regions(samples, np.array(voiced, dtype=np.bool_), vad.frame_length))


def die_with_parent() -> None:
    """Ask Linux to kill us when the thread that started us is gone: it cannot if it was killed."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def read(wav: str, start: float, end: float | None) -> activity.Samples:
    with soundfile.SoundFile(os.fsencode(wav)) as file:
        file.seek(min(file.frames, round(start * file.samplerate)))
        count = -1 if end is None else round((end - start) * file.samplerate)
        samples: activity.Samples = file.read(count, dtype="int16")
        return samples


def main() -> None:
    die_with_parent()
    worker = Worker()
    for line in sys.stdin:
        reply = worker.answer(json.loads(line))
        sys.stdout.write(json.dumps(reply) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
