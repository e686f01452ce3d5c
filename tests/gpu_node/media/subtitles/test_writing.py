"""Written subtitles: no text can break the file, and no wrong time gets into it."""

import math
import unicodedata
from collections.abc import Callable

import pytest

from gpu_node.contracts.errors import Reason
from gpu_node.media.subtitles import Cue, format_srt, format_vtt, parse_subtitles
from tests.gpu_node.media.subtitles.cues import ONE, refusal, times

SPACES = dict.fromkeys((*range(32), 0x85, 0x2028, 0xD800), " ")


def test_written_srt() -> None:
    cues = [Cue(0, 1.0006, "a & b\nc < d"), Cue(2, 3, " \n\u200b"), Cue(360000, 360001, "Ещё")]
    assert format_srt(cues) == (
        "1\n00:00:00,000 --> 00:00:01,001\na & b\nc < d\n\n"
        "2\n100:00:00,000 --> 100:00:01,000\nЕщё\n"
    )


def test_written_vtt() -> None:
    assert format_vtt([Cue(0, 1.5, "a & <b>"), Cue(2, 3, "-->")], "pt-BR") == (
        "WEBVTT\nLanguage: pt-BR\n\n"
        "00:00:00.000 --> 00:00:01.500\na &amp; &lt;b&gt;\n\n"
        "00:00:02.000 --> 00:00:03.000\n--&gt;\n"
    )


def test_nothing_to_write() -> None:
    assert format_srt([]) == ""
    assert format_vtt([]) == "WEBVTT\n"
    assert (
        format_vtt([], "ru\n\n00:01.000 --> 00:02.000\nx")
        == "WEBVTT\nLanguage: ru0001000--0002000x\n"
    )


@pytest.mark.parametrize(
    "text",
    [
        "a\n\nb",
        "a\r\n\r\nb\rc",
        "1\n00:00:09,000 --> 00:00:10,000\nb",
        "\n\n2\n" + ONE + "b",
        "a --> b ----> c -->",
        "nul\0 bell\x07 escape\x1b",
        "<i>a</i> <b> <<i>> </font> <v Mary> <br> <00:00:01.000>",
        r"{\an8} {{\an8}} {\a<i>}",
        "&lt;i&gt; &amp;amp; &#60; &<i>lt; &",
        "WEBVTT",
        "NOTE x",
        "surrogate\ud800",
        "a\u2028\u2028b\x85\x0c\x1cc",
    ],
)
def test_text_cannot_break_the_file(text: str) -> None:
    cues = [Cue(1, 2, text), Cue(3, 4, "next")]
    for written in (format_srt(cues), format_vtt(cues)):
        written.encode()
        assert written.count("-->") == 2
        assert not any(unicodedata.category(c) == "Cc" for c in written if c != "\n")
        first, second = parse_subtitles(written)
        assert second == Cue(3, 4, "next")
        # Whatever was seen is still there, markup that was meant as text included.
        assert first.text.split() == text.translate(SPACES).split()


@pytest.mark.parametrize(
    ("start", "end"),
    [(-1, 1), (1, 1), (2, 1), (math.nan, 1), (1, math.nan), (1, math.inf), (1, 1e9)],
)
@pytest.mark.parametrize("write", [format_srt, format_vtt])
def test_times_that_cannot_be_written(
    write: Callable[[list[Cue]], str], start: float, end: float
) -> None:
    error = refusal(lambda: write([Cue(0, 1, "a"), Cue(start, end, "b")]))
    assert error.reason is Reason.SUBTITLES_TIMING
    assert error.sentence.startswith("Cue 2 ")


def test_a_cue_shorter_than_a_millisecond_is_still_written() -> None:
    assert times(format_srt([Cue(1.0, 1.0001, "a")])) == [(1.0, 1.001)]
