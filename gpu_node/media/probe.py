"""Reads what a file holds, and refuses what cannot be a lesson."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from gpu_node import process
from gpu_node.contracts.errors import DubfleetError, Reason
from gpu_node.contracts.media import AudioTrack, MediaInfo, VideoStream
from gpu_node.media import ffmpeg
from gpu_node.media.wholeness import is_cut_off

PROBE_TIMEOUT = 120.0


def probe(path: Path, stop: Any = None) -> MediaInfo:
    """Describe a media file.

    Raises DubfleetError: INPUT_MISSING, INPUT_UNREADABLE, INPUT_EMPTY, INPUT_NOT_MEDIA,
    INPUT_DAMAGED. A file without sound or picture is described, not refused.
    """
    _refuse_unreadable(path)
    argv = ["ffprobe", "-v", "level+error", "-hide_banner"]
    for name, value in ffmpeg.INPUT_OPTIONS.items():
        argv += [f"-{name}", value]
    argv += ["-show_streams", "-show_format", "-of", "json", ffmpeg.file_argument(path)]
    finished = process.run(argv, timeout=PROBE_TIMEOUT, stop=stop)
    if finished.returncode != 0:
        raise _not_media(finished.stderr)
    info = describe(finished.stdout)
    if is_cut_off(path, info.container):
        raise _cut_off("its outermost structure ends after the file does")
    return info


def describe(said: bytes) -> MediaInfo:
    """Turn ffprobe's JSON into a MediaInfo, times moved so that the earliest stream starts at 0.

    Raises DubfleetError(INPUT_NOT_MEDIA) when a broken file made ffprobe say what makes no sense.
    """
    try:
        return _describe(json.loads(said or b"{}"))
    except (
        AttributeError,
        KeyError,
        TypeError,
        ValueError,
        OverflowError,
        RecursionError,
    ) as error:
        raise _not_media(repr(error)) from error


def _describe(found: dict[str, Any]) -> MediaInfo:
    container = found.get("format", {})
    origin = _number(container.get("start_time"))
    streams = found.get("streams", [])
    audio = [s for s in streams if s.get("codec_type") == "audio" and s.get("codec_name")]
    pictures = [s for s in streams if s.get("codec_type") == "video"]
    covers = [s for s in pictures if s.get("disposition", {}).get("attached_pic")]
    videos = [s for s in pictures if s not in covers and s.get("width")]
    total = _number(container.get("duration"))
    tracks = tuple(_audio_track(s, n, origin, total) for n, s in enumerate(audio, start=1))
    video = _video_stream(videos[0], origin, total) if videos else None
    ends = [t.start + t.duration for t in tracks]
    ends += [video.start + video.duration] if video else []
    return MediaInfo(
        container=container.get("format_name", ""),
        duration=max([total, *ends]),
        video=video,
        audio=tracks,
        cover_indexes=tuple(s["index"] for s in covers),
    )


def _refuse_unreadable(path: Path) -> None:
    try:
        if path.is_dir():
            raise DubfleetError(Reason.INPUT_NOT_MEDIA, "The lesson is a folder, not a video file.")
        if path.exists() and not path.is_file():
            raise DubfleetError(
                Reason.INPUT_NOT_MEDIA, "The lesson is not a file but a device or a pipe."
            )
        with path.open("rb") as file:
            empty = not file.read(1)
    except (FileNotFoundError, NotADirectoryError):
        raise DubfleetError(
            Reason.INPUT_MISSING, "There is no such file: check the lesson's name and folder."
        ) from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise DubfleetError(
            Reason.INPUT_UNREADABLE, f"The lesson's file cannot be read: {why}."
        ) from error
    if empty:
        raise DubfleetError(
            Reason.INPUT_EMPTY, "The lesson's file is empty (0 bytes): upload or copy it again."
        )


def _cut_off(detail: str) -> DubfleetError:
    return DubfleetError(
        Reason.INPUT_DAMAGED,
        "The lesson's file is damaged or cut off: upload or copy it again.",
        detail=detail,
    )


def _not_media(stderr: str) -> DubfleetError:
    if ffmpeg.says_damaged(stderr):
        return _cut_off(stderr)
    return DubfleetError(
        Reason.INPUT_NOT_MEDIA,
        "The lesson's file is not a video that can be read: export it as MP4 and try again.",
        detail=stderr,
    )


def _audio_track(stream: dict[str, Any], number: int, origin: float, total: float) -> AudioTrack:
    start = _start(stream, origin)
    tags = {key.lower(): value for key, value in stream.get("tags", {}).items()}
    return AudioTrack(
        index=stream["index"],
        number=number,
        codec=stream["codec_name"],
        channels=int(stream.get("channels", 0)),
        sample_rate=int(stream.get("sample_rate", 0) or 0),
        start=start,
        duration=_duration(stream, start, total),
        language=tags.get("language"),
        title=tags.get("title"),
        default=bool(stream.get("disposition", {}).get("default")),
    )


def _video_stream(stream: dict[str, Any], origin: float, total: float) -> VideoStream:
    start = _start(stream, origin)
    return VideoStream(
        index=stream["index"],
        codec=stream.get("codec_name", "unknown"),
        width=int(stream["width"]),
        height=int(stream["height"]),
        start=start,
        duration=_duration(stream, start, total),
        rotation=_rotation(stream),
        frames_per_second=_ratio(stream.get("avg_frame_rate")),
    )


def _start(stream: dict[str, Any], origin: float) -> float:
    return max(0.0, round(_number(stream.get("start_time")) - origin, 6))


def _duration(stream: dict[str, Any], start: float, total: float) -> float:
    # Matroska states no duration per stream: then it is what the container leaves after the start.
    stated = _number(stream.get("duration"))
    return stated if stated > 0 else max(0.0, total - start)


def _rotation(stream: dict[str, Any]) -> int:
    for side in stream.get("side_data_list", []):
        if "rotation" in side:
            return round(_number(side["rotation"])) % 360
    return 0


def _ratio(value: Any) -> float | None:
    over, _, under = str(value or "").partition("/")
    if not over.isdigit() or not under.isdigit() or int(under) == 0:
        return None
    return round(int(over) / int(under), 6)


def _number(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return 0.0
    return number if math.isfinite(number) else 0.0
