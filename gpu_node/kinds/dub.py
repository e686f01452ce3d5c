"""The dub: which stages, in which order, with which engines.

lesson ── media ─┬─ picture ─────────────────────────────────────────────┬─ score
                 └─ audio ─┬─ (transcriber) ── transcript ── utterances   │
                           ├─ bed                  ├─ translate ─ speak ─┤
                           │                       └──── fit ─ stretch   │
                           └───────────── mix ── voice ──────┘           │
                                           └─ master ─ (captions) ─ mux ─┘
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from gpu_node import process, report
from gpu_node.artefacts import Store
from gpu_node.contracts.base import Contract, InLanguage
from gpu_node.contracts.blobs import Blob
from gpu_node.contracts.dub import DubInput, DubOutput, DubReport, SubtitleFiles
from gpu_node.contracts.errors import DubfleetError, Reason
from gpu_node.contracts.jobs import DubPayload
from gpu_node.contracts.media import ExtractedAudio
from gpu_node.contracts.timeline import (
    Segment,
    Transcript,
    TranscriptOrigin,
    Utterances,
)
from gpu_node.cost import Cost
from gpu_node.engines import plan as plans
from gpu_node.engines.asr import pocketsphinx
from gpu_node.engines.mt import apertium, provided
from gpu_node.engines.tts import service as speech_service
from gpu_node.engines.tts.service import SpeechService
from gpu_node.engines.tts.speech import SpeakSettings, Speech
from gpu_node.graph import Graph, Stage
from gpu_node.kinds.kind import Delivery, Kind
from gpu_node.languages import parse
from gpu_node.media.subtitles import Cue, read_subtitles
from gpu_node.runner import GraphResult
from gpu_node.stages import captions, fitting, ingest, mixdown, muxing, scoring, utterances

LESSON, SUBTITLES, TARGET_SUBTITLES = DubInput.LESSON, DubInput.SUBTITLES, DubInput.TARGET_SUBTITLES

_VERSION = "1"
_VERSION_TIMEOUT = 30.0


class CueSheet(Contract):
    """Subtitles as read: the same content in another encoding is the same work."""

    cues: tuple[Segment, ...]


@dataclass(frozen=True, slots=True)
class Sheets:
    """The partner's subtitles, where there are any."""

    source: CueSheet | None
    target: CueSheet | None


@dataclass(frozen=True, slots=True)
class Engines:
    """What outlives a single stage: it starts when first asked, and `closing` ends it."""

    closing: ExitStack
    speech: SpeechService


@dataclass(frozen=True, slots=True)
class DubDelivery(Delivery):
    """The report is the document."""

    result: DubReport


@dataclass(frozen=True, slots=True)
class OpenedDub:
    """A dub that is ready to run."""

    graph: Graph
    plan: plans.EnginePlan
    payload: DubPayload

    def deliver(self, result: GraphResult, cost: Cost) -> DubDelivery:
        """The dub's files, and the report on it."""
        subtitles: SubtitleFiles = result.values["captions"]
        files = {
            DubOutput.VIDEO: result.values["mux"].video,
            DubOutput.AUDIO: result.values["master"].audio,
            DubOutput.TARGET_VTT: subtitles.target_vtt,
            DubOutput.SOURCE_VTT: subtitles.source_vtt,
            DubOutput.TARGET_SRT: subtitles.target_srt,
            DubOutput.SOURCE_SRT: subtitles.source_srt,
        }
        return DubDelivery(
            outputs={name: blob for name, blob in files.items() if blob is not None},
            result=report.build(self.payload, self.plan, result, cost),
        )


def check() -> None:
    """Whether this machine can dub at all. Raises PROGRAM_MISSING, ENGINE_FAILED."""
    speech_service.check()
    ffmpeg_version()
    if shutil.which("ffprobe") is None:
        raise process.missing_program("ffprobe")


def capabilities(speech: SpeechService, stop: threading.Event | None = None) -> plans.Capabilities:
    """What there is for this machine to dub with."""
    return plans.Capabilities(
        pairs=apertium.installed_pairs(),
        recognised=pocketsphinx.LANGUAGES,
        speech=lambda: speech.found(stop).health,
    )


