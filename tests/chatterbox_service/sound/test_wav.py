"""Bytes that any player reads as what they were."""

from __future__ import annotations

import io
import wave

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from chatterbox_service.ports import Samples
from chatterbox_service.sound.wav import decode, encode
from tests.chatterbox_service.sound.making import tone

sounds = arrays.arrays(np.float32, st.integers(0, 500), elements=st.floats(-1, 1, width=32))
wild = arrays.arrays(np.float32, st.integers(0, 50), elements=st.floats(width=32))
rates = st.sampled_from([8000, 16000, 22050, 24000, 44100, 48000])


@given(sounds, rates)
def test_what_is_encoded_can_be_decoded(samples: Samples, rate: int) -> None:
    data = encode(samples, rate)
    found, told = decode(data)
    assert told == rate and found.dtype == np.float32
    assert len(found) == len(samples)
    assert np.abs(found - samples).max(initial=0) <= 0.5 / 32767 + 1e-7
    assert encode(found, rate) == data


@given(sounds, rates)
def test_others_read_the_same(samples: Samples, rate: int) -> None:
    data = encode(samples, rate)
    assert len(data) == 44 + 2 * len(samples)
    with wave.open(io.BytesIO(data)) as file:
        assert file.getparams()[:4] == (1, 2, rate, len(samples))
        frames = np.frombuffer(file.readframes(len(samples)), dtype="<i2")
    read, found = soundfile.read(io.BytesIO(data), dtype="int16")
    assert found == rate and np.array_equal(read, frames)
    assert np.array_equal(frames, np.rint(samples * 32767).astype(np.int16))


@given(wild)
def test_what_is_beyond_full_scale_is_cut_off(samples: Samples) -> None:
    found, _ = decode(encode(samples, 24000))
    sane = np.where(np.isnan(samples), 0, np.clip(samples, -1, 1))
    assert np.abs(found - sane).max(initial=0) <= 0.5 / 32767 + 1e-7


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"RIFF",
        encode(tone(440, 0.1), 24000)[:-1],
        encode(tone(440, 0.1), 24000) + b"x",
        b"FORM" + encode(tone(440, 0.1), 24000)[4:],
    ],
)
def test_other_files_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="WAV"):
        decode(data)


def test_stereo_is_refused() -> None:
    file = io.BytesIO()
    soundfile.write(file, np.zeros((100, 2)), 24000, format="WAV", subtype="PCM_16")
    with pytest.raises(ValueError, match="one channel"):
        decode(file.getvalue())
