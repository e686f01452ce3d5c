"""Subtitles: nothing of what is said may get lost, whatever the file looks like."""

import math
import os
import time
import unicodedata
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_node.contracts.errors import DubfleetError, Reason
from gpu_node.media.subtitles import (
    MAX_BYTES,
    Cue,
    decode_subtitles,
    format_srt,
    format_vtt,
    parse_subtitles,
    read_subtitles,
)

ONE = "00:00:01,000 --> 00:00:02,000\n"
TWO = "00:00:03,000 --> 00:00:04,000\n"
SAME_CHARACTERS = {"й": "и\u0306", "ё": "е\u0308", "é": "e\u0301"}


def spoken(text: str) -> list[str]:
    return [cue.text for cue in parse_subtitles(text)]


def times(text: str) -> list[tuple[float, float]]:
    return [(cue.start, cue.end) for cue in parse_subtitles(text)]


def refusal(action: Callable[[], object]) -> DubfleetError:
    with pytest.raises(DubfleetError) as caught:
        action()
    return caught.value


# --- What is accepted


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


# --- What is refused


@pytest.mark.parametrize(
    ("text", "reason", "says"),
    [
        ("", Reason.SUBTITLES_EMPTY, "no subtitles"),
        ("\ufeff\r\n \r\n", Reason.SUBTITLES_EMPTY, "no subtitles"),
        ("WEBVTT", Reason.SUBTITLES_EMPTY, "no subtitles"),
        ("WEBVTT\n\nNOTE nothing here\n", Reason.SUBTITLES_EMPTY, "no subtitles"),
        (f"{ONE}\n{TWO}<i> </i>", Reason.SUBTITLES_EMPTY, "no subtitles"),
        ("\0\0\0\0", Reason.SUBTITLES_ENCODING, "not plain text"),
        # Text without times.
        ("Dear diary", Reason.SUBTITLES_BROKEN, "line 1 (before the first cue)"),
        ("\x0b", Reason.SUBTITLES_EMPTY, "no subtitles"),
        ("webvtt\n\n" + ONE + "a", Reason.SUBTITLES_BROKEN, "line 1 (before"),
        ("WEBVTTS\n\n" + ONE + "a", Reason.SUBTITLES_BROKEN, "line 1 (before"),
        (
            f"{ONE}a\n\nlost\n\n{TWO}b",
            Reason.SUBTITLES_BROKEN,
            "line 4 (after cue 1 at 00:00:01)",
        ),
        (f"{ONE}a\n\nlost\n{TWO}b", Reason.SUBTITLES_BROKEN, "line 4 (after cue 1 at 00:00:01)"),
        (f"{ONE}a\n\n2\n\n{TWO}b", Reason.SUBTITLES_BROKEN, "line 4 (after cue 1 at 00:00:01)"),
        (f"1\n{ONE}a\n\n2", Reason.SUBTITLES_BROKEN, "line 5 (after cue 1 at 00:00:01)"),
        (f"{ONE}\nlate", Reason.SUBTITLES_BROKEN, "line 3 (after cue 1 at 00:00:01)"),
        (f"WEBVTT\n\n{ONE}a\n\nlost", Reason.SUBTITLES_BROKEN, "line 6 (after cue 1"),
        (f"STYLE\n\n{ONE}a", Reason.SUBTITLES_BROKEN, "line 1 (before the first cue)"),
        # A timing line inside other text.
        (f"{ONE}a\n{TWO}b", Reason.SUBTITLES_BROKEN, "line 3 stands among other text"),
        (f"1\n{ONE}a\n2\n{TWO}b", Reason.SUBTITLES_BROKEN, "line 5 stands among"),
        (f"{ONE}a\n00:00:0l,000 --> 00:00:04\nb", Reason.SUBTITLES_BROKEN, "line 3 stands"),
        (f"{ONE}a\n00:00:03,OOO --> 00:00:04\nb", Reason.SUBTITLES_BROKEN, "line 3 stands"),
        (f"WEBVTT\n{ONE}a", Reason.SUBTITLES_BROKEN, "line 2 stands"),
        (f"WEBVTT\n\nNOTE\n{ONE}a", Reason.SUBTITLES_BROKEN, "line 4 stands"),
        # Times out of order.
        ("00:00:01,000 --> 00:00:01,000\na", Reason.SUBTITLES_TIMING, "Cue 1 (at 00:00:01) does"),
        ("01:00:02,000 --> 00:00:01,000\na", Reason.SUBTITLES_TIMING, "Cue 1 (at 01:00:02) does"),
        (
            f"{TWO}a\n\n{ONE}b",
            Reason.SUBTITLES_TIMING,
            "Cue 2 (at 00:00:01) starts before cue 1 (at 00:00:03) does",
        ),
        (
            f"{ONE}a\n\n00:00:01,949 --> 00:00:03,000\nb",
            Reason.SUBTITLES_TIMING,
            "Cue 2 (at 00:00:01) starts before cue 1 (at 00:00:01) ends",
        ),
        (
            "00:00:01,000 --> 00:00:01,030\na\n\n00:00:01,000 --> 00:00:03,000\nb",
            Reason.SUBTITLES_TIMING,
            "Cue 2 (at 00:00:01) starts before cue 1 (at 00:00:01) ends",
        ),
    ],
)
def test_refused(text: str, reason: Reason, says: str) -> None:
    error = refusal(lambda: parse_subtitles(text))
    assert error.reason is reason
    assert says in error.sentence
    assert error.sentence[0].isupper()
    assert error.sentence.endswith(".")


