"""The dubbed video: the picture untouched, two sound tracks, soft subtitles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import ffmpeg as graphs

from gpu_node.contracts.base import Contract, LanguageTag
from gpu_node.contracts.blobs import Blob
from gpu_node.contracts.dub import DubbedVideo, SubtitleFiles
from gpu_node.contracts.media import AudioTrack, ExtractedAudio, MasteredAudio, MediaInfo
from gpu_node.graph import StageContext
from gpu_node.languages import name, three_letters
from gpu_node.media import ffmpeg
from gpu_node.stages.ingest import timeout_for

MP4_SOUNDS = frozenset({"aac", "mp3", "ac3", "eac3", "alac", "opus", "mp2"})
"""Sound that MP4 holds as it is; anything else (PCM, Vorbis, …) becomes AAC.
FLAC too: FFmpeg 5.1 calls it experimental in MP4, and few players read it."""


class MuxSettings(Contract):
    source_language: LanguageTag
    target_language: LanguageTag


def mux(
    ctx: StageContext,
    settings: MuxSettings,
    lesson: Blob,
    media: MediaInfo,
    audio: ExtractedAudio,
    mastered: MasteredAudio,
    captions: SubtitleFiles,
) -> DubbedVideo:
    """Copy the picture with its timestamps, edit list and rotation, and put the dub first.

    The original's tracks follow, the dubbed one foremost; cover art, chapters and tags are kept.
    There is no `-shortest`: nothing of the lesson may be cut away.
    """
    target = ctx.new_file("dubbed.mp4")
    source = ffmpeg.open_input(ctx.path(lesson))
    originals = sorted(media.audio, key=lambda track: track.number != audio.track)
    subtitles = [
        (blob, language)
        for blob, language in (
            (captions.target_srt, settings.target_language),
            (captions.source_srt, settings.source_language),
        )
        if blob is not None and blob.size > 0
    ]
    streams = [
        source["V:0"],
        *(source[str(index)] for index in media.cover_indexes),
        ffmpeg.open_input(ctx.path(mastered.audio))["a:0"],
        *(source[str(track.index)] for track in originals),
        *(graphs.input(ffmpeg.file_url(ctx.path(blob)), f="srt")["s:0"] for blob, _ in subtitles),
    ]
    options: dict[str, Any] = {
        "c:v": "copy",
        "c:s": "mov_text",
        "format": "mp4",
        "movflags": "+faststart",
        # Packets of all streams wait for each other; a long silence must not end the run.
        "max_muxing_queue_size": 9999,
        "max_interleave_delta": 0,
        "disposition:a:0": "default",
        "c:a:0": "copy",
        **_original_options(originals),
        # None asks to be shown. FFmpeg's MP4 writer marks the first one as default all the same:
        # it enables one track of each kind.
        **{f"disposition:s:{number}": "0" for number in range(len(subtitles))},
    }
    argv = ffmpeg.compile_graph(graphs.output(*streams, ffmpeg.file_url(target), **options))
    # ffmpeg-python 0.2.0 cannot repeat an option, and a track has more than one label.
    argv[-1:-1] = _labels(settings, originals, audio.track, [lang for _, lang in subtitles])
    ffmpeg.run_ffmpeg(
        argv,
        timeout=timeout_for(media.duration),
        on_progress=ctx.seconds_done(media.duration),
        stop=ctx.stop,
    )
    return DubbedVideo(video=ctx.keep(target))


def _original_options(originals: Sequence[AudioTrack]) -> Mapping[str, str]:
    options: dict[str, str] = {}
    for number, track in enumerate(originals, start=1):
        copied = track.codec in MP4_SOUNDS
        options[f"c:a:{number}"] = "copy" if copied else "aac"
        if not copied:
            options[f"b:a:{number}"] = "192k"
        options[f"disposition:a:{number}"] = "0"
    return options


def _labels(
    settings: MuxSettings,
    originals: Sequence[AudioTrack],
    dubbed_track: int,
    subtitles: Sequence[LanguageTag],
) -> list[str]:
    """Language and title of every track of ours, and of the original that was dubbed."""
    target = name(settings.target_language)
    labels = _label("a:0", settings.target_language, f"{target} dub")
    for number, track in enumerate(originals, start=1):
        if track.number == dubbed_track:
            title = track.title or f"{name(settings.source_language)} (original)"
            labels += _label(f"a:{number}", settings.source_language, title)
    for number, language in enumerate(subtitles):
        labels += _label(f"s:{number}", language, name(language))
    return labels


def _label(stream: str, language: LanguageTag, title: str) -> list[str]:
    # MP4 shows the handler's name where Matroska shows a title.
    values = (f"language={three_letters(language)}", f"title={title}", f"handler_name={title}")
    return [word for value in values for word in (f"-metadata:s:{stream}", value)]
