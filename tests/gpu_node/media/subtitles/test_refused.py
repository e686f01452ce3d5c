"""What is refused as subtitles, and in which words."""

import pytest

from gpu_node.contracts.errors import Reason
from gpu_node.media.subtitles import parse_subtitles
from tests.gpu_node.media.subtitles.cues import ONE, TWO, refusal


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
