"""Subtitles as bytes and files: encodings, sizes, and what is no file."""

import os
from pathlib import Path

import pytest

from gpu_node.contracts.errors import Reason
from gpu_node.media.subtitles import MAX_BYTES, Cue, decode_subtitles, read_subtitles
from tests.gpu_node.media.subtitles.cues import ONE, refusal


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
