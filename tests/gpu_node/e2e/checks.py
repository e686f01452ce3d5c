"""What makes a dub right, whatever the lesson was like."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.gpu_node.e2e import measures
from tests.gpu_node.e2e.subtitles import ENGLISH, SPANISH, Line

LUFS, LUFS_WITHIN = -16.0, 1.0
TRUE_PEAK = -1.0
LINE_WITHIN = 0.1
FRAME = 0.05
CLOCK_WITHIN = 0.01
"""Half of what a forgotten AAC priming (1024 samples) would move a sound by."""


def require_sound(dub: Path, lesson: Path) -> None:
    """As loud as promised and as long as the lesson."""
    integrated, peak = measures.loudness(dub)
    assert integrated == pytest.approx(LUFS, abs=LUFS_WITHIN)
    assert peak <= TRUE_PEAK
    length = len(measures.sound(dub)) / measures.RATE
    assert length == pytest.approx(measures.duration(lesson), abs=FRAME)
    assert measures.duration(dub) == pytest.approx(measures.duration(lesson), abs=FRAME)


def require_lines_on_time(dub: Path, lines: Sequence[Line] = SPANISH) -> None:
    heard = measures.onsets(measures.sound(dub), lines)
    assert heard == pytest.approx([line.start for line in lines], abs=LINE_WITHIN)


def require_tracks(dub: Path, languages: tuple[str, str] = ("spa", "eng")) -> None:
    """The dub first and foremost, the original second, a soft subtitle track in each language."""
    tracks = measures.streams(dub, "audio")
    assert tracks[0]["tags"]["language"] == languages[0]
    assert [one["disposition"]["default"] for one in tracks] == [1] + [0] * (len(tracks) - 1)
    assert tracks[1]["tags"]["language"] == languages[1]
    texts = measures.streams(dub, "subtitle")
    assert [one["codec_name"] for one in texts] == ["mov_text"] * 2
    assert tuple(one["tags"]["language"] for one in texts) == languages


def require_subtitles(
    dub: Path,
    target: Sequence[Line] = SPANISH,
    source: Sequence[Line] = ENGLISH,
    codes: tuple[str, str] = ("es", "en"),
) -> None:
    """Both languages say in the video, and in the files beside it, what was given."""
    for track, (lines, code) in enumerate(zip((target, source), codes, strict=True)):
        beside = dub.with_name(f"{dub.stem}.{code}.vtt").read_text(encoding="utf-8")
        assert beside.startswith("WEBVTT\n")
        for shown in (measures.shown_lines(dub, track), measures.cues(beside)):
            assert [line.text for line in shown] == [line.text for line in lines]
            starts = [line.start for line in shown]
            assert starts == pytest.approx([line.start for line in lines], abs=LINE_WITHIN)


def require_same_picture(dub: Path, lesson: Path, bitstream: str = "") -> None:
    """Every packet copied, shown at the same moments, turned the same way."""
    before = measures.packets(lesson, "V:0", bitstream)
    after = measures.packets(dub, "V:0", bitstream)
    assert [one.digest for one in after] == [one.digest for one in before]
    for attribute in ("decoded", "shown"):
        times = [getattr(one, attribute) for one in before]
        assert [getattr(one, attribute) for one in after] == pytest.approx(times, abs=0.0006)
    shown = measures.shown_frames(lesson)
    assert measures.shown_frames(dub) == pytest.approx(shown, abs=0.0011)
    assert _geometry(dub) == _geometry(lesson)


def _geometry(path: Path) -> tuple[object, ...]:
    stream = measures.moving_picture(path)
    turned = [side.get("displaymatrix") for side in stream.get("side_data_list", [])]
    names = ("codec_name", "width", "height", "pix_fmt", "sample_aspect_ratio", "color_range")
    return (*(stream.get(name) for name in names), [one for one in turned if one])


def require_same_clock(dub: Path, lesson: Path, beeps: Sequence[float], track: int = 0) -> None:
    """What lies under the voice, and the original, are heard at the moments they were."""
    before = measures.beep_onsets(measures.sound(lesson, track), beeps)
    assert before == pytest.approx(beeps, abs=0.06)
    for number in (0, 1):
        after = measures.beep_onsets(measures.sound(dub, number), beeps)
        assert after == pytest.approx(before, abs=CLOCK_WITHIN), f"track {number}"
