"""From lines to the dub's finished sound."""

from __future__ import annotations

import logging
from collections.abc import Callable

from gpu_node.contracts.base import Contract
from gpu_node.contracts.dub import Bed, Mix, StretchedLine, VoiceTrack
from gpu_node.contracts.errors import DubfleetError, Reason
from gpu_node.contracts.media import ExtractedAudio, Loudness, MasteredAudio
from gpu_node.contracts.timeline import Fit, Utterances
from gpu_node.graph import Outcomes, StageContext
from gpu_node.media import loudness, mixing, voice_track
from gpu_node.stages.ingest import timeout_for

log = logging.getLogger(__name__)

_UNKNOWN_SPEECH_DB = -20.0
"""Where the original is silent there is nothing to match: a usual level for a voice."""
_GAIN_LIMIT_DB = 24.0

_CLOSE_ENOUGH_LU = 0.5
_ATTEMPTS = 4
_AAC_HEADROOM_DB = 0.7
"""AAC overshoots the limiter's ceiling by a few tenths; what it overshoots more is measured."""


class MasterSettings(Contract):
    """EBU R 128 measures; −16 LUFS is the AES TD1004 recommendation for online speech."""

    target_lufs: float = -16.0
    true_peak_dbtp: float = -1.0
    bit_rate: str = "192k"


class DuckSettings(Contract):
    depth_db: float = 18.0


def original_as_bed(audio: ExtractedAudio) -> Bed:
    """The embedded separator: none. The original steps back under the voice."""
    return Bed(audio=audio.full, ducked=True)


def assemble(
    ctx: StageContext, audio: ExtractedAudio, stretched: Outcomes[StretchedLine]
) -> VoiceTrack:
    """All lines on one track as long as the lesson."""
    target = ctx.new_file("voice.wav")
    clips = (
        voice_track.Clip(ctx.path(line.audio), line.file_start)
        for line in stretched.values.values()
    )
    voice_track.assemble(clips, target, audio.duration)
    return VoiceTrack(audio=ctx.keep(target))


def mix(
    ctx: StageContext,
    settings: DuckSettings,
    audio: ExtractedAudio,
    bed: Bed,
    voice: VoiceTrack,
    utterances: Utterances,
    fit: Fit,
) -> Mix:
    """Voice over bed, at the speaker's own level, so that music and voice keep their relation.

    Where a line is blocked the original is heard as it was: never a silent hole.
    """
    placed = {p.id for p in fit.items}
    source_spans = [(u.start, u.end) for u in utterances.items if u.id in placed]
    voice_spans = [(p.start, p.end) for p in fit.items]
    curve = mixing.duck_curve(
        [*source_spans, *voice_spans] if bed.ducked else [],
        mixing.Ducking(depth_db=settings.depth_db),
    )
    original = mixing.speech_level_db(ctx.path(audio.full), source_spans)
    spoken = mixing.speech_level_db(ctx.path(voice.audio), voice_spans)
    gain = 0.0
    if spoken is not None:
        gain = (original if original is not None else _UNKNOWN_SPEECH_DB) - spoken
        gain = min(_GAIN_LIMIT_DB, max(-_GAIN_LIMIT_DB, gain))
    target = ctx.new_file("mix.wav")
    mixing.mix(ctx.path(bed.audio), ctx.path(voice.audio), target, curve=curve, voice_gain_db=gain)
    return Mix(audio=ctx.keep(target), voice_gain_db=gain)


def master(
    ctx: StageContext, settings: MasterSettings, mixed: Mix, audio: ExtractedAudio
) -> MasteredAudio:
    """One gain and a limiter, then AAC; measured after the encoder, and corrected until right."""
    source, encoded = ctx.path(mixed.audio), ctx.new_file("dub.m4a")
    timeout = timeout_for(audio.duration)
    measured = loudness.measure(
        source, timeout=timeout, on_progress=_part(ctx, audio.duration, 0.0, 0.2), stop=ctx.stop
    )
    gain = loudness.gain_for(measured, settings.target_lufs)
    ceiling = settings.true_peak_dbtp - _AAC_HEADROOM_DB
    for attempt in range(1, _ATTEMPTS + 1):
        loudness.render_aac(
            source,
            encoded,
            gain_db=gain,
            ceiling_dbtp=ceiling,
            bit_rate=settings.bit_rate,
            timeout=timeout,
            on_progress=_part(ctx, audio.duration, 0.2, 0.8),
            stop=ctx.stop,
        )
        measured = loudness.measure(
            encoded,
            timeout=timeout,
            on_progress=_part(ctx, audio.duration, 0.8, 1.0),
            stop=ctx.stop,
        )
        error = loudness.gain_for(measured, settings.target_lufs)
        over = max(
            0.0,
            (-99.0 if measured.true_peak is None else measured.true_peak) - settings.true_peak_dbtp,
        )
        log.info("attempt %d: gain %.2f dB gave %s", attempt, gain, measured)
        if abs(error) <= _CLOSE_ENOUGH_LU and over == 0.0:
            break
        # What a limiter takes away a little more gain brings back; an overshoot lowers the ceiling.
        gain += error
        ceiling -= over
    _require_within(measured, settings)
    return MasteredAudio(
        audio=ctx.keep(encoded), loudness=measured, gain_db=gain, ceiling_dbtp=ceiling
    )


def _part(ctx: StageContext, duration: float, first: float, last: float) -> Callable[[float], None]:
    """Progress of one of several passes over the lesson: from share `first` to share `last`."""
    return lambda seconds: ctx.progress(
        first + (last - first) * min(1.0, seconds / duration if duration else 1.0)
    )


def _require_within(measured: Loudness, settings: MasterSettings) -> None:
    """Raises DubfleetError(INTERNAL) when the promise about true peaks could not be kept."""
    if measured.true_peak is not None and measured.true_peak > settings.true_peak_dbtp:
        raise DubfleetError(
            Reason.INTERNAL,
            f"The dub's true peak stayed at {measured.true_peak} dBTP: please report this lesson.",
        )
