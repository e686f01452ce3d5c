"""What the stages of a dub depend on, and what they do not."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack

import pytest

from gpu_node.contracts.blobs import Blob
from gpu_node.contracts.jobs import DubPayload
from gpu_node.contracts.timeline import Segment
from gpu_node.engines.mt import apertium
from gpu_node.graph import Stage
from gpu_node.kinds import dub

LESSON = Blob(digest="a" * 64, size=1)
SHEETS = dub.Sheets(
    source=dub.CueSheet(cues=(Segment(start=0.0, end=1.0, text="The red house."),)), target=None
)


def stages(payload: DubPayload) -> dict[str, Stage]:
    plan = dub.choose(payload, SHEETS, dub.capabilities())
    with ExitStack() as engines:
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


def test_another_target_language_reuses_the_sound() -> None:
    one = DubPayload(source_language="en", target_language="es")
    other = one.model_copy(update={"target_language": "es-419", "synthesizer": "espeak"})
    assert "audio" not in changed(stages(one), stages(other))


@pytest.mark.parametrize("other", [{"audio_track": 2}, {"source_language": "en-GB"}])
def test_another_track_is_other_sound(other: dict[str, object]) -> None:
    one = DubPayload(source_language="en", target_language="es")
    assert "audio" in changed(stages(one), stages(one.model_copy(update=other)))
