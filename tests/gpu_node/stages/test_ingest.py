"""Which track is dubbed: the one asked for, else the best guess, else a sentence."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from gpu_node.contracts.errors import DubfleetError, Reason
from gpu_node.contracts.media import AudioTrack
from gpu_node.stages.ingest import TrackChoice, choose_track


def track(number: int, language: str | None = None, *, default: bool = False) -> AudioTrack:
    return AudioTrack(
        index=number,
        number=number,
        codec="aac",
        channels=2,
        sample_rate=48_000,
        start=0.0,
        duration=1.0,
        language=language,
        default=default,
    )


def chosen(*tracks: AudioTrack, language: str = "en", asked: int | None = None) -> int:
    return choose_track(tracks, TrackChoice(source_language=language, audio_track=asked)).number


def test_the_track_asked_for() -> None:
    assert chosen(track(1, "eng", default=True), track(2, "fra"), asked=2) == 2


def test_the_track_in_the_source_language() -> None:
    assert chosen(track(1, "fra", default=True), track(2, "eng"), track(3, "eng")) == 2


def test_the_default_track_where_none_is_in_the_language() -> None:
    assert chosen(track(1, "fra"), track(2, default=True), language="ru") == 2


def test_the_first_track_where_nothing_is_said() -> None:
    assert chosen(track(1), track(2)) == 1


def test_a_track_that_is_not_there() -> None:
    with pytest.raises(DubfleetError, match=r"2 audio track.*no track 3") as caught:
        chosen(track(1), track(2), asked=3)
    assert caught.value.reason is Reason.AUDIO_TRACK_MISSING


@pytest.mark.parametrize("wrong", [{"audio_track": 0}, {"target_language": "es"}])
def test_a_choice_holds_nothing_else(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        TrackChoice.model_validate({"source_language": "en", **wrong})
