"""A picture of a dub: both sounds on one clock, and every line where it was and where it went."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw

from gpu_node.contracts.dub import DubReport, UtteranceReport
from gpu_node.contracts.media import Peaks
from gpu_node.demo.slides import BOLD, SANS, font
from gpu_node.languages import name
from gpu_node.media import ffmpeg
from gpu_node.media.peaks import peaks

_WIDTH, _HEIGHT = 1600, 560
_LEFT, _RIGHT = 40, 1560
_BACKGROUND = (13, 17, 28)
_TEXT = (226, 230, 240)
_MUTED = (128, 136, 156)
_ORIGINAL = (96, 128, 190)
_DUB = (244, 176, 96)
_LINE = (96, 200, 160)
_FAST = (240, 208, 96)
_BLOCKED = (232, 96, 96)
_RATE = 16_000
_TIMEOUT = 600.0
_TICK_SECONDS = 10


@dataclass(frozen=True, slots=True)
class _Scale:
    duration: float

    def x(self, seconds: float) -> float:
        return _LEFT + (_RIGHT - _LEFT) * seconds / self.duration


def draw(report: DubReport, dubbed: Path, target: Path) -> None:
    """Write a PNG. The dubbed file holds both sounds: the dub first, the original second."""
    scale = _Scale(report.lesson.duration)
    image = Image.new("RGB", (_WIDTH, _HEIGHT), _BACKGROUND)
    pen = ImageDraw.Draw(image)
    pen.text((_LEFT, 24), _title(report), fill=_TEXT, font=font(BOLD, 24))
    pen.text((_LEFT, 58), _subtitle(report), fill=_MUTED, font=font(SANS, 18))
    with tempfile.TemporaryDirectory() as folder:
        original = _waveform(dubbed, 1, Path(folder))
        dub = _waveform(dubbed, 0, Path(folder))
    pen.text((_LEFT, 98), name(report.source_language), fill=_ORIGINAL, font=font(SANS, 18))
    _draw_wave(pen, original, 175, _ORIGINAL)
    pen.text((_LEFT, 506), f"{name(report.target_language)} dub", fill=_DUB, font=font(SANS, 18))
    _draw_wave(pen, dub, 440, _DUB)
    for line in report.utterances:
        _draw_line(pen, scale, line)
    _draw_clock(pen, scale)
    part = target.with_suffix(".part.png")
    image.save(part, optimize=True)
    part.replace(target)


def _title(report: DubReport) -> str:
    score = report.score
    return (
        f"{score.lines_spoken} of {score.lines_expected} lines spoken, "
        f"{report.lesson.duration:.0f} s of lesson in {report.seconds:.0f} s"
    )


def _subtitle(report: DubReport) -> str:
    score = report.score
    late = score.onset_error.p95
    return (
        f"{score.loudness.integrated} LUFS, true peak {score.loudness.true_peak} dBTP, "
        f"{score.lines_stretched} sped up"
        + (f", onsets within {late:.2f} s (p95)" if late is not None else "")
    )


def _waveform(video: Path, audio: int, folder: Path) -> Peaks:
    wav = folder / f"{audio}.wav"
    output = ffmpeg.open_input(video)[f"a:{audio}"].output(
        ffmpeg.file_url(wav), acodec="pcm_s16le", ac=1, ar=_RATE
    )
    ffmpeg.run_graph(output, timeout=_TIMEOUT)
    return peaks(wav)


def _draw_wave(
    pen: ImageDraw.ImageDraw, wave: Peaks, middle: int, colour: tuple[int, int, int]
) -> None:
    """One column a pixel, each as high as the loudest bucket in it, to 60 pixels."""
    width = _RIGHT - _LEFT
    loudest = max((abs(value) for value in wave.data), default=1) or 1
    for column in range(width):
        first = column * wave.length // width
        last = max(first + 1, (column + 1) * wave.length // width)
        values = wave.data[2 * first : 2 * last] or (0,)
        low, high = min(values) * 60 / loudest, max(values) * 60 / loudest
        pen.line((_LEFT + column, middle - high, _LEFT + column, middle - low), fill=colour)


def _draw_line(pen: ImageDraw.ImageDraw, scale: _Scale, line: UtteranceReport) -> None:
    """The line's place in the original, joined to its place in the dub."""
    top, bottom = 262, 340
    pen.rectangle((scale.x(line.start), top - 14, scale.x(line.end), top), fill=_ORIGINAL)
    if line.placed_at is None or line.placed_until is None:
        pen.rectangle((scale.x(line.start), bottom, scale.x(line.end), bottom + 14), fill=_BLOCKED)
        pen.text((scale.x(line.start), bottom + 18), "blocked", fill=_BLOCKED, font=font(SANS, 13))
        return
    stretched = line.rate is not None and line.rate != 1.0
    colour = _FAST if stretched else _LINE
    start, end = scale.x(line.placed_at), scale.x(line.placed_until)
    pen.polygon(
        [
            (scale.x(line.start), top + 3),
            (scale.x(line.end), top + 3),
            (end, bottom - 3),
            (start, bottom - 3),
        ],
        fill=(30, 38, 58),
    )
    pen.rectangle((start, bottom, end, bottom + 14), fill=colour)
    if stretched:
        pen.text((start, bottom + 18), f"×{line.rate:.2f}", fill=_FAST, font=font(SANS, 13))


def _draw_clock(pen: ImageDraw.ImageDraw, scale: _Scale) -> None:
    step = _TICK_SECONDS
    while scale.duration / step > 16:
        step *= 2
    for seconds in range(0, int(scale.duration) + 1, step):
        label = f"{seconds // 60}:{seconds % 60:02d}"
        pen.text((scale.x(seconds), 534), label, fill=_MUTED, font=font(SANS, 13))
