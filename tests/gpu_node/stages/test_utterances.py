"""From segments and cues to lines."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_node.contracts.errors import DubfleetError, Reason
from gpu_node.contracts.timeline import Segment, Transcript, TranscriptOrigin, Word
from gpu_node.media.subtitles import Cue
from gpu_node.stages.utterances import build, sentence_case


def segment(start: float, end: float, text: str) -> Segment:
    words = text.split()
    step = (end - start) / max(1, len(words))
    return Segment(
        start=start,
        end=end,
        text=text,
        words=tuple(
            Word(text=w, start=start + i * step, end=start + (i + 1) * step)
            for i, w in enumerate(words)
        ),
    )


def recognised(*segments: Segment) -> Transcript:
    return Transcript(language="en", origin=TranscriptOrigin.RECOGNISED, segments=segments)


def subtitled(*cues: tuple[float, float, str]) -> Transcript:
    return Transcript(
        language="ru",
        origin=TranscriptOrigin.SUBTITLES,
        segments=tuple(Segment(start=a, end=b, text=t) for a, b, t in cues),
    )


UNKNOWN = Transcript(language="ru", origin=TranscriptOrigin.NONE, segments=())


def test_stretches_of_speech_become_lines_with_permanent_ids() -> None:
    lines = build(recognised(segment(1, 3, "hello there"), segment(5, 7, "and i agree")), None, 9)
    assert [(u.id, u.start, u.text) for u in lines.items] == [
        ("u0001", 1, "Hello there."),
        ("u0002", 5, "And I agree."),
    ]


def test_a_fragment_goes_with_its_neighbour() -> None:
    (line,) = build(recognised(segment(1, 1.5, "so"), segment(1.8, 4, "we begin")), None, 9).items
    assert (line.start, line.end, line.text) == (1, 4, "So we begin.")


def test_two_phrases_stay_apart_for_each_is_an_anchor() -> None:
    spoken = recognised(segment(1, 4, "first phrase here"), segment(4.25, 7, "second phrase here"))
    assert len(build(spoken, None, 9).items) == 2


def test_a_long_stretch_is_divided_at_its_widest_pause() -> None:
    words = [Word(text=f"w{i}", start=i, end=i + 0.8) for i in range(7)]
    words += [Word(text=f"w{i}", start=i + 0.7, end=i + 1.5) for i in range(7, 14)]
    long = Segment(start=0, end=14.5, text="", words=tuple(words))
    first, second = build(recognised(long), None, 20).items
    assert (first.end, second.start) == (6.8, 7.7)


def test_cues_that_go_on_with_a_sentence_are_joined() -> None:
    spoken = subtitled((0, 2, "Сегодня мы"), (2.1, 4, "начнём с ёлки."), (4.2, 6, "Вот она."))
    assert [u.text for u in build(spoken, None, 9).items] == [
        "Сегодня мы начнём с ёлки.",
        "Вот она.",
    ]


def test_sound_labels_are_not_spoken() -> None:
    spoken = subtitled((0, 2, "[Музыка]"), (3, 4, "Привет."), (5, 6, "♪ ♪"))
    assert [u.text for u in build(spoken, None, 9).items] == ["Привет."]


def test_the_partners_translation_gives_the_lines_and_the_source_its_words() -> None:
    target = [Cue(0, 2, "Hello."), Cue(3, 5, "Goodbye.")]
    lines = build(subtitled((0.1, 2, "Привет."), (3, 5.2, "Пока.")), target, 9).items
    assert [(u.start, u.text, u.provided) for u in lines] == [
        (0, "Привет.", "Hello."),
        (3, "Пока.", "Goodbye."),
    ]


def test_a_source_line_without_a_translation_is_kept_and_not_dropped() -> None:
    lines = build(subtitled((0, 2, "Раз."), (3, 5, "Два.")), [Cue(0, 2, "One.")], 9).items
    assert [(u.text, u.provided) for u in lines] == [("Раз.", "One."), ("Два.", None)]


def test_recognised_words_are_shared_out_among_the_partners_cues() -> None:
    spoken = recognised(segment(0, 4, "one two three four"))
    lines = build(spoken, [Cue(0, 2, "uno dos"), Cue(2, 4, "tres cuatro")], 9).items
    assert [u.text for u in lines] == ["one two", "three four"]


def test_a_translation_alone_is_enough() -> None:
    (line,) = build(UNKNOWN, [Cue(1, 2, "Only this.")], 9).items
    assert (line.text, line.provided) == ("", "Only this.")


def test_subtitles_of_another_lesson_are_refused() -> None:
    with pytest.raises(DubfleetError) as refused:
        build(UNKNOWN, [Cue(1, 2, "Here."), Cue(75, 77, "Not here.")], 60)
    assert refused.value.reason is Reason.SUBTITLES_TIMING
    assert "00:01:15" in refused.value.sentence
    assert "00:01:00" in refused.value.sentence


def test_a_cue_that_runs_past_the_end_is_clipped() -> None:
    (line,) = build(UNKNOWN, [Cue(8, 12, "The end.")], 9).items
    assert line.end == 9


def test_subtitles_without_speech_are_refused() -> None:
    with pytest.raises(DubfleetError) as refused:
        build(UNKNOWN, [Cue(0, 2, "[applause]")], 9)
    assert refused.value.reason is Reason.SUBTITLES_EMPTY


@pytest.mark.parametrize(
    ("bare", "sentence"),
    [("i think i'm right", "I think I'm right."), ("", ""), ("x", "X."), ("it is", "It is.")],
)
def test_bare_words_become_a_sentence(bare: str, sentence: str) -> None:
    assert sentence_case(bare) == sentence


@st.composite
def cues(draw: st.DrawFn) -> list[Cue]:
    at, found = 0.0, []
    for number in range(draw(st.integers(1, 12))):
        at += draw(st.floats(0, 3))
        until = at + draw(st.floats(0.2, 4))
        found.append(Cue(at, until, f"word {number}"))
        at = until
    return found


@given(cues(), cues())
def test_no_line_of_either_language_is_lost(source: list[Cue], target: list[Cue]) -> None:
    transcript = subtitled(*((c.start, c.end, c.text) for c in source))
    lines = build(transcript, target, max(source[-1].end, target[-1].end)).items
    assert sorted(u.provided for u in lines if u.provided) == sorted(c.text for c in target)
    said = " ".join(u.text for u in lines)
    assert all(said.split().count(c.text.split()[1]) == 1 for c in source)
