"""What is accepted as subtitles, and what is read from it."""

import pytest

from gpu_node.media.subtitles import Cue, parse_subtitles
from tests.gpu_node.media.subtitles.cues import ONE, TWO, refusal, times

SAME_CHARACTERS = {"й": "и\u0306", "ё": "е\u0308", "é": "e\u0301"}


def spoken(text: str) -> list[str]:
    return [cue.text for cue in parse_subtitles(text)]


def test_srt() -> None:
    text = (
        "1\n00:00:01,000 --> 00:00:02,500\nПривет,\nмир\n\n2\n01:02:03,004 --> 01:02:05,000\nЕщё\n"
    )
    assert parse_subtitles(text) == (Cue(1.0, 2.5, "Привет,\nмир"), Cue(3723.004, 3725.0, "Ещё"))


def test_webvtt() -> None:
    text = """WEBVTT - a title
Kind: captions
Language: en

STYLE
::cue { color: red }

REGION
id:left
width:40%

NOTE one line

NOTE
several
lines, File --> Save

intro
00:01.000 --> 00:02.000 align:start position:10%,line-left
First

00:00:03.000 --> 00:00:04.000
Second
"""
    assert parse_subtitles(text) == (Cue(1.0, 2.0, "First"), Cue(3.0, 4.0, "Second"))


@pytest.mark.parametrize(
    "text",
    [
        f"1\n{ONE}One\n\n2\n{TWO}Two\n",
        f"{ONE}One\n\n{TWO}Two",
        f"{ONE}One\n\n\n\n\n{TWO}Two\n\n\n",
        f"\n\n  \n1\n{ONE}One\n \t\n2\n{TWO}Two\n",
        f"\ufeff1\n{ONE}One\n\n\ufeff2\n{TWO}Two\n",
        f"1\n{ONE}One\n\n\u200e2\n\u202a{TWO.strip()}\u202c\nTwo\n",
        f"7\n{ONE}One\n\n7\n{TWO}Two\n",
        f"1  \n{ONE.strip()}   \n  One  \n\n2\t\n{TWO.strip()}\t\nTwo\t\n",
        f"1\n{ONE.strip()} X1:40 X2:600 Y1:20 Y2:50\nOne\n\n2\n{TWO.strip()}  X1:1\nTwo\n",
        f"1\n{ONE}One\n\n2\n{TWO}Two\n\n\u200b\n\n<i></i>\n",
        "1\n00:00:01.0-->00:00:02.00\nOne\n\n2\n0:0:3,0  -->  0:0:4,0\nTwo\n",
        f"WEBVTT\n\n{ONE}One\n\n{TWO}Two\n",
        f"\ufeffWEBVTT\n\nan id\n{ONE}One\n\nWEBVTT\n\n2\n{TWO}Two\n",
        "WEBVTT\n\n00:01.000 --> 00:02.000\nOne\n\n00:03.000 --> 00:00:04.000\nTwo\n",
    ],
)
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_ways_to_write_the_same_two_cues(text: str, line_end: str) -> None:
    expected = (Cue(1.0, 2.0, "One"), Cue(3.0, 4.0, "Two"))
    assert parse_subtitles(text.replace("\n", line_end)) == expected


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("00:00:01,5", 1.5),
        ("00:00:01,05", 1.05),
        ("00:00:01,005", 1.005),
        ("00:59:59,999", 3599.999),
        ("101:00:00,000", 363600.0),
    ],
)
def test_times(written: str, seconds: float) -> None:
    assert times(f"{written} --> 9999:00:00,000\nx")[0][0] == seconds


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("<i>a</i> <B>b</B> <u>c</u> <s>d</s>", "a b c d"),
        ('<font color="#ff0000" size=2>red</font>', "red"),
        ("<v Mary Jane>Hi</v> <v.loud Bob>Hey", "Hi Hey"),
        ("<c.yellow.bg_blue>a</c> <i.foreign>b</i> <lang en-GB>c</lang>", "a b c"),
        ("one<00:00:01.000><c> two</c><00:01.500> three", "one two three"),
        ("<ruby>漢<rt>kan</rt></ruby>", "漢kan"),
        (r"{\an8}top {\pos(10,20)\i1}there", "top there"),
        ("a<br>b<br/>c<BR />d", "a\nb\nc\nd"),
        ("<i>two\nlines</i>", "two\nlines"),
        ("a\n<i>\n</i>\nb", "a\nb"),
        ("a\n\u200b\nb", "a\nb"),
        # What only looks like markup.
        ("a < b and c > d", "a < b and c > d"),
        ("a <b and c> d", "a <b and c> d"),
        ("if (i<n) <div> <input> </div> <3", "if (i<n) <div> <input> </div> <3"),
        ("{x: 1} {} {y}", "{x: 1} {} {y}"),
        ("Click File --> Save", "Click File --> Save"),
        ("- Да?\n- Да!", "- Да?\n- Да!"),
        ("42", "42"),
        # Entities, once.
        ("&lt;i&gt; &amp; &quot;x&quot; &#39;y&#x27;", "<i> & \"x\" 'y'"),
        ("&amp;lt; &hellip; a&nbsp;b", "&lt; … a\u00a0b"),
        ("AT&T &copy &notes; &; R&D;", "AT&T &copy &notes; &; R&D;"),
        ("a&#10;b&#0;c&#9999999;d&#7;e", "a\nb\ufffdc\ufffdde"),
        ("&#" + "9" * 5000 + ";", "&#" + "9" * 5000 + ";"),
        # What cannot be seen.
        ("so\u00adft ze\u200bro \ufeffbom \u200eleft\u200f \u202aa\u202c \u2066b\u2069", None),
        ("a\tb\x07c\x1b[0m", "a b c [0m"),
        ("a\u2028b\u2029c\x0bd\x85e", "a\nb\nc\nd\ne"),
        ("lone\ud800surrogate", "lone surrogate"),
        # What only seems so.
        ("می\u200cخواهم 👩\u200d🏫", "می\u200cخواهم 👩\u200d🏫"),
    ],
)
def test_text(written: str, read: str | None) -> None:
    expected = "soft zero bom left a b" if read is None else read
    assert spoken(ONE + written) == [expected]
    assert spoken(f"WEBVTT\n\n{ONE}{written}") == [expected]


@pytest.mark.parametrize("composed", SAME_CHARACTERS)
def test_characters_are_composed(composed: str) -> None:
    assert spoken(f"{ONE}{SAME_CHARACTERS[composed]} {composed}") == [f"{composed} {composed}"]


@pytest.mark.parametrize("blank", ["", "<i></i>", "&nbsp;", "\u200b", r"{\an8}", "\x01"])
def test_blank_placeholders_are_dropped_and_still_counted(blank: str) -> None:
    text = f"1\n{ONE}{blank}\n\n2\n{TWO}Two\n\n3\n{TWO}Again"
    assert "Cue 3" in refusal(lambda: parse_subtitles(text)).sentence
    assert spoken(text.removesuffix(f"\n\n3\n{TWO}Again")) == ["Two"]


def test_the_time_of_a_blank_placeholder_does_not_matter() -> None:
    assert spoken(f"{TWO}Two\n\n00:00:00,000 --> 00:00:00,000\n") == ["Two"]


def test_a_small_overlap_is_taken_off_the_earlier_cue() -> None:
    text = "00:00:01,000 --> 00:00:02,050\nOne\n\n00:00:02,000 --> 00:00:03,000\nTwo"
    assert times(text) == [(1.0, 2.0), (2.0, 3.0)]
