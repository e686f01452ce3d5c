"""Any text, bytes and cues at all, and very many of them."""

import time
import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_node.contracts.errors import DubfleetError, Reason
from gpu_node.media.subtitles import (
    Cue,
    decode_subtitles,
    format_srt,
    format_vtt,
    parse_subtitles,
)
from tests.gpu_node.media.subtitles.cues import ONE, TWO

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
