"""The dub measured as its viewers will get it."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gpu_node.contracts.dub import DubbedVideo, Percentiles, Scorecard
from gpu_node.contracts.errors import DubfleetError, Reason
from gpu_node.contracts.media import MediaInfo, PictureFingerprint
from gpu_node.contracts.timeline import Fit, Utterances
from gpu_node.graph import StageContext
from gpu_node.media import ffmpeg, loudness, picture, probe
from gpu_node.scorecard import onsets
from gpu_node.stages.ingest import picture_codec, timeout_for

_RATE = 16_000


def score(
    ctx: StageContext,
    dubbed: DubbedVideo,
    before: PictureFingerprint,
    media: MediaInfo,
    utterances: Utterances,
    fit: Fit,
) -> Scorecard:
    """Measure the finished file. Raises DubfleetError(INTERNAL) if the picture was changed."""
    path, timeout = ctx.path(dubbed.video), timeout_for(media.duration)
    # A copy is encoded as its original is.
    codec = picture_codec(media)
    after = picture.fingerprint(path, codec=codec, timeout=timeout, stop=ctx.stop)
    if after != before:
        raise DubfleetError(
            Reason.INTERNAL,
            "The picture was not copied exactly: please report this lesson.",
            detail=f"{before} became {after}",
        )
    ctx.progress(0.3)
    level = level_track(path, timeout=timeout, stop=ctx.stop)
    ctx.progress(0.6)
    expected = {p.id: p.start for p in fit.items}
    speaker = {u.id: u.start for u in utterances.items}
    heard = onsets.heard_onsets(level, expected)
    errors = [at - speaker[key] for key, at in heard.items() if at is not None]
    measured = onsets.percentiles(errors) or (None, None, None)
    rates = [p.rate for p in fit.items]
    duration = probe.probe(path, stop=ctx.stop).duration
    return Scorecard(
        picture_unchanged=True,
        loudness=loudness.measure(path, timeout=timeout, stop=ctx.stop),
        onset_error=Percentiles(p50=measured[0], p95=measured[1], max=measured[2]),
        unheard=tuple(key for key, at in heard.items() if at is None),
        lines_expected=len(utterances.items),
        lines_spoken=len(fit.items),
        highest_rate=max(rates, default=None),
        lines_stretched=sum(rate != 1.0 for rate in rates),
        duration=duration,
        duration_difference=duration - media.duration,
    )


def level_track(
    path: Path, *, timeout: float, stop: threading.Event | None = None
) -> NDArray[np.float64]:
    """The level of the first sound track each 10 ms (dBFS), decoded as a player would."""
    reader = _LevelReader()
    graph = ffmpeg.open_input(path)["a:0"]
    graph = graph.filter("aresample", _RATE, **{"async": 1, "first_pts": 0})
    output = graph.output("pipe:1", format="s16le", acodec="pcm_s16le", ac=1)
    ffmpeg.run_ffmpeg(
        ffmpeg.compile_graph(output), timeout=timeout, stop=stop, on_stdout=reader.feed
    )
    return reader.result()


class _LevelReader:
    """Turns a stream of 16-bit samples into levels without keeping the samples."""

    _BYTES = 2 * _RATE

    def __init__(self) -> None:
        self._rest = bytearray()
        self._levels: list[NDArray[np.float64]] = []

    def feed(self, chunk: bytes) -> None:
        self._rest += chunk
        whole = len(self._rest) // self._BYTES * self._BYTES
        if whole:
            self._take(bytes(self._rest[:whole]))
            del self._rest[:whole]

    def result(self) -> NDArray[np.float64]:
        self._take(bytes(self._rest[: len(self._rest) // 2 * 2]))
        return np.concatenate(self._levels)

    def _take(self, data: bytes) -> None:
        samples = np.frombuffer(data, dtype="<i2").astype(np.float32) / 32768
        self._levels.append(onsets.levels(samples, _RATE))
