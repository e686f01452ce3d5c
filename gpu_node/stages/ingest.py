"""From the lesson's file to what the other stages read: facts, a fingerprint, and sound."""

from __future__ import annotations

from pydantic import Field

from gpu_node.contracts.base import Contract, LanguageTag
from gpu_node.contracts.blobs import Blob
from gpu_node.contracts.errors import DubfleetError, Reason
from gpu_node.contracts.media import AudioTrack, ExtractedAudio, MediaInfo, PictureFingerprint
from gpu_node.engines.asr.activity import SAMPLE_RATE as SPEECH_RATE
from gpu_node.graph import StageContext
from gpu_node.languages import same
from gpu_node.media import ffmpeg, picture, probe, wav

MP4_PICTURES = frozenset(
    {"h264", "hevc", "av1", "vp9", "mpeg4", "mpeg2video", "mpeg1video", "mjpeg", "vvc"}
)
"""What MP4 can hold without encoding anew."""

_BASE_TIMEOUT = 120.0


class TrackChoice(Contract):
    """Which of a lesson's audio tracks is dubbed."""

    source_language: LanguageTag
    audio_track: int | None = Field(default=None, ge=1)
    """Counted from 1; None: the track in the source language, else the default one."""


def timeout_for(seconds: float) -> float:
    """Patience for one pass over a lesson: generous, for a slow disk is not a failure."""
    return _BASE_TIMEOUT + 4 * seconds


def describe(ctx: StageContext, lesson: Blob) -> MediaInfo:
    """Probe the lesson, and refuse what cannot be dubbed."""
    info = probe.probe(ctx.path(lesson), stop=ctx.stop)
    require_lesson(info)
    return info


def require_lesson(info: MediaInfo) -> None:
    """Raises DubfleetError: INPUT_NO_AUDIO, INPUT_NO_PICTURE, PICTURE_NOT_IN_MP4."""
    if info.video is None and not info.audio:
        raise DubfleetError(
            Reason.INPUT_NOT_MEDIA,
            "The lesson has neither picture nor sound: export it as MP4 and try again.",
        )
    if not info.audio:
        raise DubfleetError(
            Reason.INPUT_NO_AUDIO,
            "The lesson has no sound, so there is nothing to dub: export it with its audio track.",
        )
    if info.video is None:
        raise DubfleetError(
            Reason.INPUT_NO_PICTURE,
            "The lesson has sound but no picture: give a video file.",
        )
    if info.video.codec not in MP4_PICTURES:
        raise DubfleetError(
            Reason.PICTURE_NOT_IN_MP4,
            f"The lesson's picture is encoded as {info.video.codec}, which MP4 cannot hold: "
            "convert it to H.264 first.",
        )


def choose_track(tracks: tuple[AudioTrack, ...], choice: TrackChoice) -> AudioTrack:
    """The track asked for, else the one in the source language, else the default, else the first.

    Raises DubfleetError(AUDIO_TRACK_MISSING).
    """
    if choice.audio_track is not None:
        chosen = next((t for t in tracks if t.number == choice.audio_track), None)
        if chosen is None:
            raise DubfleetError(
                Reason.AUDIO_TRACK_MISSING,
                f"The lesson has {len(tracks)} audio track(s), so there is no track "
                f"{choice.audio_track}: choose another with --audio-track.",
            )
        return chosen
    in_language = [t for t in tracks if same(t.language, choice.source_language)]
    default = [t for t in tracks if t.default]
    return (in_language or default or list(tracks))[0]


def picture_codec(media: MediaInfo) -> str:
    """How the picture of a lesson that was not refused is encoded."""
    assert media.video is not None  # noqa: S101  # else `describe` had refused the lesson
    return media.video.codec


def fingerprint(ctx: StageContext, lesson: Blob, media: MediaInfo) -> PictureFingerprint:
    """Read the whole file once: proof for later, and the check that it is whole."""
    return picture.fingerprint(
        ctx.path(lesson),
        codec=picture_codec(media),
        timeout=timeout_for(media.duration),
        on_progress=ctx.seconds_done(media.duration),
        stop=ctx.stop,
    )


def extract(
    ctx: StageContext, lesson: Blob, media: MediaInfo, settings: TrackChoice
) -> ExtractedAudio:
    """Decode one track twice in one pass: full quality for the mix, 16 kHz mono for recognition.

    `first_pts=0` puts both on the source clock: a track that starts late is padded, one that
    starts before zero is trimmed, and holes inside are filled with silence.
    """
    track = choose_track(media.audio, settings)
    full, speech = ctx.new_file("full.wav"), ctx.new_file("speech.wav")
    sound = ffmpeg.open_input(ctx.path(lesson))[str(track.index)]
    sound = sound.filter("aresample", wav.SAMPLE_RATE, **{"async": 1, "first_pts": 0})
    branches = sound.filter_multi_output("asplit", 2)
    stereo = branches[0].filter("aformat", channel_layouts="stereo", sample_fmts="s16")
    mono = branches[1].filter("aresample", SPEECH_RATE).filter("aformat", channel_layouts="mono")
    common = {"acodec": "pcm_s16le", "format": "wav", "rf64": "auto", "fflags": "+bitexact"}
    said = ffmpeg.run_graph(
        stereo.output(ffmpeg.file_url(full), **common),
        mono.output(ffmpeg.file_url(speech), **common),
        timeout=timeout_for(media.duration),
        on_progress=ctx.seconds_done(media.duration),
        stop=ctx.stop,
    )
    if ffmpeg.says_damaged(said):
        raise DubfleetError(
            Reason.INPUT_DAMAGED,
            "The lesson's file is cut off before its end: upload or copy it again.",
            detail=said,
        )
    return ExtractedAudio(
        full=ctx.keep(full), speech=ctx.keep(speech), duration=media.duration, track=track.number
    )
