"""What a media file is, as far as a dub needs to know."""

from __future__ import annotations

from pydantic import Field

from gpu_node.contracts.base import Contract, Digest, Seconds
from gpu_node.contracts.blobs import Blob


class VideoStream(Contract):
    """The picture. `start` is on the source clock; cover art is not a picture."""

    index: int
    codec: str
    width: int
    height: int
    start: Seconds
    duration: Seconds
    rotation: int = 0
    frames_per_second: float | None = None


class AudioTrack(Contract):
    """One sound track. `number` counts audio tracks from 1, as people do."""

    index: int
    number: int = Field(ge=1)
    codec: str
    channels: int
    sample_rate: int
    start: Seconds
    duration: Seconds
    language: str | None = None
    title: str | None = None
    default: bool = False


class MediaInfo(Contract):
    """A lesson's file. `duration` runs from the earliest stream's start to the last one's end."""

    container: str
    duration: Seconds
    video: VideoStream | None
    audio: tuple[AudioTrack, ...]
    cover_indexes: tuple[int, ...] = ()


class PictureFingerprint(Contract):
    """What has to be the same before and after: every packet, and when it is shown.

    `packets` hashes what is in the packets, in decoding order, whatever way the container frames
    it; `timestamps` hashes when each is shown, in microseconds after the first. (When each is to
    be decoded is not compared: Matroska does not store it, so every reader makes it up.)
    """

    packets: Digest
    timestamps: Digest
    count: int


class Loudness(Contract):
    """ITU-R BS.1770 measures: LUFS, dBTP and LU. None: nothing rose above the measure's gate."""

    integrated: float | None
    true_peak: float | None
    range: float | None = None


class MasteredAudio(Contract):
    """The dub's sound, finished: AAC in an M4A file, and what was measured in it."""

    audio: Blob
    loudness: Loudness
    gain_db: float
    ceiling_dbtp: float


class Peaks(Contract):
    """A waveform for drawing: lowest and highest sample of each bucket, as signed 8-bit numbers.

    The field names are those of the audiowaveform JSON format, version 2, which players read.
    """

    version: int = 2
    channels: int = 1
    sample_rate: int
    samples_per_pixel: int
    bits: int = 8
    length: int
    data: tuple[int, ...]


class ExtractedAudio(Contract):
    """A lesson's sound as the stages want it, both files on the source clock from 0.

    `full`: 48 kHz stereo WAV; `speech`: 16 kHz mono WAV. `duration` is the lesson's, in seconds;
    the files may be a little shorter.
    """

    full: Blob
    speech: Blob
    duration: Seconds
    track: int = Field(ge=1)
