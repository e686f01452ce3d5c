"""The recogniser in its own process: the words of a stretch depend on that stretch alone."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import numpy as np
import psutil
import pytest

from gpu_node.contracts.base import InLanguage
from gpu_node.contracts.errors import DubfleetError, Reason
from gpu_node.contracts.media import ExtractedAudio
from gpu_node.contracts.timeline import TranscriptOrigin
from gpu_node.demo import music, reading
from gpu_node.engines.asr.pocketsphinx import (
    PocketSphinx,
    RegionWords,
    SpeechRegion,
    SpeechRegions,
)
from gpu_node.graph import Graph, Outcomes, StageContext
from tests.gpu_node.making import RATE, Sound, for_recogniser, in_a_room, save, stage_context, theme

SHORT, LONGER = "0880", "0930"


@pytest.fixture(scope="module")
def ctx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StageContext]:
    with stage_context(tmp_path_factory.mktemp("recogniser")) as context:
        yield context


@pytest.fixture(scope="module")
def engine() -> Iterator[PocketSphinx]:
    made = PocketSphinx(processes=1)
    yield made
    made.close()


def kept(ctx: StageContext, sound: Sound) -> ExtractedAudio:
    """A sound at 48 kHz, in a room, as the stages before would have left it."""
    path = save(ctx.folder / "speech.wav", for_recogniser(in_a_room(sound)), rate=16_000)
    blob = ctx.keep(path)
    return ExtractedAudio(full=blob, speech=blob, duration=len(sound) / RATE, track=1)


def sentence(name: str) -> Sound:
    return np.concatenate([np.zeros(RATE // 2), reading.clip(name).sound, np.zeros(RATE // 2)])


def whole(audio: ExtractedAudio) -> SpeechRegion:
    return SpeechRegion(id="r0", start=0.3, end=audio.duration - 0.3)


def texts(found: RegionWords) -> list[str]:
    return [word.text for word in found.words]


def test_a_read_sentence_is_recognised(ctx: StageContext, engine: PocketSphinx) -> None:
    audio = kept(ctx, sentence(LONGER))
    (region,) = engine.detect(ctx, audio).items
    found = engine.recognise(ctx, region, audio)
    assert found.id == region.id
    assert {"he", "might", "even", "have", "been", "made"} <= set(texts(found))
    clip = reading.clip(LONGER)
    onset = 0.5 + clip.lead
    assert region.start == pytest.approx(onset, abs=0.05)
    assert found.words[0].start == pytest.approx(onset, abs=0.15)
    assert found.words[-1].end == pytest.approx(onset + clip.speech, abs=0.2)
    starts = [word.start for word in found.words]
    assert starts == sorted(starts)


def test_what_was_decoded_before_makes_no_difference(ctx: StageContext) -> None:
    # Two processes share a lesson's stretches, so which one gets what is a matter of chance.
    short, longer = (kept(ctx, sentence(name)) for name in (SHORT, LONGER))
    answers = []
    for order in ([short], [longer, short]):
        engine = PocketSphinx(processes=1)
        answers.append([engine.recognise(ctx, whole(audio), audio) for audio in order][-1])
        engine.close()
    assert texts(answers[0])
    assert answers[0].model_dump_json() == answers[1].model_dump_json()


@pytest.mark.parametrize(
    "make",
    [lambda: theme()[: 2 * RATE], lambda: music.room_tone(1.5, -30.0).mean(axis=1)],
    ids=["music", "noise"],
)
def test_no_words_are_heard_in(
    ctx: StageContext, engine: PocketSphinx, make: Callable[[], Sound]
) -> None:
    # As if the detector had been taken in.
    audio = kept(ctx, make())
    assert texts(engine.recognise(ctx, whole(audio), audio)) == []


def test_regions_are_named_by_their_time(ctx: StageContext, engine: PocketSphinx) -> None:
    pause = np.zeros(2 * RATE)
    one, two = sentence(SHORT), sentence(LONGER)
    alone = engine.detect(ctx, kept(ctx, one)).items
    both = engine.detect(ctx, kept(ctx, np.concatenate([one, pause, two]))).items
    assert [region.id for region in alone] == [region.id for region in both][: len(alone)]
    assert len({region.id for region in both}) == len(both)


# --- Stages


def regions(*spans: tuple[float, float]) -> SpeechRegions:
    items = (SpeechRegion(id=f"r{n}", start=a, end=b) for n, (a, b) in enumerate(spans))
    return SpeechRegions(items=tuple(items))


def heard(**words: str) -> Outcomes[RegionWords]:
    values = {
        key: RegionWords.model_validate(
            {"id": key, "words": [{"start": 0, "end": 1, "text": w} for w in said.split()]}
        )
        for key, said in words.items()
    }
    return Outcomes(values=values, failures={})


def test_a_transcript_is_the_stretches_that_have_words() -> None:
    found = PocketSphinx(1).transcript(
        InLanguage(language="en"), regions((1, 2), (3, 4), (5, 6)), heard(r0="a b", r1="", r2="c")
    )
    assert found.origin is TranscriptOrigin.RECOGNISED
    assert [(s.start, s.end, s.text) for s in found.segments] == [(1, 2, "a b"), (5, 6, "c")]


@pytest.mark.parametrize("spans", [(), ((1.0, 2.0),)])
def test_a_lesson_without_words_is_refused(spans: tuple[tuple[float, float], ...]) -> None:
    words = {f"r{n}": "" for n in range(len(spans))}
    with pytest.raises(DubfleetError) as caught:
        PocketSphinx(1).transcript(InLanguage(language="en"), regions(*spans), heard(**words))
    assert caught.value.reason is Reason.INPUT_NO_SPEECH
    assert "--subtitles" in caught.value.sentence


def test_its_stages_make_a_graph(ctx: StageContext) -> None:
    graph = Graph({"audio": kept(ctx, sentence(SHORT))}, PocketSphinx(2).stages("en", "audio"))
    assert [stage.name for stage in graph] == ["detect", "recognise", "transcript"]


# --- Processes


def test_processes_start_when_they_are_asked_and_end_when_told(ctx: StageContext) -> None:
    mine = psutil.Process()
    before = {child.pid for child in mine.children()}
    engine = PocketSphinx(processes=2)
    assert {child.pid for child in mine.children()} == before
    engine.detect(ctx, kept(ctx, sentence(SHORT)))
    (worker,) = (child for child in mine.children() if child.pid not in before)
    engine.close()
    assert not worker.is_running()
    engine.close()


def test_a_worker_that_died_is_replaced(ctx: StageContext) -> None:
    mine = psutil.Process()
    before = {child.pid for child in mine.children()}
    engine, audio = PocketSphinx(processes=1), kept(ctx, sentence(SHORT))
    first = engine.detect(ctx, audio)
    (worker,) = (child for child in mine.children() if child.pid not in before)
    worker.kill()
    # Its end is noticed before the next question or by it, as chance will have it.
    with contextlib.suppress(DubfleetError):
        engine.detect(ctx, audio)
    assert engine.detect(ctx, audio) == first
    engine.close()


def test_a_file_that_is_not_there_fails_the_stretch(ctx: StageContext) -> None:
    audio = kept(ctx, sentence(SHORT))
    ctx.path(audio.speech).unlink()
    engine = PocketSphinx(processes=1)
    with pytest.raises(DubfleetError):
        engine.detect(ctx, audio)
    engine.close()