@pytest.mark.parametrize(
    "line",
    [
        "00:00:01,000 -> 00:00:02,000 -->",
        "00:00:01,000 --> 00:00:02",
        "00:00:01 --> 00:00:02",
        "00:00:01,000 -->",
        "--> 00:00:02,000",
        "-00:00:01,000 --> 00:00:02,000",
        "00:00:01,0000 --> 00:00:02,000",
        "00:00:01:000 --> 00:00:02:000",
        "00:60:01,000 --> 00:00:02,000",
        "00:00:61,000 --> 00:00:02,000",
        "00:00:0l,000 --> 00:00:02,000",
        "00:00:01, 000 --> 00:00:02,000",
        "00:00:01,000 --> 00:00:02,000x",
        "00:00:01,000 --> 00:00:02,000 the text is here",
        "99999:00:00,000 --> 99999:00:01,000",
        "٠٠:٠٠:٠١,٠٠٠ --> ٠٠:٠٠:٠٢,٠٠٠",
        "1 --> 2",
    ],
)
@pytest.mark.parametrize("head", ["", "1\n", "WEBVTT\n\n", "WEBVTT\n\nname\n"])
def test_malformed_timing_lines(head: str, line: str) -> None:
    error = refusal(lambda: parse_subtitles(f"{head}{line}\ntext"))
    assert error.reason is Reason.SUBTITLES_BROKEN
    place = f"Cue 1 (line {head.count(chr(10)) + 1}, before the first cue)"
    assert error.sentence.startswith(f"{place} has a timing line that cannot be read")


def test_srt_times_need_hours() -> None:
    # 01:02,500 may as well be an hour that lost its seconds.
    error = refusal(lambda: parse_subtitles(f"{ONE}a\n\n2\n00:03,000 --> 00:04,000\nb"))
    assert error.sentence == (
        "Cue 2 (line 5, after cue 1 at 00:00:01) has a timing line that cannot be read: "
        "write it like 00:01:02,500 --> 00:01:04,000."
    )


# --- Bytes and files


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings(encoding: str) -> None:
    assert decode_subtitles("Ёлка й".encode(encoding)) == "Ёлка й"


