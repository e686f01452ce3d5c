"""What the stages of a dub depend on, and what they do not."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace

import pytest

from gpu_node.contracts.blobs import Blob
from gpu_node.contracts.jobs import DubPayload
from gpu_node.contracts.timeline import Segment
from gpu_node.engines.mt import apertium
from gpu_node.engines.tts.asking import Address
from gpu_node.engines.tts.health import Health, LanguageHealth
from gpu_node.engines.tts.service import Named, SpeechService
from gpu_node.graph import Stage
from gpu_node.kinds import dub

LESSON = Blob(digest="a" * 64, size=1)
SHEETS = dub.Sheets(
    source=dub.CueSheet(cues=(Segment(start=0.0, end=1.0, text="The red house."),)), target=None
)


HEALTH = Health(
    status="healthy",
    engine="espeak",
    engine_version="1.51",
    version="0.1.0",
    languages={code: LanguageHealth(ready=True) for code in ("es", "es-419")},
)


def stages(payload: DubPayload, health: Health = HEALTH) -> dict[str, Stage]:
    speech = SpeechService(Named(Address.parse("http://127.0.0.1:1")))
    have = replace(dub.capabilities(speech), speech=lambda: health)
    plan = dub.choose(payload, SHEETS, have)
    with ExitStack() as closing:
        engines = dub.Engines(closing, speech)
        return {stage.name: stage for stage in dub.build(payload, plan, SHEETS, LESSON, engines)}


def key(stage: Stage) -> str:
    return stage.key(dict.fromkeys(stage.inputs, "a" * 64))


def changed(before: Mapping[str, Stage], after: Mapping[str, Stage]) -> set[str]:
    return {name for name in after if key(after[name]) != key(before[name])}


def test_new_language_data_mean_new_translations(monkeypatch: pytest.MonkeyPatch) -> None:
    payload = DubPayload(source_language="en", target_language="es")
    before, again = stages(payload), stages(payload)
    assert changed(before, again) == set()
    monkeypatch.setattr(apertium, "version", lambda *_: "newer data")
    assert changed(before, stages(payload)) == {"translate"}


@pytest.mark.parametrize("newer", [{"engine_version": "1.52"}, {"version": "0.2.0"}])
def test_a_newer_engine_or_service_speaks_anew(newer: dict[str, str]) -> None:
    payload = DubPayload(source_language="en", target_language="es")
    after = stages(payload, HEALTH.model_copy(update=newer))
    assert changed(stages(payload), after) == {"speak"}


def test_another_target_language_reuses_the_sound() -> None:
    one = DubPayload(source_language="en", target_language="es")
    other = one.model_copy(update={"target_language": "es-419", "synthesizer": "espeak"})
    assert "audio" not in changed(stages(one), stages(other))


@pytest.mark.parametrize("other", [{"audio_track": 2}, {"source_language": "en-GB"}])
def test_another_track_is_other_sound(other: dict[str, object]) -> None:
    one = DubPayload(source_language="en", target_language="es")
    assert "audio" in changed(stages(one), stages(one.model_copy(update=other)))
