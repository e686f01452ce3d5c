"""Which recordings will do as a reference, and what is said of the others."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from chatterbox_service.problems import Code, Problem
from chatterbox_service.references.checking import (
    MOST_BYTES,
    Limits,
    Reference,
    best_stretch,
    check,
    fault_of,
    seconds_in,
)
from chatterbox_service.references.decoding import Recording
from tests.chatterbox_service.references import making

LIMITS = Limits()


def refused(path: Path, limits: Limits = LIMITS) -> str:
    with pytest.raises(Problem) as raised:
        check(path, limits)
    assert raised.value.code is Code.REFERENCE_INVALID
    sentence = raised.value.sentence
    assert sentence.endswith(".")
    assert str(path) not in sentence
    # Nothing of what lies beneath is told either.
    assert raised.value.__suppress_context__ or raised.value.__context__ is None
    return sentence


def heard(reference: Reference) -> tuple[np.ndarray[tuple[int], np.dtype[np.float32]], int]:
    samples, rate = soundfile.read(io.BytesIO(reference.wav), dtype="float32")
    return samples, rate


# What will do.


@pytest.mark.parametrize(
    ("form", "subtype", "rate"),
    [
        ("WAV", "PCM_16", 8_000),
        ("WAV", "PCM_16", 24_000),
        ("WAV", "PCM_24", 44_100),
        ("WAV", "FLOAT", 48_000),
        ("WAVEX", "PCM_16", 96_000),
        ("RF64", "PCM_16", 22_050),
        ("WAV", "ULAW", 8_000),
        ("FLAC", "PCM_16", 192_000),
        ("OGG", "VORBIS", 44_100),
        ("OGG", "OPUS", 48_000),
        ("MP3", None, 44_100),
    ],
)
def test_formats_and_rates(tmp_path: Path, form: str, subtype: str | None, rate: int) -> None:
    path = making.save(
        tmp_path / "voice", making.spoken(4.0, rate), rate, form=form, subtype=subtype
    )
    reference = check(path, LIMITS)
    assert reference.sample_rate == rate
    assert reference.duration == pytest.approx(4.0, abs=0.15)
    assert 2.0 < reference.speech_seconds <= reference.duration
    samples, its_rate = heard(reference)
    assert its_rate == 24_000
    assert len(samples) / its_rate == pytest.approx(reference.duration, abs=0.01)
    info = soundfile.info(io.BytesIO(reference.wav))
    assert (info.format, info.subtype, info.channels) == ("WAV", "PCM_16", 1)
    # Resampling has not changed how loud it is.
    wanted = making.spoken(4.0)
    assert np.sqrt(np.mean(samples**2)) == pytest.approx(np.sqrt(np.mean(wanted**2)), rel=0.1)


def test_the_sound_is_the_recordings(tmp_path: Path) -> None:
    said = making.spoken(4.0)
    reference = check(making.save(tmp_path / "voice.wav", said), LIMITS)
    samples, _ = heard(reference)
    assert np.abs(samples - said).max() < 1e-4
    assert reference.key == hashlib.sha256(reference.wav).hexdigest()


def test_the_same_sound_has_the_same_key_in_every_lossless_format(tmp_path: Path) -> None:
    said = np.round(making.spoken(3.0) * 20_000).astype(np.int16)
    wav = check(making.save(tmp_path / "voice.wav", said), LIMITS)
    flac = check(making.save(tmp_path / "voice.flac", said, form="FLAC"), LIMITS)
    two = np.stack([said, said], axis=1)
    stereo = check(making.save(tmp_path / "stereo.wav", two), LIMITS)
    other = check(making.save(tmp_path / "other.wav", said // 2), LIMITS)
    assert wav.key == flac.key == stereo.key != other.key


@pytest.mark.parametrize(("channels", "rate"), [(2, 48_000), (8, 192_000), (32, 48_000)])
def test_channels_are_mixed(tmp_path: Path, channels: int, rate: int) -> None:
    said = making.spoken(2.0, rate)
    path = making.save(tmp_path / "voice.wav", making.many_channels(said, channels), rate)
    reference = check(path, LIMITS)
    mono = check(making.save(tmp_path / "mono.wav", said, rate), LIMITS)
    assert np.abs(heard(reference)[0] - heard(mono)[0]).max() < 1e-3


def test_the_name_decides_nothing(tmp_path: Path) -> None:
    path = making.save(tmp_path / "voice", making.spoken(3.0), form="FLAC")
    assert check(path.rename(tmp_path / "voice.mp3"), LIMITS).duration == pytest.approx(3.0)


def test_of_a_long_recording_thirty_seconds_are_kept(tmp_path: Path) -> None:
    path = making.save(tmp_path / "voice.wav", making.spoken(119.9))
    reference = check(path, LIMITS)
    assert reference.duration == pytest.approx(119.9)
    assert len(reference.wav) == MOST_BYTES
    assert seconds_in(len(reference.wav)) == 30.0


def test_what_is_kept_begins_where_there_is_speech(tmp_path: Path) -> None:
    late = np.concatenate([making.silence(40.0), making.spoken(20.0)])
    samples, rate = heard(check(making.save(tmp_path / "voice.wav", late), LIMITS))
    assert len(samples) == pytest.approx(20.0 * rate, abs=2.0 * rate)
    assert np.abs(samples[: 2 * rate]).max() > 0.1


def test_an_even_recording_is_kept_from_its_beginning() -> None:
    said = making.spoken(28.0)
    assert np.array_equal(best_stretch(said, 1.5), said)


def test_never_less_is_kept_than_the_engine_needs() -> None:
    late = np.concatenate([making.silence(6.0), making.spoken(3.0)])
    assert len(best_stretch(late, least_seconds=8.0)) >= 8.0 * making.RATE


def test_floats_beyond_full_scale_are_brought_within(tmp_path: Path) -> None:
    """A recording that goes beyond now and then is not clipped: floats can hold that."""
    said = making.spoken(3.0)
    said = said / np.abs(said).max() * np.float32(1.2)
    path = making.save(tmp_path / "voice.wav", said, subtype="FLOAT")
    samples, _ = heard(check(path, Limits(most_clipping=0.5)))
    assert np.abs(samples - said / 1.2).max() < 1e-3


# What will not: its length.


def test_a_tenth_of_a_second(tmp_path: Path) -> None:
    path = making.save(tmp_path / "voice.wav", making.spoken(0.1))
    assert refused(path) == (
        "The reference lasts 0.1 s: send between 1.5 and 120 s of clean speech."
    )


def test_a_little_too_short_does_not_look_long_enough(tmp_path: Path) -> None:
    path = making.save(tmp_path / "voice.wav", making.spoken(1.4999))
    assert "lasts 1.49 s" in refused(path)


def test_what_one_engine_takes_is_too_short_for_another(tmp_path: Path) -> None:
    path = making.save(tmp_path / "voice.wav", making.spoken(4.0))
    assert check(path, LIMITS).duration == pytest.approx(4.0)
    assert "lasts 4 s: send between 5.1 and" in refused(path, Limits(least_seconds=5.1))


def test_a_little_too_long(tmp_path: Path) -> None:
    path = making.save(tmp_path / "voice.flac", making.spoken(120.1, 8_000), 8_000, form="FLAC")
    assert "lasts more than 120 s" in refused(path)


def test_two_hours_in_a_hundred_kilobytes_are_not_decoded(tmp_path: Path) -> None:
    path = making.long_flac(tmp_path / "voice.flac", 7_200.0)
    assert path.stat().st_size < 300_000
    assert "lasts more than 120 s" in refused(path)


def test_memory_stays_bounded_by_the_limit_not_by_the_file(tmp_path: Path) -> None:
    """Ten minutes of eight channels are 150 MB as floats; two hours would be no different."""
    path = tmp_path / "voice.flac"
    minute = np.zeros((8_000 * 60, 8), np.int16)
    with soundfile.SoundFile(path, "w", samplerate=8_000, channels=8, format="FLAC") as file:
        for _ in range(10):
            file.write(minute)
    program = (
        "import sys; from pathlib import Path\n"
        "from chatterbox_service.problems import Problem\n"
        "from chatterbox_service.references.checking import Limits, check\n"
        "import resource; before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try: check(Path(sys.argv[1]), Limits())\n"
        "except Problem as problem: print(problem.sentence)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
        cwd=root,
    )
    sentence, grown = done.stdout.splitlines()
    assert "lasts more than 120 s" in sentence
    assert int(grown) * 1024 < 150_000_000


# Its header.


def test_a_header_that_claims_four_gigabytes(tmp_path: Path) -> None:
    """Programs that write into a pipe leave such a header: what is there counts."""
    path = making.with_wav_sizes(
        making.save(tmp_path / "voice.wav", making.spoken(3.0)), 0xFFFFFFFF
    )
    assert check(path, LIMITS).duration == pytest.approx(3.0)


def test_a_header_that_claims_enough_of_what_is_too_short(tmp_path: Path) -> None:
    path = making.with_wav_sizes(
        making.save(tmp_path / "voice.wav", making.spoken(0.5)), 24_000 * 2 * 60
    )
    assert "lasts 0.5 s" in refused(path)


def test_a_header_that_claims_too_little_of_what_is_too_long(tmp_path: Path) -> None:
    """What is never decoded never reaches an engine either."""
    path = making.with_flac_frames(making.long_flac(tmp_path / "v.flac", 240.0), 8_000)
    assert "lasts 1 s" in refused(path)


@pytest.mark.parametrize("frames", [0, 2**36 - 1])
def test_a_flac_header_of_no_or_endless_length(tmp_path: Path, frames: int) -> None:
    """The first is what a pipe leaves."""
    path = making.save(tmp_path / "voice.flac", making.spoken(3.0), form="FLAC")
    assert check(making.with_flac_frames(path, frames), LIMITS).duration == pytest.approx(3.0)
    path = making.with_flac_frames(making.long_flac(tmp_path / "long.flac", 180.0), frames)
    assert "lasts more than 120 s" in refused(path)


@pytest.mark.parametrize("rate", [1, 7_999, 192_001, 2_000_000_000])
def test_rates_that_nobody_records_at(tmp_path: Path, rate: int) -> None:
    path = making.save(tmp_path / "voice.wav", making.spoken(3.0))
    content = bytearray(path.read_bytes())
    content[24:28] = rate.to_bytes(4, "little")
    path.write_bytes(content)
    assert "samples per second" in refused(path) or "no recording" in refused(path)


@pytest.mark.parametrize(("channels", "rate"), [(33, 48_000), (1024, 24_000), (9, 192_000)])
def test_too_many_channels(tmp_path: Path, channels: int, rate: int) -> None:
    path = making.save(tmp_path / "v.wav", np.zeros((200, channels), np.float32), rate)
    assert f"{channels} channels" in refused(path)


# Its content.


def test_nothing_at_all(tmp_path: Path) -> None:
    path = tmp_path / "voice.wav"
    path.touch()
    assert refused(path) == "The reference is empty: send a recording of clean speech."


def test_a_header_and_nothing_else(tmp_path: Path) -> None:
    assert "is empty" in refused(making.save(tmp_path / "voice.wav", making.silence(0.0)))


def test_text_that_is_called_a_wav(tmp_path: Path) -> None:
    path = tmp_path / "voice.wav"
    path.write_text("This is no sound. " * 1000, encoding="utf-8")
    assert "send WAV, FLAC, OGG or MP3" in refused(path)


@pytest.mark.parametrize(
    "head", [b"RIFF\0\0\0\0WAVE", b"fLaC", b"OggS", b"ID3\x04", b"\xff\xfb\x90\x00", b"\xff", b"R"]
)
def test_noise_behind_a_promising_beginning(tmp_path: Path, head: bytes) -> None:
    path = tmp_path / "voice.wav"
    path.write_bytes(head + np.random.default_rng(7).bytes(20_000))
    refused(path)
    path.write_bytes(head)
    refused(path)


@pytest.mark.parametrize("form", ["AIFF", "AU", "CAF", "W64", "VOC", "NIST", "MAT5"])
def test_other_formats(tmp_path: Path, form: str) -> None:
    path = making.save(tmp_path / "voice.wav", making.spoken(3.0), form=form, subtype="PCM_16")
    assert "send WAV, FLAC, OGG or MP3" in refused(path)
    # Nor behind a tag that MP3 files begin with.
    path.write_bytes(b"ID3\x04\0\0\0\0\0\0" + path.read_bytes())
    refused(path)


def test_a_wav_that_is_cut_counts_for_what_is_left(tmp_path: Path) -> None:
    path = making.first_half(making.save(tmp_path / "voice.wav", making.spoken(8.0)))
    assert check(path, LIMITS).duration == pytest.approx(4.0, abs=0.01)
    path = making.first_half(making.save(tmp_path / "voice.wav", making.spoken(2.0)))
    assert "lasts 0.99 s" in refused(path)


def test_a_flac_that_is_cut(tmp_path: Path) -> None:
    path = making.save(tmp_path / "voice.flac", making.spoken(8.0), form="FLAC")
    assert "damaged or incomplete" in refused(making.first_half(path))


@pytest.mark.parametrize(("form", "subtype"), [("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", None)])
def test_a_stream_that_is_cut_counts_for_what_is_left(
    tmp_path: Path, form: str, subtype: str | None
) -> None:
    path = making.save(tmp_path / "v", making.spoken(8.0), form=form, subtype=subtype)
    assert 1.5 < check(making.first_half(path), LIMITS).duration < 6.5


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30])
def test_samples_that_are_no_numbers(tmp_path: Path, value: float) -> None:
    said = making.spoken(3.0).copy()
    said[40_000] = value
    path = making.save(tmp_path / "voice.wav", said, subtype="FLOAT")
    assert "not numbers" in refused(path)


def test_silence(tmp_path: Path) -> None:
    path = making.save(tmp_path / "voice.wav", making.silence(5.0))
    assert "holds 0 s of speech in 5 s" in refused(path)


def test_hardly_any_speech(tmp_path: Path) -> None:
    little = np.concatenate([making.silence(20.0), making.spoken(2.0), making.silence(20.0)])
    assert "20 % are needed" in refused(making.save(tmp_path / "voice.wav", little))
    less = np.concatenate([making.silence(1.0), making.spoken(0.3), making.silence(0.5)])
    assert "at least 1 s and" in refused(making.save(tmp_path / "voice.wav", less))


def test_clipped(tmp_path: Path) -> None:
    said = np.clip(making.spoken(5.0) * 12, -1, 1)
    assert "clipped, and 1 % is the most" in refused(making.save(tmp_path / "voice.wav", said))


def test_clipping_is_measured_before_it_can_hide(tmp_path: Path) -> None:
    """Mixed with a quiet channel, or resampled, flat tops are no longer at full scale."""
    said = making.spoken(5.0, 44_100)
    two = np.stack([np.clip(said * 12, -1, 1), 0.1 * said], axis=1)
    assert "clipped" in refused(making.save(tmp_path / "voice.wav", two, 44_100))


def test_nothing_is_left_open(tmp_path: Path) -> None:
    good = making.save(tmp_path / "good.wav", making.spoken(3.0))
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"RIFF\0\0\0\0WAVEjunk")
    before = making.held(Path("/proc/self/fd"))
    check(good, LIMITS)
    refused(bad)
    assert len(making.held(Path("/proc/self/fd"))) == len(before)
    assert making.held(tmp_path) == {"good.wav", "bad.wav"}


# The decision itself.


@given(
    seconds=st.floats(0.0, 500.0),
    goes_on=st.booleans(),
    clipping=st.floats(0.0, 1.0),
    share=st.floats(0.0, 1.0),
)
def test_it_is_refused_exactly_when_a_limit_is_passed(
    seconds: float, goes_on: bool, clipping: float, share: float
) -> None:
    recording = Recording(np.zeros(0, np.float32), seconds, goes_on, 24_000, clipping)
    spoken = share * seconds
    will_do = (
        not goes_on
        and seconds >= LIMITS.least_seconds
        and clipping <= LIMITS.most_clipping
        and spoken >= LIMITS.least_speech_seconds
        and spoken >= LIMITS.least_speech_share * seconds
    )
    fault = fault_of(recording, spoken, LIMITS)
    assert (fault is None) == will_do
    assert fault is None or (fault.endswith(".") and any(sign.isdigit() for sign in fault))