def test_utf_16_of_the_other_byte_order() -> None:
    assert decode_subtitles(b"\xfe\xff" + "Ёлка".encode("utf-16-be")) == "Ёлка"


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ("один\nдва".encode("cp1251"), "Line 1 is not text in UTF-8"),
        (b"one\ntwo\n" + "три".encode("koi8-r"), "Line 3 is not text in UTF-8"),
        (b"\xef\xbb\xbfone\n\xff", "Line 2 is not text in UTF-8"),
        ("a\nb\n".encode("utf-16") + b"\x00", "Line 3 is not text in UTF-8"),
        (b"\xff\xfe\x00\xd8", "Line 1 is not text in UTF-8"),
        ("один".encode("utf-32"), "not plain text"),
        ("1\n00:00".encode("utf-16-le"), "not plain text"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "Line 1 is not text in UTF-8"),
        (bytes(1000), "not plain text"),
    ],
)
def test_other_bytes_are_refused(data: bytes, says: str) -> None:
    error = refusal(lambda: decode_subtitles(data))
    assert error.reason is Reason.SUBTITLES_ENCODING
    assert says in error.sentence
    assert error.sentence.endswith("save it with the encoding UTF-8.")


def test_too_large(tmp_path: Path) -> None:
    assert len(decode_subtitles(b"x" * MAX_BYTES)) == MAX_BYTES
    assert "20 MB" in refusal(lambda: decode_subtitles(b"x" * (MAX_BYTES + 1))).sentence
    path = tmp_path / "large.srt"
    with path.open("wb") as file:
        file.truncate(50 * MAX_BYTES)
    error = refusal(lambda: read_subtitles(path))
    assert error.reason is Reason.SUBTITLES_BROKEN
    assert "20 MB" in error.sentence


def test_read(tmp_path: Path) -> None:
    path = tmp_path / "урок.srt"
    path.write_bytes(f"1\n{ONE}Да\n".encode())
    assert read_subtitles(path) == (Cue(1.0, 2.0, "Да"),)