@contextmanager
def open_dub(
    payload: DubPayload,
    inputs: Mapping[str, Blob],
    store: Store,
    stop: threading.Event | None = None,
) -> Iterator[OpenedDub]:
    """The graph of one dub and its plan; the engines' processes end with it."""
    payload = standard(payload)
    if LESSON not in inputs:
        raise DubfleetError(Reason.INTERNAL, "This dub job has no lesson: submit it again.")
    sheets = Sheets(
        source=_sheet(inputs.get(SUBTITLES), store, "--subtitles"),
        target=_sheet(inputs.get(TARGET_SUBTITLES), store, "--target-subtitles"),
    )
    with ExitStack() as engines:
        speech = engines.enter_context(
            speech_service.opened(engines.enter_context(store.scratch()))
        )
        speech.start()
        plan = choose(payload, sheets, capabilities(speech, stop))
        graph = build(payload, plan, sheets, inputs[LESSON], Engines(engines, speech))
        yield OpenedDub(graph, plan, payload)


def standard(payload: DubPayload) -> DubPayload:
    """The payload with its languages in standard spelling. Raises LANGUAGE_UNKNOWN."""
    return payload.model_copy(
        update={
            "source_language": parse(payload.source_language),
            "target_language": parse(payload.target_language),
        }
    )


def choose(payload: DubPayload, sheets: Sheets, have: plans.Capabilities) -> plans.EnginePlan:
    return plans.choose(
        payload,
        have,
        subtitles=sheets.source is not None,
        target_subtitles=sheets.target is not None,
    )


def build(
    payload: DubPayload, plan: plans.EnginePlan, sheets: Sheets, lesson: Blob, engines: Engines
) -> Graph:
    """Wire the stages for one plan. Pure but for the engines, which start when first asked."""
    media_version = f"{_VERSION}+ffmpeg-{ffmpeg_version()}"
    return Graph(
        sources={LESSON: lesson, **_sheet_sources(sheets)},
        stages=(
            Stage("media", media_version, ingest.describe, {"lesson": LESSON}),
            Stage(
                "picture",
                media_version,
                ingest.fingerprint,
                {"lesson": LESSON, "media": "media"},
            ),
            Stage(
                "audio",
                media_version,
                ingest.extract,
                {"lesson": LESSON, "media": "media"},
                settings=track_choice(payload),
            ),
            *_transcriber(payload, plan, engines.closing),
            _utterances(sheets),
            Stage("bed", _VERSION, mixdown.original_as_bed, {"audio": "audio"}),
            _translator(payload, plan, engines.closing),
            *_voice(plan, Speech(engines.speech)),
            *_sound(media_version),
            *_finish(payload, media_version),
        ),
    )


def ffmpeg_version() -> str:
    """Such as "5.1.9-0+deb12u1": another build may encode other bytes. Raises PROGRAM_MISSING."""
    said = process.run(["ffmpeg", "-version"], timeout=_VERSION_TIMEOUT).stdout.decode()
    words = said.split()
    return words[2] if len(words) > 2 else "unknown"


def track_choice(payload: DubPayload) -> ingest.TrackChoice:
    """Only what extraction depends on, so that another target language reuses the sound."""
    return ingest.TrackChoice(
        source_language=payload.source_language, audio_track=payload.audio_track
    )


def _sheet(blob: Blob | None, store: Store, option: str) -> CueSheet | None:
    if blob is None:
        return None
    try:
        cues = read_subtitles(store.path(blob))
    except DubfleetError as error:
        raise DubfleetError(
            error.reason, f"The {option} file cannot be used: {error.sentence}", detail=error.detail
        ) from error
    return CueSheet(cues=tuple(Segment(start=c.start, end=c.end, text=c.text) for c in cues))


def _sheet_sources(sheets: Sheets) -> Mapping[str, Contract]:
    found = {SUBTITLES: sheets.source, TARGET_SUBTITLES: sheets.target}
    return {name: sheet for name, sheet in found.items() if sheet is not None}


def _transcriber(
    payload: DubPayload, plan: plans.EnginePlan, engines: ExitStack
) -> tuple[Stage, ...]:
    language = payload.source_language
    if plan.transcriber is plans.TranscriberName.POCKETSPHINX:
        engine = pocketsphinx.PocketSphinx(processes=max(1, min(4, os.cpu_count() or 1)))
        engines.callback(engine.close)
        return engine.stages(language, "audio")
    if plan.transcriber is plans.TranscriberName.SUBTITLES:
        return (
            Stage(
                "transcript",
                _VERSION,
                transcript_from_subtitles,
                {"sheet": SUBTITLES},
                settings=InLanguage(language=language),
            ),
        )
    return (Stage("transcript", _VERSION, no_transcript, settings=InLanguage(language=language)),)


