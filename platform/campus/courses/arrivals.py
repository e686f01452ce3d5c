"""Looks at files as they arrive, before anything is kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from campus.refusals import Refused
from campus.words import clock
from gpu_node.contracts.errors import DubfleetError
from gpu_node.contracts.media import MediaInfo
from gpu_node.media.probe import probe
from gpu_node.media.subtitles import Cue, decode_subtitles, parse_subtitles

# What MP4 can hold without encoding anew: the dub keeps the picture as it is.
_PICTURES = frozenset(
    {"h264", "hevc", "av1", "vp9", "mpeg4", "mpeg2video", "mpeg1video", "mjpeg", "vvc"}
)
_SHORTEST, _LONGEST = 0.5, 24 * 3600.0
"""Seconds. A header can say anything, and how long a dub takes is reckoned from it."""


@dataclass(frozen=True, slots=True)
class Subtitles:
    """A subtitle file that can be used."""

    data: bytes
    suffix: str
    cues: int


def look_at_video(path: Path) -> MediaInfo:
    """What the file holds. Raises Refused for what cannot be a lesson."""
    try:
        info = probe(path)
    except DubfleetError as error:
        raise Refused(error.sentence) from error
    if info.video is None and not info.audio:
        raise Refused("There is neither picture nor sound in this file: export it as MP4.")
    if not info.audio:
        raise Refused("This video has no sound, so there is nothing to translate.")
    if info.video is None:
        raise Refused("This file has sound but no picture: upload the lesson's video.")
    if info.video.codec not in _PICTURES:
        raise Refused(
            f"The picture is encoded as {info.video.codec}, which an MP4 file cannot hold: "
            "export it as H.264."
        )
    if info.duration < _SHORTEST:
        raise Refused("This video is empty, or it does not say how long it is: export it again.")
    if info.duration > _LONGEST:
        raise Refused("This video claims to be longer than 24 hours: export it again, or cut it.")
    return info


def look_at_subtitles(data: bytes, duration: float) -> Subtitles:
    """Subtitles for a lesson so long. Raises Refused."""
    try:
        text = decode_subtitles(data)
        cues = parse_subtitles(text)
    except DubfleetError as error:
        raise Refused(error.sentence) from error
    _require_within(cues, duration)
    vtt = text.lstrip("\ufeff").startswith("WEBVTT")
    return Subtitles(data, ".vtt" if vtt else ".srt", len(cues))


def _require_within(cues: tuple[Cue, ...], duration: float) -> None:
    last = max(cue.start for cue in cues)
    if last >= duration:
        raise Refused(
            f"A line begins at {clock(last)}, but the lesson ends at {clock(duration)}: "
            "check that these are this lesson's subtitles."
        )