@pytest.mark.parametrize("name", ["none.srt", "", "pipe", "pipe/below", "a\0b"])
def test_what_is_no_file(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    error = refusal(lambda: read_subtitles(tmp_path / name))
    assert error.reason is Reason.SUBTITLES_MISSING
    assert error.sentence == "There is no such file: check its name and folder."


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    path = tmp_path / "a.srt"
    path.touch()
    monkeypatch.setattr(Path, "open", denied)
    error = refusal(lambda: read_subtitles(path))
    assert error.reason is Reason.SUBTITLES_MISSING
    assert "Permission denied" in error.sentence


# --- Writing

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


# --- Properties

PIECES = (
    *("-->", " --> ", "<", ">", "<i>", "</i>", "<v A>", "<br>", "<00:01.000>", "{", "{\\", "}"),
    *(
        "&",
        ";",
        "&lt",
        "&lt;",
        "&#",
        "&#60;",
        "1",
        ":",
        ",",
        ".",
        "-",
        "/",
        "\n",
        "слово",
        "й",
        "ё",
    ),
    *("WEBVTT", "NOTE", "STYLE", ONE, TWO, "00:01.000 --> 00:02.000\n"),
)
UNSEEN = ("\n\n", "\r", "\ufeff", "\u200b", "\0", "\t", "\x85", "\u2028", "\ud800", "и\u0306")

any_text = st.lists(
    st.sampled_from(PIECES + UNSEEN) | st.characters() | st.text(max_size=5), max_size=30
).map("".join)


def tidy(text: str) -> str:
    lines = (line.strip() for line in text.split("\n"))
    return unicodedata.normalize("NFC", "\n".join(line for line in lines if line))


plain_characters = st.characters(exclude_categories=["C", "Zl", "Zp", "M"])
sane_text = (
    st.lists(st.sampled_from(PIECES) | plain_characters, min_size=1, max_size=20)
    .map(lambda pieces: tidy("".join(pieces)))
    .filter(bool)
)


@st.composite
def sane_cues(draw: st.DrawFn) -> list[Cue]:
    cues = []
    now = 0
    for text in draw(st.lists(sane_text, min_size=1, max_size=6)):
        start = now + draw(st.integers(0, 400_000))
        now = start + draw(st.integers(1, 10_000_000))
        cues.append(Cue(start / 1000, now / 1000, text))
    return cues


@given(sane_cues())
def test_what_is_written_is_read_back(cues: list[Cue]) -> None:
    assert parse_subtitles(format_srt(cues)) == tuple(cues)
    assert parse_subtitles(format_vtt(cues, "ru")) == tuple(cues)


@given(st.floats(0, 1e7), st.floats(0.002, 1e7), any_text)
def test_any_cue_can_be_written(start: float, length: float, text: str) -> None:
    cues = [Cue(start, start + length, text), Cue(3e7, 3e7 + 1, "end")]
    for write in (format_srt, format_vtt):
        *read, end = parse_subtitles(write(cues))
        assert end == cues[1]
        for cue in read:
            assert cue.start == pytest.approx(start, abs=0.0006)
            assert cue.end == pytest.approx(start + length, abs=0.0006)
        # Written again it stays the same: nothing is lost little by little.
        assert write([*read, end]) == write(cues)


@given(any_text, st.sampled_from(["", "WEBVTT\n\n", ONE, f"WEBVTT\n\n{ONE}", f"{ONE}a\n\n"]))
def test_any_text_is_read_or_refused(text: str, head: str) -> None:
    try:
        cues = parse_subtitles(head + text)
    except DubfleetError as error:
        assert error.reason.value.startswith("subtitles_")
        return
    assert cues
    assert all(0 <= cue.start < cue.end and cue.text for cue in cues)
    assert all(a.start < b.start and a.end <= b.start for a, b in pairwise(cues))
    assert parse_subtitles(format_srt(cues)) == parse_subtitles(format_vtt(cues)) == cues


@given(st.binary(), st.sampled_from([b"", b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf", b"1\n"]))
def test_any_bytes_are_decoded_or_refused(data: bytes, head: bytes) -> None:
    try:
        text = decode_subtitles(head + data)
    except DubfleetError as error:
        assert error.reason is Reason.SUBTITLES_ENCODING
        return
    assert "\0" not in text


# --- Large inputs

LARGE = 300_000


@pytest.mark.parametrize(
    ("start", "unit"),
    [
        ("", "x"),
        ("", "-->"),
        ("", "\r"),
        ("", "1\n"),
        (ONE, "x\n"),
        (ONE, "<"),
        (ONE, "<i "),
        (ONE + "<i", " "),
        (ONE + "<font ", "a"),
        (ONE + "<c", "."),
        (ONE + "<", "1"),
        (ONE, "<00:00"),
        (ONE, "{\\"),
        (ONE + "{\\", "<i"),
        (ONE, "&"),
        (ONE + "&#", "9"),
        (ONE, "-->"),
        (ONE + "a", "\u0301\u0316"),
        (ONE, "\u200b"),
        (ONE[:12], " "),
        (ONE[:-1] + " ", "a:b "),
        (ONE[:-1] + " a", ":"),
        ("WEBVTT\n\nNOTE\n", "a --> b\n"),
    ],
)
def test_no_input_takes_quadratic_time(start: str, unit: str) -> None:
    # A quadratic step over so much text would take minutes, linear ones take a fraction of 1 s.
    text = start + unit * (LARGE // len(unit)) + " "
    began = time.perf_counter()
    try:
        cues = parse_subtitles(text)
        format_srt(cues)
        format_vtt(cues)
    except DubfleetError:
        pass
    assert time.perf_counter() - began < 15


def test_many_cues_take_linear_time() -> None:
    cues = [Cue(n, n + 0.9, "Слово") for n in range(50_000)]
    began = time.perf_counter()
    assert len(parse_subtitles(format_srt(cues))) == len(cues)
    assert time.perf_counter() - began < 30