def transcript_from_subtitles(settings: InLanguage, sheet: CueSheet) -> Transcript:
    """What is said is what the lesson's own subtitles say."""
    return Transcript(
        language=settings.language, origin=TranscriptOrigin.SUBTITLES, segments=sheet.cues
    )


def no_transcript(settings: InLanguage) -> Transcript:
    """Only the partner's translation is known."""
    return Transcript(language=settings.language, origin=TranscriptOrigin.NONE, segments=())


def _utterances(sheets: Sheets) -> Stage:
    inputs = {"transcript": "transcript", "audio": "audio"}
    if sheets.target is None:
        return Stage("utterances", _VERSION, utterances_from_transcript, inputs)
    inputs["sheet"] = TARGET_SUBTITLES
    return Stage("utterances", _VERSION, utterances_from_target, inputs)


def utterances_from_transcript(transcript: Transcript, audio: ExtractedAudio) -> Utterances:
    return utterances.build(transcript, None, audio.duration)


def utterances_from_target(
    transcript: Transcript, audio: ExtractedAudio, sheet: CueSheet
) -> Utterances:
    cues = [Cue(c.start, c.end, c.text) for c in sheet.cues]
    return utterances.build(transcript, cues, audio.duration)


def _translator(payload: DubPayload, plan: plans.EnginePlan, engines: ExitStack) -> Stage:
    if plan.translator is plans.TranslatorName.PROVIDED:
        return Stage("translate", _VERSION, provided.translate, each="utterances")
    engine = apertium.Apertium(payload.source_language, payload.target_language)
    engines.callback(engine.close)
    found = apertium.version(payload.source_language, payload.target_language)
    return Stage("translate", f"{_VERSION}+apertium-{found}", engine.translate, each="utterances")


def _voice(plan: plans.EnginePlan, speech: Speech) -> tuple[Stage, ...]:
    workers = max(1, os.cpu_count() or 1)
    return (
        Stage(
            "speak",
            f"{_VERSION}+{plan.synthesizer}-{plan.synthesizer_version}",
            speech.speak,
            {"translation": "translate"},
            settings=SpeakSettings(language=plan.voice),
            each="utterances",
            concurrency=workers,
        ),
        Stage(
            "fit",
            _VERSION,
            fitting.place,
            {"utterances": "utterances", "spoken": "speak", "audio": "audio"},
        ),
        Stage("stretch", _VERSION, fitting.stretch, each="fit", concurrency=workers),
    )


def _sound(media_version: str) -> tuple[Stage, ...]:
    return (
        Stage("voice", _VERSION, mixdown.assemble, {"audio": "audio", "stretched": "stretch"}),
        Stage(
            "mix",
            _VERSION,
            mixdown.mix,
            {n: n for n in ("audio", "bed", "voice", "utterances", "fit")},
            settings=mixdown.DuckSettings(),
        ),
        Stage(
            "master",
            media_version,
            mixdown.master,
            {"mixed": "mix", "audio": "audio"},
            settings=mixdown.MasterSettings(),
        ),
    )


def _finish(payload: DubPayload, media_version: str) -> tuple[Stage, ...]:
    languages = muxing.MuxSettings(
        source_language=payload.source_language, target_language=payload.target_language
    )
    return (
        Stage(
            "captions",
            _VERSION,
            captions.caption,
            {"utterances": "utterances", "translated": "translate", "fit": "fit"},
            settings=InLanguage(language=payload.target_language),
        ),
        Stage(
            "mux",
            media_version,
            muxing.mux,
            {"lesson": LESSON, "media": "media", "audio": "audio", "mastered": "master"}
            | {"captions": "captions"},
            settings=languages,
        ),
        Stage(
            "score",
            media_version,
            scoring.score,
            {"dubbed": "mux", "before": "picture", "media": "media"}
            | {"utterances": "utterances", "fit": "fit"},
        ),
    )


DUB = Kind("dub", DubPayload, open_dub, check)
