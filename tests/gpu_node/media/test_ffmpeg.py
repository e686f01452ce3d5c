"""FFmpeg is run in one way: it reports, it ends, and it opens nothing but the file it was given."""

from __future__ import annotations

import threading
from itertools import pairwise
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_node.contracts.errors import DubfleetError, Reason
from gpu_node.media import ffmpeg
from tests.gpu_node.making import ffmpeg as make
from tests.gpu_node.making import hum, picture, save, tone

AMPLE = 60.0
ENDLESS = ["ffmpeg", "-re", "-f", "lavfi", "-i", "sine=440", "-f", "null", "-"]


def refusal(argv: list[str], timeout: float = AMPLE) -> DubfleetError:
    with pytest.raises(DubfleetError) as caught:
        ffmpeg.run_ffmpeg(argv, timeout=timeout)
    return caught.value


def children() -> set[str]:
    """Programs that we have started and that still run."""
    alive = [p for p in psutil.Process().children() if p.status() != psutil.STATUS_ZOMBIE]
    return {p.name() for p in alive}


def test_a_graph_is_run(tmp_path: Path) -> None:
    source = save(tmp_path / "in.wav", tone(440, 1.0))
    graph = ffmpeg.open_input(source).audio.filter("volume", 0.5)
    ffmpeg.run_graph(graph.output(ffmpeg.file_url(tmp_path / "out.wav")), timeout=AMPLE)
    assert (tmp_path / "out.wav").stat().st_size == pytest.approx(source.stat().st_size, abs=100)


def test_one_graph_may_have_several_outputs(tmp_path: Path) -> None:
    split = ffmpeg.open_input(save(tmp_path / "in.wav", tone(440, 0.2))).filter_multi_output(
        "asplit", 2
    )
    outputs = [split[n].output(ffmpeg.file_url(tmp_path / f"{n}.wav")) for n in range(2)]
    ffmpeg.run_graph(*outputs, timeout=AMPLE)
    assert (tmp_path / "0.wav").read_bytes() == (tmp_path / "1.wav").read_bytes()


def test_progress_only_grows_and_reaches_the_end(tmp_path: Path) -> None:
    seen: list[float] = []
    # Slowed down to four times the speed of sound, so that there is something to report.
    argv = ["ffmpeg", "-readrate", "4", *hum(3.0), str(tmp_path / "out.wav")]
    ffmpeg.run_ffmpeg(argv, timeout=AMPLE, on_progress=seen.append)
    assert len(seen) >= 2
    assert all(one <= two for one, two in pairwise(seen))
    assert seen[0] >= 0.0
    assert seen[-1] == pytest.approx(3.0, abs=0.05)


@given(st.lists(st.binary(max_size=40), max_size=8))
def test_whatever_is_said_progress_never_fails(chunks: list[bytes]) -> None:
    seen: list[float] = []
    reader = ffmpeg._ProgressReader(seen.append)
    for chunk in [*chunks, b"\nout_time_us=N/A\nout_time_us=-21\nout_time_", b"us=2500000\n"]:
        reader.feed(chunk)
    assert seen[-2:] == [0.0, 2.5]


def test_too_long_is_killed() -> None:
    error = refusal(ENDLESS, timeout=0.5)
    assert error.reason is Reason.PROGRAM_TIMEOUT
    assert error.sentence == "ffmpeg took too long and was stopped."
    assert "ffmpeg" not in children()


def test_stop_is_obeyed() -> None:
    stop = threading.Event()
    # From within: the first report means that FFmpeg is well under way.
    with pytest.raises(DubfleetError) as caught:
        ffmpeg.run_ffmpeg(ENDLESS, timeout=AMPLE, stop=stop, on_progress=lambda _: stop.set())
    assert caught.value.reason is Reason.CANCELLED
    assert "ffmpeg" not in children()


def test_a_failure_is_a_sentence_with_the_last_words(tmp_path: Path) -> None:
    missing = tmp_path / "nothing.wav"
    error = refusal(["ffmpeg", "-i", str(missing), "-f", "null", "-"])
    assert error.reason is Reason.PROGRAM_FAILED
    assert error.sentence == f"FFmpeg failed: {missing}: No such file or directory."
    assert str(missing) in error.detail


def test_a_full_disk_is_called_that() -> None:
    error = refusal(["ffmpeg", *hum(30.0), "-f", "s16le", "/dev/full"])
    assert error.reason is Reason.DISK_FULL


def test_no_ffmpeg_is_explained() -> None:
    error = refusal(["/nowhere/ffmpeg"])
    assert error.reason is Reason.PROGRAM_MISSING
    assert "Install the package ffmpeg" in error.sentence


def test_output_can_be_taken_instead_of_progress() -> None:
    taken = bytearray()
    argv = ["ffmpeg", *hum(1.0), "-f", "s16le", "-ac", "1", "pipe:1"]
    ffmpeg.run_ffmpeg(argv, timeout=AMPLE, on_stdout=taken.extend)
    assert len(taken) == 2 * 48_000


@pytest.mark.parametrize(
    ("stderr", "words"),
    [
        ("", "it said nothing."),
        ("\n \n", "it said nothing."),
        ("first\nlast.\n\n", "last."),
        ("Ошибка", "Ошибка."),
    ],
)
def test_last_words(stderr: str, words: str) -> None:
    assert ffmpeg.last_words(stderr) == words


@pytest.mark.parametrize("name", ["-y.wav", "a:b.wav", "100%d.wav", "urok №1 'x'.wav", "a|b;c.wav"])
def test_any_name_is_only_a_name(tmp_path: Path, name: str) -> None:
    source = save(tmp_path / name, tone(440, 0.1))
    target = tmp_path / ("out " + name)
    ffmpeg.run_graph(
        ffmpeg.open_input(source).output(ffmpeg.file_url(target), acodec="copy"), timeout=AMPLE
    )
    assert target.is_file()


@pytest.mark.parametrize(
    "listing",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nsecret.ts\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile secret.ts\n",
    ],
)
def test_a_playlist_opens_nothing_else(tmp_path: Path, listing: str) -> None:
    make(*picture(), *hum(), "-f", "mpegts", tmp_path / "secret.ts")
    listed = tmp_path / "lesson.mp4"
    listed.write_text(listing, encoding="ascii")
    graph = ffmpeg.open_input(listed).output(ffmpeg.file_url(tmp_path / "out.mp4"))
    assert refusal(ffmpeg.compile_graph(graph)).reason is Reason.PROGRAM_FAILED
    assert not (tmp_path / "out.mp4").exists()
