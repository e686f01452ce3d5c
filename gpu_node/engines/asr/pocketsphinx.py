"""The embedded transcriber: PocketSphinx (English), its processes and its stages."""

from __future__ import annotations

import importlib.metadata
import json
import queue
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pydantic import TypeAdapter

from gpu_node.contracts.base import Contract, InLanguage
from gpu_node.contracts.errors import DubfleetError, Reason
from gpu_node.contracts.media import ExtractedAudio
from gpu_node.contracts.timeline import Segment, Transcript, TranscriptOrigin, Word
from gpu_node.conversation import Conversation
from gpu_node.graph import Outcomes, Stage, StageContext

NAME = "pocketsphinx"
LANGUAGES = frozenset({"en"})
_STAGE_VERSION = "2"

_TIMEOUT_PER_SECOND = 30.0
_SHORTEST_TIMEOUT = 120.0
_MARGIN_SECONDS = 0.2
"""Quiet around a stretch: the decoder needs some to begin and end with."""
_LEAST_COVERAGE = 0.5
"""Real words fill 0.56-0.93 of a stretch of speech, and at most 0.38 of one of music or noise,
where the decoder hears mostly fillers (measured with `activity`'s material)."""
_WORDS = TypeAdapter(tuple[Word, ...])


class SpeechRegion(Contract):
    """A stretch in which somebody speaks. The id says when, so it does not change with others."""

    id: str
    start: float
    end: float


class SpeechRegions(Contract):
    items: tuple[SpeechRegion, ...]


class RegionWords(Contract):
    id: str
    words: tuple[Word, ...]


class PocketSphinx:
    """Up to `processes` decoders, started when they are first needed."""

    def __init__(self, processes: int) -> None:
        self.processes = processes
        self._idle: queue.SimpleQueue[Conversation] = queue.SimpleQueue()
        self._all = [
            Conversation(
                [sys.executable, "-I", "-m", "gpu_node.engines.asr.pocketsphinx_worker"], b"\n"
            )
            for _ in range(processes)
        ]
        for worker in self._all:
            self._idle.put(worker)

    def close(self) -> None:
        """End the processes: their memory is free for the stages that follow."""
        for worker in self._all:
            worker.close()

    def stages(self, language: str, audio: str) -> tuple[Stage, ...]:
        """Detection, recognition stretch by stretch, and the transcript (stage `transcript`)."""
        version = f"{_STAGE_VERSION}+pocketsphinx-{importlib.metadata.version('pocketsphinx')}"
        return (
            Stage("detect", version, self.detect, inputs={"audio": audio}),
            Stage(
                "recognise",
                version,
                self.recognise,
                inputs={"audio": audio},
                each="detect",
                concurrency=self.processes,
            ),
            Stage(
                "transcript",
                version,
                self.transcript,
                inputs={"regions": "detect", "recognised": "recognise"},
                settings=InLanguage(language=language),
            ),
        )

    def detect(self, ctx: StageContext, audio: ExtractedAudio) -> SpeechRegions:
        request = {"do": "detect", "wav": str(ctx.path(audio.speech))}
        found = self._ask(ctx, request, audio.duration)["regions"]
        return SpeechRegions(
            items=tuple(
                SpeechRegion(id=f"r{round(start * 1000):08d}", start=start, end=end)
                for start, end in found
            )
        )

    def recognise(
        self, ctx: StageContext, item: SpeechRegion, audio: ExtractedAudio
    ) -> RegionWords:
        """The words of one stretch; none when it turns out not to be speech."""
        request = {
            "do": "recognise",
            "wav": str(ctx.path(audio.speech)),
            "start": max(0.0, item.start - _MARGIN_SECONDS),
            "end": item.end + _MARGIN_SECONDS,
        }
        words = _WORDS.validate_python(self._ask(ctx, request, item.end - item.start)["words"])
        spoken = sum(word.duration for word in words)
        if spoken < _LEAST_COVERAGE * (item.end - item.start):
            return RegionWords(id=item.id, words=())
        return RegionWords(id=item.id, words=words)

    def transcript(
        self,
        settings: InLanguage,
        regions: SpeechRegions,
        recognised: Outcomes[RegionWords],
    ) -> Transcript:
        self.close()
        segments = tuple(
            Segment(
                start=region.start,
                end=region.end,
                text=" ".join(word.text for word in words),
                words=words,
            )
            for region in regions.items
            if (words := recognised.values[region.id].words)
        )
        if not segments:
            raise DubfleetError(
                Reason.INPUT_NO_SPEECH,
                "No speech was found in the lesson: check that it is the right file, or give its "
                "subtitles with --subtitles.",
            )
        return Transcript(
            language=settings.language, origin=TranscriptOrigin.RECOGNISED, segments=segments
        )

    def _ask(self, ctx: StageContext, request: dict[str, Any], seconds: float) -> dict[str, Any]:
        timeout = max(_SHORTEST_TIMEOUT, seconds * _TIMEOUT_PER_SECOND)
        with self._borrowed() as worker:
            reply = worker.ask(json.dumps(request).encode(), timeout=timeout, stop=ctx.stop)
        answer: dict[str, Any] = json.loads(reply)
        return answer

    @contextmanager
    def _borrowed(self) -> Iterator[Conversation]:
        worker = self._idle.get()
        try:
            yield worker
        finally:
            self._idle.put(worker)
