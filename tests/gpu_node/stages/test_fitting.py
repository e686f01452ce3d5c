"""What a reviewer is told about a line that had no room."""

from __future__ import annotations

from gpu_node.contracts.blobs import Blob
from gpu_node.contracts.media import ExtractedAudio
from gpu_node.contracts.timeline import SpokenLine, Utterance, Utterances
from gpu_node.graph import Outcomes
from gpu_node.stages.fitting import place

SOUND = Blob(digest="0" * 64, size=1, suffix=".wav")
AUDIO = ExtractedAudio(full=SOUND, speech=SOUND, duration=20.0, track=1)


def sentence_of(blocked: str, **lines: tuple[float, float, float]) -> str:
    """`lines`: onset, end, and how long it takes to say; what is told about `blocked`."""
    utterances = Utterances(
        language="en",
        items=tuple(
            Utterance(id=name, start=start, end=end, text="x")
            for name, (start, end, _) in lines.items()
        ),
    )
    spoken = {
        name: SpokenLine(id=name, audio=SOUND, duration=said)
        for name, (_, _, said) in lines.items()
    }
    [blocker] = place(utterances, Outcomes(spoken, {}), AUDIO).blockers
    assert blocker.id == blocked
    return blocker.sentence


def test_a_line_that_is_too_long_says_by_how_much() -> None:
    said = sentence_of("u2", u1=(0, 4, 4.0), u2=(5, 6, 30.0), u3=(10, 12, 2.0))
    assert "19.1 s too long for its place" in said


def test_a_line_whose_place_is_taken_points_to_the_one_beside_it() -> None:
    said = sentence_of("u2", u1=(0, 4, 12.0), u2=(5, 7, 1.5), u3=(9, 12, 2.0))
    assert said == (
        "A long line beside it takes up its place: shorten that one, or keep the original here."
    )
