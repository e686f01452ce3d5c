"""From lines to the dub's finished sound."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

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
_ATTEMPTS = 8
_GAIN_ATTEMPTS = 4
"""After these only the ceiling is still lowered: each attempt is one more pass of the encoder."""
_EXTRA_GAIN_DB = 6.0
"""Over the first correction."""
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
    before = loudness.measure(
        source,
        timeout=timeout_for(audio.duration),
        on_progress=_part(ctx, audio.duration, 0.0, 0.2),
        stop=ctx.stop,
    )
    tried = _Levels(
        gain_db=loudness.gain_for(before, settings.target_lufs),
        ceiling_dbtp=settings.true_peak_dbtp - _AAC_HEADROOM_DB,
    )
    highest = math.inf
    for attempt in range(1, _ATTEMPTS + 1):
        measured = _encode(ctx, settings, source, encoded, tried, audio.duration)
        log.info("attempt %d: %s gave %s", attempt, tried, measured)
        if attempt == 1:
            missing = loudness.gain_for(measured, settings.target_lufs)
            highest = tried.gain_db + max(0.0, missing) + _EXTRA_GAIN_DB
        if attempt == _GAIN_ATTEMPTS:
            highest = tried.gain_db
        corrected = _corrected(tried, measured, settings, highest)
        if corrected == tried or attempt == _ATTEMPTS:
            break
        tried = corrected
    _require_within(measured, settings)
    return MasteredAudio(
        audio=ctx.keep(encoded),
        loudness=measured,
        gain_db=tried.gain_db,
        ceiling_dbtp=tried.ceiling_dbtp,
    )


@dataclass(frozen=True, slots=True)
class _Levels:
    """What one attempt is made with."""

    gain_db: float
    ceiling_dbtp: float


def _encode(
    ctx: StageContext,
    settings: MasterSettings,
    source: Path,
    encoded: Path,
    levels: _Levels,
    duration: float,
) -> Loudness:
    """Encode with these levels, and measure what came of it."""
    timeout = timeout_for(duration)
    loudness.render_aac(
        source,
        encoded,
        gain_db=levels.gain_db,
        ceiling_dbtp=levels.ceiling_dbtp,
        bit_rate=settings.bit_rate,
        timeout=timeout,
        on_progress=_part(ctx, duration, 0.2, 0.8),
        stop=ctx.stop,
    )
    return loudness.measure(
        encoded, timeout=timeout, on_progress=_part(ctx, duration, 0.8, 1.0), stop=ctx.stop
    )


def _corrected(
    tried: _Levels, measured: Loudness, settings: MasterSettings, highest: float
) -> _Levels:
    """What to try next; the same again when nothing can be bettered.

    What a limiter takes away a little more gain brings back, and an overshoot lowers the ceiling.
    Of a programme that is nothing but clicks the limiter takes all that is added: gain without a
    bound would bring no loudness, only peaks that the encoder cannot hold.
    """
    missing = loudness.gain_for(measured, settings.target_lufs)
    close = abs(missing) <= _CLOSE_ENOUGH_LU
    peak = measured.true_peak
    over = 0.0 if peak is None else max(0.0, peak - settings.true_peak_dbtp)
    return _Levels(
        gain_db=tried.gain_db if close else min(tried.gain_db + missing, highest),
        ceiling_dbtp=tried.ceiling_dbtp - over,
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
