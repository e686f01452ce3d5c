"""Loudness by measurement (ITU-R BS.1770-4) and one constant gain, never a moving one.

Riding the gain (loudnorm's dynamic mode) pumps the music between sentences and costs as much as a
video encode; a dub has one speaker and one bed, so a single number is right for the whole lesson.
"""

from __future__ import annotations

import math
import re
import threading
from pathlib import Path

from gpu_node.contracts.media import Loudness
from gpu_node.media import ffmpeg

SAMPLE_RATE = 48_000
# BS.1770-4 annex 2 asks for four-fold oversampling at 48 kHz to see peaks between samples.
OVERSAMPLED_RATE = 4 * SAMPLE_RATE
_GATE_LUFS = -69.9
"""ebur128 prints -70.0 when nothing passed its absolute gate."""


def measure(
    path: Path,
    *,
    timeout: float,
    audio: int = 0,
    on_progress: ffmpeg.ProgressCallback | None = None,
    stop: threading.Event | None = None,
) -> Loudness:
    """Measure one audio track (counted from 0) of a file."""
    graph = ffmpeg.open_input(path)[f"a:{audio}"].filter("ebur128", peak="true", framelog="verbose")
    said = ffmpeg.run_graph(
        graph.output("-", format="null"), timeout=timeout, on_progress=on_progress, stop=stop
    )
    return parse_summary(said)


def render_aac(
    source: Path,
    target: Path,
    *,
    gain_db: float,
    ceiling_dbtp: float,
    bit_rate: str,
    timeout: float,
    on_progress: ffmpeg.ProgressCallback | None = None,
    stop: threading.Event | None = None,
) -> None:
    """Write `source` (48 kHz WAV) as AAC (M4A), with one gain and a true-peak limiter before it.

    The limiter works on the four-fold oversampled signal, so it sees the peaks between samples;
    what the encoder adds to them has to be measured in the result.
    """
    graph = (
        ffmpeg.open_input(source)
        .audio.filter("volume", f"{gain_db:.4f}dB", precision="double")
        .filter("aresample", OVERSAMPLED_RATE)
        .filter(
            "alimiter",
            level="disabled",
            limit=f"{10 ** (ceiling_dbtp / 20):.6f}",
            attack=5,
            release=50,
            latency="enabled",
        )
        .filter("aresample", SAMPLE_RATE)
    )
    output = graph.output(
        ffmpeg.file_url(target),
        acodec="aac",
        audio_bitrate=bit_rate,
        fflags="+bitexact",
        map_metadata=-1,
        **{"flags:a": "+bitexact"},
    )
    ffmpeg.run_graph(output, timeout=timeout, on_progress=on_progress, stop=stop)


def gain_for(measured: Loudness, target_lufs: float) -> float:
    """The constant gain in dB that brings a programme to `target_lufs`; 0 for silence."""
    if measured.integrated is None:
        return 0.0
    return target_lufs - measured.integrated


def parse_summary(stderr: str) -> Loudness:
    """Read the summary that ebur128 prints last."""
    summary = stderr.rpartition("Summary:")[2]
    integrated = _value(summary, r"I:\s*(\S+) LUFS")
    true_peak = _value(summary, r"Peak:\s*(\S+) dBFS")
    quiet = integrated is None or integrated <= _GATE_LUFS
    return Loudness(
        integrated=None if quiet else integrated,
        true_peak=true_peak,
        range=None if quiet else _value(summary, r"LRA:\s*(\S+) LU"),
    )


def _value(text: str, pattern: str) -> float | None:
    match = re.search(pattern, text)
    if match is None:
        return None
    value = float(match[1])
    return value if math.isfinite(value) else None
