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

from chatterbox_service.references.checking import (
    MOST_BYTES,
    Limits,
    Reference,
    best_stretch,
    check,
    fault_of,
    seconds_in,
)
from chatterbox_service.references.decoding import Recording, decode
from tests.chatterbox_service.references import making
from tests.chatterbox_service.references.making import refused

LIMITS = Limits()


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


def test_of_stretches_that_are_alike_the_first_is_kept() -> None:
    nothing = making.silence(25.0)
    nothing[0] = 1.0
    assert np.array_equal(best_stretch(nothing, 1.5), nothing)


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


def test_two_hours_in_two_hundred_kilobytes_are_not_decoded(tmp_path: Path) -> None:
    path = making.long_flac(tmp_path / "voice.flac", 7_200.0)
    assert path.stat().st_size < 300_000
    assert "lasts more than 120 s" in refused(path)
    recording = decode(path, 120.0)
    assert recording.goes_on
    assert 120.0 < recording.seconds <= 121.0
    assert len(recording.samples) == pytest.approx(recording.seconds * 24_000, abs=100)


def test_memory_stays_bounded_by_the_limit_not_by_the_file(tmp_path: Path) -> None:
    """Five minutes of eight channels are 77 MB as floats; two hours would be no different."""
    path = tmp_path / "voice.flac"
    minute = np.zeros((8_000 * 60, 8), np.int16)
    with soundfile.SoundFile(path, "w", samplerate=8_000, channels=8, format="FLAC") as file:
        for _ in range(5):
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
    assert int(grown) * 1024 < 70_000_000


# What will not: what is in it.


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


# The decision itself.


@pytest.mark.parametrize("seconds", [1.5, 120.0])
def test_the_limits_themselves_will_do(seconds: float) -> None:
    recording = Recording(making.silence(0.0), seconds, False, 24_000, LIMITS.most_clipping)
    assert fault_of(recording, max(1.0, LIMITS.least_speech_share * seconds), LIMITS) is None


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
